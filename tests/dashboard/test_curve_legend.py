"""Legends of curves: all names at once, with room for their lines at every width."""

import numpy as np
import pytest

from workbench.dashboard.aggregate import Line
from workbench.dashboard.curve_charts import Axis, Curve, curve_chart
from workbench.dashboard.curve_legend import LINE, lines_at

NARROW, WIDE = 455, 980  # pixels of the chart in windows of 800 and 1440, beside the sidebar
NAMES = [
    "positions: rope → learned",
    "positions: rope → sinusoidal",
    "positions: rope → alibi",
    "positions: rope → none",
    "norm: rmsnorm → layernorm",
    "feedforward: swiglu → relu",
    "feedforward: swiglu → gelu",
    "feedforward: swiglu → geglu",
]


def drawn(names, width):
    """The parts of a chart that ECharts draws at ``width``: its entries are merged in their order."""
    line = np.array([0.0, 1.0])
    curves = [Curve(Line(name, line, line, None, None, 1, 2), "#000") for name in names]
    option = curve_chart(curves, Axis("x"), Axis("y"))
    found = {name: dict(option[name]) for name in ("legend", "grid", "toolbox")}
    for entry in option["media"]:
        if width >= entry["query"]["minWidth"]:
            for name, changed in entry["option"].items():
                found[name] |= changed
    return found


def test_a_narrow_chart_names_all_of_eight_lines_at_once_above_the_plot():
    narrow, wide, one = drawn(NAMES, NARROW), drawn(NAMES, WIDE), drawn(NAMES[:1], NARROW)
    assert narrow["legend"]["type"] == wide["legend"]["type"] == "plain"
    assert narrow["legend"]["data"] == NAMES
    assert narrow["legend"]["itemGap"] + narrow["legend"]["itemHeight"] == LINE
    # Two of these names, and not three, stand in a line of the narrow chart: measured in a browser.
    assert 4 <= (narrow["grid"]["top"] - one["grid"]["top"]) / LINE + 1 <= 5
    assert wide["grid"]["top"] < narrow["grid"]["top"]
    for room in (narrow, wide):
        assert room["grid"]["top"] - room["toolbox"]["top"] == one["grid"]["top"] - one["toolbox"]["top"]


def test_names_that_would_leave_no_plot_are_paged_through_in_one_line():
    many, few = drawn([f"gpt2+initialization={n}" for n in range(60)], NARROW), drawn(NAMES[:1], NARROW)
    assert many["legend"]["type"] == "scroll"
    assert many["grid"]["top"] == few["grid"]["top"]


@pytest.mark.parametrize(
    ("names", "lines"),
    [([], 1), (["rope"], 1), (["m" * 90], 1), (["m" * 90, "rope"], 2), (["規" * 30] * 2, 2)],
)
def test_lines_are_counted_by_broad_letters(names, lines):
    assert lines_at(NARROW, names) == lines
