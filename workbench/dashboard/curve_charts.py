"""ECharts options for curves. Plain dictionaries: what a page shows can be tested without a browser.

ECharts has no band series: a band is an invisible line at its lower edge with a filled one stacked on it.
Both carry the line's name, so that the legend hides a line together with its band.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from workbench.dashboard.aggregate import Line
from workbench.dashboard.curve_legend import TOP, legend, media
from workbench.dashboard.curve_ticks import scale_option, x_ticks, y_ticks
from workbench.numbers import prefix_for

_FEW = 30  # a line of so few points shows where they are
_POINTED = 100  # lines; of more, those under the pointer would be late
_BAND_OPACITY = 0.16
_GREY = "#8A97A6"
_TIMES = ((3600.0, "h"), (60.0, "min"))
_ZERO_STYLE = {"color": _GREY, "type": "dashed", "width": 1, "opacity": 1.0}
_ZERO_LINE = {
    "silent": True,
    "symbol": "none",
    "lineStyle": _ZERO_STYLE,
    "blur": {"lineStyle": _ZERO_STYLE},
    "label": {"show": False},
    "data": [{"yAxis": 0}],
}
_MARGIN_STYLE = {"color": _GREY, "opacity": 0.14}
_BAND = {
    "silent": True,
    "itemStyle": _MARGIN_STYLE,
    "blur": {"itemStyle": _MARGIN_STYLE},
    "label": {"show": False},
}
# The slider keeps what lies outside of it in the lines, so that they lead out of the plot.
_ZOOM = {
    "type": "slider",
    "xAxisIndex": 0,
    "filterMode": "none",
    "height": 20,
    "bottom": 8,
    "showDetail": False,
}
_TOOLS: dict[str, Any] = {
    "right": 8,
    "top": 24,
    "itemSize": 14,
    "feature": {
        "dataZoom": {"filterMode": "none", "title": {"zoom": "Zoom: draw a frame", "back": "Zoom back"}},
        "restore": {"title": "Whole curves"},
    },
}


@dataclass(frozen=True)
class Axis:
    """An axis: what it shows, in which unit, and whether it is logarithmic."""

    title: str
    unit: str = ""
    log: bool = False


@dataclass(frozen=True)
class Curve:
    """A line with its colour and dash; ``faint`` for the single runs behind a mean.

    ``run`` says which run it is, where its name is that of all runs of a variant.
    """

    line: Line
    colour: str
    faint: bool = False
    dash: str = "solid"
    run: str = ""


def curve_chart(
    curves: Sequence[Curve],
    x: Axis,
    y: Axis,
    *,
    decimals: int = 4,
    zero: bool = False,
    margin: float | None = None,
) -> dict[str, Any]:
    """The option of a chart of curves.

    ``zero`` draws a line at y = 0 (for differences), and ``margin`` a band of as much around it.
    """
    factor, unit = scale_of(x, max((float(curve.line.x[-1]) for curve in curves), default=1.0))
    series: list[dict[str, Any]] = []
    datasets: list[dict[str, Any]] = []
    pointed = len(curves) <= _POINTED
    for curve in curves:
        series += _series(curve, len(datasets), pointed=pointed)
        if curve.line.cut:
            series[-1]["markPoint"] = _end_mark(curve, factor)
        datasets.append({"source": _table(curve.line, factor, y.log)})
    across = x_ticks([curve.line.x / factor for curve in curves], log=x.log)
    up = y_ticks([*_numbers(curves), *band_ends(margin)], log=y.log, zero=zero)
    if zero and series:
        series[-1]["markLine"] = _ZERO_LINE
    if margin is not None and series:
        series[-1]["markArea"] = _BAND | {"data": [[{"yAxis": -margin}, {"yAxis": margin}]]}
    names = _named(curves)
    return {
        "animation": False,
        "grid": {"left": 8, "right": 24, "top": TOP, "bottom": 66, "containLabel": True},
        "legend": legend(names),
        "media": media(names, _TOOLS["top"]),
        "tooltip": {
            "trigger": "axis",
            "valueFormatter": _written(decimals, y.unit),
            "confine": True,
            "axisPointer": {"triggerEmphasis": False},  # all lines have a point there
        },
        "dataset": datasets,
        "dataZoom": [_ZOOM],
        "toolbox": _TOOLS,
        "xAxis": _axis(x, unit, horizontal=True) | scale_option(across, log=x.log),
        "yAxis": _axis(y, y.unit, horizontal=False) | scale_option(up, log=y.log),
        "series": series,
    }


def _written(decimals: int, unit: str) -> str:
    """How a value is written under the pointer: Streamlit takes it as a format of C."""
    return f"%.{decimals}f {unit}".rstrip()


def band_ends(margin: float | None) -> list[np.ndarray]:
    """The numbers that a band of a margin has on the vertical axis."""
    return [] if margin is None else [np.array([-margin, margin])]


def _table(line: Line, factor: float, log: bool) -> pd.DataFrame:
    table = pd.DataFrame({"x": line.x / factor, "mean": line.mean})  # not its name, which may be "x"
    if line.low is None or line.high is None:
        return table
    # A logarithmic axis has no place for an edge at or below zero.
    low = np.where(line.low > 0, line.low, line.mean) if log else line.low
    return table.assign(low=low, band=line.high - low, high=line.high)


def _series(curve: Curve, dataset: int, *, pointed: bool) -> list[dict[str, Any]]:
    line = curve.line
    drawn = _mean_series(curve, dataset) | _under_the_pointer(curve, pointed=pointed)
    if curve.faint:
        # A name in the legend is that of the mean: the names of all its runs would lie on one another.
        return [drawn | {"silent": not pointed, "tooltip": {"show": False}, "legendHoverLink": False}]
    if line.low is None:
        return [drawn]
    common = {
        "type": "line",
        "name": line.name,
        "datasetIndex": dataset,
        "stack": f"band {dataset}",
        "stackStrategy": "all",  # edges of differences lie on both sides of zero
        "showSymbol": False,
        "silent": True,
        "lineStyle": {"opacity": 0},
        "itemStyle": {"color": curve.colour},
        "tooltip": {"show": False},
        # A line under the pointer greys other lines, and leaves bands as they are: its own is one of them.
        "emphasis": {"disabled": True},
        "blur": {"lineStyle": {"opacity": 0}, "areaStyle": {"opacity": _BAND_OPACITY}},
        "z": 1,
    }
    lower = common | {"encode": {"x": "x", "y": "low", "tooltip": []}}
    filled = {"areaStyle": {"color": curve.colour, "opacity": _BAND_OPACITY}}
    upper = common | {"encode": {"x": "x", "y": "band", "tooltip": []}} | filled
    return [lower, upper, drawn]


def _mean_series(curve: Curve, dataset: int) -> dict[str, Any]:
    few = len(curve.line.x) <= _FEW and not curve.faint
    width = 0.8 if curve.faint else 2.2
    shown = ["mean"] if curve.line.low is None else ["mean", "low", "high"]
    style = {"color": curve.colour, "width": width, "opacity": 0.32 if curve.faint else 1.0}
    return {
        "type": "line",
        "name": curve.line.name,
        "datasetIndex": dataset,
        "encode": {"x": "x", "y": "mean", "tooltip": shown},
        "showSymbol": few,
        "symbol": "circle",
        "symbolSize": 5,
        "lineStyle": style | {"type": curve.dash},
        "itemStyle": {"color": curve.colour},
        "z": 2 if curve.faint else 3,
    }


def _under_the_pointer(curve: Curve, *, pointed: bool) -> dict[str, Any]:
    """A line that is pointed at, itself or in the legend, says at its end which it is; others are grey."""
    if not pointed:
        return {"emphasis": {"disabled": True}}
    shown = (curve.run or curve.line.name).replace("{", "{\u2060")  # or ECharts takes it for a template
    label = {
        "show": True,
        "formatter": shown,
        "color": curve.colour,
        "fontWeight": "bold",
        "align": "right",
        "verticalAlign": "bottom",
        "offset": [-100, -8],  # beside the tools, which are in the corner
    }
    grey = {"color": _GREY, "opacity": 0.3}
    return {
        "emphasis": {"focus": "series", "lineStyle": {"width": 3, "opacity": 1.0}, "endLabel": label},
        "blur": {"lineStyle": grey, "itemStyle": grey},
    }


def _end_mark(curve: Curve, factor: float) -> dict[str, Any]:
    """A cross where a mean ends because a run was lost."""
    place = [float(curve.line.x[-1] / factor), float(curve.line.mean[-1])]
    return {
        "silent": True,
        "symbol": "path://M0,0L10,10M10,0L0,10",
        "symbolSize": 11,
        "itemStyle": {"color": curve.colour, "borderColor": curve.colour, "borderWidth": 2.5},
        "label": {"show": False},
        "data": [{"coord": place}],
    }


def _named(curves: Sequence[Curve]) -> list[str]:
    return list(dict.fromkeys(curve.line.name for curve in curves if not curve.faint))


def _axis(axis: Axis, unit: str, *, horizontal: bool) -> dict[str, Any]:
    title = f"{axis.title} ({unit})" if unit else axis.title
    placed = (
        {"nameLocation": "middle", "nameGap": 28}
        if horizontal
        else {"nameLocation": "end", "nameTextStyle": {"align": "left", "padding": [0, 0, 2, -30]}}
    )
    kind = {"type": "log", "logBase": 2} if axis.log else {"type": "value"}
    return kind | {"name": title, "scale": True} | placed


def scale_of(axis: Axis, largest: float) -> tuple[float, str]:
    """What to divide an axis's values by, and the unit that they are in then."""
    if axis.unit == "s":
        return next(((factor, unit) for factor, unit in _TIMES if largest > 3 * factor), (1.0, "s"))
    factor, prefix = prefix_for(largest)
    return factor, f"{prefix}{axis.unit}"


def _numbers(curves: Sequence[Curve]) -> list[np.ndarray]:
    """All numbers that stand on the vertical axis."""
    edges = [edge for curve in curves for edge in (curve.line.mean, curve.line.low, curve.line.high)]
    return [edge for edge in edges if edge is not None]
