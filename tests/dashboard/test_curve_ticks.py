"""The chart of curves has the scales of its file: the same ends, the same ticks."""

import json
import math
import random

import numpy as np
import pytest

from workbench.analysis.ticks import linear
from workbench.dashboard.aggregate import Line
from workbench.dashboard.curve_charts import Axis, Curve, curve_chart
from workbench.dashboard.curve_figure import curve_panel
from workbench.dashboard.curve_ticks import echarts_step, scale_option
from workbench.inspection.drawing import drawable, x_axis, y_axis
from workbench.inspection.panel_figures import panel_figure


def ticks_of(option):
    """Where ECharts draws ticks: those that it is given, or the round ones of so many parts."""
    if "customValues" in option.get("axisTick", {}):
        return option["axisTick"]["customValues"]
    low, high = option["min"], option["max"]
    step = echarts_step((high - low) / option["splitNumber"])
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [number * step for number in range(first, last + 1)]


def curves(first, last, *, seeds=False, ends=400_000.0):
    x = np.linspace(ends / 10, ends, 30)
    mean = np.geomspace(first, last, 30) if min(first, last) > 0 else np.linspace(first, last, 30)
    width = 0.03 * abs(first - last)
    found = [Curve(Line("a", x, mean, mean - width, mean + width, 3, 90), "#0072B2")]
    found += [Curve(Line(name, x, mean + 0.01, None, None, 3, 90), "#E69F00") for name in "bcd"]
    if seeds:  # of which one goes on when the mean has ended
        longer = Line("a", np.append(x, 1.2 * ends), np.append(mean, 0.99 * last), None, None, 1, 31)
        found.insert(0, Curve(longer, "#0072B2", faint=True))
    return found


AXES = {
    "loss": (Axis("Training tokens"), Axis("Validation loss", "nats/token")),
    "log y": (Axis("Training tokens"), Axis("Validation loss", "nats/token", log=True)),
    "log x": (Axis("Training tokens", log=True), Axis("Validation loss", "nats/token")),
    "seconds": (Axis("Training time", "s"), Axis("Validation loss", "nats/token")),
}


def test_the_margin_is_a_band_on_page_and_file_and_both_scales_have_room_for_it():
    drawn = curves(-0.004, 0.001)
    x, y = AXES["loss"]
    option = curve_chart(drawn, x, y, zero=True, margin=0.02)
    panel = drawable(curve_panel(drawn, x, y, zero=True, margin=0.02))
    assert option["series"][-1]["markArea"]["data"] == [[{"yAxis": -0.02}, {"yAxis": 0.02}]]
    assert panel.band == (-0.02, 0.02)
    assert (option["yAxis"]["min"], option["yAxis"]["max"]) == (-0.02, 0.02)
    assert ticks_of(option["yAxis"]) == pytest.approx(y_axis(panel).values)
    (axes,) = panel_figure(panel).axes
    assert any(patch.get_extents().height > 0 for patch in axes.patches)
    assert "markArea" not in json.dumps(curve_chart(drawn, x, y, zero=True)["series"])


@pytest.mark.parametrize("seeds", [False, True], ids=["means", "single seeds"])
@pytest.mark.parametrize("axes", AXES)
@pytest.mark.parametrize("values", [(3.4, 2.1), (-0.083, 0.021), (1234.5, 0.25), (2.0, 2.0)], ids=str)
def test_page_and_file_have_the_same_ticks_and_ends(values, axes, seeds):
    x, y = AXES[axes]
    if y.log and min(values) < 0:
        pytest.skip("a logarithmic axis has no differences")
    drawn, zero = curves(*values, seeds=seeds), min(values) < 0
    option = curve_chart(drawn, x, y, zero=zero)
    panel = drawable(curve_panel(drawn, x, y, zero=zero))
    for shown, ticks in ((option["xAxis"], x_axis(panel)), (option["yAxis"], y_axis(panel))):
        assert (shown["min"], shown["max"]) == pytest.approx((ticks.low, ticks.high))
        assert ticks_of(shown) == pytest.approx(ticks.values)
        assert len(ticks.values) > 1 or values[0] == values[1]


def test_any_range_has_the_ticks_that_it_is_meant_to_have():
    draw = random.Random(1)
    for _ in range(2000):
        low, size = draw.uniform(-10, 10), 10 ** draw.uniform(-5, 6)
        ends = (low, low + size)
        for ticks in (linear(ends, count=5), linear(ends), linear(ends).within(*ends)):
            assert ticks_of(scale_option(ticks)) == pytest.approx(ticks.values, abs=1e-9 * size)


def test_an_end_that_is_no_tick_has_no_label():
    option = scale_option(linear((40.96, 409.6)).within(40.96, 409.6))
    assert option["axisLabel"] == {"showMinLabel": False, "showMaxLabel": False}
    option = scale_option(linear((2.0, 3.4), count=5))
    assert option["axisLabel"] == {"showMinLabel": True, "showMaxLabel": True}
