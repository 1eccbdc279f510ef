"""Validation curves of the confirm runs, as a figure for a paper."""

from textwrap import fill

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter

from workbench.analysis.colours import variant_colours
from workbench.analysis.confirm_outcomes import Outcomes
from workbench.analysis.curve_seeds import MeanOver, Seed, mean_over
from workbench.analysis.decisions import confirm_phase
from workbench.analysis.flops import validation_curve
from workbench.analysis.paper_figures import (
    NAME_LETTERS,
    finished,
    legend_label,
    metric_label,
    paper_style,
    plot_axes,
)
from workbench.analysis.statistics import mean_interval
from workbench.analysis.training_axes import axes_of, axis_title, bytes_per_token, default_axis
from workbench.analysis.verdicts import fate
from workbench.errors import RecordError, UserError
from workbench.records.index import StudyRecords
from workbench.records.run import FINISHED, State


@paper_style
def curves_plot(study: StudyRecords, x: str | None = None) -> Figure:
    """Validation curves of the confirm runs: the mean over seeds with its 95 % t interval as a band.

    ``x`` is ``tokens``, ``flops``, ``bytes`` (of text, where that is known), ``step`` or ``seconds``; by
    default what the study holds equal. The number of seeds is in the legend. A mean ends with a cross where
    the first of its seeds is lost; the seeds that go on are drawn thin. The legend names a variant that
    failed or did not train; runs that ended at the loss of a guess are not drawn.
    """
    manifest = study.manifest
    x = default_axis(manifest) if x is None else x
    if x not in axes_of(manifest):
        raise UserError(f"x: {x!r} is no axis; use one of {', '.join(axes_of(manifest))}")
    _, outcomes = confirm_phase(study)
    colours = variant_colours(manifest)
    text = bytes_per_token(manifest) if x == "bytes" else {}
    figure, axes = plot_axes()
    for name, mine in outcomes.items():
        curves = _readable_curves(mine, manifest.metric, "tokens" if text else x)
        if text:
            curves = {seed: curve * [text[name], 1.0] for seed, curve in curves.items()}
        _draw_curve(axes, mine, curves, colours[name])
    axes.set_xlabel(axis_title(manifest, x))
    axes.xaxis.set_major_formatter(EngFormatter(sep=""))
    axes.set_ylabel(metric_label(study))
    return finished(figure, axes, empty="no confirm run is complete")


def _draw_curve(axes: Axes, mine: Outcomes, curves: dict[int, np.ndarray], colour: str) -> None:
    """Draw one variant's ``curves``, ``(evaluations, 2)`` by seed."""
    seeds = [
        Seed(state=mine.runs[seed]["state"], end=curve[-1, 0] if len(curve) else None)
        for seed, curve in curves.items()
    ]
    chosen = mean_over(seeds)
    members = [list(curves.values())[place] for place in chosen.members]
    length = min((len(curve) for curve in members), default=0)
    became = None if mine.values else fate(mine)
    label = f"{mine.variant} ({became or _counts(mine, chosen)})"
    if chosen.goes_on:
        for curve in members:
            axes.plot(curve[:, 0], curve[:, 1], color=colour, linewidth=0.5, alpha=0.6)
    if not length:
        if members or became:  # no mean, but a name for what is drawn thin, or not at all
            what = "" if became else ": single seeds"
            name = legend_label(fill(f"{label}{what}", NAME_LETTERS))
            axes.plot([], [], color=colour, linewidth=0.5, label=name)
        return
    table = np.stack([curve[:length] for curve in members])  # (seeds, evaluations, 2)
    places, values = table[..., 0].mean(axis=0), table[..., 1]
    axes.plot(places, values.mean(axis=0), color=colour, label=legend_label(fill(label, NAME_LETTERS)))
    if chosen.lost:
        axes.plot(places[-1:], values[:, -1:].mean(axis=0), "x", color=colour, markersize=5)
    intervals = [mean_interval(values[:, index].tolist()) for index in range(length)]
    bands = [interval for interval in intervals if interval is not None]
    if len(bands) == length:  # of two seeds or more
        low, high = [band.low for band in bands], [band.high for band in bands]
        axes.fill_between(places, low, high, color=colour, alpha=0.15, linewidth=0)


def _counts(mine: Outcomes, chosen: MeanOver) -> str:
    """``n = 3, 1 lost, 1 left out``: how many seeds a mean is of, and what became of the others."""
    parts = [f"n = {len(chosen.members)}"]
    if chosen.lost:
        parts.append(f"{len(chosen.lost)} lost")
    if left_out := mine.finished - len(chosen.members):
        parts.append(f"{left_out} left out")
    return ", ".join(parts)


def _readable_curves(mine: Outcomes, metric: str, x: str) -> dict[int, np.ndarray]:
    """``(evaluations, 2)`` by seed, for those with an outcome."""
    curves = {}
    for seed in mine.planned:
        run = mine.runs.get(seed)
        if run is None or run["state"] not in FINISHED:
            continue  # the report says how many are under way
        if run["state"] == State.COMPLETE and seed not in mine.values:
            continue  # it has no result, though it came to its end
        try:
            curve = validation_curve(run["path"], metric)
        except RecordError:
            continue  # the report lists it among the problems; the legend says that it is left out
        curves[seed] = (
            np.stack([curve[x], curve[metric]], axis=1, dtype=float) if x in curve else np.empty((0, 2))
        )
    return curves
