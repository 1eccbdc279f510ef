"""Options of curve charts, read as data."""

import json
from dataclasses import replace

import numpy as np
import pytest

from workbench.dashboard.aggregate import Line
from workbench.dashboard.curve_charts import Axis, Curve, curve_chart


def a_line(name="rope", points=40, band=True):
    x = np.linspace(0, 400_000, points)
    mean = np.linspace(3, 2, points)
    return Line(name, x, mean, mean - 0.1 if band else None, mean + 0.1 if band else None, 5, 5 * points)


def test_a_curve_is_a_mean_and_a_stacked_band_of_one_name():
    option = curve_chart([Curve(a_line(), "#0072B2")], Axis("Tokens"), Axis("Loss", "nats/token"))
    assert [series["name"] for series in option["series"]] == ["rope"] * 3
    lower, upper, mean = option["series"]
    assert lower["stack"] == upper["stack"]
    assert not lower["tooltip"]["show"]
    assert not upper["tooltip"]["show"]
    assert mean["lineStyle"]["color"] == "#0072B2"
    table = option["dataset"][0]["source"]
    assert (table["low"] + table["band"]).to_numpy() == pytest.approx(a_line().high)


@pytest.mark.parametrize("name", ["x", "low", "band", "mean"])
def test_a_line_may_have_the_name_of_a_column(name):
    option = curve_chart([Curve(replace(a_line(), name=name), "#0072B2")], Axis("Tokens"), Axis("Loss"))
    table, mean = option["dataset"][0]["source"], option["series"][-1]
    assert mean["name"] == name
    assert table[mean["encode"]["y"]].to_numpy() == pytest.approx(a_line().mean)
    assert table[mean["encode"]["x"]].max() == 400


def test_the_axis_is_scaled_to_short_numbers_and_says_so():
    option = curve_chart([Curve(a_line(), "#0072B2")], Axis("Training tokens"), Axis("Loss", "nats/token"))
    assert option["dataset"][0]["source"]["x"].max() == 400
    assert option["xAxis"]["name"] == "Training tokens (k)"
    assert option["yAxis"]["name"] == "Loss (nats/token)"


@pytest.mark.parametrize(("seconds", "unit", "end"), [(100, "s", 100), (1200, "min", 20), (36_000, "h", 10)])
def test_time_is_in_seconds_minutes_or_hours(seconds, unit, end):
    line = Line("v", np.array([0.0, seconds]), np.array([1.0, 2.0]), None, None, 1, 2)
    option = curve_chart([Curve(line, "#000")], Axis("Training time", "s"), Axis("y"))
    assert option["xAxis"]["name"] == f"Training time ({unit})"
    assert option["xAxis"]["max"] == end


def test_the_pointer_reads_the_mean_with_its_interval_and_the_unit():
    option = curve_chart([Curve(a_line(), "#000")], Axis("x"), Axis("Loss", "nats/token"), decimals=3)
    assert option["tooltip"]["valueFormatter"] == "%.3f nats/token"
    assert option["series"][-1]["encode"]["tooltip"] == ["mean", "low", "high"]
    table = option["dataset"][0]["source"]
    assert table["high"].to_numpy() == pytest.approx(a_line().high)
    without = curve_chart([Curve(a_line(band=False), "#000")], Axis("x"), Axis("Learning rate"))
    assert without["series"][-1]["encode"]["tooltip"] == ["mean"]
    assert without["tooltip"]["valueFormatter"] == "%.4f"


def test_few_points_are_marked_and_many_are_not():
    few = curve_chart([Curve(a_line(points=10), "#000")], Axis("x"), Axis("y"))
    many = curve_chart([Curve(a_line(points=300), "#000")], Axis("x"), Axis("y"))
    assert few["series"][-1]["showSymbol"]
    assert not many["series"][-1]["showSymbol"]


def test_single_seeds_are_faint_and_neither_in_the_legend_nor_in_the_tooltip():
    seeds = [Curve(a_line(band=False), "#000", faint=True)] * 2
    option = curve_chart([*seeds, Curve(a_line(), "#000")], Axis("x"), Axis("y"))
    assert option["legend"]["data"] == ["rope"]
    assert option["series"][0]["tooltip"] == {"show": False}
    assert option["series"][0]["lineStyle"]["opacity"] < 0.5


def test_a_logarithmic_axis_stays_near_the_data_and_above_zero():
    line = a_line()
    below = Line("v", line.x, line.mean, line.mean - 5, line.high, 5, 10)
    option = curve_chart([Curve(below, "#000")], Axis("x"), Axis("y", log=True))
    assert option["yAxis"]["type"] == "log"
    assert 1.8 < option["yAxis"]["min"] < 2
    assert (option["dataset"][0]["source"]["low"] > 0).all()


def test_an_option_is_json_but_for_its_frames():
    option = curve_chart([Curve(a_line(), "#000")], Axis("x"), Axis("y"), zero=True)
    json.dumps(option | {"dataset": []})
    assert option["series"][-1]["markLine"]["data"] == [{"yAxis": 0}]


def test_a_cross_marks_where_a_mean_ends_for_the_loss_of_a_run():
    line = a_line()
    whole = curve_chart([Curve(line, "#000")], Axis("x"), Axis("y"))
    cut = curve_chart([Curve(replace(line, cut=True), "#000")], Axis("x"), Axis("y"))
    assert "markPoint" not in whole["series"][-1]
    assert cut["series"][-1]["markPoint"]["data"] == [{"coord": [400.0, 2.0]}]


def test_a_curve_can_be_zoomed_and_keeps_what_leads_out_of_the_plot():
    option = curve_chart([Curve(a_line(), "#0072B2")], Axis("Tokens"), Axis("Loss", "nats/token"))
    (slider,) = option["dataZoom"]
    assert (slider["type"], slider["filterMode"]) == ("slider", "none")
    assert set(option["toolbox"]["feature"]) == {"dataZoom", "restore"}
    assert option["grid"]["bottom"] > slider["bottom"] + slider["height"]


def test_a_line_under_the_pointer_greys_the_others_and_leaves_every_band_and_the_margin_as_they_are():
    curves = [Curve(a_line(), "#0072B2"), Curve(a_line("alibi"), "#D55E00")]
    option = curve_chart(curves, Axis("x"), Axis("y"), zero=True, margin=0.02)
    means = [series for series in option["series"] if "stack" not in series]
    stacked = [series for series in option["series"] if "stack" in series]
    bands = [series for series in stacked if "areaStyle" in series]
    assert [series["emphasis"]["focus"] for series in means] == ["series", "series"]
    assert [series["emphasis"]["endLabel"]["formatter"] for series in means] == ["rope", "alibi"]
    assert {series["blur"]["lineStyle"]["color"] for series in means} == {"#8A97A6"}
    assert [series["blur"]["areaStyle"]["opacity"] for series in bands] == [
        series["areaStyle"]["opacity"] for series in bands
    ]
    assert {series["blur"]["lineStyle"]["opacity"] for series in stacked} == {0}
    for mark, style in (("markLine", "lineStyle"), ("markArea", "itemStyle")):
        assert means[-1][mark]["blur"][style] == means[-1][mark][style]
    assert option["tooltip"]["axisPointer"] == {"triggerEmphasis": False}  # or all lines would be pointed at


def test_a_single_run_under_the_pointer_says_which_it_is_and_among_hundreds_none_does():
    seed = Curve(a_line(band=False), "#000", faint=True, run="rope{a} · seed 7 · 1f3a2b")
    single, *_ = curve_chart([seed, Curve(a_line(), "#000")], Axis("x"), Axis("y"))["series"]
    assert not single["silent"]
    assert single["emphasis"]["endLabel"]["formatter"] == "rope{\u2060a} · seed 7 · 1f3a2b"
    assert not single["legendHoverLink"]  # else the names of all runs would lie on one another
    many = curve_chart([seed] * 100 + [Curve(a_line(), "#000")], Axis("x"), Axis("y"))["series"]
    assert {series["emphasis"]["disabled"] for series in many} == {True}
    assert many[0]["silent"]
