"""A search's points against each dimension, and along all dimensions at once, as figures for a paper."""

import math
from collections.abc import Sequence
from textwrap import fill

import matplotlib as mpl
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from workbench.analysis.colours import BLUE, ORANGE
from workbench.analysis.figure_look import look, width
from workbench.analysis.importances import Importance, Importances
from workbench.analysis.paper_figures import paper_style, set_ticks
from workbench.analysis.search import Objective, Search
from workbench.analysis.search_figures import axis_words
from workbench.analysis.ticks import FEW, decades, linear
from workbench.records.space import Range

_GOLDEN = 0.618034  # its multiples lie evenly, in an order that has nothing to do with what points gave
_LINE = 22  # letters in a line of a dimension's name
_LEVEL = 12


@paper_style
def slices_plot(
    search: Search, done: pd.DataFrame, dimensions: Sequence[str], objective: Objective, found: Importances
) -> Figure:
    """The objective of the points ``done`` against each of ``dimensions``, a panel each.

    In orange the effect by main effects, all other dimensions equal, with its 95 % interval where it has one.
    """
    columns = 2 if look().is_narrow else 4
    rows = math.ceil(len(dimensions) / columns)
    figure = Figure(figsize=(width(), 0.3 + 1.7 * rows), layout="constrained")
    grid = figure.subplots(rows, columns, squeeze=False, sharey=True).ravel()
    effects = {one.dimension: one for one in found.shares}
    for axes in grid[len(dimensions) :]:
        axes.set_axis_off()
    for axes, dimension in zip(grid, dimensions, strict=False):
        _draw_slice(axes, search, done, dimension, objective, effects.get(dimension), found.centre)
    set_ticks(grid[0].yaxis, linear(done[objective.name], count=FEW))
    figure.supylabel(axis_words(objective), fontsize=8)
    return figure


def _draw_slice(
    axes: Axes,
    search: Search,
    done: pd.DataFrame,
    dimension: str,
    objective: Objective,
    effect: Importance | None,
    centre: float | None,
) -> None:
    kind = search.space[dimension]
    levels = [] if isinstance(kind, Range) else [str(choice) for choice in kind]
    if isinstance(kind, Range):
        places = done[dimension].astype(float).tolist()
        ends = [float(kind.low), float(kind.high), *places]
        ticks = decades(ends, count=FEW) if kind.log else linear(ends, count=FEW, whole=kind.is_whole)
        if kind.log:
            axes.set_xscale("log")
            axes.minorticks_off()
        set_ticks(axes.xaxis, ticks)
    else:
        beside = [(number * _GOLDEN) % 1 * 0.6 - 0.3 for number in done["number"]]
        indices = [levels.index(str(value)) for value in done[dimension]]
        places = [place + shift for place, shift in zip(indices, beside, strict=True)]
        names = [name if len(name) <= _LEVEL else f"{name[: _LEVEL - 1]}…" for name in levels]
        axes.set_xticks(range(len(levels)), names, rotation=90, fontsize=6)
        axes.set_xlim(-0.6, len(levels) - 0.4)
    values = done[objective.name].tolist()
    axes.plot(places, values, "o", color=BLUE, markersize=2, markeredgewidth=0, alpha=0.6)
    axes.set_title(fill(dimension, _LINE), fontsize=7)
    if effect is None or centre is None or not effect.effects:
        return
    reached = [str(one.level) for one in effect.effects]
    at = [float(level) if isinstance(kind, Range) else float(levels.index(level)) for level in reached]
    middle = [centre + one.change for one in effect.effects]
    low = [centre + (one.interval.low if one.interval else one.change) for one in effect.effects]
    high = [centre + (one.interval.high if one.interval else one.change) for one in effect.effects]
    if isinstance(kind, Range):
        axes.fill_between(at, low, high, color=ORANGE, alpha=0.2, linewidth=0)
        axes.plot(at, middle, "-", color=ORANGE)
    else:
        axes.vlines(at, low, high, color=ORANGE, linewidth=1.6)
        axes.plot(at, middle, "o", color=ORANGE, markersize=3.5)


@paper_style
def parallel_plot(search: Search, done: pd.DataFrame, objective: Objective) -> Figure:
    """A line for each of the points ``done`` through all dimensions to the objective, the best on top.

    Each axis has its ends written at it; levels are spread evenly, a logarithmic range is so here too.
    """
    names = [*search.dimensions, objective.name]
    figure = Figure(figsize=(width(), 3.2), layout="constrained")
    axes = figure.add_subplot()
    drawn = done.sort_values(objective.name, ascending=False)
    columns = [_along(search, name, drawn, axes, place) for place, name in enumerate(names)]
    shades = mpl.colormaps["viridis_r"]
    for number in range(len(drawn)):
        rank = number / max(1, len(drawn) - 1)
        heights = [column[number] for column in columns]
        axes.plot(range(len(names)), heights, "-", color=shades(0.05 + 0.9 * rank), linewidth=0.6)
    axes.vlines(range(len(names)), 0, 1, color="#5F6C7A", linewidth=0.6)
    titles = [*search.dimensions, axis_words(objective)]
    axes.set_xticks(range(len(names)), [fill(title, _LINE) for title in titles], rotation=90, fontsize=6)
    axes.set_xlim(-0.3, len(names) - 0.4)
    axes.set_ylim(-0.09, 1.09)
    axes.set_yticks([])
    axes.spines[["left", "bottom"]].set_visible(False)
    axes.tick_params(length=0)
    return figure


def _along(search: Search, name: str, drawn: pd.DataFrame, axes: Axes, place: int) -> list[float]:
    """Heights of the points on one axis, 0 to 1; its ends are written below and above it."""
    kind = search.space.get(name)
    if isinstance(kind, list):
        levels = [str(choice) for choice in kind]
        heights = [levels.index(str(value)) / max(1, len(levels) - 1) for value in drawn[name]]
        ends = (levels[0], levels[-1])
    else:
        values = drawn[name].astype(float)
        log = isinstance(kind, Range) and kind.log
        low, high = float(values.min()), float(values.max())
        heights = [_height(value, low, high, log=log) for value in values]
        ends = (f"{low:.3g}", f"{high:.3g}")
    for text, height, side in ((ends[0], -0.01, "top"), (ends[1], 1.01, "bottom")):
        short = text if len(text) <= _LEVEL else f"{text[: _LEVEL - 1]}…"
        axes.text(place, height, short, ha="center", va=side, fontsize=4.5)
    return heights


def _height(value: float, low: float, high: float, *, log: bool) -> float:
    if high <= low:
        return 0.5
    return math.log(value / low) / math.log(high / low) if log else (value - low) / (high - low)
