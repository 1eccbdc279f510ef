"""The page *Data*: which texts a study trains on, what was done to them, and examples as they are."""

import lzma
import re
from html import unescape

import pytest
import yaml

from tests.dashboard.dashboard_studies import manifest
from tests.dashboard.hostile_studies import poison
from tests.dashboard.test_literal_text import HOST, acting
from tests.dashboard.test_pages import texts
from tests.dashboard.text_studies import NEAR_COPIES, POOL, UNIQUE, report_of, text_data, write_text_study
from workbench.dashboard import text_charts
from workbench.dashboard.chart_ink import Ink
from workbench.data.report import CorpusReport
from workbench.files import write_yaml
from workbench.records.manifest import Manifest, read_manifest
from workbench.study.kept_reports import REPORTS, read_reports, study_texts, write_reports
from workbench.visible import visible


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    folder = tmp_path_factory.mktemp("texts")
    write_text_study(folder)
    return folder


def documents(app):
    """Those that are shown, without what dresses them; what is mark-up in them would be lost here."""
    bodies = [item.proto.body for item in app.get("html")]
    return [unescape(re.sub("<[^>]*>", "", body)) for body in bodies if "pre-wrap" in body]


def commands(app):
    return [item.value for item in app.code]


def frame(app, column):
    return next(item.value for item in app.dataframe if column in item.value)


def test_each_text_has_its_size_before_and_after_and_its_variants(opened, results):
    app = opened(results, "data")
    assert not app.exception
    table = frame(app, "text").set_index("text")
    assert table.index.tolist() == ["as_is", "near_dedup", "curated(steps=exact_dedup+line_dedup(times=3))"]
    assert table.loc["as_is", "variants"] == "baseline, feedforward=relu"
    row = table.loc["near_dedup"]
    assert (row["documents"], row["bytes"]) == ("1,000 → 693", "2.00 MB → 1.58 MB")
    assert (row["left"], row["passes"], row["held out"]) == ("79.2 %", "2.50", "110 documents, 200 kB")
    assert "unique tokens" not in table  # of a manifest that does not know them
    assert [tab.label for tab in app.tabs] == ["Documents", "Text", "Examples", "Judged on"]
    (fates,) = app.get("vega_lite_chart")
    assert fates.proto.alt == "What became of the documents of each text"
    app = opened(results, "data", part="Judged on")
    assert "windows of what their corpus holds out" in texts(app)


@pytest.mark.parametrize(
    ("asked", "heading"),
    [
        ({"unit": "bytes"}, "What each rule took"),
        ({"text": "near_dedup"}, "What each rule took"),
        ({"text": "near_dedup", "fate": "kept"}, "Examples"),
        ({"stage": "what is held out", "part": "Documents"}, "What became of the documents"),
    ],
)
def test_a_link_that_names_no_part_opens_the_one_that_has_what_it_asks_for(opened, results, asked, heading):
    app = opened(results, "data", **asked)
    assert not app.exception
    assert [one.value for one in app.subheader] == ["What variants train on", heading]


def test_each_text_has_its_unique_tokens_where_they_are_known(opened, tmp_path):
    write_text_study(tmp_path, unique_tokens=UNIQUE)
    table = frame(opened(tmp_path, "data"), "text").set_index("text")
    assert table.loc["as_is", ["tokens", "unique tokens"]].tolist() == ["1,980,000", "1,500,000"]
    assert table.loc["near_dedup", "unique tokens"] == "1,584,000"
    assert table["unique tokens"].tolist()[2] == "—"
    assert table.columns.tolist().index("unique tokens") == table.columns.tolist().index("tokens") + 1


def test_a_text_is_chosen_by_a_link_and_has_its_treatment_rules_and_thresholds(opened, results):
    app = opened(results, "data", text="curated(steps=exact_dedup+line_dedup(times=3))", unit="bytes")
    assert not app.exception
    rules = frame(app, "rule").set_index(["stage", "rule"])
    assert rules.loc[("curated", "line_dedup: repeated_line"), "changed"] == 40
    assert rules.loc[("curated", "exact_dedup: copy"), "bytes taken"] == 30_000
    assert rules.loc[("near_copies", "near_copy"), "share of documents"] == "1.00 %"
    options = frame(app, "option").set_index(["step", "option"])
    assert options.loc[("line_dedup", "times"), ["value", "default"]].tolist() == ["3", "6"]
    assert "arXiv 2406.17557" in texts(app)
    assert [one.proto.alt for one in app.get("vega_lite_chart")] == ["What each rule took of bytes"]


def test_examples_are_chosen_by_stage_fate_and_rule(opened, results):
    name = "curated(steps=exact_dedup+line_dedup(times=3))"
    app = opened(results, "data", text=name, stage="curated", fate="dropped", rule="exact_dedup: copy")
    assert documents(app) == [f"dropped by exact_dedup: copy {number}" for number in (0, 1)]
    app.selectbox(key="fate").set_value("changed").run()
    assert documents(app) == ["before 0", "after 0", "before 1", "after 1"]
    app.selectbox(key="fate").set_value("kept").run()
    assert documents(app) == ["kept 0", "kept 1", "kept 2"]
    app.selectbox(key="stage").set_value("what is held out").run()
    assert not app.exception
    assert documents(app) == ["held out"]
    app.selectbox(key="text").set_value("near_dedup").run()
    assert app.selectbox(key="stage").options[:2] == ["near_copies", "near_dedup"]


def test_a_link_to_what_is_not_here_is_said(opened, results):
    app = opened(results, "data", text="gone", stage="nowhere")
    assert not app.exception
    assert "asks for the text gone" in texts(app)
    assert "asks for the stage nowhere" in texts(app)


def test_what_became_of_documents_adds_up_to_all_of_them(results):
    study = results / "texts"
    found = study_texts(read_manifest(study), read_reports(study))
    assert [text.variants for text in found] == [
        ("baseline", "feedforward=relu"),
        ("positions=learned",),
        ("norm=layernorm",),
    ]
    table = text_charts.fate_frame({text.variants[0]: text for text in found})
    shares = table.groupby("name", sort=False)["share"].sum()
    assert shares.tolist() == pytest.approx([1, 1, 1])
    curated = table[table["name"] == "norm=layernorm"].set_index("kind")["share"].to_dict()
    assert curated == {
        text_charts.KEPT: 0.9,
        text_charts.CHANGED: 0.04,
        text_charts.DROPPED: 0.05,
        text_charts.LEFT_OUT: 0.01,
    }
    spec = text_charts.bars(table, "Share", Ink.of(False), whole=True).to_dict()
    assert [layer["mark"]["type"] for layer in spec["layer"]] == ["bar", *["text"] * 4]  # each over its rim


def test_text_that_was_added_is_drawn_below_zero():
    stage = CorpusReport.model_validate(report_of(text_data())).stages[0]
    rule = stage.rules["near_copy"].model_copy(update={"dropped": 0, "changed": 30, "bytes": -50_000})
    stages = [("repeated", stage.model_copy(update={"rules": {"repeated": rule}}))]
    [row] = text_charts.rule_frame(stages, "bytes").to_dict("records")
    assert (row["kind"], row["share"]) == ("added", -0.025)
    assert row["left"] == "50.0 kB added, 2.5 %"
    assert text_charts.rule_frame(stages, "documents")["kind"].tolist() == ["changed"]
    assert text_charts.rule_frame([], "bytes").empty


def test_documents_and_rules_are_shown_as_text(opened, tmp_path):
    text = poison(HOST)
    write_text_study(tmp_path, text=text)
    for stage in ("near_copies", "what is trained on"):
        app = opened(tmp_path, "data", text="near_dedup", stage=stage)
        assert not app.exception
        assert acting(app) == {}
        shown = documents(app)
        assert shown
        assert all(visible(text).strip() in one for one in shown)
        assert "\x1b" not in "".join(shown)
        assert "\u202e" not in "".join(shown)
    for part in ("Documents", "Text", "Judged on"):
        app = opened(tmp_path, "data", text="near_dedup", part=part)
        assert not app.exception
        assert acting(app) == {}


def test_a_text_without_a_report_beside_one_that_has_it_says_so_among_examples(opened, tmp_path):
    study = write_text_study(tmp_path)
    write_reports(study, [report_of(text_data())])
    app = opened(tmp_path, "data", part="Examples")
    shown = {}
    for name in app.selectbox(key="text").options:
        app.selectbox(key="text").set_value(name).run()
        shown[name] = bool(documents(app))
        assert ("not kept with the study" in texts(app)) != shown[name]
    assert sorted(shown.values()) == [False, False, True]


def test_a_damaged_file_costs_the_examples_and_is_named(opened, tmp_path):
    study = write_text_study(tmp_path)
    for content in (b"no xz", (study / REPORTS).read_bytes()[:-20], lzma.compress(b'{"texts": [1]}')):
        (study / REPORTS).write_bytes(content)
        app = opened(tmp_path, "data", part="Text")
        assert not app.exception
        assert "run the study again to have it written anew" in app.warning[0].value
        assert "Examples" not in [tab.label for tab in app.tabs]
        assert frame(app, "text")["documents"].tolist() == ["1,000 → 990", "1,000 → 693", "1,000 → 940"]
        assert "workbench data '{path: pool}'" in commands(app)


def test_damaged_counts_of_the_manifest_are_one_error(opened, tmp_path):
    data = text_data()
    data["stages"] = [NEAR_COPIES | {"documents": "many"}]
    write_text_study(tmp_path, data=data)
    app = opened(tmp_path, "data")
    assert not app.exception
    assert "data of baseline: stages.0.documents: should be a valid integer" in app.error[0].value.replace(
        "\\", ""
    )


def test_without_a_report_the_command_that_gives_it_is_shown(opened, tmp_path):
    write_text_study(tmp_path, reports=False)
    app = opened(tmp_path, "data", text="curated(steps=exact_dedup+line_dedup(times=3))")
    assert not app.exception
    assert "not kept with the study" in app.info[0].value
    [command] = commands(app)
    treatment = command.partition("--treatment ")[2].strip("'")
    assert command.startswith("workbench data '{path: pool}' --treatment ")
    assert yaml.safe_load(treatment)["steps"] == [
        {"name": "exact_dedup"},
        {"name": "line_dedup", "times": 3, "shortest": 20},
    ]


def test_a_report_of_another_text_is_not_taken_for_this_one(opened, tmp_path):
    study = write_text_study(tmp_path)
    write_reports(study, [report_of(text_data() | {"fingerprint": "another"})])
    app = opened(tmp_path, "data", part="Text")
    assert not app.exception
    assert "not kept with the study" in app.info[0].value


def test_a_published_copy_whose_examples_were_left_out_says_so(opened, tmp_path):
    study = write_text_study(tmp_path)
    bare = report_of(text_data())
    bare["examples"] = [one | {"kept": [], "changed": [], "dropped": []} for one in bare["examples"]]
    for side in ("train", "validation"):
        bare[side] = bare[side] | {"beginnings": []}
    write_reports(study, [bare])
    app = opened(tmp_path, "data", part="Examples")
    assert "left out of this copy" in app.info[0].value


def test_a_study_of_one_text_and_one_of_an_early_version(opened, tmp_path):
    values = manifest("one")
    data = {key: value for key, value in text_data().items() if key != "stages"}
    write_yaml(tmp_path / "one" / "study.yaml", values | {"data": data})
    app = opened(tmp_path, "data", study="one")
    assert not app.exception
    assert frame(app, "text")["variants"].tolist() == ["all"]
    assert not app.get("vega_lite_chart")
    write_yaml(tmp_path / "early" / "study.yaml", values | {"name": "early", "data": {}})
    app = opened(tmp_path, "data", study="early")
    assert not app.exception
    assert "does not name its text" in app.info[0].value


def test_a_mixture_has_its_corpora_and_a_task_its_first_sequence(opened, tmp_path):
    mixture = {"mixture": {"code": POOL, "prose": "python-docstrings"}, "weights": {"code": 3, "prose": 1}}
    data = text_data() | {"corpus": mixture, "fingerprint": "mixed"}
    del data["stages"]
    study = write_text_study(tmp_path, "mixed", reports=False, data=data)
    app = opened(tmp_path, "data", study="mixed", text="mixture(code=3,prose=1), as_is")
    assert frame(app, "weight")["weight"].tolist() == ["75.0 %", "25.0 %"]
    size = {"documents": 30, "bytes": 7_500}
    source = {
        "name": "code",
        "share": 0.75,
        "corpus": POOL,
        "description": "files in pool",
        "available": {"documents": 60, "bytes": 15_000},
        "train": size,
        "validation": size,
        "stages": [NEAR_COPIES],
        "examples": report_of(text_data())["examples"],
    }
    report = report_of(data | {"stages": []}) | {"sources": [source]}
    write_reports(study, [report])
    name = "mixture(code=3,prose=1), as_is"
    app = opened(tmp_path, "data", study="mixed", text=name)
    assert not app.exception
    row = frame(app, "of available").iloc[0]
    assert (row["bytes"], row["of available"], row["passes"]) == ("7.50 kB", "15.0 kB", "0.50")
    assert frame(app, "rule")["stage"].tolist() == ["code: near_copies"]
    app = opened(tmp_path, "data", study="mixed", text=name, stage="code: near_copies")
    assert documents(app)[0].startswith("dropped by near_copy")

    task = {"generated": "copying", "sequences": 100}
    data = text_data() | {"corpus": task, "fingerprint": "task"}
    del data["stages"]
    values = manifest("task") | {"data": data}
    write_yaml(tmp_path / "task" / "study.yaml", values)
    app = opened(tmp_path, "data", study="task")
    assert not app.exception
    assert "by chance" in texts(app)
    [command], [sequence] = commands(app), documents(app)
    assert command == "workbench data '{generated: copying, sequences: 100}'"
    assert all(part.isdigit() for part in sequence.split())


def test_texts_that_are_judged_on_stand_in_a_table(opened, tmp_path):
    one = {
        "name": "prose",
        "description": "2,048 bytes",
        "corpus": "python-docstrings",
        "bytes": 2048,
        "fingerprint": "f",
    }
    study = write_text_study(tmp_path, evaluation=[one])
    assert isinstance(read_manifest(study), Manifest)
    app = opened(tmp_path, "data", part="Judged on")
    table = frame(app, "what it is")
    assert table[["text", "bytes", "corpus"]].iloc[0].tolist() == ["prose", "2.05 kB", "python-docstrings"]
