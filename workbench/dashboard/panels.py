"""Panels of a view as Altair charts: the same data as the figures, with the numbers under the pointer.

A chart is as wide as the page. Vega-Lite's own facets are not: they have a fixed width. So each facet is a
layer whose axes end where its part of the plot does, given as expressions of the plot's width.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from textwrap import wrap
from typing import Any

import altair as alt
import pandas as pd
from altair.utils.schemapi import debug_mode

from workbench.analysis.contrast import BLACK, WHITE, ink_on, seen_on
from workbench.analysis.ticks import Ticks, every
from workbench.dashboard.axes import FIT_WIDTH, between, broken, ticked, words
from workbench.dashboard.effect_charts import Ink
from workbench.inspection.drawing import (
    Drawn,
    Placed,
    Style,
    cell_colours,
    columns_of,
    drawable,
    heat_domain,
    heat_ticks,
    order,
    placed,
    scale_colours,
    side_by_side,
    styles,
    x_axis,
    y_axis,
)
from workbench.inspection.panels import Bars, Dots, Heatmap, Lines, Panel

HEIGHT = 270  # pixels of a plot, without its axes
_FACET_HEIGHT = 150
_AXIS_HEIGHT = 34  # what a row of facets needs for the labels below it
_APART = 20  # pixels between facets
_ROW, _LEAST_ROW, _TALLEST = 26, 4, 520  # pixels of a heatmap's rows, and of all of them
_LABEL_HEIGHT, _RULE_HEIGHT = 13, 16  # pixels of a label of an axis, and of a line
_CATEGORY, _SERIES = 30, 22  # pixels of a row of dots, and of each series in it
_POINTS = 40  # of a line in a plot, which are marked
_LETTER = 6.6  # pixels of a letter
_NARROW = 440  # pixels of a plot on a narrow page: what has to fit there is broken into lines
_NAME_WIDTH = 24  # letters in a line of a category's name


class _Quick(alt.TopLevelMixin):
    """Without what takes most of the time: checking against Vega-Lite's schema, and copying every layer."""

    def to_dict(self, validate: bool = False, **options: Any) -> dict[str, Any]:
        return super().to_dict(validate=validate, **options)


class _Layers(_Quick, alt.TopLevelLayerSpec):
    pass


@dataclass(frozen=True)
class _Cell:
    """A facet's place in the chart; a chart without facets is one."""

    name: str
    place: int
    count: int
    height: int
    header: int

    @property
    def columns(self) -> int:
        return columns_of(self.count)

    @property
    def rows(self) -> int:
        return -(-self.count // self.columns)

    @property
    def row(self) -> int:
        return self.place // self.columns

    @property
    def column(self) -> int:
        return self.place % self.columns

    @property
    def top(self) -> int:
        """Pixels from the chart's top."""
        return self.row * (self.height + self.header + _AXIS_HEIGHT)

    @property
    def whole_height(self) -> int:
        """Pixels of all rows."""
        return (self.rows - 1) * (self.height + self.header + _AXIS_HEIGHT) + self.height

    @property
    def ends(self) -> tuple[alt.ExprRef, alt.ExprRef]:
        """Where it begins and ends from left to right."""
        left = f"width * {self.column} / {self.columns}" + (f" + {_APART}" if self.column else "")
        return alt.ExprRef(left), alt.ExprRef(f"width * {self.column + 1} / {self.columns}")

    @property
    def wide(self) -> str:
        """Its width as an expression."""
        left, right = self.ends
        return f"({right.expr} - ({left.expr}))"

    def across(self) -> dict[str, Any]:
        """What its horizontal scale needs beside its domain."""
        return {"range": list(self.ends)} if self.count > 1 else {}

    def down(self) -> dict[str, Any]:
        """What its vertical scale of numbers needs beside its domain."""
        return {"range": [self.top + self.height, self.top]} if self.count > 1 else {}

    def below(self, title: str) -> dict[str, Any]:
        """What its horizontal axis needs: one title serves all."""
        lines = wrap(title, int(_NARROW / _LETTER))
        if self.count == 1:
            return {"title": lines}
        last = self.row == self.rows - 1 and self.column == 0
        placed = {"orient": "bottom", "offset": self.top + self.height - self.whole_height}
        return placed | ({"title": lines, "titleX": alt.ExprRef("width / 2")} if last else {"title": None})

    def beside(self, title: str) -> dict[str, Any]:
        """What its vertical axis needs: labels stand at the left of each row, one title serves all."""
        lines = wrap(title, max(12, int(self.whole_height / _LETTER)))
        if self.count == 1:
            return {"title": lines}
        left, _ = self.ends
        placed = {"orient": "left", "offset": alt.ExprRef(f"-({left.expr})"), "labels": self.column == 0}
        first = self.place == 0
        return placed | ({"title": lines, "titleY": self.whole_height / 2} if first else {"title": None})


def chart(panel: Panel, ink: Ink) -> _Layers:
    """The chart of any panel but tokens and maps, which are drawn as text and as images."""
    with debug_mode(False):  # the same check of every part of a chart
        return _chart(panel, ink)


def _chart(given: Drawn, ink: Ink) -> _Layers:
    panel = drawable(given)
    draw: Callable[[Drawn, Drawn, _Cell, Ink], list[alt.Chart]] = _DRAW[type(panel)]
    cells = _cells(given)
    layers = [
        alt.LayerSpec(layer=draw(panel, given, cell, ink) + _rules(panel, cell, ink) + _header(cell, ink))
        for cell in cells
    ]
    apart = alt.Resolve(scale=alt.ScaleResolveMap(x="independent", y="independent"))
    return _Layers(
        layer=layers,
        height=cells[0].whole_height,
        resolve=apart if len(cells) > 1 else alt.Undefined,
        autosize=FIT_WIDTH,
        config=words(ink.faint),
    )


def _cells(panel: Drawn) -> list[_Cell]:
    facet = getattr(panel, "facet", None)
    names = order(panel.data[facet].astype(str)) if facet else [""]
    lines = max(len(_name_lines(name, len(names))) for name in names) if len(names) > 1 else 0
    height = _height(panel, len(names))
    return [_Cell(name, place, len(names), height, lines * 14 + 8) for place, name in enumerate(names)]


def _height(panel: Drawn, facets: int) -> int:
    if isinstance(panel, Heatmap):
        rows = panel.data["y"].nunique()
        return round(rows * _row_height(rows))
    if isinstance(panel, Dots):
        series = panel.data["series"].nunique() if side_by_side(panel) else 1
        longest = max((len(_name_in_lines(name)) for name in order(panel.data["category"])), default=1)
        row = max(_CATEGORY + _SERIES * (series - 1), _LABEL_HEIGHT * longest + 6)
        return row * max(1, panel.data["category"].nunique()) + 10
    return HEIGHT if facets == 1 else _FACET_HEIGHT


def _row_height(rows: int) -> float:
    return min(_ROW, max(_LEAST_ROW, _TALLEST / max(1, rows)))


def _rows_of(cell: _Cell, panel: Drawn, data: pd.DataFrame) -> alt.Chart:
    """A chart of the rows of ``data`` that belong to the facet; all facets share one table."""
    if cell.count == 1:
        return alt.Chart(data)
    only = alt.FieldEqualPredicate(field=panel.facet, equal=cell.name)
    return alt.Chart(data, transform=[alt.FilterTransform(only)])


def _name_lines(name: str, facets: int) -> list[str]:
    return wrap(name, int(_NARROW / columns_of(facets) / _LETTER)) or [name]


def _header(cell: _Cell, ink: Ink) -> list[alt.Chart]:
    """The name of a facet above it."""
    if cell.count == 1:
        return []
    frame = pd.DataFrame({"name": ["\n".join(_name_lines(cell.name, cell.count))]})
    left, right = cell.ends
    text = alt.Chart(frame).mark_text(
        baseline="line-bottom", dy=-6, color=ink.faint, fontSize=12, lineBreak="\n", lineHeight=14
    )
    lines = frame["name"].str.count("\n").iloc[0]
    middle = alt.XValue(alt.ExprRef(f"({left.expr} + {right.expr}) / 2"))
    return [text.encode(text="name:N", x=middle, y=alt.YValue(cell.top - 14 * lines))]


def _axis(ticks: Ticks, given: dict[str, Any], **more: Any) -> alt.Axis:
    return alt.Axis(**ticked(ticks), grid=True, **given, **more)


def _names_below(names: list, title: str, cell: _Cell) -> alt.Axis:
    """Names from left to right: upright where they are long. Where room lacks, every other is left out."""
    longest = max((len(str(name)) for name in names), default=0)
    are_words = longest > 2 and any(isinstance(name, str) for name in names)
    upright = are_words and longest * len(names) * _LETTER > _NARROW / cell.columns
    angle = -90 if upright else 0
    return alt.Axis(labelOverlap="parity", labelAngle=angle, grid=False, **cell.below(title))


def _scale(ticks: Ticks, log: int = 0, **given: Any) -> alt.Scale:
    kind = {"type": "log", "base": log} if log else {"zero": False}
    return between(ticks, **kind, **given)


def _lines(panel: Lines, given: Lines, cell: _Cell, ink: Ink) -> list[alt.Chart]:
    drawn = styles(given)
    horizontal, vertical = x_axis(panel), y_axis(panel)
    x_scale = _scale(horizontal, 2 * panel.log_x, **cell.across())
    y_scale = _scale(vertical, 10 * panel.log_y, **cell.down())
    x = alt.X("x:Q", scale=x_scale, axis=_axis(horizontal, cell.below(panel.x), labelOverlap="parity"))
    y_place = _axis(vertical, cell.beside(panel.y), labelOverlap=False)
    y = alt.Y("y:Q", scale=y_scale, axis=y_place)
    above = _label_rows(placed(panel.rules, horizontal, "x", log=panel.log_x))
    symbol = "stroke" if panel.joined else "circle"
    colour = _colour(panel, drawn, cell, ink, symbol=symbol, above=above)
    rows = _rows_of(cell, panel, panel.data)
    base = rows.encode(x=x, y=y, color=colour, tooltip=_tooltip(panel))
    layers = []
    if "low" in panel.data and panel.data["low"].notna().any():
        band = rows.mark_area(opacity=0.16)
        layers.append(
            band.encode(x=x, y=alt.Y("low:Q", scale=y_scale, axis=y_place), y2="high:Q", color=colour)
        )
    if panel.seeds is not None and cell.count == 1:
        thin = alt.Chart(panel.seeds)
        thin = thin.mark_line(strokeWidth=0.7, opacity=0.5) if panel.joined else thin.mark_circle(opacity=0.5)
        layers.append(thin.encode(x=x, y=y, color=colour, detail=alt.Detail("seed:N")))
    if panel.joined:
        layers.append(base.mark_line(strokeWidth=2).encode(strokeDash=_dashes(drawn)))
    few = len(panel.data) <= _POINTS * cell.count * len(drawn)
    size = 80
    if panel.joined:
        size = 34 if few else 12
    points = base.mark_point(filled=True, size=size)
    # Dots would hide how the lines of theory are dashed.
    theory = alt.FieldOneOfPredicate(field="series", oneOf=sorted(panel.ghosts))
    seen = alt.OpacityValue(0.9 if few else 0.01, condition={"test": theory, "value": 0.01})
    return [*layers, points.encode(opacity=seen)]


def _dashes(drawn: dict[str, Style]) -> alt.StrokeDash:
    dashes = [list(style.dash) or [1, 0] for style in drawn.values()]
    legend = alt.Undefined if len(drawn) > 1 else None
    return alt.StrokeDash(
        "series:N", title=None, scale=alt.Scale(domain=list(drawn), range=dashes), legend=legend
    )


def _heatmap(panel: Heatmap, given: Heatmap, cell: _Cell, ink: Ink) -> list[alt.Chart]:
    columns, rows = order(given.data["x"]), order(given.data["y"])
    x_scale = alt.Scale(domain=columns, **cell.across())
    y_scale = alt.Scale(
        domain=rows, **({"range": [cell.top, cell.top + cell.height]} if cell.count > 1 else {})
    )
    below = _names_below(columns, panel.x, cell)
    room = int(cell.height / _LABEL_HEIGHT)
    beside = alt.Axis(
        values=rows[:: every(len(rows), room)],
        labelOverlap=False,
        labelFlush=False,  # which would push the first name towards the second
        grid=False,
        **cell.beside(panel.y),
    )
    x, y = alt.X("x:O", scale=x_scale, axis=below), alt.Y("y:O", scale=y_scale, axis=beside)
    if "text" in panel.data:
        panel = replace(panel, data=panel.data.assign(ink=_inks(panel)))
    base = _rows_of(cell, panel, panel.data).encode(x=x, y=y, tooltip=_tooltip(panel))
    layers = [base.mark_rect().encode(color=_shade(panel, cell))]
    if "text" in panel.data:
        white = alt.FieldEqualPredicate(field="ink", equal=WHITE)
        written = alt.ColorValue(BLACK, condition={"test": white, "value": WHITE})
        longest = int(panel.data["text"].str.len().max()) if len(panel.data) else 0
        fits = f"{cell.wide} / {max(1, len(columns))} >= {5 * longest + 4}"
        layers.append(
            base.mark_text(fontSize=9, opacity=alt.ExprRef(f"{fits} ? 1 : 0")).encode(
                text="text:N", color=written
            )
        )
    return layers


def _inks(panel: Heatmap) -> list[str]:
    return [ink_on(colour) for colour in cell_colours(panel)]


def _shade(panel: Heatmap, cell: _Cell) -> alt.Color:
    low, high = heat_domain(panel)
    colours = scale_colours(panel.diverging)
    stops = [low + (high - low) * place / (len(colours) - 1) for place in range(len(colours))]
    legend = alt.Legend(
        orient="top",
        direction="horizontal",
        gradientLength=220,
        gradientThickness=10,
        titleLimit=_NARROW,
        **ticked(heat_ticks(panel)),
        offset=_legend_offset(cell),
    )
    scale = alt.Scale(domain=stops, range=colours, type="linear", clamp=True)
    return alt.Color("value:Q", title=wrap(panel.value, 60), scale=scale, legend=legend)


def _legend_offset(cell: _Cell, rows: int = 0) -> int:
    return 10 + (cell.header if cell.count > 1 else _RULE_HEIGHT * rows)


def _dots(panel: Dots, given: Dots, cell: _Cell, ink: Ink) -> list[alt.Chart]:
    categories, drawn = order(given.data["category"]), styles(given)
    lines = {str(name): _name_in_lines(name) for name in categories}
    names = alt.Axis(
        labelLimit=0,
        labelOverlap=False,
        labelExpr=broken(lines),
        title=None,
        grid=False,
    )
    y = alt.Y("category:N", title=None, scale=alt.Scale(domain=categories), axis=names)
    apart = side_by_side(given)
    offset = alt.YOffset("series:N", scale=alt.Scale(domain=list(drawn))) if apart else alt.Undefined
    ticks = x_axis(panel)
    place = {"scale": _scale(ticks), "axis": _axis(ticks, cell.below(panel.x), labelOverlap="parity")}
    above = _label_rows(placed(panel.rules, ticks, "x"))
    colour = _colour(panel, drawn, cell, ink, symbol="circle", above=above, named=apart)
    base = alt.Chart(panel.data).encode(y=y, yOffset=offset, color=colour, tooltip=_tooltip(panel))
    layers = []
    if "low" in panel.data:
        layers.append(base.mark_rule(strokeWidth=2.5).encode(x=alt.X("low:Q", **place), x2=alt.X2("high:Q")))
    layers.append(base.mark_point(filled=True, size=90, opacity=1).encode(x=alt.X("value:Q", **place)))
    if panel.seeds is not None:
        single = alt.Chart(panel.seeds).mark_circle(size=26, opacity=0.5, yOffset=8)
        named = [alt.Tooltip(name) for name in ("category", "series", "seed")]
        tooltip = [*named, alt.Tooltip("value:Q", format=".4~g")]
        layers.append(
            single.encode(x=alt.X("value:Q", **place), y=y, yOffset=offset, color=colour, tooltip=tooltip)
        )
    return layers


def _name_in_lines(name: object) -> list[str]:
    return wrap(str(name), _NAME_WIDTH) or [str(name)]


def _bars(panel: Bars, given: Bars, cell: _Cell, ink: Ink) -> list[alt.Chart]:
    places, drawn = order(given.data["x"]), styles(given)
    ticks = y_axis(panel)
    x_scale = alt.Scale(domain=places, **cell.across())
    x = alt.X("x:O", scale=x_scale, axis=_names_below(places, panel.x, cell))
    offset = alt.XOffset("series:N", scale=alt.Scale(domain=list(drawn))) if len(drawn) > 1 else alt.Undefined
    y_place = _axis(ticks, cell.beside(panel.y), labelOverlap=False)
    y = alt.Y("y:Q", scale=_scale(ticks, **cell.down()), axis=y_place)
    colour = _colour(panel, drawn, cell, ink, symbol="square")
    bars = _rows_of(cell, panel, panel.data).mark_bar()
    return [bars.encode(x=x, xOffset=offset, y=y, color=colour, tooltip=_tooltip(panel))]


def _colour(
    panel: Drawn,
    drawn: dict[str, Style],
    cell: _Cell,
    ink: Ink,
    *,
    symbol: str,
    above: int = 0,
    named: bool = True,
) -> alt.Color:
    colours = [seen_on(style.colour, ink.paper) for style in drawn.values()]
    scale = alt.Scale(domain=list(drawn), range=colours)
    legend = None
    if named and len(drawn) > 1:
        widest = max(map(len, drawn)) * _LETTER + 50
        legend = alt.Legend(
            orient="top",
            columns=max(1, min(4, int(_NARROW / widest))),
            labelLimit=_NARROW,
            symbolOpacity=1,
            symbolType=symbol,
            symbolSize=300 if symbol == "stroke" else 80,
            offset=_legend_offset(cell, above),
        )
    return alt.Color("series:N", title=None, scale=scale, legend=legend)


def _tooltip(panel: Drawn) -> list[alt.Tooltip]:
    titles = {"x": getattr(panel, "x", "x"), "y": getattr(panel, "y", "y")}
    titles["value"] = getattr(panel, "value", titles["x"])
    shown = [name for name in panel.data.columns if name not in ("text", "ink")]
    return [_field(panel.data, name, titles.get(name, name)) for name in shown]


def _field(data: pd.DataFrame, name: str, title: str) -> alt.Tooltip:
    if pd.api.types.is_float_dtype(data[name]):
        return alt.Tooltip(f"{name}:Q", title=title, format=".4~g")
    return alt.Tooltip(f"{name}:N", title=title)


def _rules(panel: Drawn, cell: _Cell, ink: Ink) -> list[alt.Chart]:
    if isinstance(panel, Heatmap):
        return []
    layers = []
    if isinstance(panel, Lines | Dots):
        ticks, log = x_axis(panel), getattr(panel, "log_x", False)
        place = alt.X("at:Q", scale=_scale(ticks, 2 * log, **cell.across()))
        for one in placed(panel.rules, ticks, "x", log=log):
            layers += _upright(one, place, cell, ink)
    if isinstance(panel, Lines | Bars):
        ticks, log = y_axis(panel), getattr(panel, "log_y", False)
        place = alt.Y("at:Q", scale=_scale(ticks, 10 * log, **cell.down()))
        for one in placed(panel.rules, ticks, "y", log=log):
            layers += _level(one, place, cell, ink)
    return layers


def _label_rows(rules: Sequence[Placed]) -> int:
    return max((one.row + 1 for one in rules), default=0)


def _upright(one: Placed, place: alt.X, cell: _Cell, ink: Ink) -> list[alt.Chart]:
    """A vertical line, its label above the plot; inside, if it is a facet, whose name stands there."""
    frame = pd.DataFrame({"at": [float(one.rule.at)], "label": [one.rule.label]})
    rule = alt.Chart(frame).mark_rule(strokeDash=list(one.dash), color=ink.faint, strokeWidth=1.2)
    down = {"y": alt.YValue(cell.top), "y2": alt.Y2Value(cell.top + cell.height)}
    layers = [rule.encode(x=place, **down, tooltip=alt.Tooltip("label:N"))]
    if cell.place == 0 and one.rule.label:
        inside = cell.count > 1
        text = alt.Chart(frame).mark_text(
            align="left" if one.right else "right",
            dx=4 if one.right else -4,
            baseline="top" if inside else "bottom",
            color=ink.faint,
            fontSize=11,
        )
        shift = _RULE_HEIGHT * one.row
        layers.append(
            text.encode(x=place, y=alt.YValue(cell.top + 2 + shift if inside else -3 - shift), text="label:N")
        )
    return layers


def _level(one: Placed, place: alt.Y, cell: _Cell, ink: Ink) -> list[alt.Chart]:
    """A horizontal line, its label at one of its ends."""
    frame = pd.DataFrame({"at": [float(one.rule.at)], "label": [one.rule.label]})
    left, right = cell.ends
    rule = alt.Chart(frame).mark_rule(strokeDash=list(one.dash), color=ink.faint, strokeWidth=1.2)
    layers = [rule.encode(y=place, x=alt.XValue(left), x2=alt.X2Value(right), tooltip=alt.Tooltip("label:N"))]
    if cell.place == 0 and one.rule.label:
        where = alt.ExprRef(f"{left.expr} + {one.end} * {cell.wide}")
        text = alt.Chart(frame).mark_text(
            align={0.0: "left", 0.5: "center", 1.0: "right"}[one.end],
            dx={0.0: 4, 0.5: 0, 1.0: -2}[one.end],
            dy=4 if one.below else -4,
            baseline="top" if one.below else "bottom",
            color=ink.faint,
            fontSize=11,
        )
        layers.append(text.encode(y=place, x=alt.XValue(where), text="label:N"))
    return layers


_DRAW: dict[type[Panel], Callable[..., list[alt.Chart]]] = {
    Lines: _lines,
    Heatmap: _heatmap,
    Dots: _dots,
    Bars: _bars,
}
