"""The page of a stack taken apart: chart, sentences and tables, and a stranger's text in all of them."""

import json

import pytest

from tests.analysis.dismantled_studies import EFFECTS, apart_study
from tests.dashboard.hostile_studies import poison
from tests.dashboard.test_literal_text import HOST, acting
from tests.dashboard.test_pages import texts
from workbench.analysis.effects import study_report
from workbench.dashboard.chart_ink import Ink
from workbench.dashboard.dismantling_charts import contribution_frame, parts_chart
from workbench.files import read_yaml, write_yaml
from workbench.records.index import load_study


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("results")
    apart_study(folder / "synthetic")
    return folder


@pytest.fixture(scope="module")
def report(folder):
    return study_report(load_study(folder / "synthetic"))


def test_the_chart_has_both_ends_of_each_part_and_the_gap_once(report):
    table = contribution_frame(report.dismantled, report.margin)
    assert len(table) == 2 * (len(EFFECTS) + 1) + 1
    rows = table.set_index(["name", "end"])
    row = rows.loc[("norm: rmsnorm → layernorm", "added to gpt2")]
    assert row["mean"] == pytest.approx(0.001)
    assert row["low"] < 0.001 < row["high"]
    assert (row["seeds"], row["says"]) == (5, "may be removed")
    assert rows.loc[("gap, llama to gpt2", "gap"), "mean"] == pytest.approx(0.301)


@pytest.mark.parametrize("dark", [False, True])
def test_the_chart_is_as_wide_as_the_page_and_valid(report, dark):
    table = contribution_frame(report.dismantled, report.margin)
    drawn = parts_chart(table, report.dismantled, report.unit, Ink.of(dark)).to_dict()  # against the schema
    assert drawn["autosize"]["type"] == "fit-x"
    assert "width" not in drawn
    assert "left out of llama" in json.dumps(drawn, ensure_ascii=False)


def test_the_page_shows_chart_sentences_and_tables(opened, folder):
    app = opened(folder, "effects", part="Parts")
    assert not app.exception
    shown = texts(app)
    assert "Part by part" in shown
    assert "The gap from llama to gpt2 is +0.301" in shown
    assert any(
        "says" in table.value and "may be removed" in set(table.value["says"]) for table in app.dataframe
    )


def test_a_strangers_recipe_is_text(opened, folder, tmp_path):
    apart_study(tmp_path / "hostile")
    path = tmp_path / "hostile" / "study.yaml"
    values = read_yaml(path)
    values["stack"]["origin"] += poison(HOST)
    for variant in values["variants"]:
        variant["change"] = {
            key: [f"{old}{poison(HOST)}", new] for key, (old, new) in variant["change"].items()
        }
    write_yaml(path, values)
    app = opened(tmp_path, "effects", part="Parts")
    assert not app.exception
    assert "Part by part" in texts(app)
    assert not acting(app)
