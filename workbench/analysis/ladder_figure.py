"""Effects against the compute of their rungs, as a figure for a paper."""

import math
from textwrap import fill

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from workbench.analysis.colours import BASELINE_COLOUR
from workbench.analysis.figure_look import look, width
from workbench.analysis.ladder_effects import LadderReport, LadderRow
from workbench.analysis.paper_figures import BAND, NAME_LETTERS, paper_style, set_ticks
from workbench.analysis.ticks import every, linear
from workbench.analysis.verdict_colours import is_open, verdict_colour
from workbench.numbers import scaled

_PANELS = 3  # side by side
_RUNGS = 4  # that have a label in a panel


@paper_style
def ladder_plot(found: LadderReport) -> Figure:
    """Each effect against the compute of its rung, with the trend and the margin.

    Intervals are those of the verdicts. One panel for each change, since effects differ in size. The line is
    dashed; it goes on beyond the top rung where rungs allow that, to an open mark with its prediction
    interval. Each rung's mark has the colour of its verdict; one that is open is grey and thin.
    """
    columns = min(1 if look().is_narrow else _PANELS, len(found.rows))
    lines = math.ceil(len(found.rows) / columns)
    figure = Figure(figsize=(width(), 0.4 + 2.1 * lines), layout="constrained")
    panels = figure.subplots(lines, columns, squeeze=False)
    for place, axes in enumerate(panels.flat):
        if place >= len(found.rows):
            axes.set_axis_off()
            continue
        row = found.rows[place]
        _draw_ladder(axes, row, found)
        axes.set_xlabel("training FLOPs of a run")
        if place % columns == 0:
            axes.set_ylabel(fill(f"{found.metric} minus baseline ({found.unit})", NAME_LETTERS))
    return figure


def _draw_ladder(axes: Axes, row: LadderRow, found: LadderReport) -> None:
    word = row.word or "no word yet"
    axes.set_title(f"{fill(row.label, NAME_LETTERS)}\n{word}", loc="left")
    axes.axhspan(-row.margin, row.margin, color=BAND, linewidth=0)
    axes.axhline(0, color=BASELINE_COLOUR, linewidth=0.8)
    drawn = [-row.margin, 0.0, row.margin]
    reach = [rung.recorded.compute for rung in found.rungs]
    for compute, own in zip(reach, row.rows, strict=True):
        if own.difference is None:
            continue
        drawn.append(own.difference)
        colour = verdict_colour(own.verdict)
        axes.plot(compute, own.difference, "s", color=colour, markersize=3.5)
        if own.interval:
            ends = [own.interval.low, own.interval.high]
            thick = 0.8 if is_open(own.verdict) else 1.6
            axes.plot([compute, compute], ends, color=colour, linewidth=thick)
            drawn += ends
    if row.trend is not None:
        ends_at = [one.compute for one in row.effects]
        if row.extrapolation is not None:
            far = row.extrapolation
            ends_at.append(far.compute)
            reach.append(far.compute)
            ends = [far.interval.low, far.interval.high]
            axes.plot([far.compute] * 2, ends, ":", color=BASELINE_COLOUR, linewidth=1.2)
            axes.plot(far.compute, far.mean, "s", color=BASELINE_COLOUR, markersize=3.5, fillstyle="none")
            drawn += ends
        ends_at = [min(ends_at), max(ends_at)]
        heights = [row.trend.at(one) for one in ends_at]
        axes.plot(ends_at, heights, "--", color=BASELINE_COLOUR, linewidth=0.9)
    axes.set_xscale("log")
    axes.set_xlim(min(reach) / 1.6, max(reach) * 1.6)
    step = every(len(reach), _RUNGS)
    axes.set_xticks(reach[::step], [scaled(one, "") for one in reach[::step]])
    axes.minorticks_off()
    set_ticks(axes.yaxis, linear(drawn, count=5), signed=True)
