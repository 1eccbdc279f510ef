"""What each part contributes to the gap between two recipes, as a figure for a paper."""

from textwrap import fill

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from workbench.analysis.colours import BASELINE_COLOUR
from workbench.analysis.dismantling import (
    INTO_COLOUR,
    OUT_COLOUR,
    Measured,
    added_to,
    contributions,
    left_out_of,
)
from workbench.analysis.effects import Report
from workbench.analysis.figure_look import look, width
from workbench.analysis.paper_figures import (
    BAND,
    LEGEND_LETTERS,
    NAME_LETTERS,
    legend_label,
    name_lines,
    paper_style,
    set_ticks,
)
from workbench.analysis.ticks import linear


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
    margin = fill(f"margin ±{found.margin:g}", LEGEND_LETTERS)
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
        says = fill(row.says, NAME_LETTERS // 2) if look().is_narrow else row.says
        axes.text(1.01, place, says, transform=beside, va="center", fontsize=7)
    for label, colour, marker in (
        (left_out_of(found), OUT_COLOUR, "s"),
        (added_to(found), INTO_COLOUR, "o"),
    ):
        axes.plot([], [], marker, color=colour, markersize=3.5, label=legend_label(label))
    axes.set_yticks(range(len(rows)), names)
    axes.set_ylim(len(rows) - 0.4, -0.6)
    set_ticks(axes.xaxis, linear([*places, 0.0, -found.margin, found.margin], count=6), signed=True)
    what = f"part of the gap from {found.origin} to {found.whole} ({report.metric}, {report.unit})"
    axes.set_xlabel(fill(what, LEGEND_LETTERS))
    columns = 1 if look().is_narrow else 3
    axes.legend(loc="lower right", bbox_to_anchor=(1, 1), ncols=columns, borderaxespad=0.1)
    return figure


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
