"""The baseline at several budgets and what a variant is worth in them, as a figure for a paper."""

from textwrap import fill

import numpy as np
from matplotlib.figure import Figure

from workbench.analysis.colours import BASELINE_COLOUR, VERMILLION
from workbench.analysis.effects import Report
from workbench.analysis.gain_ladder import read_off
from workbench.analysis.paper_figures import (
    NAME_LETTERS,
    legend_beside,
    legend_label,
    paper_style,
    plot_axes,
    set_ticks,
)
from workbench.analysis.statistics import mean_interval
from workbench.analysis.ticks import doublings, linear

_ROOM = 1.1  # times the largest budget, where an axis of budgets ends


@paper_style
def gains_plot(report: Report, colours: dict[str, str] | None = None) -> Figure:
    """The baseline's loss against its budget, with every variant's loss and where the baseline reaches it.

    Budgets have the mean, its 95 % t interval and each seed as a dot. A variant's square stands at the
    study's budget; the thin line leads to where the baseline reaches its loss, and the thick one is the
    gain's interval.
    """
    found = report.gains
    assert found is not None  # who draws looks first
    figure, axes = plot_axes()
    known = [rung for rung in found.rungs if rung.losses]
    drawn = [loss for rung in known for loss in rung.losses.values()]
    for rung in known:
        losses = list(rung.losses.values())
        axes.plot([rung.tokens] * len(losses), losses, "o", color=BASELINE_COLOUR, markersize=2, alpha=0.5)
        interval = mean_interval(losses)
        if interval is not None:
            axes.plot([rung.tokens] * 2, [interval.low, interval.high], color=BASELINE_COLOUR, linewidth=0.8)
            drawn += [interval.low, interval.high]
    means = [(rung.tokens, rung.mean) for rung in known if rung.mean is not None]
    line = np.array(means).reshape(-1, 2)  # none of a study whose baseline has no result yet
    axes.plot(line[:, 0], line[:, 1], "-o", color=BASELINE_COLOUR, markersize=4, label="baseline")
    labels = {row.variant: row.label for row in report.rows}
    for one in read_off(found):
        colour = (colours or {}).get(one.variant, VERMILLION)
        reached = one.low if one.reached is None else one.reached
        axes.plot([found.tokens, reached], [one.loss] * 2, color=colour, linewidth=0.8)
        axes.plot([one.low, one.high], [one.loss] * 2, color=colour, linewidth=2.4, alpha=0.6)
        label = legend_label(fill(f"{labels[one.variant]}: {one.gain}", NAME_LETTERS))
        axes.plot(found.tokens, one.loss, "s", color=colour, markersize=4, label=label)
        drawn.append(one.loss)
    axes.set_xscale("log")
    axes.minorticks_off()
    set_ticks(axes.xaxis, doublings([rung.tokens for rung in found.rungs]))
    axes.set_xlim(found.rungs[0].tokens / _ROOM, found.rungs[-1].tokens * _ROOM)  # for the marks at the ends
    axes.set_xlabel("training tokens")
    axes.set_ylabel(f"{report.metric} ({report.unit})")
    if drawn:
        set_ticks(axes.yaxis, linear(drawn, count=5))
    legend_beside(axes)
    return figure
