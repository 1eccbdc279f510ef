"""Figures for a paper: matplotlib ``Figure`` objects, 8 pt, colours bound to levels.

Built without pyplot, which keeps a list of open figures and is not safe among threads. ``save`` writes
PNG, SVG (text stays text) or PDF (TrueType fonts, which publishers ask for).
"""

import io
import math
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from pathlib import Path
from textwrap import fill
from threading import RLock
from typing import TYPE_CHECKING, Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import XAxis, YAxis
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter, MaxNLocator

from workbench.analysis.colours import BASELINE_COLOUR, BLUE, VERMILLION, variant_colours
from workbench.analysis.confirm_outcomes import Outcomes
from workbench.analysis.curve_seeds import MeanOver, Seed, mean_over
from workbench.analysis.decisions import confirm_phase
from workbench.analysis.dismantling import Measured, added_to, contributions, left_out_of
from workbench.analysis.effects import Report, study_report
from workbench.analysis.figure_look import look, width
from workbench.analysis.flops import validation_curve
from workbench.analysis.gain_ladder import read_off
from workbench.analysis.ladder_effects import LadderReport, LadderRow
from workbench.analysis.metric_units import unit_of
from workbench.analysis.statistics import mean_interval
from workbench.analysis.ticks import Ticks, doublings, every, exact, linear
from workbench.analysis.training_axes import axes_of, axis_title, bytes_per_token, default_axis
from workbench.analysis.tuned_rates import TunedRate
from workbench.analysis.tuning_report import TuningReport, tuning_report
from workbench.analysis.variant_row import VariantRow
from workbench.analysis.verdict_colours import is_open, verdict_colour
from workbench.analysis.verdicts import fate
from workbench.analysis.without_result import brief
from workbench.errors import RecordError, UserError
from workbench.files import write_atomically
from workbench.numbers import scaled
from workbench.records.hyperparameters import LEARNING_RATE
from workbench.records.index import StudyRecords
from workbench.records.run import FINISHED, State
from workbench.visible import visible

if TYPE_CHECKING:
    from matplotlib.typing import RcKeyType

FORMATS = ("png", "svg", "pdf")
_NAME = 30  # letters in a line of a variant's name
OUT_COLOUR, INTO_COLOUR = BLUE, VERMILLION  # of what is left out of one recipe, and added to the other
BAND = "#DDDDDD"
_LEGEND = 80  # letters in a line of the legend above
_LEGEND_LINE = 0.14  # inches of a name in a legend below a plot
_ROOM = 1.1  # times the largest budget, where an axis of budgets ends
_RATES = 8  # learning rates that have a label
_PANELS = 3  # of a ladder side by side
_RUNGS = 4  # that have a label in such a panel
_STYLE: "dict[RcKeyType, Any]" = {
    "font.size": 8,
    "axes.titlesize": 8,
    "axes.labelsize": 8,
    "legend.fontsize": 7,
    "xtick.labelsize": 7,
    "ytick.labelsize": 7,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.6,
    "lines.linewidth": 1.2,
    "legend.frameon": False,
    "pdf.fonttype": 42,
    "ps.fonttype": 42,
    "svg.fonttype": "none",
    "text.parse_math": False,  # a name may hold dollars
    "svg.hashsalt": "workbench",  # equal data gives an equal file
}
_LOCK = RLock()


@contextmanager
def paper_settings() -> Iterator[None]:
    """Draw, and write, with the figures' fonts and sizes and the look that is set."""
    # The settings are the process's; a dashboard draws from several threads.
    with _LOCK, mpl.rc_context(_STYLE | look().settings):
        yield


def paper_style(draw: Callable[..., Figure]) -> Callable[..., Figure]:
    """Decorator: draw with the figures' fonts, sizes and formats."""

    @wraps(draw)
    def within(*args: Any, **kwargs: Any) -> Figure:
        with paper_settings():
            return draw(*args, **kwargs)

    return within


def legend_beside(axes: Axes) -> None:
    """The legend to the right of a plot; below it, where that leaves the plot no room."""
    if look().is_narrow:
        figure = axes.get_figure(root=True)
        assert figure is not None  # the axes were made for it
        handles, labels = axes.get_legend_handles_labels()
        figure.set_figheight(figure.get_figheight() + _LEGEND_LINE * len(labels))
        figure.legend(handles, labels, loc="outside lower left")
    else:
        axes.legend(loc="center left", bbox_to_anchor=(1, 0.5))


def name_lines(name: str) -> str:
    """A variant's name in lines that leave room for what is drawn beside it."""
    return fill(name, _NAME // 2 if look().is_narrow else _NAME)


def legend_label(name: str) -> str:
    """``name`` as a legend shows it: matplotlib leaves out what begins with an underscore."""
    return f" {name}" if name.startswith("_") else name


@paper_style
def forest_plot(report: Report) -> Figure:
    """Paired differences with the intervals of their verdicts, every seed as a dot, the margin as a band.

    A row has the colour of its verdict; one that is open is grey, thin and hollow. A variant that failed or
    did not train is named in its row and has no mark: it would set the scale.
    """
    rows = report.comparisons
    names = [name_lines(row.label) for row in rows]
    height = sum(0.26 + 0.12 * (1 + name.count("\n")) for name in names)
    figure = Figure(figsize=(width(), 1.0 + max(0.4, height)), layout="constrained")
    axes = figure.add_subplot()
    _draw_margins(axes, report)
    axes.axvline(0, color=BASELINE_COLOUR, linewidth=0.8)
    for place, row in enumerate(rows):
        _draw_difference(axes, row, place)
    axes.set_yticks(range(len(rows)), names)
    axes.set_ylim(len(rows) - 0.4, -0.6)
    set_ticks(axes.xaxis, linear(_drawn(report), count=6), signed=True)
    label = f"{report.metric} minus baseline ({report.unit}; left is better)"
    axes.set_xlabel(fill(label, _NAME) if look().is_narrow else label)
    if report.baseline.fate:
        axes.set_title(f"the baseline {report.baseline.fate}: nothing is compared", loc="left")
    axes.legend(loc="lower right", bbox_to_anchor=(1, 1), ncols=1, borderaxespad=0.1)
    return figure


def _draw_margins(axes: Axes, report: Report) -> None:
    """The band of the margin, or where factors have margins of their own a band in each row."""
    label = fill(f"margin {report.margin_text}", _LEGEND)
    if not isinstance(report.margins, dict):
        axes.axvspan(-report.margin, report.margin, color=BAND, linewidth=0, label=label)
        return
    places = range(len(report.comparisons))
    halves = [row.margin for row in report.comparisons]
    left = [-half for half in halves]
    widths = [2 * half for half in halves]
    axes.barh(places, widths, left=left, height=1.0, color=BAND, linewidth=0, label=label, zorder=0)


def _drawn(report: Report) -> list[float]:
    """Every number that stands on the axis of differences."""
    found = [-report.margin, 0.0, report.margin]
    for row in report.comparisons:
        found += [-row.margin, row.margin]
        found += row.differences.values()
        if row.interval:
            found += [row.interval.low, row.interval.high]
    return found


@paper_style
def dismantling_plot(report: Report) -> Figure:
    """What each part contributes to the gap between two recipes, from both ends, their sum beside the gap.

    Intervals are those of each contribution by itself; the margin is a band.
    """
    found = report.dismantled
    assert found is not None  # who draws looks first
    rows = contributions(found)
    names = [name_lines(row.name) for row in rows]
    height = sum(0.34 + 0.12 * name.count("\n") for name in names)
    figure = Figure(figsize=(width(), 1.1 + height), layout="constrained")
    axes = figure.add_subplot()
    margin = fill(f"margin ±{found.margin:g}", _LEGEND)
    axes.axvspan(-found.margin, found.margin, color=BAND, linewidth=0, label=margin)
    axes.axvline(0, color=BASELINE_COLOUR, linewidth=0.8)
    places: list[float] = []
    for place, row in enumerate(rows):
        ends = [(-0.15, row.out, OUT_COLOUR, "s"), (0.15, row.into, INTO_COLOUR, "o")]
        if row.into is None:
            ends = [(0.0, row.out, BASELINE_COLOUR, "D")]
        for shift, one, colour, marker in ends:
            places += _draw_contribution(axes, one, place + shift, colour, marker)
        beside = axes.get_yaxis_transform()  # x in fractions of the axes, y in rows
        says = fill(row.says, _NAME // 2) if look().is_narrow else row.says
        axes.text(1.01, place, says, transform=beside, va="center", fontsize=7)
    for label, colour, marker in (
        (left_out_of(found), OUT_COLOUR, "s"),
        (added_to(found), INTO_COLOUR, "o"),
    ):
        axes.plot([], [], marker, color=colour, markersize=3.5, label=legend_label(label))
    axes.set_yticks(range(len(rows)), names)
    axes.set_ylim(len(rows) - 0.4, -0.6)
    set_ticks(axes.xaxis, linear([*places, 0.0, -found.margin, found.margin], count=6), signed=True)
    axes.set_xlabel(
        fill(
            f"part of the gap from {found.origin} to {found.whole} ({report.metric}, {report.unit})", _LEGEND
        )
    )
    columns = 1 if look().is_narrow else 3
    axes.legend(loc="lower right", bbox_to_anchor=(1, 1), ncols=columns, borderaxespad=0.1)
    return figure


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
            axes.set_ylabel(fill(f"{found.metric} minus baseline ({found.unit})", _NAME))
    return figure


def _draw_ladder(axes: Axes, row: LadderRow, found: LadderReport) -> None:
    word = row.word or "no word yet"
    axes.set_title(f"{fill(row.label, _NAME)}\n{word}", loc="left")
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


def _draw_contribution(
    axes: Axes, one: Measured | None, place: float, colour: str, marker: str
) -> list[float]:
    """Draw one mean with its interval, where it is known; the numbers that stand on the axis."""
    if one is None or one.mean is None:
        return []
    axes.plot(one.mean, place, marker, color=colour, markersize=3.5)
    if one.interval is None:
        return [one.mean]
    ends = [one.interval.low, one.interval.high]
    axes.plot(ends, [place, place], color=colour, linewidth=1.6)
    return [one.mean, *ends]


@paper_style
def gains_plot(report: Report, colours: dict[str, str] | None = None) -> Figure:
    """The baseline's loss against its budget, with every variant's loss and where the baseline reaches it.

    Budgets have the mean, its 95 % t interval and each seed as a dot. A variant's square stands at the
    study's budget; the thin line leads to where the baseline reaches its loss, and the thick one is the
    gain's interval.
    """
    found = report.gains
    assert found is not None  # who draws looks first
    figure, axes = _axes()
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
        label = legend_label(fill(f"{labels[one.variant]}: {one.gain}", _NAME))
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


def set_ticks(axis: XAxis | YAxis, ticks: Ticks, *, signed: bool = False) -> None:
    """Have ``axis`` end where ``ticks`` do, with their labels; ``signed``: a plus before what is above 0."""
    axis.axes.set(**{f"{axis.axis_name}lim": (ticks.low, ticks.high)})
    axis.set_ticks(ticks.values, ticks.signed if signed else ticks.labels)


def _draw_difference(axes: Axes, row: VariantRow, place: int) -> None:
    colour, is_thin = verdict_colour(row.verdict), is_open(row.verdict)
    seeds = list(row.differences.values())
    axes.plot(
        seeds, [place + 0.2] * len(seeds), "o", color=colour, markersize=2.5, alpha=0.5, markeredgewidth=0
    )
    text = brief(row)
    if row.interval:
        ends = [row.interval.low, row.interval.high]
        axes.plot(ends, [place, place], color=colour, linewidth=0.8 if is_thin else 1.6)
    if row.difference is not None:
        inside = "white" if is_thin else colour
        axes.plot(row.difference, place, "s", color=colour, markersize=3.5, markerfacecolor=inside)
        text += f", {row.pairs} seeds"
    if row.blown_up and not row.fate:
        text += f", {row.blown_up} did not train"
    beside = axes.get_yaxis_transform()  # x in fractions of the axes, y in rows
    if look().is_narrow:
        text = fill(text, _NAME // 2)
    axes.text(1.01, place, text, transform=beside, va="center", fontsize=7)


@paper_style
def learning_rate_plot(study: StudyRecords) -> Figure:
    """Loss against learning rate for each variant: the mean over tuning seeds, each seed as a dot.

    The chosen rate is ringed; a rate at which a run gave no result is a cross at the top.
    """
    tuned, _ = confirm_phase(study)
    colours = variant_colours(study.manifest)
    figure, axes = _axes()
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
    axes.set_ylabel(_metric_label(study))
    return _finished(figure, axes, empty="no tuning run has finished")


def _draw_points(axes: Axes, tuned: TunedRate, colour: str) -> None:
    """Points of several hyperparameters by their learning rates: no line, which would join what differs."""
    assert tuned.points is not None
    dots = [(point.hyperparameters[LEARNING_RATE], point.mean) for point in tuned.points.tried]
    sound = [(x, y) for x, y in dots if math.isfinite(y)]
    label = legend_label(fill(tuned.variant, _NAME))
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
    figure, axes = _axes()
    for one in found.variants if found is not None else ():
        colour = colours[one.variant]
        k = [best.k for best in one.best_of]
        means = [best.mean for best in one.best_of]
        low = [best.mean - best.sd for best in one.best_of]
        high = [best.mean + best.sd for best in one.best_of]
        axes.plot(k, means, "-", color=colour, label=legend_label(fill(one.variant, _NAME)))
        axes.fill_between(k, low, high, color=colour, alpha=0.15, linewidth=0)
        if found is not None and not found.shared:
            so_far = [math.nan if value is None else value for value in one.so_far]
            axes.step(range(1, len(so_far) + 1), so_far, ":", where="post", color=colour)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_xlabel("points tried (dotted: in the order tried)" if _learns(found) else "points tried")
    axes.set_ylabel(_metric_label(study))
    return _finished(figure, axes, empty="no tuning run has finished")


def _learns(found: TuningReport | None) -> bool:
    """Whether points were proposed by what those before them gave."""
    return found is not None and not found.shared


def _draw_tuning(axes: Axes, rate: TunedRate, colour: str) -> None:
    means = {x: y for x, y in rate.means.items() if math.isfinite(y)}
    label = legend_label(fill(rate.variant, _NAME))
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
    figure, axes = _axes()
    for name, mine in outcomes.items():
        curves = _readable_curves(mine, manifest.metric, "tokens" if text else x)
        if text:
            curves = {seed: curve * [text[name], 1.0] for seed, curve in curves.items()}
        _draw_curve(axes, mine, curves, colours[name])
    axes.set_xlabel(axis_title(manifest, x))
    axes.xaxis.set_major_formatter(EngFormatter(sep=""))
    axes.set_ylabel(_metric_label(study))
    return _finished(figure, axes, empty="no confirm run is complete")


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
            axes.plot([], [], color=colour, linewidth=0.5, label=legend_label(fill(f"{label}{what}", _NAME)))
        return
    table = np.stack([curve[:length] for curve in members])  # (seeds, evaluations, 2)
    places, values = table[..., 0].mean(axis=0), table[..., 1]
    axes.plot(places, values.mean(axis=0), color=colour, label=legend_label(fill(label, _NAME)))
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
        has_values = len(curve) and x in curve
        curves[seed] = curve[[x, metric]].to_numpy(float) if has_values else np.empty((0, 2))
    return curves


def _axes() -> tuple[Figure, Axes]:
    height = 2.6 if look().is_narrow else 3.0
    figure = Figure(figsize=(width(), height), layout="constrained")
    return figure, figure.add_subplot()


def _finished(figure: Figure, axes: Axes, empty: str) -> Figure:
    if axes.get_legend_handles_labels()[0]:
        set_ticks(axes.yaxis, linear(axes.dataLim.intervaly, count=5))
        legend_beside(axes)
    else:
        axes.text(0.5, 0.5, empty, transform=axes.transAxes, ha="center")
    return figure


def _metric_label(study: StudyRecords) -> str:
    metric = study.manifest.metric
    return f"{metric} ({unit_of(metric)})"


def ladder_figures(study: StudyRecords, found: LadderReport) -> dict[str, Figure]:
    """All figures of a ladder by name: ``ladder``, and those of each rung, as ``rung-1-forest``."""
    figures = {"ladder": ladder_plot(found)}
    for number, rung in enumerate(study.compared, start=1):
        figures |= {f"rung-{number}-{name}": one for name, one in study_figures(rung).items()}
    return figures


def study_figures(study: StudyRecords) -> dict[str, Figure]:
    """All figures by name: ``forest``, ``learning_rates``, ``curves``; with a space, ``best_of_k``.

    Where two recipes are taken apart there is ``parts`` too, and ``gains`` where the baseline was trained at
    other budgets. Of a ladder, see ``ladder_figures``.
    """
    report = study_report(study)
    figures = {
        "forest": forest_plot(report),
        "learning_rates": learning_rate_plot(study),
        "curves": curves_plot(study),
    }
    if report.dismantled is not None:
        figures["parts"] = dismantling_plot(report)
    if report.gains is not None:
        figures["gains"] = gains_plot(report, variant_colours(study.manifest))
    if study.manifest.tuning is not None:
        figures["best_of_k"] = best_of_plot(study)
    return figures


def save(figure: Figure, path: Path) -> Path:
    """Write ``figure`` as the ending of ``path`` says: ``.png`` (300 dpi), ``.svg`` or ``.pdf``."""
    path = Path(path)
    write_atomically(path, to_bytes(figure, path.suffix.lstrip(".")))
    return path


def to_bytes(figure: Figure, format: str) -> bytes:
    """``figure`` as the content of a ``png``, ``svg`` or ``pdf`` file."""
    if format not in FORMATS:
        raise UserError(f"figure format {format!r} is none of {', '.join(FORMATS)}")
    dates = {"svg": {"Date": None}, "pdf": {"CreationDate": None}, "png": {}}
    target = io.BytesIO()
    with paper_settings(), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing from font")  # a box stands in the figure for it
        figure.savefig(target, format=format, dpi=300, metadata=dates[format])
    if format == "svg":  # XML has no place for control characters, which a name or a token may hold
        return visible(target.getvalue().decode()).encode()
    return target.getvalue()
