"""Charts of a search: Pareto front, importances, slices, progress (Altair); parallel coordinates (ECharts).

All draw points that are complete; the front's chart says of others what is known of them.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import altair as alt
import numpy as np
import pandas as pd
from altair.utils.schemapi import debug_mode

from workbench.analysis.best_of_k import best_of_k
from workbench.analysis.colours import BLUE, ORANGE
from workbench.analysis.contrast import seen_on
from workbench.analysis.importances import Importance, Importances
from workbench.analysis.search import COMPLETE, INFEASIBLE, Objective, Search
from workbench.analysis.search_figures import KIND_COLOURS, axis_words
from workbench.analysis.search_frames import best_so_far, front_between
from workbench.analysis.ticks import FEW, Ticks, decades, linear
from workbench.dashboard.axes import FIT_WIDTH, Layers, balanced, between, ticked, words
from workbench.dashboard.chart_ink import Ink
from workbench.records.run import State
from workbench.records.space import Choice, Range
from workbench.visible import visible

SLICE = 312  # pixels of a slice's width
_SLICE_HEIGHT = 190
_ROW = 44  # pixels of a dimension among the importances
_NAME = 22  # letters of a line of a dimension's name
_LABEL = 14  # letters of a level below a slice
_FAINT_FROM = 120  # points, from which each is drawn paler
_WIDE = 5  # axes of parallel coordinates that stand side by side; more lie one below another
_AXIS_HEIGHT = 62  # pixels between two of those
_CUT = 12  # letters of a level beside its axis
# Dark is best: viridis, by which the eye and a grey print order alike.
_SHADES = ("#440154", "#3B528B", "#21918C", "#5EC962", "#FDE725")
_SHADES_ON_DARK = ("#FDE725", "#5EC962", "#21918C", "#3B6FA8", "#5B4B8A")


@contextmanager
def _unchecked() -> Iterator[None]:
    """Charts without checks by Vega-Lite's schema: for a dozen slices they would take a second."""
    with debug_mode(False):
        yield


def _whole(layers: list[alt.Chart], height: int, ink: Ink) -> Layers:
    return Layers(layer=layers, height=height, autosize=FIT_WIDTH, config=words(ink.faint))


@_unchecked()
def pareto(search: Search, x: Objective, y: Objective, baseline: Collection[int], ink: Ink) -> Layers:
    """Two objectives, lower is better in both: the front as steps, the baseline's points as diamonds.

    A point without the second objective stands at the upper edge: pale if it was infeasible, and a cross if
    it was trained without a result.
    """
    trials = search.trials
    done = _with_tooltips(search, trials[trials["state"] == COMPLETE].dropna(subset=[x.name, y.name]))
    front = front_between(search, x.name, y.name)
    done["front"] = done["number"].isin(front["number"])
    horizontal, vertical = linear(trials[x.name].dropna(), count=6), linear(done[y.name], count=6)
    across = alt.X(
        "x:Q",
        scale=between(horizontal, zero=False),
        title=balanced(axis_words(x), 48),
        axis=alt.Axis(**ticked(horizontal), labelOverlap="parity"),
    )
    up = alt.Y(
        "y:Q",
        scale=between(vertical, zero=False),
        title=balanced(axis_words(y), 48),
        axis=alt.Axis(**ticked(vertical), labelOverlap=False),
    )
    colour = seen_on(BLUE, ink.paper)
    named = {"x": x.name, "y": y.name}
    tooltip = _tooltip(search)
    done = _named(done, named)
    others = alt.Chart(done[~done["front"]]).encode(x=across, y=up, tooltip=tooltip)
    best = alt.Chart(done[done["front"]]).encode(x=across, y=up, tooltip=tooltip)
    steps = alt.Chart(_named(front, named)[["x", "y"]]).encode(x=across, y=up)
    layers = [
        steps.mark_line(interpolate="step-after", color=colour, strokeWidth=2),
        others.mark_circle(size=48, color=ink.faint, opacity=_opacity(len(done))),
        best.mark_circle(size=90, color=colour, opacity=1),
    ]
    own = done[done["number"].isin(list(baseline))]
    if len(own):
        marked = alt.Chart(own).encode(x=across, y=up, tooltip=tooltip)
        layers.append(marked.mark_point(shape="diamond", size=150, strokeWidth=2, color=ink.text))
    layers += _without_value(search, x, y, across, vertical, ink)
    return _whole(layers, 340, ink)


def _without_value(
    search: Search, x: Objective, y: Objective, across: alt.X, vertical: Ticks, ink: Ink
) -> list[alt.Chart]:
    trials = search.trials
    lost = trials[trials[y.name].isna() & trials[x.name].notna()]
    above = alt.Y("y:Q", scale=between(vertical, zero=False))
    layers = []
    for states, shape, opacity in (
        ((INFEASIBLE,), "circle", 0.3),
        ((State.DIVERGED, State.FAILED, State.PRUNED), "cross", 0.9),
    ):
        some = lost[lost["state"].isin([str(state) for state in states])]
        if some.empty:
            continue  # an empty layer is a drawing without a name
        placed = _named(_with_tooltips(search, some), {"x": x.name}).assign(y=vertical.high)
        base = alt.Chart(placed).encode(x=across, y=above, tooltip=_tooltip(search))
        angle = 45 if shape == "cross" else 0
        layers.append(
            base.mark_point(shape=shape, filled=True, size=70, angle=angle, color=ink.faint, opacity=opacity)
        )
    return layers


def importance_frame(kinds: Mapping[str, Importances]) -> pd.DataFrame:
    """A row for each kind and dimension: ``share``, ``low``, ``high``, and what the interval is from."""
    rows = [
        {
            "dimension": one.dimension,
            "kind": kind,
            "share": one.share,
            "low": one.interval.low if one.interval else one.share,
            "high": one.interval.high if one.interval else one.share,
            "interval from": one.source or "",
        }
        for kind, found in kinds.items()
        for one in found.shares
    ]
    return pd.DataFrame(rows, columns=["dimension", "kind", "share", "low", "high", "interval from"])


@_unchecked()
def importances(kinds: Mapping[str, Importances], objective: Objective, ink: Ink) -> Layers:
    """Each dimension's share of the variance, with its interval, by each kind side by side."""
    table = importance_frame(kinds)
    order = list(dict.fromkeys(table["dimension"]))
    ticks = Ticks((0.0, 0.25, 0.5, 0.75, 1.0), ("0", "25 %", "50 %", "75 %", "100 %"), 0.0, 1.0)
    x = alt.X(
        "share:Q",
        scale=between(ticks),
        title=balanced(f"Share of the variance of {objective.title} over the space", 48),
        axis=alt.Axis(**ticked(ticks), labelOverlap=False),
    )
    y = alt.Y(
        "dimension:N",
        scale=alt.Scale(domain=order),
        title=None,
        axis=alt.Axis(labelLimit=_NAME * 7, labelColor=ink.text, labelFontSize=12, labelOverlap=False),
    )
    colours = [seen_on(KIND_COLOURS[kind], ink.paper) for kind in kinds]
    base = alt.Chart(table).encode(
        y=y,
        yOffset=alt.YOffset("kind:N", scale=alt.Scale(domain=list(kinds), paddingOuter=0.7)),
        color=alt.Color(
            "kind:N",
            scale=alt.Scale(domain=list(kinds), range=colours),
            legend=alt.Legend(title=None, orient="top", symbolType="circle"),
        ),
        tooltip=[
            alt.Tooltip("dimension:N"),
            alt.Tooltip("kind:N", title="by"),
            alt.Tooltip("share:Q", format=".1%"),
            alt.Tooltip("low:Q", title="from", format=".1%"),
            alt.Tooltip("high:Q", title="to", format=".1%"),
            alt.Tooltip("interval from:N"),
        ],
    )
    rules = base.mark_rule(strokeWidth=3, strokeCap="round").encode(x=x, x2="high:Q")
    rules = rules.encode(x=alt.X("low:Q", scale=between(ticks)))
    dots = base.mark_circle(size=90, opacity=1).encode(x=x)
    return _whole([dots, rules], _ROW * len(order), ink)


@_unchecked()
def slice_of(
    search: Search,
    done: pd.DataFrame,
    dimension: str,
    objective: Objective,
    effects: Importance | None,
    centre: float | None,
    ink: Ink,
) -> Layers:
    """The objective of the points ``done`` against one dimension, and its effect adjusted for all others.

    The effect is an interval at each level, or a curve with its band along a range; ``centre`` is the average
    that it is a difference to.
    """
    kind = search.space[dimension]
    vertical = linear(done[objective.name], count=FEW)
    up = between(vertical, zero=False)
    y = alt.Y(
        "y:Q",
        scale=up,
        title=None,
        axis=alt.Axis(**ticked(vertical), labelOverlap=False),
    )
    across = _across(kind, dimension, done[dimension])
    points = _named(_with_tooltips(search, done), {"x": dimension, "y": objective.name})
    points = points.drop(columns="what")  # once for each slice it would be most of the page
    points["x"] = points["x"] if isinstance(kind, Range) else points["x"].map(str)
    # Points of one level lie beside each other, in an order that has nothing to do with what they gave.
    points["beside"] = (points["number"] * 0.618034) % 1 * 2 - 1
    base = alt.Chart(points).encode(x=across, y=y, tooltip=_tooltip(search)[:-1])
    if not isinstance(kind, Range):
        base = base.encode(xOffset=alt.XOffset("beside:Q", scale=alt.Scale(domain=[-1.6, 1.6])))
    dots = base.mark_circle(size=36, color=seen_on(BLUE, ink.paper), opacity=_opacity(len(points)))
    layers: list[alt.Chart] = [dots]
    if effects is not None and effects.effects and centre is not None:
        layers += _adjusted(effects, centre, kind, across, up, ink)
    return _whole(layers, _SLICE_HEIGHT, ink)


def _across(kind: Range | list[Choice], dimension: str, values: pd.Series) -> alt.X:
    title = balanced(dimension, 2 * _NAME)
    if isinstance(kind, Range):
        ends = [float(kind.low), float(kind.high), *values.astype(float)]
        ticks = decades(ends, count=FEW) if kind.log else linear(ends, count=FEW, whole=kind.is_whole)
        scale = between(ticks, type="log") if kind.log else between(ticks, zero=False)
        return alt.X("x:Q", scale=scale, title=title, axis=alt.Axis(**ticked(ticks), labelOverlap="parity"))
    levels = [str(choice) for choice in kind]
    upright = max(map(len, levels), default=0) * len(levels) > SLICE // 7
    axis = alt.Axis(labelAngle=-35 if upright else 0, labelLimit=_LABEL * 7, labelOverlap=False, grid=False)
    return alt.X("x:N", scale=alt.Scale(domain=levels), title=title, axis=axis)


def _adjusted(
    effects: Importance, centre: float, kind: Range | list[Choice], across: alt.X, up: alt.Scale, ink: Ink
) -> list[alt.Chart]:
    rows = [
        {
            "x": one.level if isinstance(kind, Range) else str(one.level),
            "y": centre + one.change,
            "low": centre + one.interval.low if one.interval else centre + one.change,
            "high": centre + one.interval.high if one.interval else centre + one.change,
        }
        for one in effects.effects
    ]
    base = alt.Chart(pd.DataFrame(rows)).encode(x=across)
    middle, low = alt.Y("y:Q", scale=up), alt.Y("low:Q", scale=up)
    colour = seen_on(ORANGE, ink.paper)
    if isinstance(kind, Range):
        return [
            base.mark_area(color=colour, opacity=0.2, clip=True).encode(y=low, y2="high:Q"),
            base.mark_line(color=colour, strokeWidth=2.5, clip=True).encode(y=middle),
        ]
    return [
        base.mark_rule(color=colour, strokeWidth=3, strokeCap="round", clip=True).encode(y=low, y2="high:Q"),
        base.mark_point(filled=True, color=colour, size=110, opacity=1, clip=True).encode(y=middle),
    ]


@_unchecked()
def progress(search: Search, objective: Objective, ink: Ink) -> Layers:
    """Each complete point in the order of the search, and the lowest value until then as steps.

    The dashed line is the expected lowest of as many of these points, drawn at random (Dodge et al. 2019): a
    search that learned from its points is ahead of it early.
    """
    table = best_so_far(search, objective.name)
    ticks = linear(table["value"], count=6)
    order = linear(table["number"], whole=True)
    x = alt.X(
        "number:Q",
        scale=between(order, zero=False),
        title="Trial",
        axis=alt.Axis(**ticked(order), grid=False, labelOverlap="parity"),
    )
    up = between(ticks, zero=False)
    title = balanced(axis_words(objective), 48)
    tooltip = [
        alt.Tooltip("number:Q", title="trial"),
        alt.Tooltip("value:Q", title=objective.title, format=",.5~g"),
        alt.Tooltip("best:Q", title="best so far", format=",.5~g"),
    ]
    base = alt.Chart(table).encode(x=x, tooltip=tooltip)
    axis = alt.Axis(**ticked(ticks), labelOverlap=False)
    dots = base.mark_circle(size=40, color=ink.faint, opacity=_opacity(len(table)))
    line = base.mark_line(interpolate="step-after", strokeWidth=2.2, color=seen_on(BLUE, ink.paper))
    means = [one.mean for one in best_of_k(table["value"].tolist())]
    drawn = table[["number"]].iloc[: len(means)].assign(mean=means)  # where the search had as many
    expected = alt.Chart(drawn).mark_line(strokeWidth=2, strokeDash=[5, 4], color=seen_on(ORANGE, ink.paper))
    layers = [
        dots.encode(y=alt.Y("value:Q", scale=up, title=title, axis=axis)),
        line.encode(y=alt.Y("best:Q", scale=up, title=title)),
        expected.encode(x=x, y=alt.Y("mean:Q", scale=up, title=title)),
    ]
    return _whole(layers, 260, ink)


def parallel(
    search: Search, done: pd.DataFrame, objective: Objective, ink: Ink, *, dark: bool
) -> tuple[dict[str, Any], int]:
    """The option of parallel coordinates of the points ``done``, and its height in pixels.

    An axis for each dimension, and the objective at the end, by which lines are coloured; the best are drawn
    last. Many axes lie one below another, so that each keeps its width.
    """
    names = [*search.dimensions, objective.name]
    drawn = done.sort_values(objective.name, ascending=False)
    axes = [_parallel_axis(place, name, search, objective, drawn, ink) for place, name in enumerate(names)]
    rows = [
        [
            value
            if place == len(names) - 1 or isinstance(search.space[names[place]], Range)
            else visible(str(value))
            for place, value in enumerate(row)
        ]
        for row in drawn[names].to_numpy(dtype=object).tolist()
    ]
    beneath = len(names) > _WIDE
    height = 90 + _AXIS_HEIGHT * len(names) if beneath else 420
    values = drawn[objective.name].to_numpy(float)
    low, high = (float(values.min()), float(values.max())) if len(values) else (0.0, 1.0)
    room = {"left": 118, "right": 40, "top": 24, "bottom": 64} if beneath else {}
    for axis in axes:
        axis["nameLocation"] = "start" if beneath else "end"  # to the left, or above
    option = {
        "animation": False,
        "parallel": {"layout": "vertical" if beneath else "horizontal", "parallelAxisDefault": {}}
        | (room or {"left": 48, "right": 88, "top": 44, "bottom": 64}),
        "parallelAxis": axes,
        "tooltip": {"show": False},
        "visualMap": {
            "type": "continuous",
            "dimension": len(names) - 1,
            "min": low,
            "max": high if high > low else low + 1.0,
            "inRange": {"color": list(_SHADES_ON_DARK if dark else _SHADES)},
            "orient": "horizontal",
            "left": "center",
            "bottom": 0,
            "precision": 4,
            "calculable": False,
            "text": ["worse", "better"],
            "itemHeight": 160,
        },
        "series": [
            {
                "type": "parallel",
                "smooth": False,
                "lineStyle": {"width": 1.4, "opacity": max(0.15, min(0.75, 60 / max(1, len(rows))))},
                "emphasis": {"lineStyle": {"width": 3, "opacity": 1}},
                "inactiveOpacity": 0.04,
                "activeOpacity": 0.9,
                "data": rows,
            }
        ],
    }
    return option, height


def _parallel_axis(
    place: int, name: str, search: Search, objective: Objective, drawn: pd.DataFrame, ink: Ink
) -> dict[str, Any]:
    # Lines run through the labels: an edge in the paper's colour keeps them apart.
    written = {"color": ink.text, "textBorderColor": ink.paper, "textBorderWidth": 3}
    axis: dict[str, Any] = {
        "dim": place,
        "name": visible(name),
        "nameTextStyle": {"color": ink.text},
        "nameTruncate": {"maxWidth": 100},
        "axisLabel": written,
    }
    if place == len(search.space):
        ticks = linear(drawn[objective.name], count=FEW)
        return axis | {"name": objective.title, "type": "value", "min": ticks.low, "max": ticks.high}
    kind = search.space[name]
    if isinstance(kind, Range):
        ends = {"min": kind.low, "max": kind.high}
        return axis | ends | {"type": "log" if kind.log else "value"}
    levels = [visible(str(choice)) for choice in kind]
    shown = written | {"width": _CUT * 7, "overflow": "truncate", "interval": 0}
    return axis | {"type": "category", "data": levels, "axisLabel": shown}


def _with_tooltips(search: Search, trials: pd.DataFrame) -> pd.DataFrame:
    """``trials`` with what a tooltip shows, under names that no dimension can spoil for Vega."""
    shown = pd.DataFrame({"number": trials["number"], "state": trials["state"]}, index=trials.index)
    shown["what"] = [
        ", ".join(f"{name}: {value}" for name, value in zip(search.dimensions, row, strict=True))
        for row in trials[search.dimensions].to_numpy(dtype=object)
    ]
    for place, objective in enumerate(search.objectives):
        shown[f"objective{place}"] = trials[objective.name].astype(float)
        shown[objective.name] = shown[f"objective{place}"]
    for name in search.dimensions:
        shown[name] = trials[name]
    return shown


def _named(table: pd.DataFrame, names: Mapping[str, str]) -> pd.DataFrame:
    """What of ``table`` a chart reads: Vega takes dots and brackets in a column's name for paths."""
    plain = [name for name in table if name in ("number", "state", "what", "front")]
    plain += [name for name in table if str(name).startswith("objective")]
    return table[plain].assign(**{new: table[old] for new, old in names.items()})


def _tooltip(search: Search) -> list[alt.Tooltip]:
    values = [
        alt.Tooltip(f"objective{place}:Q", title=objective.title, format=",.5~g")
        for place, objective in enumerate(search.objectives)
    ]
    return [
        alt.Tooltip("number:Q", title="trial"),
        alt.Tooltip("state:N"),
        *values,
        alt.Tooltip("what:N", title="point"),
    ]


def _opacity(points: int) -> float:
    return 0.75 if points < _FAINT_FROM else 0.4


def better_half(done: pd.DataFrame, objective: Objective) -> pd.DataFrame:
    """The points at least as good as the median: a few that went wrong would set the scale of all others."""
    return done[done[objective.name] <= float(np.median(done[objective.name]))] if len(done) else done


def level_frame(found: Importances, places: Sequence[str]) -> pd.DataFrame:
    """A row for each level of the dimensions ``places``: its change, interval and trials."""
    rows = [
        {
            "dimension": one.dimension,
            "level": str(effect.level),
            "change": effect.change,
            "low": effect.interval.low if effect.interval else None,
            "high": effect.interval.high if effect.interval else None,
            "trials": effect.trials,
        }
        for one in found.shares
        if one.dimension in places
        for effect in one.effects
    ]
    return pd.DataFrame(rows, columns=["dimension", "level", "change", "low", "high", "trials"])
