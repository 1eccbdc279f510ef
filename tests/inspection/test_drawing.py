"""What both renderers draw from: rows that have a place, looks of series, places of lines' labels."""

import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from tests.odd_panels import PANELS
from workbench.analysis.colours import BASELINE_COLOUR as BASELINE
from workbench.analysis.ticks import linear
from workbench.inspection.drawing import (
    cell_colours,
    columns_of,
    drawable,
    heat_domain,
    is_empty,
    left_out,
    placed,
    scale_colours,
    side_by_side,
    styles,
    x_axis,
    y_axis,
)
from workbench.inspection.panels import Bars, Dots, Heatmap, Lines, Rule


def lines(**columns):
    data = pd.DataFrame({"series": "a"} | columns)
    return Lines(title="", data=data, x="x", y="y")


def test_what_logarithmic_axes_have_no_place_for_is_left_out_and_counted():
    panel = replace(lines(x=[0, 1, 2, 4], y=[1.0, -1.0, 0.0, 3.0]), log_x=True, log_y=True)
    assert drawable(panel).data["x"].tolist() == [4]
    assert left_out(panel) == "3 of 4 values are not drawn: they are no finite numbers above 0."


def test_missing_values_are_left_out_without_a_word_and_infinite_ones_with_one():
    assert left_out(lines(x=[0, 1], y=[1.0, math.nan])) == ""
    assert left_out(lines(x=[0, 1], y=[1.0, math.inf])).startswith("1 of 2 values")


def test_a_band_that_reaches_below_a_logarithmic_axis_ends_at_its_line():
    panel = replace(lines(x=[1, 2], y=[1.0, 2.0], low=[-3.0, 1.0], high=[4.0, 5.0]), log_y=True)
    assert drawable(panel).data["low"].tolist() == [1.0, 1.0]


def test_seeds_alone_are_something_to_draw():
    dots = pd.DataFrame({"category": ["a"], "value": [math.nan], "series": ["s"]})
    panel = Dots(title="", data=dots, x="x")
    assert is_empty(panel)
    assert not is_empty(replace(panel, seeds=dots.assign(value=1.0, seed=1)))


def test_bars_stand_on_0():
    data = pd.DataFrame({"x": [0, 1], "y": [0.4, 0.5], "series": "a"})
    assert y_axis(Bars(title="", data=data, x="x", y="y")).low == 0
    assert "log_y" not in Bars.__dataclass_fields__


def test_counts_have_whole_ticks_though_their_means_are_none():
    seeds = pd.DataFrame({"category": "heads", "value": [0.0, 1.0, 1.0], "series": "s", "seed": [1, 2, 3]})
    mean = pd.DataFrame({"category": ["heads"], "value": [2 / 3], "series": ["s"]})
    assert x_axis(Dots(title="", data=mean, x="x", seeds=seeds)).labels == ("0", "1")


def test_rules_and_bands_lie_on_the_axis():
    panel = replace(
        lines(x=[0, 1], y=[0.1, 0.2], low=[0.0, 0.1], high=[0.2, 0.9]), rules=(Rule(at=2.0, label="most"),)
    )
    axis = y_axis(panel)
    assert (axis.low, axis.high) == (0.0, 2.0)


def test_no_two_series_look_alike_however_many():
    data = pd.DataFrame({"x": 0, "y": 0.0, "series": [f"own {number}" for number in range(40)]})
    looks = styles(Lines(title="", data=data, x="x", y="y")).values()
    assert len(set(looks)) == 40


def test_theories_have_dashes_of_their_own_and_the_baseline_is_solid_grey():
    found = styles(PANELS["layers"])
    assert found["baseline"].colour == BASELINE
    assert found["baseline"].dash == ()
    ghosts = [found["alibi by itself"], found["uniform attention"]]
    assert len({ghost.dash for ghost in ghosts}) == 2
    assert len({ghost.colour for ghost in [*ghosts, found["baseline"]]}) == 3


def test_ends_of_a_scale():
    def heat(values, **more):
        data = pd.DataFrame({"x": range(len(values)), "y": 0, "value": values})
        return Heatmap(title="", data=data, x="x", y="y", value="v", **more)

    assert heat_domain(heat([0.1, -0.3], diverging=True)) == (-0.3, 0.3)
    assert heat_domain(heat([0.5, 0.5])) == (0.5, 1.5)
    assert heat_domain(heat([0.0], diverging=True)) == (-1.0, 1.0)
    assert heat_domain(heat([math.nan])) == (0.0, 1.0)
    ends = scale_colours(diverging=True)
    assert cell_colours(heat([-9.0, 9.0], diverging=True, domain=(-1.0, 1.0))) == [ends[0], ends[-1]]


def test_labels_of_near_lines_do_not_meet():
    ticks = linear([0.0, 1.0])
    near = [Rule(at=0.02, label="margin 0.02"), Rule(at=0.0, label="no change"), Rule(at=1.0, label="most")]
    low, next_one, top = placed(near, ticks, "y")
    assert (low.rule.label, low.end, next_one.end) == ("no change", 1.0, 0.0)
    assert top.below
    assert len({one.dash for one in (low, next_one, top)}) == 3
    upright = [replace(rule, axis="x") for rule in near]
    rows = [(one.row, one.right) for one in placed(upright, ticks, "x")]
    assert rows == [(0, True), (1, True), (0, False)]


@pytest.mark.parametrize("at", [0.0, -1.0, math.nan, math.inf])
def test_a_line_without_a_place_is_not_drawn(at):
    ticks = linear([1.0, 2.0])
    assert placed([Rule(at=at, label="")], ticks, "y", log=True) == []


def test_categories_that_have_one_series_each_are_no_rows_of_their_own():
    data = pd.DataFrame({"category": ["a", "b"], "value": [1.0, 2.0], "series": ["s", "t"]})
    assert not side_by_side(Dots(title="", data=data, x="x"))
    assert side_by_side(Dots(title="", data=data.assign(category="a"), x="x"))


def test_facets_fill_their_rows():
    assert [columns_of(count) for count in (1, 2, 3, 4, 5, 6, 8, 12)] == [1, 2, 3, 4, 3, 3, 4, 4]


def test_shades_are_those_of_the_figures():
    assert len(set(scale_colours(False))) == len(scale_colours(False))
    assert np.unique([len(colour) for colour in scale_colours(True)]).tolist() == [7]
