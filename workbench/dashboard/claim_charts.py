"""Altair charts of claim cards: the forest of a card's numbers, and what serving costs."""

from functools import partial
from textwrap import shorten

import altair as alt
import pandas as pd

from workbench.analysis.colours import BLUE, VERMILLION
from workbench.analysis.contrast import seen_on
from workbench.analysis.ticks import Ticks, decades, linear
from workbench.claims.forest import KIND_COLOURS, LITERATURE, ForestPanel, labels_of
from workbench.claims.serving import Serving, token_count
from workbench.dashboard.axes import FIT_WIDTH, balanced, between, signed_axis, ticked, words
from workbench.dashboard.chart_ink import Ink
from workbench.dashboard.row_words import TEXT, words_above
from workbench.numbers import scaled

_ROW = 46  # pixels of a row: a line of words, and an interval below it
_LINE = 66  # letters in a line of a narrow page
_BELOW = 10  # pixels that an interval lies below its row's middle
_SHAPES = {"holds": "circle", "fails": "triangle-down", "open": "diamond", LITERATURE: "square"}
LEAST_SERVED, MOST_SERVED = 0.1, 100.0  # times the larger model's training tokens
_FAR = 100.0  # times a total, beyond which an end of its interval is not drawn
_STEPS = 10  # of the slider, in a factor of ten
SMALLER, LARGER = "smaller, trained for longer", "larger"


def forest_frame(panel: ForestPanel) -> pd.DataFrame:
    """One row per number; an end of an interval that is infinite lies at the end of the axis."""
    ticks = linear(panel.ends)
    return pd.DataFrame(
        {
            "label": labels_of(panel.rows),
            "shown": [shorten(row.label, _LINE, placeholder=" …") for row in panel.rows],
            "kind": [row.kind for row in panel.rows],
            "said": [row.said for row in panel.rows],
            "value": [float("nan") if row.value is None else row.value for row in panel.rows],
            "low": [max(row.low, ticks.low) for row in panel.rows],
            "high": [min(row.high, ticks.high) for row in panel.rows],
            "margin_low": [row.band[0] for row in panel.rows],
            "margin_high": [row.band[1] for row in panel.rows],
            "asked": [row.asked for row in panel.rows],
        }
    )


def claim_forest(panel: ForestPanel, ink: Ink) -> alt.LayerChart:
    """The rows of ``forest_frame``: words by colour and mark, in each row the band of its margin.

    Names and numbers stand above each interval, not beside it, so that it keeps its width on a narrow page.
    """
    table = forest_frame(panel)
    lines = 1 if (table["shown"].str.len() + table["said"].str.len()).max() <= _LINE else 2
    height = _ROW + TEXT * (lines - 1)
    below = _BELOW + TEXT * (lines - 1) / 2
    y = alt.Y("label:N", scale=alt.Scale(domain=list(table["label"])), title=None, axis=None)
    ticks = linear(panel.ends)
    x = partial(
        alt.X,
        scale=between(ticks, zero=False),
        axis=signed_axis(ticks),
        title=balanced(panel.title, _LINE),
    )
    kinds = [kind for kind in KIND_COLOURS if kind in set(table["kind"])]
    inks = [ink.text if kind == LITERATURE else seen_on(KIND_COLOURS[kind], ink.paper) for kind in kinds]
    legend = alt.Legend(title=None, orient="top")
    colour = alt.Color("kind:N", scale=alt.Scale(domain=kinds, range=inks), legend=legend)
    shapes = alt.Scale(domain=kinds, range=[_SHAPES[kind] for kind in kinds])
    shape = alt.Shape("kind:N", scale=shapes, legend=legend)
    rows = alt.Chart(table).encode(y=y, tooltip=_forest_tooltip())
    layers = [
        rows.mark_rule(color=ink.faint, opacity=0.16, strokeWidth=height).encode(
            x=x("margin_low:Q"), x2="margin_high:Q"
        ),
        alt.Chart(pd.DataFrame({"x": [0.0]})).mark_rule(color=ink.faint, strokeWidth=1).encode(x=x("x:Q")),
    ]
    # An empty layer would be a drawing without a name.
    of_papers = table["kind"] == LITERATURE
    for part, dash in ((table[~of_papers], [1, 0]), (table[of_papers], [4, 3])):
        if len(part):
            layers.append(
                alt.Chart(part)
                .mark_rule(strokeWidth=3, strokeDash=dash, yOffset=below)
                .encode(x=x("low:Q"), x2="high:Q", y=y, color=colour, tooltip=_forest_tooltip())
            )
    marked = alt.Chart(table[table["value"].notna()]).encode(y=y, tooltip=_forest_tooltip())
    layers.append(
        marked.mark_point(filled=True, size=95, opacity=1, yOffset=below).encode(
            x=x("value:Q"), color=colour, shape=shape
        )
    )
    layers += words_above(rows, "shown", "said", above=10, lines=lines, ink=ink)
    whole = alt.LayerChart(layer=layers)
    whole = whole.properties(height=height * len(table), autosize=FIT_WIDTH, config=words(ink.faint))
    return whole.configure_view(strokeWidth=0)


def _forest_tooltip() -> list[alt.Tooltip]:
    return [
        alt.Tooltip("label:N", title="prediction or paper"),
        alt.Tooltip("said:N", title="found"),
        alt.Tooltip("asked:N", title="asked"),
    ]


def served_options() -> list[str]:
    """What the slider offers: multiples of the larger model's training tokens, ten for each factor of ten."""
    decades_wide = range(-_STEPS, 2 * _STEPS + 1)
    return [f"{10 ** (step / _STEPS):.2g}" for step in decades_wide]


def serving_frame(serving: Serving) -> pd.DataFrame:
    """Total FLOPs of both sides by tokens served, the smaller one's with its interval where it has noise.

    An end that is far off lies beyond the axis, which shows that it is.
    """
    rows = []
    for step in served_options():
        served = float(step)
        smaller = serving.total_of_smaller(served)
        ends = (smaller, smaller)
        if serving.interval is not None:
            low, high = serving.interval.low, serving.interval.high
            ends = (
                max(serving.total_of_smaller(served, low), smaller / _FAR),
                min(serving.total_of_smaller(served, high), smaller * _FAR),
            )
        rows.append({"served": served, "side": SMALLER, "total": smaller, "low": ends[0], "high": ends[1]})
        larger = serving.total_of_larger(served)
        rows.append({"served": served, "side": LARGER, "total": larger, "low": larger, "high": larger})
    return pd.DataFrame(rows).assign(said=lambda table: [scaled(one, "FLOP") for one in table["total"]])


def serving_chart(serving: Serving, served: float, ink: Ink) -> alt.LayerChart:
    """The rows of ``serving_frame`` on logarithmic axes, the break-even and what the slider says marked."""
    table = serving_frame(serving)
    at = Ticks((0.1, 1.0, 10.0, 100.0), ("0.1×", "1×", "10×", "100×"), LEAST_SERVED, MOST_SERVED)
    x = partial(
        alt.X,
        scale=alt.Scale(type="log", domain=[at.low, at.high], nice=False, clamp=True),
        axis=alt.Axis(**ticked(at), grid=False),
        title=balanced(f"Tokens served, in multiples of the {token_count(serving.tokens)} of training", 44),
    )
    ticks = decades(table["total"], count=6)
    y = partial(
        alt.Y,
        scale=alt.Scale(type="log", domain=[ticks.low, ticks.high], nice=False),
        axis=alt.Axis(
            **ticked(ticks, [scaled(one, "FLOP") for one in ticks.values]), grid=True, labelOverlap=False
        ),
        title="Training and serving",
    )
    sides = {SMALLER: seen_on(VERMILLION, ink.paper), LARGER: seen_on(BLUE, ink.paper)}
    legend = alt.Legend(title=None, orient="top", symbolType="stroke", labelLimit=300)
    scale = alt.Scale(domain=list(sides), range=list(sides.values()))
    colour = alt.Color("side:N", scale=scale, legend=legend)
    dashes = alt.Scale(domain=list(sides), range=[[1, 0], [6, 3]])
    dash = alt.StrokeDash("side:N", scale=dashes, legend=legend)
    tooltip = [
        alt.Tooltip("side:N", title="model"),
        alt.Tooltip("served:Q", title="times the training tokens", format="~g"),
        alt.Tooltip("said:N", title="training and serving"),
    ]
    rows = alt.Chart(table).encode(x=x("served:Q"), tooltip=tooltip)
    layers = []
    if serving.interval is not None:
        band = rows.transform_filter(alt.datum.side == SMALLER)
        layers.append(
            band.mark_area(color=sides[SMALLER], opacity=0.18, clip=True).encode(
                y=y("low:Q"), y2=alt.Y2("high:Q")
            )
        )
    layers.append(rows.mark_line(strokeWidth=2.5).encode(y=y("total:Q"), color=colour, strokeDash=dash))
    chosen = pd.DataFrame({"served": [served], "what": [f"{served:g}× served"]})
    rule = alt.Chart(chosen).encode(x=x("served:Q"), tooltip=alt.Tooltip("what:N", title="slider"))
    layers.append(rule.mark_rule(color=ink.text, strokeWidth=1.5))
    if LEAST_SERVED <= serving.break_even <= MOST_SERVED:
        even = pd.DataFrame(
            {
                "served": [serving.break_even],
                "total": [serving.total_of_larger(serving.break_even)],
                "what": [f"break-even at {serving.break_even:.3g}×"],
            }
        )
        mark = alt.Chart(even).encode(x=x("served:Q"), y=y("total:Q"), tooltip=alt.Tooltip("what:N"))
        layers.append(mark.mark_point(shape="diamond", size=170, filled=True, opacity=1, color=ink.text))
        layers.append(
            mark.mark_text(align="left", dx=12, dy=12, color=ink.text, fontSize=13).encode(text="what:N")
        )
    whole = alt.LayerChart(layer=layers)
    return whole.properties(height=260, autosize=FIT_WIDTH, config=words(ink.faint))
