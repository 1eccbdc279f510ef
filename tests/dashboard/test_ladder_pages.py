"""The pages of a ladder: the whole of it first, then the rung that was picked; and no page fails."""

import json

import pytest

from tests.analysis.ladder_studies import ladder_study
from tests.dashboard.hostile_studies import poison
from tests.dashboard.test_literal_text import HOST, acting
from tests.dashboard.test_pages import texts
from workbench.analysis.ladder_effects import ladder_report
from workbench.analysis.verdict_colours import DECIDED
from workbench.dashboard.chart_ink import Ink
from workbench.dashboard.ladder_charts import LINE, MEASURED, ladder_chart, ladder_frame, line_frame
from workbench.dashboard.verdict_marks import OPEN, word_of
from workbench.files import read_yaml, write_yaml
from workbench.records.index import load_study

PAGES = ("overview", "runs", "curves", "effects", "data", "search", "attention", "position", "activations")
PAGES += ("new_study", "watch", "compare", "claims", "run")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("results")
    ladder_study(folder / "ladder", rungs=4)
    return folder


@pytest.fixture(scope="module")
def found(folder):
    return ladder_report(load_study(folder / "ladder"))


@pytest.mark.parametrize("page", PAGES)
def test_every_page_opens(opened, folder, page):
    app = opened(folder, page)
    assert not app.exception
    assert app.sidebar.selectbox(key="rung").value == "4"


def test_overview_says_what_becomes_of_effects_and_then_the_rung(opened, folder):
    shown = texts(opened(folder))
    assert "of 3 changes, 1 holds, 1 shrinks, 1 flips" in shown
    assert ":green-badge[holds]" in shown
    assert "With 4 variants, rung 1 orders" in shown
    assert "Rung 4: 4 layers, width 256" in shown
    assert "LayerNorm instead of RMSNorm: worse by 0.10" in shown  # at the rung


def test_another_rung_is_picked_in_the_sidebar(opened, folder):
    app = opened(folder, "effects", part="Effects")
    assert "Rung 4" in texts(app)
    app.sidebar.selectbox(key="rung").set_value("1").run()
    assert not app.exception
    assert "Rung 1: 1 layer, width 64" in texts(app)
    assert app.sidebar.selectbox(key="baseline").value == "rung 1: baseline"
    runs = opened(folder, "runs", rung="2")
    assert set(runs.dataframe[0].value["variant"].str.partition(":")[0]) == {"rung 2"}


def test_effects_has_a_chart_for_each_change_and_the_tables(opened, folder):
    app = opened(folder, "effects")
    assert [tab.label for tab in app.tabs][:2] == ["Ladder", "Effects"]
    assert "Over the ladder" in texts(app)
    assert {"over the ladder", "verdict"} <= set(app.dataframe[0].value)
    assert list(filter(None, app.dataframe[0].value["over the ladder"])) == ["holds", "shrinks", "flips"]


def test_the_chart_has_each_rung_and_what_lies_beyond(found):
    row = next(row for row in found.rows if row.called == "feedforward=relu")
    table = ladder_frame(row, found)
    assert list(table["kind"]) == [MEASURED] * 4 + [LINE]
    assert list(table["mean"][:4]) == pytest.approx([0.30, 0.22, 0.14, 0.05])
    assert table["compute"].iloc[-1] == pytest.approx(10 * table["compute"].iloc[-2])
    assert (table["low"] < table["mean"]).all()
    line = line_frame(row)
    assert line["mean"].iloc[1] == pytest.approx(table["mean"].iloc[-1])


@pytest.mark.parametrize("dark", [False, True])
def test_the_chart_is_as_wide_as_its_column_and_valid(found, dark):
    drawn = ladder_chart(found.rows[0], found, Ink.of(dark)).to_dict()  # against the schema
    assert drawn["autosize"]["type"] == "fit-x"
    assert "width" not in drawn
    assert "rung 3: 3 layers" in json.dumps(drawn, ensure_ascii=False)
    scales = [one["encoding"]["color"]["scale"] for one in drawn["layer"] if "color" in one["encoding"]]
    assert all(scale["domain"] == [OPEN, *DECIDED] for scale in scales)
    words = ladder_frame(found.rows[0], found)["word"]
    assert list(words)[:4] == [word_of(row) for row in found.rows[0].rows]


def test_a_ladder_that_is_not_done_opens(opened, tmp_path):
    ladder_study(tmp_path / "ladder", rungs=2, until=1)
    app = opened(tmp_path, "effects")
    assert not app.exception
    assert "no word yet" in texts(app)


def test_damaged_rungs_are_told_on_the_page(opened, tmp_path):
    ladder_study(tmp_path / "ladder", rungs=2, until=1)
    path = tmp_path / "ladder" / "study.yaml"
    values = read_yaml(path)
    values["rungs"][0]["baseline"] = "another"
    write_yaml(path, values)
    app = opened(tmp_path)
    assert not app.exception
    assert "should be one of its variants" in texts(app)


def test_a_strangers_names_are_text(opened, tmp_path):
    ladder_study(tmp_path / "ladder", rungs=2)
    path = tmp_path / "ladder" / "study.yaml"
    values = read_yaml(path)
    for variant in values["variants"]:
        variant["change"] = {
            key: [f"{old}{poison(HOST)}", new] for key, (old, new) in variant["change"].items()
        }
    for rung in values["rungs"]:
        rung["variants"] = {
            name: called if called == "baseline" else f"{called}{poison(HOST)}"
            for name, called in rung["variants"].items()
        }
    write_yaml(path, values)
    for page, asked in (("overview", {}), ("effects", {}), ("effects", {"part": "Effects"})):
        app = opened(tmp_path, page, **asked)
        assert not app.exception
        assert not acting(app)
