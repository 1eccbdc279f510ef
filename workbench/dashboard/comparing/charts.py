"""Altair charts of several studies: one forest for the same change in each, and what a loss costs."""

from collections.abc import Mapping, Sequence
from functools import partial
from textwrap import shorten
from typing import Any

import altair as alt
import pandas as pd

from workbench.analysis.contrast import readable_on, seen_on
from workbench.analysis.cost_points import COSTS, CostPoint, on_front
from workbench.analysis.ticks import Ticks, decades, linear
from workbench.analysis.verdict_colours import is_open
from workbench.dashboard.axes import FIT_WIDTH, balanced, between, signed_axis, ticked, words
from workbench.dashboard.chart_ink import Ink
from workbench.dashboard.comparing.effects import WORDS, EffectPanel, facts_of
from workbench.dashboard.row_words import TEXT, with_rim
from workbench.numbers import byte_size, duration, scaled, with_interval

SHAPES = dict(
    zip(WORDS, ("triangle-down", "triangle-up", "square", "diamond", "cross", "circle"), strict=True)
)
_HEADING = 34  # pixels of a change's name
_ROW = 62  # pixels of a row: two lines of words, and an interval below them
_LINE = 62  # letters in a line of a narrow page
_HOLLOW = ""  # in place of a study, whose title is never empty
_FACTS = 84  # letters of a row's facts, which are smaller
_TEXT_LETTERS = 24  # of a text's name, where they are more: how many pairs there are is to be seen too
_LOG_FROM = 3.0  # largest over smallest cost, from which the axis is logarithmic
BASELINE, VARIANT = "baseline", "variant"


def forest_frames(panel: EffectPanel) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The rows of a panel and the headings of its changes, each with its place in pixels from the top.

    ``top`` and ``bottom`` are of a row, ``mark`` is where its interval lies. An end of an interval that is
    infinite lies at the end of the axis.
    """
    ticks = linear(panel.ends)
    height = row_height(panel)
    rows: list[dict[str, Any]] = []
    headings = []
    place = 0.0
    for group in panel.changes.values():
        headings.append({"heading": shorten(group[0].heading, _LINE, placeholder=" …"), "y": place + 18})
        place += _HEADING
        for row in group:
            rows.append(
                {
                    "heading": row.heading,
                    "study": row.study,
                    "kind": row.kind,
                    "open": is_open(row.kind),
                    "said": row.said,
                    "facts": row.facts,
                    "shown": row.facts if len(row.facts) <= _FACTS else facts_of(row.numbers, _TEXT_LETTERS),
                    "value": float("nan") if row.value is None else row.value,
                    "low": max(row.low, ticks.low),
                    "high": min(row.high, ticks.high),
                    "margin_low": row.band[0],
                    "margin_high": row.band[1],
                    "asked": row.asked,
                    "top": place,
                    "bottom": place + height,
                    "mark": place + height - 12,
                }
            )
            place += height
    return pd.DataFrame(rows), pd.DataFrame(headings)


def row_height(panel: EffectPanel) -> int:
    """Pixels of a row: one line of words more where study and word do not fit beside each other."""
    return _ROW + TEXT * (_lines(panel) - 1)


def _lines(panel: EffectPanel) -> int:
    return 1 if all(len(row.study) + len(row.said) < _LINE for row in panel.rows) else 2


def effects_forest(panel: EffectPanel, colours: Mapping[str, str], ink: Ink) -> alt.LayerChart:
    """The rows of ``forest_frames``: colour by study, mark by verdict, in each row the band of its margin.

    A row that is open is thin, its mark hollow. ``colours`` are by title. Names and numbers stand above each
    interval, which so keeps its width on a narrow page. A row without a difference has words and no mark.
    """
    table, headings = forest_frames(panel)
    height = float(table["bottom"].max())
    ticks = linear(panel.ends)
    x = partial(
        alt.X,
        scale=between(ticks, zero=False),
        axis=signed_axis(ticks),
        title=balanced(panel.title, _LINE),
    )
    y = partial(alt.Y, scale=alt.Scale(domain=[height, 0], nice=False, zero=False), axis=None, title=None)
    shown = [title for title in colours if title in set(table["study"])]
    scale = alt.Scale(domain=shown, range=[readable_on(colours[title], ink.paper) for title in shown])
    colour = alt.Color("study:N", scale=scale, legend=None)  # each row has its study's name in its colour
    # Of a condition the legend would take the value: the paper's colour, and its marks would not be seen.
    table = table.assign(fill=table["study"].mask(table["open"].astype(bool), _HOLLOW))
    fills = alt.Scale(domain=[*shown, _HOLLOW], range=[*scale.range, ink.paper])
    kinds = [word for word in WORDS if word in set(table["kind"])]
    shapes = alt.Scale(domain=kinds, range=[SHAPES[word] for word in kinds])
    legend = alt.Legend(title=None, orient="top", symbolFillColor=ink.text, symbolStrokeColor=ink.text)
    shape = alt.Shape("kind:N", scale=shapes, legend=legend)
    rows = alt.Chart(table).encode(tooltip=_forest_tooltip())
    drawn = alt.Chart(table[table["value"].notna()]).encode(tooltip=_forest_tooltip())
    layers = [
        rows.mark_rect(color=ink.faint, opacity=0.14).encode(
            x=x("margin_low:Q"), x2="margin_high:Q", y=y("top:Q"), y2="bottom:Q"
        ),
        alt.Chart(pd.DataFrame({"x": [0.0]})).mark_rule(color=ink.faint, strokeWidth=1).encode(x=x("x:Q")),
    ]
    if table["value"].notna().any():  # an empty layer would be a drawing without a name
        layers += [
            drawn.mark_rule(strokeCap="round").encode(
                x=x("low:Q"),
                x2="high:Q",
                y=y("mark:Q"),
                color=colour,
                strokeWidth=alt.condition(alt.datum.open, alt.value(1.5), alt.value(3)),
            ),
            drawn.mark_point(filled=True, size=110, opacity=1, strokeWidth=2).encode(
                x=x("value:Q"),
                y=y("mark:Q"),
                fill=alt.Fill("fill:N", scale=fills, legend=None),
                stroke=colour,
                shape=shape,
            ),
        ]
    layers += _words_above(rows, headings, y, colour, _lines(panel), ink)
    whole = alt.LayerChart(layer=layers)
    whole = whole.properties(height=height, autosize=FIT_WIDTH, config=words(ink.faint))
    return whole.configure_view(strokeWidth=0)


def _words_above(
    rows: alt.Chart, headings: pd.DataFrame, y: Any, colour: alt.Color, lines: int, ink: Ink
) -> list[alt.Chart]:
    """Each change's name; in each row the study, its word with the numbers, and its facts."""
    written = partial(rows.mark_text, baseline="middle", fontSize=13)
    right = lines == 1
    named = alt.Chart(headings).mark_text(
        align="left", baseline="middle", fontSize=14, fontWeight="bold", color=ink.text
    )
    study = written(align="left", dy=10, fontWeight="bold")
    said = written(
        align="right" if right else "left", dy=10 if right else 10 + TEXT, color=ink.text, fontWeight="bold"
    )
    facts = rows.mark_text(
        align="left", baseline="middle", fontSize=12, color=ink.faint, dy=10 + TEXT * lines
    )
    layers = [
        named.encode(x=alt.value(0), y=y("y:Q"), text="heading:N"),
        study.encode(x=alt.value(0), y=y("top:Q"), text="study:N", color=colour),
        said.encode(x=alt.value("width") if right else alt.value(0), y=y("top:Q"), text="said:N"),
        facts.encode(x=alt.value(0), y=y("top:Q"), text="shown:N"),
    ]
    return [drawn for words in layers for drawn in with_rim(words, ink)]


def _forest_tooltip() -> list[alt.Tooltip]:
    return [
        alt.Tooltip("heading:N", title="change"),
        alt.Tooltip("study:N", title="study"),
        alt.Tooltip("said:N", title="found"),
        alt.Tooltip("asked:N", title="margin"),
        alt.Tooltip("facts:N", title="at"),
    ]


def cost_frame(points: Sequence[CostPoint], cost: str, labels: Mapping[tuple[str, str], str]) -> pd.DataFrame:
    """A row for each point that has the cost: ``x``, ``loss`` with its interval, whether it is on the front.

    ``labels`` are by study and variant.
    """
    rows = []
    for point, is_best in zip(points, on_front(points, cost), strict=True):
        if cost not in point.costs:
            continue
        low, high = (point.interval.low, point.interval.high) if point.interval else (point.loss, point.loss)
        rows.append(
            {
                "study": point.study,
                "variant": labels[point.study, point.variant],
                "what": BASELINE if point.is_baseline else VARIANT,
                "x": point.costs[cost],
                "cost": cost_words(point.costs[cost], cost),
                "loss": point.loss,
                "low": low,
                "high": high,
                "said": with_interval(point.loss, point.interval, 4),
                "seeds": point.seeds,
                "front": is_best,
            }
        )
    return pd.DataFrame(rows)


def cost_words(value: float, cost: str) -> str:
    """A cost as a reader says it: ``0.37 TFLOP``, ``40.0 s``, ``714 MB``."""
    if cost == "flops":
        return scaled(value, "FLOP")
    if cost == "peak_memory_bytes":
        return byte_size(value)
    return f"{value:.3g} s" if value < 90 else duration(value)


def cost_ticks(values: Sequence[float]) -> tuple[Ticks, bool]:
    """The ticks of an axis of costs, and whether it is logarithmic: above a factor of three."""
    log = max(values) > _LOG_FROM * min(values)
    return (decades(values, count=5) if log else linear(values, count=5)), log


def loss_ends(table: pd.DataFrame) -> list[float]:
    """What the axis of losses must hold: all means, and intervals as far as the means are apart.

    The interval of two seeds would set the scale of all others, and is cut at the axis.
    """
    spread = float(table["loss"].max() - table["loss"].min()) or float(abs(table["loss"].max())) * 0.01
    low = max(float(table["low"].min()), float(table["loss"].min()) - spread)
    high = min(float(table["high"].max()), float(table["loss"].max()) + spread)
    return [low, high]


def cost_chart(
    table: pd.DataFrame, cost: str, loss: str, colours: Mapping[str, str], ink: Ink
) -> alt.LayerChart:
    """The rows of ``cost_frame``: means with intervals, colour by study, baselines as diamonds; the front."""
    horizontal, log = cost_ticks(list(table["x"]))
    vertical = linear(loss_ends(table), count=6)
    title = COSTS[cost]
    labels = [cost_words(value, cost) for value in horizontal.values]
    across = partial(
        alt.X,
        scale=between(horizontal, type="log") if log else between(horizontal, zero=False),
        axis=alt.Axis(**ticked(horizontal, labels), labelOverlap="parity", labelSeparation=8),
        title=title,
    )
    up = partial(
        alt.Y,
        scale=between(vertical, zero=False),
        axis=alt.Axis(**ticked(vertical), labelOverlap=False),
        title=balanced(loss, 44),
    )
    shown = [study for study in colours if study in set(table["study"])]
    scale = alt.Scale(domain=shown, range=[seen_on(colours[study], ink.paper) for study in shown])
    colour = alt.Color(
        "study:N",
        scale=scale,
        legend=alt.Legend(title=None, orient="top", labelLimit=260, columns=2, symbolOpacity=1),
    )
    shapes = alt.Scale(domain=[BASELINE, VARIANT], range=["diamond", "circle"])
    shape = alt.Shape("what:N", scale=shapes, legend=None)  # the words below the charts say what a diamond is
    ends = table.assign(low=table["low"].clip(vertical.low), high=table["high"].clip(upper=vertical.high))
    points = alt.Chart(ends).encode(x=across("x:Q"), tooltip=_cost_tooltip(title))
    front = ends[ends["front"]].sort_values("x")
    layers = [
        alt.Chart(front)
        .mark_line(interpolate="step-after", color=ink.text, strokeWidth=1.5, opacity=0.7)
        .encode(x=across("x:Q"), y=up("loss:Q")),
        points.mark_rule(strokeWidth=1.5, opacity=0.6).encode(y=up("low:Q"), y2="high:Q", color=colour),
        points.mark_point(filled=True, opacity=1).encode(
            y=up("loss:Q"),
            color=colour,
            shape=shape,
            size=alt.Size("front:N", scale=alt.Scale(domain=[False, True], range=[55, 150]), legend=None),
        ),
    ]
    whole = alt.LayerChart(layer=layers)
    return whole.properties(height=360, autosize=FIT_WIDTH, config=words(ink.faint))


def _cost_tooltip(title: str) -> list[alt.Tooltip]:
    return [
        alt.Tooltip("study:N", title="study"),
        alt.Tooltip("variant:N", title="variant"),
        alt.Tooltip("said:N", title="loss [95 % interval]"),
        alt.Tooltip("cost:N", title=title.lower()),
        alt.Tooltip("seeds:Q", title="seeds"),
        alt.Tooltip("front:N", title="on the front"),
    ]
