"""Paired differences with their intervals, as a figure for a paper."""

from textwrap import fill

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from workbench.analysis.colours import BASELINE_COLOUR
from workbench.analysis.effects import Report
from workbench.analysis.figure_look import look, width
from workbench.analysis.paper_figures import (
    BAND,
    LEGEND_LETTERS,
    NAME_LETTERS,
    name_lines,
    paper_style,
    set_ticks,
)
from workbench.analysis.ticks import linear
from workbench.analysis.variant_row import VariantRow
from workbench.analysis.verdict_colours import is_open, verdict_colour
from workbench.analysis.without_result import brief


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
    axes.set_xlabel(fill(label, NAME_LETTERS) if look().is_narrow else label)
    if report.baseline.fate:
        axes.set_title(f"the baseline {report.baseline.fate}: nothing is compared", loc="left")
    axes.legend(loc="lower right", bbox_to_anchor=(1, 1), ncols=1, borderaxespad=0.1)
    return figure


def _draw_margins(axes: Axes, report: Report) -> None:
    """The band of the margin, or where factors have margins of their own a band in each row."""
    label = fill(f"margin {report.margin_text}", LEGEND_LETTERS)
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
        text = fill(text, NAME_LETTERS // 2)
    axes.text(1.01, place, text, transform=beside, va="center", fontsize=7)
