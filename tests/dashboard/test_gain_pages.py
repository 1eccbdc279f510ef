"""The page of compute-equivalent gains: chart, sentences, tables, and the runs of the other budgets."""

import json

import pytest

from tests.analysis.gain_studies import RUNGS, gain_study
from tests.dashboard.hostile_studies import poison
from tests.dashboard.test_literal_text import HOST, acting
from tests.dashboard.test_pages import texts
from workbench.analysis.effects import study_report
from workbench.dashboard.chart_ink import Ink
from workbench.dashboard.gain_charts import budget_frame, gains_chart, read_off_frame
from workbench.dashboard.study_library import rebased
from workbench.files import read_yaml, write_yaml
from workbench.records.index import load_study


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("results")
    gain_study(folder / "synthetic")
    return folder


@pytest.fixture(scope="module")
def report(folder):
    return study_report(load_study(folder / "synthetic"))


def test_the_frames_have_every_budget_and_where_each_variant_is_read_off(report):
    ladder = budget_frame(report.gains, report.margin)
    assert list(ladder["tokens"]) == [125_000, 250_000, 500_000, 1_000_000, 2_000_000]
    assert (ladder["low"] < ladder["mean"]).all()
    table = read_off_frame(report, report.gains).set_index("variant")
    row = table.loc["feedforward=relu"]
    assert row["low"] < row["reached"] < row["high"]
    assert row["reached"] == pytest.approx(report.gains.of("feedforward=relu").tokens.value * 500_000)
    assert table.loc["positions=learned", "reached"] < 500_000


@pytest.mark.parametrize("dark", [False, True])
def test_the_chart_is_as_wide_as_the_page_and_valid(report, dark):
    ladder, table = budget_frame(report.gains, report.margin), read_off_frame(report, report.gains)
    colours = {row.variant: "#123456" for row in report.rows}
    drawn = gains_chart(ladder, table, colours, report, Ink.of(dark)).to_dict()  # against the schema
    assert drawn["autosize"]["type"] == "fit-x"
    assert "width" not in drawn
    assert "positions: rope → learned" in json.dumps(drawn, ensure_ascii=False)


def test_the_page_shows_chart_sentences_and_tables(opened, folder, report):
    app = opened(folder, "effects", part="Compute")
    assert not app.exception
    shown = texts(app)
    assert "Compute-equivalent gain" in shown
    assert "ReLU instead of SwiGLU: for its loss the baseline needs" in shown
    gain = report.gains.of("feedforward=relu").tokens.text
    assert any(gain in set(table.value.iloc[:, 1]) for table in app.dataframe if table.value.shape[1] > 1)


def test_the_runs_of_other_budgets_are_on_the_pages_of_runs_and_curves(opened, folder):
    app = opened(folder, "runs")
    assert not app.exception
    for query in ({"curve_phase": "gain", "show": "values"}, {"curve_phase": "gain"}):
        app = opened(folder, "curves", **query)
        assert not app.exception


def test_against_another_baseline_there_are_no_gains(folder):
    """The other budgets are of the declared one."""
    study = rebased(load_study(folder / "synthetic"), "norm=layernorm")
    assert study_report(study).gains is None


def test_a_strangers_names_are_text(opened, tmp_path):
    study = gain_study(tmp_path / "hostile")
    path = study.path / "study.yaml"
    values = read_yaml(path)
    for variant in values["variants"]:
        variant["change"] = {
            key: [f"{old}{poison(HOST)}", new] for key, (old, new) in variant["change"].items()
        }
    for rung in values["gain"]["rungs"]:
        rung["name"] += poison(HOST)
    write_yaml(path, values)
    app = opened(tmp_path, "effects", part="Compute")
    assert not app.exception
    assert "Compute-equivalent gain" in texts(app)
    assert not acting(app)
    assert len(RUNGS) == len(values["gain"]["rungs"])
