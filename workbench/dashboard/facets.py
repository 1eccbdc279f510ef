"""Where the parts of a chart stand that a panel is split into, and how tall they are.

A chart is as wide as the page. Vega-Lite's own facets are not: they have a fixed width. So each facet is a
layer whose axes end where its part of the plot does, given as expressions of the plot's width.
"""

from dataclasses import dataclass
from textwrap import wrap
from typing import Literal, TypedDict

import altair as alt
import pandas as pd
from altair.utils.schemapi import UndefinedType

from workbench.dashboard.chart_ink import Ink
from workbench.inspection.drawing import Drawn, columns_of, has_end_names, order, side_by_side
from workbench.inspection.panels import Dots, Heatmap, Lines

NARROW = 440  # pixels of a plot on a narrow page: what has to fit there is broken into lines
LETTER = 6.6  # pixels of a letter
SYMBOL = 34  # pixels of a mark in a legend, with the room around it
LABEL_HEIGHT = 13  # pixels of a label of an axis
_HEIGHT = 270  # pixels of a plot, without its axes
_FACET_HEIGHT = 150
_AXIS_HEIGHT = 34  # what a row of facets needs for the labels below it
_APART = 20  # pixels between facets
_ROW, _LEAST_ROW, _TALLEST = 26, 4, 520  # pixels of a heatmap's rows, and of all of them
_CATEGORY, _SERIES = 30, 22  # pixels of a row of dots, and of each series in it
_NAME_LINE = 14  # pixels of a line of a facet's name
_NAME_WIDTH = 24  # letters in a line of a category's name
_LONGEST_NAME = 30  # letters that are seen of a name at the end of a line
END_GAP = 14  # pixels between a line's end and its name


class AxisPlace(TypedDict, total=False):
    """Where an axis of a facet stands, and the title that it has or leaves to another."""

    title: list[str] | None
    titleX: alt.ExprRef
    titleY: float
    orient: Literal["bottom", "left"]
    offset: float | alt.ExprRef
    labels: bool


@dataclass(frozen=True)
class Cell:
    """A facet's place in the chart; a chart without facets is one. Heights are in pixels.

    ``room``: pixels that are left free on the right of a plot for the names of lines.
    """

    name: str
    place: int
    count: int
    height: int
    header: int
    room: int = 0

    @property
    def columns(self) -> int:
        """How many facets stand side by side."""
        return columns_of(self.count)

    @property
    def row(self) -> int:
        """Its row, from the top."""
        return self.place // self.columns

    @property
    def column(self) -> int:
        """Its column, from the left."""
        return self.place % self.columns

    @property
    def top(self) -> int:
        """Pixels from the chart's top."""
        return self.row * (self.height + self.header + _AXIS_HEIGHT)

    @property
    def whole_height(self) -> int:
        """Pixels of all rows."""
        return self._last_row * (self.height + self.header + _AXIS_HEIGHT) + self.height

    @property
    def ends(self) -> tuple[alt.ExprRef, alt.ExprRef]:
        """Where it begins and ends from left to right."""
        left = f"width * {self.column} / {self.columns}" + (f" + {_APART}" if self.column else "")
        right = f"width * {self.column + 1} / {self.columns}" + (f" - {self.room}" if self.room else "")
        return alt.ExprRef(left), alt.ExprRef(right)

    @property
    def wide(self) -> str:
        """Its width as an expression."""
        left, right = self.ends
        return f"({right.expr} - ({left.expr}))"

    @property
    def across(self) -> list[alt.ExprRef] | UndefinedType:
        """The range of its horizontal scale; the whole plot's where there is one facet."""
        return list(self.ends) if self.count > 1 or self.room else alt.Undefined

    @property
    def up(self) -> list[int] | UndefinedType:
        """The range of its vertical scale of numbers."""
        return [self.top + self.height, self.top] if self.count > 1 else alt.Undefined

    @property
    def down(self) -> list[int] | UndefinedType:
        """The range of its vertical scale of names, the first at the top."""
        return [self.top, self.top + self.height] if self.count > 1 else alt.Undefined

    def below(self, title: str) -> AxisPlace:
        """What its horizontal axis needs: one title serves all."""
        lines = wrap(title, int(NARROW / LETTER))
        if self.count == 1 and not self.room:
            return {"title": lines}
        if self.count == 1:
            return {"title": lines, "titleX": alt.ExprRef(f"(width - {self.room}) / 2")}
        place = AxisPlace(orient="bottom", offset=self.top + self.height - self.whole_height, title=None)
        if self.row == self._last_row and self.column == 0:
            place["title"] = lines
            place["titleX"] = alt.ExprRef("width / 2")
        return place

    def beside(self, title: str) -> AxisPlace:
        """What its vertical axis needs: labels stand at the left of each row, one title serves all."""
        lines = wrap(title, max(12, int(self.whole_height / LETTER)))
        if self.count == 1:
            return {"title": lines}
        left, _ = self.ends
        offset = alt.ExprRef(f"-({left.expr})")
        place = AxisPlace(orient="left", offset=offset, labels=self.column == 0, title=None)
        if self.place == 0:
            place["title"] = lines
            place["titleY"] = self.whole_height / 2
        return place

    def rows_of(self, panel: Drawn, data: pd.DataFrame) -> alt.Chart:
        """A chart of the rows of ``data`` that belong to the facet; all facets share one table."""
        facet = facet_of(panel)
        if facet is None or self.count == 1:
            return alt.Chart(data)
        only = alt.FieldEqualPredicate(field=facet, equal=self.name)
        return alt.Chart(data, transform=[alt.FilterTransform(only)])

    def title_above(self, ink: Ink) -> list[alt.Chart]:
        """The facet's name above it, which a chart without facets does not have."""
        if self.count == 1:
            return []
        name = _name_lines(self.name, self.count)
        left, right = self.ends
        text = alt.Chart(pd.DataFrame({"name": ["\n".join(name)]})).mark_text(
            baseline="line-bottom", dy=-6, color=ink.faint, fontSize=12, lineBreak="\n", lineHeight=_NAME_LINE
        )
        middle = alt.XValue(alt.ExprRef(f"({left.expr} + {right.expr}) / 2"))
        top = self.top - _NAME_LINE * (len(name) - 1)
        return [text.encode(text="name:N", x=middle, y=alt.YValue(top))]

    @property
    def _last_row(self) -> int:
        return -(-self.count // self.columns) - 1


def facet_of(panel: Drawn) -> str | None:
    """The column that splits a panel; a panel of dots is never split."""
    return None if isinstance(panel, Dots) else panel.facet


def cells_of(panel: Drawn) -> list[Cell]:
    """The places of a panel's facets."""
    facet = facet_of(panel)
    names = order(panel.data[facet].astype(str)) if facet else [""]
    lines = max(len(_name_lines(name, len(names))) for name in names) if len(names) > 1 else 0
    height = _height(panel, len(names))
    header = lines * _NAME_LINE + 8
    room = _room(panel)
    return [Cell(name, place, len(names), height, header, room) for place, name in enumerate(names)]


def _room(panel: Drawn) -> int:
    """What the names at the ends of lines take, of which a line that ends early has some letters more."""
    if not isinstance(panel, Lines) or not has_end_names(panel):
        return 0
    longest = max(len(str(name)) for name in panel.data["series"].unique())
    return END_GAP + round(LETTER * min(_LONGEST_NAME, longest + 5))


def _name_lines(name: str, facets: int) -> list[str]:
    return wrap(name, int(NARROW / columns_of(facets) / LETTER)) or [name]


def _height(panel: Drawn, facets: int) -> int:
    if isinstance(panel, Heatmap):
        rows = panel.data["y"].nunique()
        return round(rows * min(_ROW, max(_LEAST_ROW, _TALLEST / max(1, rows))))
    if isinstance(panel, Dots):
        series = panel.data["series"].nunique() if side_by_side(panel) else 1
        longest = max((len(category_lines(name)) for name in order(panel.data["category"])), default=1)
        row = max(_CATEGORY + _SERIES * (series - 1), LABEL_HEIGHT * longest + 6)
        return row * max(1, panel.data["category"].nunique()) + 10
    return _HEIGHT if facets == 1 else _FACET_HEIGHT


def category_lines(name: object) -> list[str]:
    """The name of a category of dots, in lines."""
    return wrap(str(name), _NAME_WIDTH) or [str(name)]
