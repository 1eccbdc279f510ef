"""Pages of a study whose variants differ in tokenizer and tokens, and that is judged on named sets."""

from dataclasses import replace
from pathlib import Path

import pytest

from tests.analysis.recipe_studies import TOKENIZERS, RecipeStudy
from tests.dashboard.hostile_studies import poison
from tests.dashboard.test_literal_text import HOST, acting
from tests.dashboard.test_pages import texts
from tests.inspection import recipe_runs
from workbench.analysis.effects import study_report
from workbench.dashboard.config_differences import compare, configuration
from workbench.dashboard.curve_lines import available_metrics
from workbench.dashboard.study_library import Library
from workbench.dashboard.tables import full_table, run_table, verdict_table

SMALL = "tokenizer=bpe-512"
NATS = "variants' tokenizers differ"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("results")
    RecipeStudy(folder / "recipes").complete()
    return folder


@pytest.fixture(scope="module")
def records(folder):
    return Library().study(folder / "recipes")


def curve(app):
    return app.get("echarts_chart")[0].proto.spec


def test_the_row_of_a_verdict_has_bytes_read_and_all_parameters(records):
    report = study_report(records)
    for table in (verdict_table(report), full_table(report)):
        row = table.set_index("change").loc["tokenizer: bytes → bpe-512"]
        assert (row["verdict"], row["bytes read"], row["training tokens"]) == ("better", "430 kB", "215,040")
        assert (row["all parameters"], row["budget mismatch"]) == ("26,384", "+0.63 %")


def test_the_row_of_a_verdict_has_unique_tokens_and_epochs_where_they_are_known(tmp_path, records):
    assert "epochs" not in verdict_table(study_report(records))
    unique = dict.fromkeys(TOKENIZERS, 107_520)
    report = study_report(RecipeStudy(tmp_path, unique_tokens=unique).complete().load())
    row = full_table(report).set_index("change").loc["tokenizer: bytes → bpe-512"]
    assert (row["training tokens"], row["unique tokens"], row["epochs"]) == ("215,040", "107,520", "2.00")


def test_the_row_of_a_verdict_says_what_is_equal_where_rows_differ_in_it(tmp_path, records):
    assert "at equal" not in verdict_table(study_report(records))
    recipes = TOKENIZERS | {SMALL: replace(TOKENIZERS[SMALL], unit="bytes")}
    report = study_report(RecipeStudy(tmp_path, recipes).complete().load())
    table = verdict_table(report).set_index("change")
    assert table["at equal"].tolist() == ["—", "bytes of text", "FLOPs"]
    assert [name.partition(" [")[0] for name in table.columns[:3]] == ["verdict", "difference", "at equal"]


def test_runs_have_a_column_for_each_set(records):
    table = run_table(records.runs)
    assert table["prose/bits_per_byte"].notna().all()
    assert list(table).index("prose/bits_per_byte") < list(table).index("train/loss")


def test_the_studys_metric_is_offered_first(records):
    library = Library()
    metrics = available_metrics(
        records.runs, lambda path: library.metrics(Path(path)), records.manifest.metric
    )
    assert metrics[0] == "validation/bits_per_byte"
    assert set(metrics) == {
        "validation/bits_per_byte",
        "prose/bits_per_byte",
        "validation/loss",
        "train/loss",
    }


def test_a_comparison_of_runs_shows_what_they_are_trained_on(records):
    chosen = records.runs[(records.runs["phase"] == "confirm") & (records.runs["seed"] == 201)]
    rows = {row["variant"]: row for row in chosen.to_dict("records")}
    keys = compare({name: configuration(rows[name]) for name in ("baseline", SMALL)})["key"].tolist()
    assert {"data.tokenizer", "data.tokenizer.bpe", "data.tokenizer.sha256", "training.tokens"} <= set(keys)
    assert "model.vocabulary" in keys
    assert not any("evaluation" in key for key in keys)  # all are judged on the same texts
    names = compare({SMALL: configuration(rows[SMALL])}, only_different=False)["key"].tolist()
    assert "data.evaluation.1.fingerprint" in names


def test_curves_begin_with_bits_per_byte_along_what_is_held_equal(opened, folder):
    app = opened(folder, "curves")
    assert not app.exception
    assert app.selectbox(key="metric").value == "validation/bits_per_byte"
    assert app.segmented_control(key="x").value == "flops"
    assert NATS not in texts(app)


def test_curves_of_nats_per_token_say_that_they_do_not_compare(opened, folder):
    app = opened(folder, "curves", metric="Validation loss", x="tokens")
    assert app.selectbox(key="metric").value == "validation/loss"
    assert NATS in texts(app)
    assert "own tokenizer" in curve(app)


def test_another_set_can_be_drawn_along_the_text_that_was_read(opened, folder):
    app = opened(folder, "curves", metric="Bits per byte on prose", x="bytes")
    assert app.selectbox(key="metric").value == "prose/bits_per_byte"
    assert "Training text read (kB)" in curve(app)


def test_an_axis_that_a_study_does_not_have_is_reported(opened, results):
    app = opened(results, "curves", x="bytes")
    assert not app.exception
    assert app.segmented_control(key="x").value == "tokens"
    assert "asks for the axis" in texts(app)


@pytest.mark.parametrize("page", ["overview", "effects", "runs"])
def test_the_other_pages(opened, folder, page):
    app = opened(folder, page, **({"part": "Other sets"} if page == "effects" else {}))
    assert not app.exception
    said = {
        "overview": "Tokenizer BPE 512 instead of bytes: better",
        "effects": "Other evaluation sets, in bits/byte",
        "runs": NATS,
    }
    assert said[page] in texts(app)


def test_another_baseline_than_the_declared_one(opened, folder):
    app = opened(folder, "effects", baseline=SMALL, part="Other sets")
    assert not app.exception
    (table,) = [one.value for one in app.dataframe if "set" in one.value]
    assert table.loc[table["change"] == SMALL, "pairs"].tolist() == ["—"]
    assert len(table) == len(TOKENIZERS)


def test_pages_inside_and_columns_of_behaviour(opened, tmp_path, monkeypatch):
    """Runs of two tokenizers are looked into side by side, and nothing is subtracted across them."""
    monkeypatch.setenv("WORKBENCH_CACHE", str(tmp_path / "cache"))
    study = recipe_runs.write_study(tmp_path / "results")
    runs = {row.variant: row.run_id for row in Library().study(study).runs.itertuples()}
    chosen = {"inspect": runs[recipe_runs.LEARNED], "against": runs["baseline"]}
    for page in ("attention", "position", "activations"):
        app = opened(study.parent, page, **chosen)
        assert not app.exception
    effects = opened(study.parent, "effects", behaviour="largest induction")
    assert not effects.exception
    assert "No difference of behaviour for tokenizer: bytes → bpe-280" in texts(effects)


@pytest.mark.parametrize(
    ("page", "asked"),
    [
        ("overview", {}),
        ("effects", {}),
        ("effects", {"part": "Other sets"}),
        ("effects", {"part": "Table"}),
        ("runs", {}),
        ("curves", {}),
    ],
)
def test_the_name_of_a_set_does_nothing_on_a_page(opened, tmp_path, page, asked):
    name = poison(HOST)
    recipes = {
        variant: replace(one, bits={"in_domain": 2.5, name: 3.5})
        for variant, one in list(TOKENIZERS.items())[:2]
    }
    RecipeStudy(tmp_path / "hostile", recipes, sets=("in_domain", name)).complete()
    app = opened(tmp_path, page, **asked)
    assert not app.exception
    assert not acting(app)
