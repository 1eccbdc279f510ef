"""Frames and specifications of the charts of effects, read as data."""

import json

import altair as alt
import pytest

from tests.analysis.synthetic_studies import Study, manifest
from workbench.analysis.colours import GREEN, VERMILLION, variant_colours
from workbench.analysis.contrast import seen_on
from workbench.analysis.decisions import confirm_phase
from workbench.analysis.verdict_colours import OPEN_COLOUR
from workbench.dashboard.chart_ink import Ink
from workbench.dashboard.effect_charts import (
    forest,
    forest_frame,
    paired_dots,
    seed_frame,
    tuning,
    tuning_caption,
    tuning_frame,
    value_frame,
)
from workbench.dashboard.study_library import Library


@pytest.fixture(scope="module")
def library():
    return Library()


@pytest.fixture(scope="module")
def records(study, library):
    return library.study(study)


@pytest.fixture(scope="module")
def report(records, library):
    return library.report(records, "baseline")


def test_forest_rows_are_the_reports_numbers(report):
    table = forest_frame(report).set_index("variant")
    row = next(row for row in report.rows if row.variant == "positions=learned")
    assert table.loc["positions=learned", "mean"] == row.difference
    assert table.loc["positions=learned", "verdict"] == "worse"
    assert table.loc["positions=learned", "label"] == "positions: rope → learned"
    assert "baseline" not in table.index
    assert len(seed_frame(report)) == 3 * 5
    assert len(value_frame(report)) == 4 * 5


def test_charts_are_valid_and_use_the_bound_colours(report, records):
    colours = variant_colours(records.manifest)
    tuned = [one for one in confirm_phase(records)[0].values() if one]
    table = tuning_frame(tuned, {})
    charts = [
        paired_dots(report, colours, Ink.of(True)),
        tuning(table, colours, report.metric, report.unit, Ink.of(False)),
    ]
    for chart in charts:
        text = json.dumps(chart.to_dict())  # Altair checks the specification against its schema
        assert colours["positions=learned"] in text


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_the_words_of_a_row_lie_over_a_rim_that_covers_the_margin_and_the_lines(report, dark):
    ink = Ink.of(dark)
    layers = forest(report, ink).to_dict()["layer"]
    first = next(place for place, layer in enumerate(layers) if layer["mark"]["type"] == "text")
    under, name, also_under, said = layers[first:]  # after all else: nothing is drawn over them
    for rim, words in ((under, name), (also_under, said)):
        assert rim["encoding"] == words["encoding"]
        own = {key: rim["mark"].pop(key) for key in ("stroke", "strokeWidth", "strokeJoin", "aria")}
        assert own == {"stroke": ink.paper, "strokeWidth": 4, "strokeJoin": "round", "aria": False}
        assert rim["mark"] == words["mark"]


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_a_row_looks_as_its_verdict_wherever_its_mean_lies(report, dark):
    """Of the report's rows one is worse, one equivalent and one, with a large difference, open."""
    ink = Ink.of(dark)
    words = forest_frame(report).set_index("variant")["word"]
    assert words.to_dict() == {
        "positions=learned": "worse",
        "norm=layernorm": "equivalent",
        "feedforward=relu": "open",
    }
    chart = forest(report, ink).to_dict()
    scale = next(one["encoding"]["color"]["scale"] for one in chart["layer"] if "color" in one["encoding"])
    colours = dict(zip(scale["domain"], scale["range"], strict=True))
    assert colours["worse"] == seen_on(VERMILLION, ink.paper)
    assert colours["better"] == seen_on(GREEN, ink.paper)
    assert colours["open"] == seen_on(OPEN_COLOUR, ink.paper)
    is_open = "(datum.word === 'open')"
    (widths,) = [one["encoding"]["strokeWidth"] for one in chart["layer"] if "strokeWidth" in one["encoding"]]
    assert (widths["condition"]["test"], widths["condition"]["value"]) == (is_open, 1.5)
    (fills,) = [one["encoding"]["fill"] for one in chart["layer"] if "fill" in one["encoding"]]
    assert (fills["condition"]["test"], fills["condition"]["value"]) == (is_open, ink.paper)


def test_no_mark_of_the_forest_has_the_colour_of_a_level(report, records):
    text = json.dumps(forest(report, Ink.of(False)).to_dict())
    assert variant_colours(records.manifest)["positions=learned"] not in text
    assert isinstance(forest(report, Ink.of(False)), alt.LayerChart)


def test_tuning_marks_the_chosen_rate_and_lost_runs(records):
    tuned = [one for one in confirm_phase(records)[0].values() if one]
    table = tuning_frame(tuned, {"positions=learned": "learned"})
    learned = table[table["variant"] == "positions=learned"].set_index("rate")
    assert learned.loc[0.012, "chosen"]
    assert learned.loc[0.024, "lost"] == 1  # the diverged run
    assert learned["chosen"].sum() == 1
    assert "learned: 0.012" in tuning_caption(tuned, {"positions=learned": "learned"})


def test_a_chosen_rate_between_two_is_ringed_on_the_curve(tmp_path):
    study = Study(tmp_path, manifest()).tune(best=0.008, variants=["baseline"])
    tuned = [one for one in confirm_phase(study.load())[0].values() if one]
    table = tuning_frame(tuned, {}).set_index("rate")
    assert list(table["seeds"]) == [2, 2, 2, 0]
    assert list(table.index[table["chosen"]]) == [0.008]
    assert table.loc[0.008, "loss"] == pytest.approx(3.0005)
    chart = tuning(
        table.reset_index(), {"baseline": "#000000"}, "validation/loss", "nats/token", Ink.of(False)
    )
    line, _, ring = chart.to_dict()["layer"]
    assert line["transform"] == [{"filter": "datum.seeds > 0"}]  # a line goes through what was measured
    assert ring["transform"] == [{"filter": "datum.chosen"}]
