"""How variants were tuned, as figures for a paper: learning rates, and the best of so many points."""

import math
from textwrap import fill

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from workbench.analysis.colours import variant_colours
from workbench.analysis.decisions import confirm_phase
from workbench.analysis.paper_figures import (
    NAME_LETTERS,
    finished,
    legend_label,
    metric_label,
    paper_style,
    plot_axes,
)
from workbench.analysis.ticks import every, exact
from workbench.analysis.tuned_rates import TunedRate
from workbench.analysis.tuning_report import TuningReport, tuning_report
from workbench.records.hyperparameters import LEARNING_RATE
from workbench.records.index import StudyRecords

_RATES = 8  # learning rates that have a label


@paper_style
def learning_rate_plot(study: StudyRecords) -> Figure:
    """Loss against learning rate for each variant: the mean over tuning seeds, each seed as a dot.

    The chosen rate is ringed; a rate at which a run gave no result is a cross at the top.
    """
    tuned, _ = confirm_phase(study)
    colours = variant_colours(study.manifest)
    figure, axes = plot_axes()
    for name, rate in tuned.items():
        if rate is not None and rate.is_point:
            _draw_points(axes, rate, colours[name])
        elif rate is not None:
            _draw_tuning(axes, rate, colours[name])
    axes.set_xscale("log")
    rates = sorted({x for rate in tuned.values() if rate for x in rate.rates_tried})
    step = every(len(rates), _RATES)
    axes.set_xticks(rates[::step], exact(rates)[::step])
    axes.minorticks_off()
    axes.set_xlabel("learning rate")
    axes.set_ylabel(metric_label(study))
    return finished(figure, axes, empty="no tuning run has finished")


def _draw_points(axes: Axes, tuned: TunedRate, colour: str) -> None:
    """Points of several hyperparameters by their learning rates: no line, which would join what differs."""
    assert tuned.points is not None
    dots = [(point.hyperparameters[LEARNING_RATE], point.mean) for point in tuned.points.tried]
    sound = [(x, y) for x, y in dots if math.isfinite(y)]
    label = legend_label(fill(tuned.variant, NAME_LETTERS))
    axes.plot([x for x, _ in sound], [y for _, y in sound], "o", color=colour, markersize=3.5, label=label)
    chosen = tuned.points.chosen
    if math.isfinite(chosen.mean):
        axes.plot(tuned.learning_rate, chosen.mean, "o", color=colour, markersize=7, fillstyle="none")
    lost = [x for x, y in dots if not math.isfinite(y)]
    axes.plot(lost, [1.0] * len(lost), "x", color=colour, transform=axes.get_xaxis_transform(), clip_on=False)


@paper_style
def best_of_plot(study: StudyRecords) -> Figure:
    """The expected best of k random draws of a variant's points against k, with ± one sd as a band.

    Where the points were not drawn at random, the best so far by trial is a dotted line beside it.
    """
    found = tuning_report(study.manifest, confirm_phase(study)[0])
    colours = variant_colours(study.manifest)
    figure, axes = plot_axes()
    for one in found.variants if found is not None else ():
        colour = colours[one.variant]
        k = [best.k for best in one.best_of]
        means = [best.mean for best in one.best_of]
        low = [best.mean - best.sd for best in one.best_of]
        high = [best.mean + best.sd for best in one.best_of]
        axes.plot(k, means, "-", color=colour, label=legend_label(fill(one.variant, NAME_LETTERS)))
        axes.fill_between(k, low, high, color=colour, alpha=0.15, linewidth=0)
        if found is not None and not found.shared:
            so_far = [math.nan if value is None else value for value in one.so_far]
            axes.step(range(1, len(so_far) + 1), so_far, ":", where="post", color=colour)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_xlabel("points tried (dotted: in the order tried)" if _learns(found) else "points tried")
    axes.set_ylabel(metric_label(study))
    return finished(figure, axes, empty="no tuning run has finished")


def _learns(found: TuningReport | None) -> bool:
    """Whether points were proposed by what those before them gave."""
    return found is not None and not found.shared


def _draw_tuning(axes: Axes, rate: TunedRate, colour: str) -> None:
    means = {x: y for x, y in rate.means.items() if math.isfinite(y)}
    label = legend_label(fill(rate.variant, NAME_LETTERS))
    axes.plot(list(means), list(means.values()), "-", color=colour, label=label)
    dots = [(x, y) for x, ys in rate.losses.items() for y in ys if math.isfinite(y)]
    axes.plot(
        [x for x, _ in dots], [y for _, y in dots], "o", color=colour, markersize=2.5, markeredgewidth=0
    )
    chosen = rate.chosen_loss
    if chosen is not None and math.isfinite(chosen):
        axes.plot(rate.learning_rate, chosen, "o", color=colour, markersize=7, fillstyle="none")
    lost = [x for x, ys in rate.losses.items() if not all(map(math.isfinite, ys))]
    axes.plot(lost, [1.0] * len(lost), "x", color=colour, transform=axes.get_xaxis_transform(), clip_on=False)
