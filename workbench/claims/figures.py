"""A card's forest plot for a paper: what its predictions measured, beside the numbers of the literature."""

from textwrap import fill

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from workbench.analysis.colours import BASELINE_COLOUR
from workbench.analysis.figure_look import width
from workbench.analysis.paper_figures import paper_style, set_ticks
from workbench.analysis.ticks import linear
from workbench.claims.forest import KIND_COLOURS, KINDS, LITERATURE, ForestPanel, ForestRow, forest_panels
from workbench.claims.results import CardResult
from workbench.claims.words import Word

_MARKERS = {str(Word.HOLDS): "o", str(Word.FAILS): "v", str(Word.OPEN): "D", LITERATURE: "s"}
_BAND = "#DDDDDD"
_NAME, _TITLE = 34, 70  # letters in a line of a row's name, and of an axis's title
_LINE, _ROOM = 0.13, 0.16  # inches of a line of a name, and between rows


@paper_style
def card_forest(result: CardResult) -> Figure:
    """A panel for each unit of the card's numbers: interval, word by colour and mark, margin as a band.

    Marks of the literature are open. A card without a number gives a figure that says so.
    """
    panels = forest_panels(result)
    heights = [sum(_height(row) for row in panel.rows) for panel in panels] or [0.4]
    figure = Figure(figsize=(width(), 0.5 + sum(0.55 + height for height in heights)), layout="constrained")
    drawn = figure.subplots(len(heights), 1, squeeze=False, gridspec_kw={"height_ratios": heights})[:, 0]
    if not panels:
        drawn[0].text(0.5, 0.5, "no prediction has a number yet", ha="center")
        drawn[0].set_axis_off()
        return figure
    for axes, panel in zip(drawn, panels, strict=True):
        _draw_panel(axes, panel)
    kinds = [kind for kind in KINDS if any(row.kind == kind for panel in panels for row in panel.rows)]
    handles = [_handle(kind) for kind in kinds]
    figure.legend(handles=handles, loc="outside upper right", ncols=len(handles))
    return figure


def _draw_panel(axes: Axes, panel: ForestPanel) -> None:
    ticks = linear(panel.ends, count=6)
    axes.axvline(0, color=BASELINE_COLOUR, linewidth=0.8)
    for place, row in enumerate(panel.rows):
        low, high = row.band
        axes.barh(place, high - low, left=low, height=1.0, color=_BAND, linewidth=0, zorder=0)
        colour = KIND_COLOURS[row.kind]
        of_paper = row.kind == LITERATURE
        ends = [min(max(end, ticks.low), ticks.high) for end in (row.low, row.high)]
        axes.plot(ends, [place, place], "--" if of_paper else "-", color=colour, linewidth=1.6)
        if row.value is not None:
            style = "none" if of_paper else "full"
            axes.plot(row.value, place, _MARKERS[row.kind], color=colour, markersize=4, fillstyle=style)
        beside = axes.get_yaxis_transform()  # x in fractions of the axes, y in rows
        axes.text(1.01, place, row.said, transform=beside, va="center", fontsize=6)
    axes.set_yticks(range(len(panel.rows)), [fill(row.label, _NAME) for row in panel.rows])
    axes.set_ylim(len(panel.rows) - 0.4, -0.6)
    set_ticks(axes.xaxis, ticks, signed=True)
    axes.set_xlabel(fill(panel.title, _TITLE))


def _height(row: ForestRow) -> float:
    """Inches of a row, by the lines of its name."""
    return _ROOM + _LINE * (1 + fill(row.label, _NAME).count("\n"))


def _handle(kind: str) -> Line2D:
    of_paper = kind == LITERATURE
    return Line2D(
        [],
        [],
        color=KIND_COLOURS[kind],
        marker=_MARKERS[kind],
        markersize=4,
        linestyle="--" if of_paper else "-",
        fillstyle="none" if of_paper else "full",
        label=kind,
    )
