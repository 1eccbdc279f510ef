"""The chart of curves as a figure: the lines, colours, dashes and bands that the page shows."""

import numpy as np
import pytest

from tests.drawn_figures import Drawn, faults
from workbench.analysis.figure_look import ONE, SERIF, WIDTHS, Look, looking
from workbench.dashboard.aggregate import Line
from workbench.dashboard.curve_charts import Axis, Curve
from workbench.dashboard.curve_figure import curve_panel
from workbench.inspection.panel_figures import panel_figure

X, Y = Axis("Training tokens"), Axis("Validation loss", "nats/token")


def line(name, middle, *, band=True):
    x = np.array([1e5, 2e5, 4e5])
    mean = np.array([middle + 0.3, middle + 0.1, middle])
    ends = (mean - 0.05, mean + 0.05) if band else (None, None)
    return Line(name, x, mean, *ends, runs=3, logged=9)


CURVES = [
    Curve(line("baseline (n = 3)", 3.0), "#222222"),
    Curve(line("alibi (n = 3)", 2.8), "#D55E00", dash="dashed"),
    Curve(line("alibi (n = 3)", 2.7, band=False), "#D55E00", faint=True),
]


def test_a_panel_has_the_lines_of_the_page_in_its_units():
    panel = curve_panel(CURVES, X, Y)
    assert panel.x == "Training tokens (k)"
    assert panel.y == "Validation loss (nats/token)"
    assert panel.data["x"].tolist() == [100, 200, 400] * 2
    assert panel.data.loc[5, ["y", "low", "high"]].tolist() == pytest.approx([2.8, 2.75, 2.85])
    assert len(panel.seeds) == 3
    assert curve_panel(CURVES, X, Y, zero=True).rules[0].at == 0


def test_runs_without_a_mean_are_lines_of_their_own():
    panel = curve_panel([Curve(line("run 1", 3.0, band=False), "#0072B2", faint=True)], X, Y)
    assert panel.seeds is None
    assert panel.data["series"].unique().tolist() == ["run 1"]


@pytest.mark.parametrize("look", [Look(), Look(ONE, SERIF)], ids=["two columns", "one column"])
def test_the_figure_has_the_width_of_a_paper_and_can_be_read(look):
    with looking(look):
        figure = panel_figure(curve_panel(CURVES, X, Y))
    assert figure.get_figwidth() == WIDTHS[look.size]
    drawn = Drawn(figure)
    assert faults(drawn) == []
    lines = {one.get_label(): one for one in figure.axes[0].lines if not one.get_label().startswith("_")}
    assert lines["alibi (n = 3)"].get_color() == "#D55E00"
    assert lines["alibi (n = 3)"]._dash_pattern[1] is not None
    assert lines["baseline (n = 3)"]._dash_pattern[1] is None
