"""Altair chart of two recipes taken apart: what each part contributes from both ends, their sum, the gap."""

from functools import partial

import altair as alt
import pandas as pd

from workbench.analysis.contrast import seen_on
from workbench.analysis.dismantling import (
    INTO_COLOUR,
    OUT_COLOUR,
    Dismantled,
    Measured,
    added_to,
    contributions,
    left_out_of,
)
from workbench.analysis.ticks import linear
from workbench.dashboard.axes import FIT_WIDTH, balanced, between, signed_axis, words
from workbench.dashboard.chart_ink import Ink
from workbench.dashboard.row_words import TEXT, words_above
from workbench.numbers import decimals_for, with_interval

_ROW = 58  # pixels of a row: a line of words, and two intervals below it
_LINE = 62  # letters in a line of a narrow page
_APART = 9  # pixels between the intervals of a row
GAP = "gap"


def contribution_frame(found: Dismantled, margin: float) -> pd.DataFrame:
    """One row per part, sum or gap, and end that is known: its interval, and the text beside it."""
    decimals = decimals_for(margin)
    out, into = left_out_of(found), added_to(found)
    rows = []
    for row in contributions(found):
        ends = [(GAP, row.out)] if row.into is None else [(out, row.out), (into, row.into)]
        for end, one in ends:
            if one.mean is not None:
                rows.append(
                    {"name": row.name, "end": end, "says": row.says, **_numbers(one, one.mean, decimals)}
                )
    return pd.DataFrame(rows, columns=["name", "end", "says", "mean", "low", "high", "numbers", "seeds"])


def _numbers(one: Measured, mean: float, decimals: int) -> dict[str, float | str | int]:
    return {
        "mean": mean,
        "low": one.interval.low if one.interval else mean,
        "high": one.interval.high if one.interval else mean,
        "numbers": with_interval(mean, one.interval, decimals, sign=True),
        "seeds": len(one.by_seed),
    }


def parts_chart(table: pd.DataFrame, found: Dismantled, unit: str, ink: Ink) -> alt.LayerChart:
    """The rows of ``contribution_frame``; names stand above intervals, which so keep their width."""
    names = list(dict.fromkeys(table["name"]))
    ends = list(dict.fromkeys(table["end"]))
    longest = (table["name"].str.len() + table["says"].str.len()).max()
    lines = 1 if longest < _LINE else 2
    row_height = _ROW + TEXT * (lines - 1)
    y = alt.Y("name:N", scale=alt.Scale(domain=names), title=None, axis=None)
    ticks = linear([*table["low"], *table["high"], 0.0, found.margin, -found.margin])
    title = f"Part of the gap from {found.origin} to {found.whole}, {unit}"
    x = partial(
        alt.X,
        scale=between(ticks, zero=False),
        axis=signed_axis(ticks),
        title=balanced(title, _LINE),
    )
    out, into = (seen_on(colour, ink.paper) for colour in (OUT_COLOUR, INTO_COLOUR))
    colours = {left_out_of(found): out, added_to(found): into, GAP: ink.text}
    legend = alt.Legend(title=None, orient="top", labelLimit=440, columns=1, symbolType="circle")
    colour = alt.Color(
        "end:N", scale=alt.Scale(domain=ends, range=[colours[end] for end in ends]), legend=legend
    )
    band = pd.DataFrame(
        {"low": [-found.margin], "high": [found.margin], "what": [f"±{found.margin:g} {unit}"]}
    )
    layers = [
        alt.Chart(band)
        .mark_rect(color=ink.faint, opacity=0.16)
        .encode(
            x=x("low:Q"), x2="high:Q", tooltip=alt.Tooltip("what:N", title="margin: too small to matter")
        ),
        alt.Chart(pd.DataFrame({"x": [0.0]})).mark_rule(color=ink.faint, strokeWidth=1).encode(x=x("x:Q")),
    ]
    for place, end in enumerate(ends):
        of_end = alt.Chart(table[table["end"] == end]).encode(y=y, color=colour, tooltip=_tooltip())
        offset = TEXT * (lines - 1) / 2 + 4 + (0 if end == GAP else _APART * place)
        layers += [
            of_end.mark_rule(strokeWidth=3, strokeCap="round", yOffset=offset).encode(
                x=x("low:Q"), x2="high:Q"
            ),
            of_end.mark_point(filled=True, size=80, opacity=1, yOffset=offset).encode(x=x("mean:Q")),
        ]
    names_of = alt.Chart(table.drop_duplicates("name")).encode(y=y)
    layers += words_above(names_of, "name", "says", above=16, lines=lines, ink=ink)
    whole = alt.LayerChart(layer=layers)
    whole = whole.properties(height=row_height * len(names), autosize=FIT_WIDTH, config=words(ink.faint))
    return whole.configure_view(strokeWidth=0)


def _tooltip() -> list[alt.Tooltip]:
    return [
        alt.Tooltip("name:N", title="part"),
        alt.Tooltip("end:N", title="end"),
        alt.Tooltip("numbers:N", title="contribution"),
        alt.Tooltip("seeds:Q", title="seeds"),
        alt.Tooltip("says:N", title="says"),
    ]
