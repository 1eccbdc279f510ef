"""Ways into the inspection pages, and what they say where there is little or nothing to look into."""

import shutil
from urllib.parse import parse_qs

import pytest

from tests.dashboard import dashboard_studies, inspection_studies
from tests.dashboard.dashboard_studies import write_study
from tests.dashboard.inspection_pages import texts, to_view
from tests.dashboard.inspection_studies import CHANGED, runs_of
from tests.dashboard.unfolded import unfolded
from tests.tiny_models import save_llama
from workbench.dashboard.literal_text import literal
from workbench.files import write_yaml
from workbench.inspection.behaviour_columns import columns, names, read_behaviours
from workbench.inspection.explanation import explain, views_of
from workbench.inspection.listed_views import listed
from workbench.inspection.views import find_view, views
from workbench.records.index import load_study
from workbench.records.probes import read_probes, write_probes
from workbench.trained import imports

PAGES = ("attention", "position", "activations")


@pytest.fixture
def imported(tmp_path, monkeypatch):
    """A results folder with one imported model."""
    return _import(tmp_path, monkeypatch)


@pytest.fixture
def imported_without_tokenizer(tmp_path, monkeypatch):
    """A results folder with one imported model that came without a tokenizer."""
    return _import(tmp_path, monkeypatch, tokenizer=False)


def _import(folder, monkeypatch, *, tokenizer=True):
    monkeypatch.setattr(imports, "CORPUS", inspection_studies.write_text(folder / "text"))
    save_llama(folder / "tiny-llama")
    if not tokenizer:
        (folder / "tiny-llama" / "tokenizer.json").unlink()
    imports.import_model(
        folder / "tiny-llama", out=folder / "results", name=None, context=None, tokenizer=None
    )
    return folder / "results"


def test_a_page_links_inside_from_each_answer(opened, inspected, runs):
    app = opened(inspected, "overview")
    explain, link = app.page_link
    assert (explain.proto.label, explain.proto.page) == ("Explain", "effects")
    assert parse_qs(explain.proto.query_string)["explain"] == [CHANGED]
    assert (link.proto.label, link.proto.page) == ("Look inside", "attention")
    asked = {name: value for name, (value,) in parse_qs(link.proto.query_string).items()}
    assert asked == {
        "study": "inside",
        "inspect": runs[CHANGED, 201],
        "against": runs["baseline", 201],
        "baseline": "baseline",
    }
    app = opened(inspected, "attention", **asked)
    assert app.selectbox(key="inspect").value == asked["inspect"]


def test_a_link_inside_is_of_one_seed_and_needs_runs_that_are_complete(opened, tmp_path):
    path = write_study(tmp_path, "quickstart", confirm=3)
    runs = load_study(path).runs.query("phase == 'confirm'").set_index(["variant", "seed"])
    shutil.rmtree(runs.loc[("baseline", 201), "path"])
    for seed in (201, 202, 203):
        shutil.rmtree(runs.loc[("norm=layernorm", seed), "path"])
    app = opened(tmp_path, "overview")
    asked = [parse_qs(link.proto.query_string) for link in app.page_link if link.proto.label == "Look inside"]
    assert [(one["inspect"], one["against"]) for one in asked] == [
        ([runs.loc[(variant, 202), "run_id"]], [runs.loc[("baseline", 202), "run_id"]])
        for variant in (CHANGED, "feedforward=relu")
    ]


def test_there_is_no_link_before_there_are_answers(opened, live_results):
    found = [link.proto.label for link in opened(live_results(0), "overview").page_link]
    assert not {"Explain", "Look inside"} & set(found)


def test_behaviour_is_added_to_the_table_of_effects(opened, inspected):
    app = opened(inspected, "effects", part="Table")
    records = load_study(inspected / "inside")
    values = read_behaviours(records.runs)
    assert app.multiselect(key="behaviour").options == names(values)
    before = app.dataframe[-1].value
    chosen = ["largest induction", "ΔCE at 0.5×"]
    app.multiselect(key="behaviour").set_value(chosen).run()
    assert not app.exception
    after = app.dataframe[-1].value
    wanted = columns(values, chosen, ["baseline", CHANGED], "baseline")
    assert after.columns.tolist() == [*before.columns[:3], *wanted.columns, *before.columns[3:]]
    assert after[wanted.columns].to_numpy().tolist() == wanted.to_numpy().tolist()
    assert [text[:8] for text in after["largest induction"]] == ["0.70 ± 0"] * 2


def test_an_effect_that_nothing_moved_with_says_so(opened, inspected):
    shown = texts(opened(inspected, "effects"))
    assert "Nothing that we measure explains it: of " in shown
    assert "Smaller shifts than these seeds can show are not ruled out" in shown


def test_an_effect_is_explained_by_what_moved_with_it(opened, inspected, runs, tmp_path):
    results = shutil.copytree(inspected, tmp_path / "results")
    _copy_more(results / "inside")
    app = opened(results, "effects")
    values = read_behaviours(load_study(results / "inside").runs)
    found = explain(values, CHANGED, "baseline")
    assert [one.name for one in found.moved] == ["copy loss gap"]
    shown = texts(app)
    for words in (found.headline(), *found.sentences(3)):
        assert literal(words) in shown
    assert "need not be what moves it" in shown
    table = next(item.value for item in unfolded(app).dataframe if "Holm p" in item.value)
    assert table["number"].tolist() == found.table()["number"].tolist()
    links = {link.proto.label: link.proto for link in app.page_link}
    assert set(links) <= {view.title for view in views()}
    linked, options = views_of(found.moved)[0]
    view = find_view(linked.name)
    asked = {name: value for name, (value,) in parse_qs(links[view.title].query_string).items()}
    assert asked[f"{view.page}_view"] == view.title
    assert (asked["inspect"], asked["against"]) == (runs[CHANGED, 201], runs["baseline", 201])
    for name, value in options.items():
        assert asked[f"{view.name}.{name}"] == value
    app = opened(results, view.page, **asked)
    assert not app.exception
    assert not app.warning


def _copy_more(study):
    """Have the changed variant gain by copying as no seed of the baseline does."""
    for (variant, seed), run in runs_of(study).items():
        if variant == CHANGED:
            table = read_probes(run.path).copy()
            table.loc[table["metric"] == "copy_loss_gap", "value"] += 500 + 0.01 * seed
            write_probes(run.path, table)


def test_a_link_to_an_explanation_opens_on_its_variant(opened, results):
    app = opened(results, "effects", explain="norm=layernorm")
    assert app.selectbox(key="explain").value == "norm=layernorm"
    app = opened(results, "effects", explain="norm=nothing")
    assert "the variant norm=nothing, which is not here" in app.warning[0].value
    assert app.selectbox(key="explain").value == CHANGED  # the largest effect


def test_an_effect_of_unmeasured_runs_says_how_to_measure(opened, unmeasured):
    shown = texts(opened(unmeasured, "effects"))
    assert "No number was measured of two paired seeds or more" in shown
    assert "measures what is lacking in runs that have weights" in shown


def test_behaviour_without_measured_runs_says_how_to_measure(opened, unmeasured):
    app = opened(unmeasured, "effects", part="Table")
    assert "`workbench probe inside`" in texts(app)
    assert not app.multiselect


@pytest.mark.parametrize("page", PAGES)
@pytest.mark.parametrize("weights", ["no runs", "no complete run"])
def test_a_study_without_complete_runs_says_so(opened, tmp_path, page, weights):
    if weights == "no runs":
        write_yaml(tmp_path / "new" / "study.yaml", dashboard_studies.manifest("new"))
    else:
        inspection_studies.write_study(tmp_path / "results", weights=False)
    app = opened(tmp_path if weights == "no runs" else tmp_path / "results", page)
    assert not app.exception
    assert "No run of this study is complete yet" in app.info[0].value
    assert not app.main.selectbox


@pytest.mark.parametrize("name", ["prompt_attention", "recall", "logit_lens"])
def test_complete_runs_whose_weights_are_gone_are_explained(opened, unmeasured, name):
    for run in runs_of(unmeasured / "inside").values():
        run.weights.unlink()
    app = to_view(opened(unmeasured, find_view(name).page), name)
    assert not app.exception
    assert "has no weights, its state is complete; choose" in app.warning[0].value


def test_damaged_tables_cost_their_run_and_are_explained(opened, inspected, tmp_path):
    results = shutil.copytree(inspected, tmp_path / "results")
    (runs_of(results / "inside")["baseline", 201].path / "probes.parquet").write_bytes(b"half a file")
    app = to_view(opened(results, "attention"), "head_scores")
    assert not app.exception
    assert "baseline: n = 2 of 3 seeds: seed 201 has a damaged probes.parquet (delete it" in texts(app)
    assert "paired over 2 seeds" in texts(app)
    for part in ("Effects", "Table"):
        app = opened(results, "effects", part=part)
        assert not app.exception
        assert "delete it to have it measured again" in app.warning[0].value


@pytest.mark.parametrize("page", PAGES)
def test_imported_models_are_looked_into_alone(opened, imported, page):
    app = opened(imported, page)
    assert app.selectbox(key="against").options == ["—"]
    for view in listed(page):
        app = to_view(app, view.name)
        assert not app.exception, view.name
        if app.button:
            assert app.info[0].value.startswith("Not yet measured for this view: 1 run of")
        elif view.name == "formation":
            assert app.info[0].value.startswith("These runs were not measured; only runs measured while")
        elif view.name == "answers":
            assert app.info[0].value.startswith("The run is judged on no generated task")
        else:
            assert "imported/tiny-llama" in texts(app), view.name


def test_an_imported_model_without_a_tokenizer_says_what_to_do(opened, imported_without_tokenizer):
    app = opened(imported_without_tokenizer, "attention")
    assert not app.exception
    assert "import it again with --tokenizer tokenizer.json" in app.warning[0].value
    to_view(app, "head_scores")
    app.button(key="measure").click().run()
    assert not app.exception
    assert "import it again with --tokenizer tokenizer.json" in app.warning[0].value
