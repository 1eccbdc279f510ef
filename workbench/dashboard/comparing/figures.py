"""The same charts for a paper: effects of several studies by change, and losses by what they cost."""

from collections.abc import Mapping, Sequence
from textwrap import fill

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from workbench.analysis.colours import BASELINE_COLOUR
from workbench.analysis.cost_points import COSTS
from workbench.analysis.figure_look import look, width
from workbench.analysis.paper_figures import legend_label, paper_style, set_ticks
from workbench.analysis.ticks import Ticks, linear
from workbench.analysis.verdict_colours import is_open
from workbench.dashboard.comparing.charts import BASELINE, cost_ticks, cost_words, loss_ends
from workbench.dashboard.comparing.effects import WORDS, EffectPanel, EffectRow

_MARKERS = dict(zip(WORDS, ("v", "^", "s", "D", "X", "o"), strict=True))
_BAND = "#DDDDDD"
_HEADING, _ROW = 0.24, 0.3  # inches of a change's name, and of a row
_TITLE = 90  # letters in a line above a panel, where there are two columns


@paper_style
def effects_figure(panels: Sequence[EffectPanel], colours: Mapping[str, str]) -> Figure:
    """A panel for each metric; ``colours`` are by study. A row without a difference has no mark."""
    heights = [_HEADING * len(panel.changes) + _ROW * len(panel.rows) for panel in panels]
    figure = Figure(figsize=(width(), 0.4 + sum(0.6 + one for one in heights)), layout="constrained")
    drawn = figure.subplots(len(panels), 1, squeeze=False, gridspec_kw={"height_ratios": heights})[:, 0]
    for axes, panel in zip(drawn, panels, strict=True):
        _draw_panel(axes, panel, colours)
    known = [word for word in WORDS if any(row.kind == word for panel in panels for row in panel.rows)]
    handles = [
        Line2D(
            [],
            [],
            color=BASELINE_COLOUR,
            marker=_MARKERS[word],
            markersize=4,
            markerfacecolor="white" if is_open(word) else BASELINE_COLOUR,
            linestyle="",
            label=word,
        )
        for word in known
    ]
    columns = 2 if look().is_narrow else len(handles)
    figure.legend(handles=handles, loc="outside upper right", ncols=columns)
    return figure


def _draw_panel(axes: Axes, panel: EffectPanel, colours: Mapping[str, str]) -> None:
    ticks = linear(panel.ends, count=6)
    axes.axvline(0, color=BASELINE_COLOUR, linewidth=0.8)
    places, names = [], []
    place = 0.0
    for group in panel.changes.values():
        letters = _TITLE // 2 if look().is_narrow else _TITLE
        lines = fill(group[0].heading, letters)
        axes.annotate(
            lines,
            (0, place),
            xycoords=("figure fraction", "data"),
            va="center",
            fontsize=7,
            fontweight="bold",
        )
        place += _HEADING * (1 + 0.5 * lines.count("\n"))
        for row in group:
            _draw_row(axes, row, place, ticks, colours[row.study])
            places.append(place)
            names.append(_name(row))
            place += _ROW
    axes.set_yticks(places, names)
    axes.set_ylim(place - _ROW / 2, -_HEADING)
    set_ticks(axes.xaxis, ticks, signed=True)
    axes.set_xlabel(fill(panel.title, 44 if look().is_narrow else 70))


def _name(row: EffectRow) -> str:
    return row.study.replace("/", "/\n") if look().is_narrow else f"{row.study}\n{row.facts}"


def _draw_row(axes: Axes, row: EffectRow, place: float, ticks: Ticks, colour: str) -> None:
    low, high = row.band
    axes.barh(place, high - low, left=low, height=_ROW, color=_BAND, linewidth=0, zorder=0)
    if row.value is not None:
        ends = [min(max(end, ticks.low), ticks.high) for end in (row.low, row.high)]
        inside = "white" if is_open(row.kind) else colour
        axes.plot(ends, [place, place], "-", color=colour, linewidth=0.8 if is_open(row.kind) else 1.6)
        axes.plot(row.value, place, _MARKERS[row.kind], color=colour, markersize=4.5, markerfacecolor=inside)
    if not look().is_narrow:
        beside = axes.get_yaxis_transform()  # x in fractions of the axes, y in rows
        axes.text(1.01, place, row.said, transform=beside, va="center", fontsize=6)


@paper_style
def cost_figure(table: pd.DataFrame, cost: str, loss: str, colours: Mapping[str, str]) -> Figure:
    """The rows of ``cost_frame``: means with intervals, colour by study, baselines as diamonds; the front."""
    figure = Figure(figsize=(width(), 3.2), layout="constrained")
    axes = figure.add_subplot()
    horizontal, log = cost_ticks(list(table["x"]))
    vertical = linear(loss_ends(table), count=6)
    if log:
        axes.set_xscale("log")
    front = table[table["front"]].sort_values("x")
    axes.step(
        front["x"], front["loss"], "-", where="post", color=BASELINE_COLOUR, linewidth=0.9, label="front"
    )
    for study, rows in table.groupby("study", sort=False):
        for row in rows.to_dict("records"):
            colour = colours[str(study)]
            axes.plot([row["x"]] * 2, [row["low"], row["high"]], "-", color=colour, linewidth=0.8, alpha=0.6)
            marker = "D" if row["what"] == BASELINE else "o"
            size = 5 if row["front"] else 3
            axes.plot(row["x"], row["loss"], marker, color=colour, markersize=size, markeredgewidth=0)
        axes.plot([], [], "o", color=colours[str(study)], markersize=3.5, label=legend_label(str(study)))
    axes.plot([], [], "D", color=BASELINE_COLOUR, markersize=3.5, label="baseline")
    axes.set_xlim(horizontal.low, horizontal.high)
    axes.set_ylim(vertical.low, vertical.high)
    axes.set_xticks(horizontal.values, [cost_words(value, cost) for value in horizontal.values])
    axes.minorticks_off()
    set_ticks(axes.yaxis, vertical)
    axes.set_xlabel(COSTS[cost])
    axes.set_ylabel(fill(loss, 40))
    handles, labels = axes.get_legend_handles_labels()
    columns = 1 if look().is_narrow else 3
    figure.set_figheight(3.0 + 0.14 * -(-len(labels) // columns))
    figure.legend(handles, labels, loc="outside lower left", ncols=columns)
    return figure
