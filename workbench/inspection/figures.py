"""Panels as matplotlib figures: SVG, PDF or PNG for a paper, without a browser."""

import math
from collections.abc import Callable, Mapping
from itertools import cycle
from textwrap import fill

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from workbench.analysis.colours import BASELINE_COLOUR, PALETTE
from workbench.analysis.figures import WIDTH, legend_label, styled
from workbench.inspection.panels import (
    Bars,
    Dots,
    Heatmap,
    Lines,
    Maps,
    Panel,
    Result,
    Rule,
    TokenMaps,
    Tokens,
)

_HEIGHT = 2.5  # inches of one row of axes
_COLUMNS = 4  # facets side by side
_GAP = 4  # pixels between maps of a mosaic
_SOURCE_WIDTH = 130  # characters of the line that says what was looked at
_LINE_WIDTH = 96  # characters of text in a row of tokens
GHOST, BASELINE = "#8A97A6", "#6B7684"


@styled
def figure(result: Result) -> Figure:
    """All panels of a view below each other, its source beneath."""
    heights = [_rows(panel) * _HEIGHT for panel in result.panels]
    whole = Figure(figsize=(WIDTH, sum(heights) + 0.6), layout="constrained")
    parts = whole.subfigures(len(heights), 1, height_ratios=heights, squeeze=False)[:, 0]
    for part, panel in zip(parts, result.panels, strict=True):
        _draw(part, panel)
    whole.suptitle(result.title, fontsize=9, fontweight="bold")
    whole.supxlabel(fill(result.source, _SOURCE_WIDTH), fontsize=6, color=GHOST)
    return whole


def series_colours(names: list[str], given: Mapping[str, str], ordinal: bool) -> dict[str, str]:
    """A colour per series: the given ones, shades of one colour if ordinal, else the palette's.

    The baseline is a ghost beside what is looked at: a grey that shows on light and dark alike.
    """
    if ordinal:
        shades = mpl.colormaps["viridis"](np.linspace(0.05, 0.9, max(2, len(names))))
        return {name: mpl.colors.to_hex(shade) for name, shade in zip(names, shades, strict=False)}
    free = cycle([colour for colour in PALETTE if colour not in given.values()] or list(PALETTE))
    bound = {name: BASELINE if colour == BASELINE_COLOUR else colour for name, colour in given.items()}
    return {name: bound.get(name) or next(free) for name in names}


def _rows(panel: Panel) -> float:
    facet = getattr(panel, "facet", None)
    if isinstance(panel, Maps):
        return 0.35 * panel.data["layer"].nunique()
    count = panel.data[facet].nunique() if facet else 1
    if isinstance(panel, Tokens):
        return max(0.4, 0.08 * math.ceil(panel.data["token"].str.len().sum() / _LINE_WIDTH))
    return math.ceil(count / _COLUMNS) if count > 1 else 1


def _draw(part: Figure, panel: Panel) -> None:
    part.suptitle(panel.title, fontsize=8)
    if isinstance(panel, Maps | TokenMaps):
        (_maps if isinstance(panel, Maps) else _token_maps)(part, panel)
        return
    draw: Callable[[Axes, Panel, pd.DataFrame], None] = _DRAW[type(panel)]
    for axes, (name, data) in _facets(part, panel):
        if name:
            axes.set_title(name, fontsize=7)
        draw(axes, panel, data)
        _rules(axes, getattr(panel, "rules", ()))


def _facets(part: Figure, panel: Panel) -> list[tuple[Axes, tuple[str, pd.DataFrame]]]:
    facet = getattr(panel, "facet", None)
    if facet is None:
        return [(part.subplots(), ("", panel.data))]
    groups = [(str(name), group) for name, group in panel.data.groupby(facet, sort=False)]
    columns = min(_COLUMNS, len(groups))
    rows = math.ceil(len(groups) / columns)
    shared = not isinstance(panel, Heatmap)  # whose columns may differ
    grid = part.subplots(rows, columns, sharex=shared, sharey=shared, squeeze=False).ravel()
    for unused in grid[len(groups) :]:
        unused.set_axis_off()
    return list(zip(grid, groups, strict=False))


def _lines(axes: Axes, panel: Lines, data: pd.DataFrame) -> None:
    names = list(dict.fromkeys(panel.data["series"]))
    colours = series_colours(names, panel.colours, panel.ordinal)
    for name in [name for name in names if name in set(data["series"])]:
        line = data[data["series"] == name].sort_values("x")
        colour = GHOST if name in panel.ghosts else colours[name]
        style = "--" if name in panel.ghosts else "-"
        axes.plot(
            line["x"],
            line["y"],
            style,
            color=colour,
            label=legend_label(name),
            marker="." if len(line) < 12 else "",
        )
        if "low" in line:
            axes.fill_between(line["x"], line["low"], line["high"], color=colour, alpha=0.18, linewidth=0)
    if panel.seeds is not None and panel.facet is None:
        for (name, _), thin in panel.seeds.groupby(["series", "seed"], sort=False):
            axes.plot(thin["x"], thin["y"], color=colours.get(name, GHOST), linewidth=0.4, alpha=0.5)
    _axes(axes, panel.x, panel.y, log_x=panel.log_x, log_y=panel.log_y)
    if not panel.log_x and pd.api.types.is_integer_dtype(panel.data["x"]):
        axes.xaxis.set_major_locator(mpl.ticker.MaxNLocator(integer=True))
    if 1 < len(names) <= 12:
        axes.legend()


def _heatmap(axes: Axes, panel: Heatmap, data: pd.DataFrame) -> None:
    grid = data.pivot_table(index="y", columns="x", values="value", sort=False)
    low, high = panel.domain or heat_domain(panel)
    image = axes.imshow(
        grid.to_numpy(dtype=float),
        aspect="auto",
        cmap="RdBu_r" if panel.diverging else "viridis",
        vmin=low,
        vmax=high,
        interpolation="nearest",
    )
    axes.set_xticks(*_ticks(list(grid.columns)))
    axes.set_yticks(*_ticks(list(grid.index)))
    axes.figure.colorbar(image, ax=axes, label=panel.value)
    if "text" in data:
        _cell_texts(axes, data, grid, (low + high) / 2)
    _axes(axes, panel.x, panel.y)


def _cell_texts(axes: Axes, data: pd.DataFrame, grid: pd.DataFrame, middle: float) -> None:
    columns, rows = (list(labels) for labels in (grid.columns, grid.index))
    for x, y, value, text in data[["x", "y", "value", "text"]].itertuples(index=False):
        if x in columns and y in rows:
            ink = "black" if value > middle else "white"
            place = (columns.index(x), rows.index(y))
            axes.text(*place, text, ha="center", va="center", fontsize=4, color=ink, parse_math=False)


def heat_domain(panel: Heatmap) -> tuple[float, float]:
    """The ends of a heatmap's scale: around zero if it diverges, else its extremes."""
    values = panel.data["value"].astype(float)
    values = values[np.isfinite(values)]
    low, high = (float(values.min()), float(values.max())) if len(values) else (0.0, 1.0)
    if panel.diverging:
        high = max(abs(low), abs(high)) or 1.0
        return -high, high
    return (low, high) if high > low else (low, low + 1.0)


def _ticks(labels: list) -> tuple[list[int], list[str]]:
    places = list(range(0, len(labels), max(1, len(labels) // 10)))
    return places, [_plain(labels[place]) for place in places]


def _plain(value: object) -> str:
    return f"{value:g}" if isinstance(value, int | float | np.number) else str(value)


def _dots(axes: Axes, panel: Dots, data: pd.DataFrame) -> None:
    categories = list(dict.fromkeys(data["category"]))
    names = list(dict.fromkeys(data["series"]))
    colours = series_colours(names, panel.colours, ordinal=False)
    for index, name in enumerate(names):
        rows = data[data["series"] == name]
        shift = (index - (len(names) - 1) / 2) * 0.25
        places = [categories.index(category) + shift for category in rows["category"]]
        axes.plot(rows["value"], places, "o", color=colours[name], markersize=4, label=legend_label(name))
        if "low" in rows:
            axes.hlines(places, rows["low"], rows["high"], color=colours[name], linewidth=1.5)
        if panel.seeds is not None:
            single = panel.seeds[panel.seeds["series"] == name]
            at = [categories.index(category) + shift + 0.1 for category in single["category"]]
            axes.plot(single["value"], at, ".", color=colours[name], markersize=2, alpha=0.6)
    axes.set_yticks(range(len(categories)), categories)
    axes.set_ylim(len(categories) - 0.4, -0.6)
    axes.set_xlabel(panel.x)
    if len(names) > 1:
        axes.legend()


def _bars(axes: Axes, panel: Bars, data: pd.DataFrame) -> None:
    names = list(dict.fromkeys(panel.data["series"]))
    colours = series_colours(names, panel.colours, ordinal=False)
    labels = list(dict.fromkeys(data["x"]))
    width = 0.8 / len(names)
    for index, name in enumerate(names):
        rows = data[data["series"] == name]
        places = [labels.index(x) + (index - (len(names) - 1) / 2) * width for x in rows["x"]]
        axes.bar(places, rows["y"], width=width, color=colours[name], label=legend_label(name))
    axes.set_xticks(*_ticks(labels))
    _axes(axes, panel.x, panel.y, log_y=panel.log_y)
    if len(names) > 1:
        axes.legend()


def _tokens(axes: Axes, panel: Tokens, data: pd.DataFrame) -> None:
    axes.set_axis_off()
    reach = float(data["value"].abs().max()) or 1.0
    shades = mpl.colormaps["RdBu_r" if panel.diverging else "viridis"]
    column, row = 0, 0
    lines = math.ceil(data["token"].str.len().sum() / _LINE_WIDTH) + 2
    for token, value in zip(data["token"], data["value"], strict=True):
        if column + len(token) > _LINE_WIDTH:
            column, row = 0, row + 1
        level = 0.5 + value / (2 * reach) if panel.diverging else value / reach
        level = level if math.isfinite(level) else 0.5 * panel.diverging  # the first token has no loss
        box = {"facecolor": (*shades(level)[:3], 0.55), "edgecolor": "none", "pad": 0.6}
        place = (column / _LINE_WIDTH, 1 - (row + 1) / lines)
        axes.text(
            *place,
            token,
            fontsize=5.5,
            family="monospace",
            bbox=box,
            parse_math=False,
            transform=axes.transAxes,
        )
        column += len(token)


def _maps(part: Figure, panel: Maps) -> None:
    """Each series as one picture: an axes for each of hundreds of heads would take seconds."""
    series = list(dict.fromkeys(panel.data["series"]))
    for axes, name in zip(part.subplots(1, len(series), squeeze=False)[0], series, strict=True):
        chosen = (panel.data["series"] == name).to_numpy()
        axes.imshow(_mosaic(panel, chosen), cmap="Blues", vmin=0.0, vmax=1.0, interpolation="nearest")
        axes.set_title(name, fontsize=7)
        side = panel.maps.shape[-1] + _GAP
        for axis, column in ((axes.xaxis, "head"), (axes.yaxis, "layer")):
            numbers = range(int(panel.data[column].max()) + 1)
            axis.set_ticks([side * (number + 0.5) for number in numbers], [str(number) for number in numbers])
        axes.set(xlabel="head", ylabel="layer")


def _mosaic(panel: Maps, chosen: np.ndarray) -> np.ndarray:
    """Maps of one series in one grid, layers by heads; gaps are missing values."""
    rows, side = panel.data[chosen], panel.maps.shape[-1]
    size = [int(panel.data[column].max()) + 1 for column in ("layer", "head")]
    grid = np.full([(side + _GAP) * number for number in size], np.nan, dtype=np.float32)
    for layer, head, matrix in zip(rows["layer"], rows["head"], panel.maps[chosen], strict=True):
        top, left = layer * (side + _GAP), head * (side + _GAP)
        grid[top : top + side, left : left + side] = np.sqrt(matrix)
    return grid


def _token_maps(part: Figure, panel: TokenMaps) -> None:
    grid = part.subplots(1, len(panel.names), squeeze=False)[0]
    for axes, name in zip(grid, panel.names, strict=True):
        values, diverging = panel.grid(name), name in panel.diverging
        reach = float(np.nanmax(np.abs(values))) or 1.0
        scale = {"vmin": -reach if diverging else 0.0, "vmax": reach}
        shades = "RdBu_r" if diverging else "Blues"
        image = axes.imshow(values, cmap=shades, aspect="equal", interpolation="nearest", **scale)
        axes.set_title(name, fontsize=7)
        axes.set(xlabel="key", ylabel="query")
        part.colorbar(image, ax=axes, label="difference" if name == "difference" else panel.value)


def _rules(axes: Axes, rules: tuple[Rule, ...]) -> None:
    for rule in rules:
        draw = axes.axhline if rule.axis == "y" else axes.axvline
        draw(rule.at, color=GHOST, linewidth=0.7, linestyle=":")
        if rule.axis == "y":
            where = {"xy": (1, rule.at), "xycoords": ("axes fraction", "data"), "ha": "right"}
        else:
            where = {"xy": (rule.at, 1), "xycoords": ("data", "axes fraction"), "va": "top"}
        axes.annotate(rule.label, **where, fontsize=6, color=GHOST)


def _axes(axes: Axes, x: str, y: str, *, log_x: bool = False, log_y: bool = False) -> None:
    axes.set_xlabel(x)
    axes.set_ylabel(y)
    if log_x:
        axes.set_xscale("log", base=2)
        axes.xaxis.set_major_formatter(mpl.ticker.FuncFormatter(lambda value, _: f"{value:g}"))
    if log_y:
        axes.set_yscale("log")
        # The usual labels are formulas, which these figures do not read: a name may hold dollars.
        axes.yaxis.set_major_formatter(mpl.ticker.FuncFormatter(lambda value, _: f"{value:g}"))
        axes.yaxis.set_minor_formatter(mpl.ticker.LogFormatter(labelOnlyBase=False))


_DRAW = {Lines: _lines, Heatmap: _heatmap, Dots: _dots, Bars: _bars, Tokens: _tokens}
