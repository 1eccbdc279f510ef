"""Panels of a view as Altair charts: the same data as the figures, with the numbers under the pointer."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from textwrap import wrap
from typing import Literal

import altair as alt
import pandas as pd
from altair.utils.schemapi import UndefinedType, debug_mode

from workbench.analysis.colours import BASELINE_COLOUR
from workbench.analysis.contrast import BLACK, WHITE, ink_on, readable_on, seen_on
from workbench.analysis.ticks import Ticks, every
from workbench.dashboard.axes import FIT_WIDTH, Layers, between, broken, ticked, words
from workbench.dashboard.chart_ink import Ink
from workbench.dashboard.facets import (
    END_GAP,
    LABEL_HEIGHT,
    LETTER,
    NARROW,
    SYMBOL,
    AxisPlace,
    Cell,
    category_lines,
    cells_of,
)
from workbench.inspection.drawing import (
    Drawn,
    Placed,
    Style,
    cell_colours,
    drawable,
    end_names,
    has_end_names,
    heat_domain,
    heat_ticks,
    named,
    order,
    placed,
    scale_colours,
    side_by_side,
    styles,
    thin_seeds,
    x_axis,
    y_axis,
)
from workbench.inspection.panels import Bars, Dots, Heatmap, Lines, Panel
from workbench.numbers import number

CLICKED = "clicked"  # the selection of a chart whose marks lead somewhere
_NAME_LETTER = 6  # pixels of a letter in a legend, on the average of a name
_RULE_HEIGHT = 16  # pixels of a line of labels above a plot
_NAME_HEIGHT = 16  # pixels between the names of lines, at their ends
_POINTS = 40  # of a line in a plot, which are marked
_ENDS: dict[float, tuple[Literal["left", "center", "right"], int]] = {
    0.0: ("left", 4),
    0.5: ("center", 0),
    1.0: ("right", -2),
}  # where a level's label stands, how it is aligned there, and pixels to the right of that


def chart(panel: Drawn, ink: Ink) -> alt.LayerChart:
    """The chart of a panel with axes; tokens and maps are drawn as text and as images."""
    with debug_mode(False):  # the same check of every part of a chart
        return _chart(named(panel), ink)


def _chart(given: Drawn, ink: Ink) -> Layers:
    panel = drawable(given)
    draw = _DRAW[type(panel)]
    cells = cells_of(given)
    layers = [
        alt.LayerSpec(layer=draw(panel, given, cell, ink) + _rules(panel, cell, ink) + cell.title_above(ink))
        for cell in cells
    ]
    apart = alt.Resolve(scale=alt.ScaleResolveMap(x="independent", y="independent"))
    return Layers(
        layer=layers,
        height=cells[0].whole_height,
        resolve=apart if len(cells) > 1 else alt.Undefined,
        autosize=FIT_WIDTH,
        config=words(ink.faint),
    )


def _axis(ticks: Ticks, place: AxisPlace, *, overlap: bool | Literal["parity"]) -> alt.Axis:
    return alt.Axis(**ticked(ticks), grid=True, labelOverlap=overlap, **place)


def _names_below(names: list, title: str, cell: Cell) -> alt.Axis:
    """Names from left to right: upright where they are long. Where room lacks, every other is left out."""
    longest = max((len(str(name)) for name in names), default=0)
    are_words = longest > 2 and any(isinstance(name, str) for name in names)
    upright = are_words and longest * len(names) * LETTER > NARROW / cell.columns
    angle = -90 if upright else 0
    return alt.Axis(labelOverlap="parity", labelAngle=angle, grid=False, **cell.below(title))


def _scale(
    ticks: Ticks, *, base: int | None = None, along: Sequence[object] | UndefinedType = alt.Undefined
) -> alt.Scale:
    """A scale that ends with ``ticks``, logarithmic to ``base``, along a part of the plot."""
    if base is None:
        return between(ticks, zero=False, range=along)
    return between(ticks, type="log", base=base, range=along)


def _x_scale(panel: Lines | Dots, ticks: Ticks, cell: Cell) -> alt.Scale:
    doubles = isinstance(panel, Lines) and panel.log_x
    return _scale(ticks, base=2 if doubles else None, along=cell.across)


def _y_scale(panel: Lines | Bars, ticks: Ticks, cell: Cell) -> alt.Scale:
    tenfold = isinstance(panel, Lines) and panel.log_y
    return _scale(ticks, base=10 if tenfold else None, along=cell.up)


def _lines(panel: Lines, given: Lines, cell: Cell, ink: Ink) -> list[alt.Chart]:
    drawn = styles(given)
    horizontal = x_axis(panel)
    vertical = y_axis(panel)
    x = alt.X(
        "x:Q",
        scale=_x_scale(panel, horizontal, cell),
        axis=_axis(horizontal, cell.below(panel.x), overlap="parity"),
    )
    y = partial(
        alt.Y,
        scale=_y_scale(panel, vertical, cell),
        axis=_axis(vertical, cell.beside(panel.y), overlap=False),
    )
    above = _label_rows(placed(panel.rules, horizontal, "x", log=panel.log_x))
    symbol = "stroke" if panel.joined else "circle"
    colour = _colour(panel, drawn, cell, ink, symbol=symbol, above=above)
    rows = cell.rows_of(panel, _with_intervals(panel.data))
    base = rows.encode(x=x, y=y("y:Q"), color=colour, tooltip=_tooltip(panel))
    layers = []
    if "low" in panel.data and panel.data["low"].notna().any():
        layers.append(rows.mark_area(opacity=0.16).encode(x=x, y=y("low:Q"), y2="high:Q", color=colour))
    seeds = thin_seeds(panel)
    if seeds is not None and cell.count == 1:
        thin = alt.Chart(seeds)
        thin = thin.mark_line(strokeWidth=0.7, opacity=0.5) if panel.joined else thin.mark_circle(opacity=0.5)
        layers.append(thin.encode(x=x, y=y("y:Q"), color=colour, detail=alt.Detail("seed:N")))
    if panel.joined:
        layers.append(base.mark_line(strokeWidth=2).encode(strokeDash=_dashes(drawn)))
    few = len(panel.data) <= _POINTS * cell.count * len(drawn)
    size = 80
    if panel.joined:
        size = 34 if few else 12
    if panel.leads is not None:
        size = max(size, 60)  # a mark that is clicked
    points = _named_marks(base.mark_point(filled=True, size=size, cursor=_cursor(panel)), panel, cell)
    # Dots would hide how the lines of theory are dashed.
    theory = alt.FieldOneOfPredicate(field="series", oneOf=sorted(panel.ghosts))
    seen = alt.OpacityValue(0.9 if few else 0.01, condition={"test": theory, "value": 0.01})
    layers.append(points.encode(opacity=seen, shape=_shapes(drawn)))
    if has_end_names(panel):
        layers += _names_at_ends(panel, drawn, cell, ink)
    return layers


def _shapes(drawn: dict[str, Style], *, legend: bool = False) -> alt.Shape:
    scale = alt.Scale(domain=list(drawn), range=[style.symbol for style in drawn.values()])
    return alt.Shape("series:N", title=None, scale=scale, legend=alt.Undefined if legend else None)


def _names_at_ends(panel: Lines, drawn: dict[str, Style], cell: Cell, ink: Ink) -> list[alt.Chart]:
    """The names of lines beside their ends, in their colours, none on another."""
    vertical = y_axis(panel)
    _, right = cell.ends
    where = alt.XValue(alt.ExprRef(f"{right.expr} + {END_GAP - 4}"))
    y = alt.Y("y:Q", scale=_y_scale(panel, vertical, cell))
    layers = []
    for one in end_names(panel, _NAME_HEIGHT / cell.height):
        colour = readable_on(_seen(drawn[one.series].colour, ink), ink.paper)
        frame = pd.DataFrame({"name": [one.text], "y": [vertical.value_at(one.place, log=panel.log_y)]})
        text = alt.Chart(frame).mark_text(
            align="left", baseline="middle", limit=cell.room - END_GAP, color=colour, fontSize=11
        )
        layers.append(text.encode(x=where, y=y, text="name:N"))
    return layers


def _with_intervals(data: pd.DataFrame) -> pd.DataFrame:
    """``data`` with a column that has the ends of each interval in words, for the pointer."""
    if "low" not in data:
        return data
    pairs = zip(data["low"], data["high"], strict=True)
    return data.assign(interval=[_span(low, high) for low, high in pairs])


def _span(low: float, high: float) -> str:
    return f"{number(low)} to {number(high)}" if pd.notna(low) and pd.notna(high) else "one seed: none"


def _dashes(drawn: dict[str, Style]) -> alt.StrokeDash:
    dashes = [list(style.dash) or [1, 0] for style in drawn.values()]
    legend = alt.Undefined if len(drawn) > 1 else None
    return alt.StrokeDash(
        "series:N", title=None, scale=alt.Scale(domain=list(drawn), range=dashes), legend=legend
    )


def _heatmap(panel: Heatmap, given: Heatmap, cell: Cell, ink: Ink) -> list[alt.Chart]:
    columns = order(given.data["x"])
    rows = order(given.data["y"])
    room = int(cell.height / LABEL_HEIGHT)
    beside = alt.Axis(
        values=rows[:: every(len(rows), room)],
        labelOverlap=False,
        labelFlush=False,  # which would push the first name towards the second
        grid=False,
        **cell.beside(panel.y),
    )
    below = _names_below(columns, panel.x, cell)
    x = alt.X("x:O", scale=alt.Scale(domain=columns, range=cell.across), axis=below)
    y = alt.Y("y:O", scale=alt.Scale(domain=rows, range=cell.down), axis=beside)
    if "text" in panel.data:
        panel = replace(panel, data=panel.data.assign(ink=[ink_on(colour) for colour in cell_colours(panel)]))
    base = cell.rows_of(panel, panel.data).encode(x=x, y=y, tooltip=_tooltip(panel))
    rects = _named_marks(base.mark_rect(cursor=_cursor(panel)), panel, cell)
    layers = [rects.encode(color=_shade(panel, cell))]
    if "text" in panel.data:
        white = alt.FieldEqualPredicate(field="ink", equal=WHITE)
        written = alt.ColorValue(BLACK, condition={"test": white, "value": WHITE})
        longest = int(panel.data["text"].str.len().max()) if len(panel.data) else 0
        fits = f"{cell.wide} / {max(1, len(columns))} >= {5 * longest + 4}"
        seen = alt.ExprRef(f"{fits} ? 1 : 0")
        text = base.mark_text(fontSize=9, opacity=seen, cursor=_cursor(panel))
        layers.append(_named_marks(text, panel, cell, "text").encode(text="text:N", color=written))
    return layers


def _cursor(panel: Drawn) -> Literal["pointer"] | UndefinedType:
    """A hand over marks that lead somewhere."""
    return alt.Undefined if panel.leads is None else "pointer"


def _named_marks(marks: alt.Chart, panel: Drawn, cell: Cell, what: str = "mark") -> alt.Chart:
    """Marks that lead somewhere have a name; the first of a chart listen for clicks on all of them."""
    if panel.leads is None:
        return marks
    marks = marks.properties(name=f"{what}_{cell.place}")
    if what != "mark" or cell.place > 0:
        return marks
    # All facets are layers of one plot, in which a parameter hears of the marks of every layer. Lines are not
    # listened to: one is a single mark, whatever point of it is clicked.
    named = [f"@{one}_{place}_marks:click" for place in range(cell.count) for one in ("mark", "text")]
    fields = list(panel.leads.by)
    return marks.add_params(alt.selection_point(name=CLICKED, fields=fields, on=", ".join(named)))


def _shade(panel: Heatmap, cell: Cell) -> alt.Color:
    low, high = heat_domain(panel)
    colours = scale_colours(panel.diverging)
    stops = [low + (high - low) * place / (len(colours) - 1) for place in range(len(colours))]
    legend = alt.Legend(
        orient="top",
        direction="horizontal",
        gradientLength=220,
        gradientThickness=10,
        titleLimit=NARROW,
        **ticked(heat_ticks(panel)),
        offset=_legend_offset(cell),
    )
    scale = alt.Scale(domain=stops, range=colours, type="linear", clamp=True)
    return alt.Color("value:Q", title=wrap(panel.value, 60), scale=scale, legend=legend)


def _legend_offset(cell: Cell, rows: int = 0) -> int:
    return 10 + (cell.header if cell.count > 1 else _RULE_HEIGHT * rows)


def _dots(panel: Dots, given: Dots, cell: Cell, ink: Ink) -> list[alt.Chart]:
    categories = order(given.data["category"])
    drawn = styles(given)
    lines = {str(name): category_lines(name) for name in categories}
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
    x = partial(alt.X, scale=_scale(ticks), axis=_axis(ticks, cell.below(panel.x), overlap="parity"))
    above = _label_rows(placed(panel.rules, ticks, "x"))
    colour = _colour(panel, drawn, cell, ink, symbol="own", above=above, named=apart)
    data = _with_intervals(panel.data)
    base = alt.Chart(data).encode(y=y, yOffset=offset, color=colour, tooltip=_tooltip(panel))
    layers = []
    if "low" in panel.data:
        layers.append(base.mark_rule(strokeWidth=2.5).encode(x=x("low:Q"), x2=alt.X2("high:Q")))
    marks = base.mark_point(filled=True, size=90, opacity=1).encode(x=x("value:Q"))
    layers.append(marks.encode(shape=_shapes(drawn, legend=True)) if apart else marks)
    if panel.seeds is not None:
        single = alt.Chart(panel.seeds).mark_circle(size=26, opacity=0.5, yOffset=8)
        named = [alt.Tooltip(name) for name in ("category", "series", "seed")]
        tooltip = [*named, alt.Tooltip("value:Q", format=".4~g")]
        layers.append(single.encode(x=x("value:Q"), y=y, yOffset=offset, color=colour, tooltip=tooltip))
    return layers


def _bars(panel: Bars, given: Bars, cell: Cell, ink: Ink) -> list[alt.Chart]:
    places = order(given.data["x"])
    drawn = styles(given)
    ticks = y_axis(panel)
    x_scale = alt.Scale(domain=places, range=cell.across)
    x = alt.X("x:O", scale=x_scale, axis=_names_below(places, panel.x, cell))
    offset = alt.XOffset("series:N", scale=alt.Scale(domain=list(drawn))) if len(drawn) > 1 else alt.Undefined
    beside = _axis(ticks, cell.beside(panel.y), overlap=False)
    y = alt.Y("y:Q", scale=_y_scale(panel, ticks, cell), axis=beside)
    colour = _colour(panel, drawn, cell, ink, symbol="square")
    bars = cell.rows_of(panel, panel.data).mark_bar()
    return [bars.encode(x=x, xOffset=offset, y=y, color=colour, tooltip=_tooltip(panel))]


def _colour(
    panel: Drawn,
    drawn: dict[str, Style],
    cell: Cell,
    ink: Ink,
    *,
    symbol: str,
    above: int = 0,
    named: bool = True,
) -> alt.Color:
    colours = [_seen(style.colour, ink) for style in drawn.values()]
    scale = alt.Scale(domain=list(drawn), range=colours)
    legend = None
    at_ends = isinstance(panel, Lines) and has_end_names(panel)
    if named and len(drawn) > 1 and not at_ends:
        widest = max(map(len, drawn)) * _NAME_LETTER + SYMBOL
        legend = alt.Legend(
            orient="top",
            columns=max(1, min(4, int(NARROW / widest))),
            labelLimit=NARROW,
            symbolOpacity=1,
            symbolType=alt.Undefined if symbol == "own" else symbol,
            symbolSize=90,
            offset=_legend_offset(cell, above),
        )
    return alt.Color("series:N", title=None, scale=scale, legend=legend)


def _seen(colour: str, ink: Ink) -> str:
    """``colour`` as the theme shows it; the baseline's, near black, is near white on a dark page."""
    return ink.baseline if colour == BASELINE_COLOUR else seen_on(colour, ink.paper)


def _tooltip(panel: Drawn) -> list[alt.Tooltip]:
    titles = {"x": getattr(panel, "x", "x"), "y": getattr(panel, "y", "y")}
    titles["value"] = getattr(panel, "value", titles["x"])
    shown = [name for name in panel.data.columns if name not in ("text", "ink", "low", "high")]
    found = [_field(panel.data, name, titles.get(name, name)) for name in shown]
    if "low" in panel.data:
        found.insert(shown.index("seeds") if "seeds" in shown else len(found), _INTERVAL)
    return found


_INTERVAL = alt.Tooltip("interval:N", title="interval")


def _field(data: pd.DataFrame, name: str, title: str) -> alt.Tooltip:
    if pd.api.types.is_float_dtype(data[name]):
        return alt.Tooltip(f"{name}:Q", title=title, format=".4~g")
    return alt.Tooltip(f"{name}:N", title=title)


def _rules(panel: Drawn, cell: Cell, ink: Ink) -> list[alt.Chart]:
    layers = []
    if isinstance(panel, Lines | Dots):
        ticks = x_axis(panel)
        across = alt.X("at:Q", scale=_x_scale(panel, ticks, cell))
        log = isinstance(panel, Lines) and panel.log_x
        for one in placed(panel.rules, ticks, "x", log=log):
            layers += _upright(one, across, cell, ink)
    if isinstance(panel, Lines | Bars):
        ticks = y_axis(panel)
        up = alt.Y("at:Q", scale=_y_scale(panel, ticks, cell))
        log = isinstance(panel, Lines) and panel.log_y
        for one in placed(panel.rules, ticks, "y", log=log):
            layers += _level(one, up, cell, ink)
    return layers


def _label_rows(rules: Sequence[Placed]) -> int:
    return max((one.row + 1 for one in rules), default=0)


def _upright(one: Placed, place: alt.X, cell: Cell, ink: Ink) -> list[alt.Chart]:
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


def _level(one: Placed, place: alt.Y, cell: Cell, ink: Ink) -> list[alt.Chart]:
    """A horizontal line, its label at one of its ends."""
    frame = pd.DataFrame({"at": [float(one.rule.at)], "label": [one.rule.label]})
    left, right = cell.ends
    rule = alt.Chart(frame).mark_rule(strokeDash=list(one.dash), color=ink.faint, strokeWidth=1.2)
    layers = [rule.encode(y=place, x=alt.XValue(left), x2=alt.X2Value(right), tooltip=alt.Tooltip("label:N"))]
    if cell.place == 0 and one.rule.label:
        where = alt.ExprRef(f"{left.expr} + {one.end} * {cell.wide}")
        align, shift = _ENDS[one.end]
        text = alt.Chart(frame).mark_text(
            align=align,
            dx=shift,
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
