"""Panels of a view as Altair charts: the same data as the figures, with the numbers under the pointer."""

import math
from collections.abc import Callable
from typing import Any

import altair as alt
import pandas as pd
from altair.utils.schemapi import UndefinedType, debug_mode

from workbench.dashboard.effect_charts import Ink
from workbench.inspection.figures import GHOST, heat_domain, series_colours
from workbench.inspection.panels import Bars, Dots, Heatmap, Lines, Panel, Rule

HEIGHT = 320
_FACETS = 4  # side by side
_FACET_WIDTH, _FACET_HEIGHT = 210, 170
_FEW = 10  # places on an axis that have a tick each
_CELL = 26  # pixels of a heatmap's row, at most


class _Quick(alt.TopLevelMixin):
    """Without what takes most of the time: checking against Vega-Lite's schema, and copying every layer."""

    def to_dict(self, validate: bool = False, **options: Any) -> dict[str, Any]:
        return super().to_dict(validate=validate, **options)


class _Layers(_Quick, alt.TopLevelLayerSpec):
    pass


class _Facets(_Quick, alt.TopLevelFacetSpec):
    pass


def chart(panel: Panel, ink: Ink) -> _Layers | _Facets:
    """The chart of any panel but tokens and maps, which are drawn as text and as images."""
    with debug_mode(False):  # the same check of every part of a chart
        return _chart(panel, ink)


def _chart(panel: Panel, ink: Ink) -> _Layers | _Facets:
    layers = _DRAW[type(panel)](panel, ink)
    layers += [part for rule in getattr(panel, "rules", ()) for part in _rule(rule, ink)]
    facet = getattr(panel, "facet", None)
    if facet is None:
        return _Layers(layer=layers, height=_height(panel))
    small = alt.LayerSpec(layer=layers, width=_FACET_WIDTH, height=_FACET_HEIGHT)
    order = list(dict.fromkeys(panel.data[facet].astype(str)))
    by = alt.Facet(f"{facet}:N", title=None, sort=order)
    return _Facets(data=panel.data, spec=small, facet=by, columns=_FACETS)


def _height(panel: Panel) -> int:
    if isinstance(panel, Heatmap):
        return min(520, max(120, _CELL * panel.data["y"].nunique()))
    if isinstance(panel, Dots):
        legend = 40 * (panel.data["series"].nunique() > 1)
        return 80 + legend + 44 * panel.data["category"].nunique()  # axis and legend are part of it
    return HEIGHT


def _data(panel: Panel) -> pd.DataFrame | UndefinedType:
    # A facet holds the data itself; a layer inside must not bring its own.
    return alt.Undefined if getattr(panel, "facet", None) else panel.data


def _lines(panel: Lines, ink: Ink) -> list[alt.Chart]:
    colour = _series(panel, panel.ordinal)
    x = alt.X("x:Q", title=panel.x, scale=_scale(panel.log_x, base=2), axis=_ticks(panel))
    y = alt.Y("y:Q", title=panel.y, scale=_scale(panel.log_y))
    solid = [name for name in panel.data["series"].unique() if name not in panel.ghosts]
    whole = {"test": alt.FieldOneOfPredicate("series", solid), "value": [1, 0]}
    dash = alt.StrokeDashValue([5, 4], condition=whole)
    base = alt.Chart(_data(panel)).encode(x=x, y=y, color=colour, tooltip=_tooltip(panel))
    layers = []
    if "low" in panel.data:
        band = alt.Chart(_data(panel)).mark_area(opacity=0.16)
        layers.append(band.encode(x=x, y=alt.Y("low:Q", title=panel.y), y2=alt.Y2("high:Q"), color=colour))
    if panel.seeds is not None and panel.facet is None:
        thin = alt.Chart(panel.seeds).mark_line(strokeWidth=0.7, opacity=0.5)
        layers.append(thin.encode(x=x, y=y, color=colour, detail=alt.Detail("seed:N")))
    few = len(panel.data) <= 400
    marks = base.mark_point(filled=True, size=34 if few else 12, opacity=0.9 if few else 0.01)
    return [*layers, base.mark_line(strokeWidth=2).encode(strokeDash=dash), marks]


def _ticks(panel: Lines) -> alt.Axis:
    """Few places have a tick each; on logarithmic axes powers of two, which Vega would crowd."""
    places = sorted(panel.data["x"].dropna().unique().tolist())
    if panel.log_x and places:
        powers = range(math.floor(math.log2(places[0])), math.ceil(math.log2(places[-1])) + 1)
        values = places if len(places) <= _FEW else [2.0**power for power in powers]
        return alt.Axis(format=",.3~r", values=values, labelOverlap=True)
    whole = pd.api.types.is_integer_dtype(panel.data["x"])
    return alt.Axis(format="~r", tickMinStep=1 if whole else alt.Undefined)


def _heatmap(panel: Heatmap, ink: Ink) -> list[alt.Chart]:
    low, high = panel.domain or heat_domain(panel)
    scheme = alt.Scale(scheme="redblue", reverse=True) if panel.diverging else alt.Scale(scheme="viridis")
    scheme.domain, scheme.clamp = [low, high], True
    colour = alt.Color("value:Q", title=panel.value, scale=scheme)
    orders = {axis: list(dict.fromkeys(panel.data[axis])) for axis in ("x", "y")}
    x = alt.X("x:O", title=panel.x, sort=orders["x"], axis=_axis(orders["x"]))
    y = alt.Y("y:O", title=panel.y, sort=orders["y"], axis=alt.Axis(labelOverlap=True))
    base = alt.Chart(_data(panel)).encode(x=x, y=y, tooltip=_tooltip(panel))
    layers = [base.mark_rect().encode(color=colour)]
    if "text" in panel.data:
        middle = (low + high) / 2
        dark = {"test": alt.datum.value > middle, "value": "#111111"}
        ink_of = alt.ColorValue("#FFFFFF", condition=dark)
        layers.append(base.mark_text(fontSize=9).encode(text=alt.Text("text:N"), color=ink_of))
    return layers


def _axis(labels: list) -> alt.Axis:
    return alt.Axis(labelOverlap=True, labelAngle=0 if all(len(str(label)) <= 4 for label in labels) else -45)


def _dots(panel: Dots, ink: Ink) -> list[alt.Chart]:
    order = list(dict.fromkeys(panel.data["category"]))
    y = alt.Y("category:N", title=None, sort=order, axis=alt.Axis(labelLimit=320, labelOverlap=False))
    offset = alt.YOffset("series:N") if panel.data["series"].nunique() > 1 else alt.Undefined
    base = alt.Chart(panel.data).encode(
        y=y, yOffset=offset, color=_series(panel, False), tooltip=_tooltip(panel)
    )
    value, low = (alt.X(f"{name}:Q", title=panel.x, scale=_scale(False)) for name in ("value", "low"))
    layers = [base.mark_point(filled=True, size=90, opacity=1).encode(x=value)]
    if "low" in panel.data:
        layers.insert(0, base.mark_rule(strokeWidth=2.5).encode(x=low, x2=alt.X2("high:Q")))
    if panel.seeds is not None:
        single = alt.Chart(panel.seeds).mark_circle(size=26, opacity=0.5, yOffset=8)
        named = [alt.Tooltip(name) for name in ("category", "series", "seed")]
        layers.append(
            single.encode(
                x=value,
                y=y,
                yOffset=offset,
                color=_series(panel, False),
                tooltip=[*named, alt.Tooltip("value:Q", format=".4~g")],
            )
        )
    return layers


def _bars(panel: Bars, ink: Ink) -> list[alt.Chart]:
    order = list(dict.fromkeys(panel.data["x"]))
    several = panel.data["series"].nunique() > 1
    bars = alt.Chart(_data(panel)).mark_bar()
    return [
        bars.encode(
            x=alt.X("x:O", title=panel.x, sort=order, axis=_axis(order)),
            xOffset=alt.XOffset("series:N") if several else alt.Undefined,
            y=alt.Y("y:Q", title=panel.y, scale=_scale(panel.log_y)),
            color=_series(panel, False),
            tooltip=_tooltip(panel),
        )
    ]


def _series(panel: Lines | Dots | Bars, ordinal: bool) -> alt.Color:
    names = list(dict.fromkeys(panel.data["series"]))
    colours = series_colours(names, panel.colours, ordinal)
    ghosts = getattr(panel, "ghosts", frozenset())
    scale = alt.Scale(domain=names, range=[GHOST if name in ghosts else colours[name] for name in names])
    legend = alt.Legend(orient="top", labelLimit=320, columns=4, symbolOpacity=1) if len(names) > 1 else None
    return alt.Color("series:N", title=None, scale=scale, legend=legend)


def _scale(log: bool, base: int = 10) -> alt.Scale:
    return alt.Scale(type="log", base=base) if log else alt.Scale(zero=False)


def _tooltip(panel: Panel) -> list[alt.Tooltip]:
    titles = {"x": getattr(panel, "x", "x"), "y": getattr(panel, "y", "y")}
    titles["value"] = getattr(panel, "value", titles["x"])
    return [_field(panel.data, name, titles.get(name, name)) for name in panel.data.columns if name != "text"]


def _field(data: pd.DataFrame, name: str, title: str) -> alt.Tooltip:
    if pd.api.types.is_float_dtype(data[name]):
        return alt.Tooltip(f"{name}:Q", title=title, format=".4~g")
    return alt.Tooltip(f"{name}:N", title=title)


def _rule(rule: Rule, ink: Ink) -> list[alt.Chart]:
    frame = pd.DataFrame({"at": [float(rule.at)], "label": [rule.label]})
    place = {rule.axis: alt.X("at:Q") if rule.axis == "x" else alt.Y("at:Q")}
    line = (
        alt.Chart(frame)
        .mark_rule(strokeDash=[2, 3], color=ink.faint)
        .encode(**place, tooltip=alt.Tooltip("label:N"))
    )
    across = {"y": alt.YValue(0)} if rule.axis == "x" else {"x": alt.XValue("width")}
    text = alt.Chart(frame).mark_text(
        align="left" if rule.axis == "x" else "right",
        dx=4 if rule.axis == "x" else -2,
        dy=-6 * (rule.axis == "y"),
        baseline="top" if rule.axis == "x" else "bottom",
        color=ink.faint,
        fontSize=11,
    )
    return [line, text.encode(**place, **across, text=alt.Text("label:N"))]


def finite(data: pd.DataFrame, column: str = "value") -> pd.DataFrame:
    """Rows whose ``column`` is a number: JSON has no infinities."""
    return data[data[column].map(math.isfinite)]


_DRAW: dict[type[Panel], Callable[[Panel, Ink], list[alt.Chart]]] = {
    Lines: _lines,
    Heatmap: _heatmap,
    Dots: _dots,
    Bars: _bars,
}
