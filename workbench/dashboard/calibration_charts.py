"""Altair chart of a calibration: how often each word is false where the truth lies exactly at the margin."""

from functools import partial

import altair as alt
import pandas as pd

from workbench.analysis.calibrating.calibration import Calibration
from workbench.analysis.calibrating.error_shares import DIFFERENT, EQUIVALENT, error_shares
from workbench.analysis.calibrating.goals import PROMISED, TOLERANCE, TWO_SIDED
from workbench.analysis.colours import BLUE, VERMILLION
from workbench.analysis.contrast import seen_on
from workbench.analysis.ticks import linear
from workbench.dashboard.axes import FIT_WIDTH, between, ticked, words
from workbench.dashboard.chart_ink import Ink
from workbench.numbers import fixed

_ROW = 52  # pixels of a design, which has two intervals


def error_frame(found: Calibration) -> pd.DataFrame:
    """One row per design and word: its share of studies in percent, with its 95 % interval."""
    rows = [
        {
            "design": one.design,
            "word": one.word,
            "share": one.percent,
            "low": max(0.0, one.percent - TWO_SIDED * one.error),
            "high": one.percent + TWO_SIDED * one.error,
            "numbers": f"{fixed(one.percent, 1)} ± {fixed(TWO_SIDED * one.error, 1)} %",
        }
        for one in error_shares(found)
    ]
    return pd.DataFrame(rows, columns=["design", "word", "share", "low", "high", "numbers"])


def error_chart(table: pd.DataFrame, ink: Ink) -> alt.LayerChart:
    """The rows of ``error_frame`` beside the 5 % that are promised, and a percentage point around them."""
    designs = list(dict.fromkeys(table["design"]))
    low, high = 100 * (PROMISED - TOLERANCE), 100 * (PROMISED + TOLERANCE)
    ticks = linear([0.0, high, *table["high"]])
    x = partial(
        alt.X,
        scale=between(ticks),
        axis=alt.Axis(**ticked(ticks), grid=True, labelOverlap="parity"),
        title="False words, % of studies",
    )
    y = alt.Y("design:N", scale=alt.Scale(domain=designs), title=None, axis=alt.Axis(labelLimit=220))
    legend = alt.Legend(title=None, orient="top", labelLimit=440, columns=1, symbolType="circle")
    colours = [seen_on(colour, ink.paper) for colour in (VERMILLION, BLUE)]
    colour = alt.Color(
        "word:N", scale=alt.Scale(domain=[DIFFERENT, EQUIVALENT], range=colours), legend=legend
    )
    band = pd.DataFrame({"low": [low], "high": [high], "promised": [100 * PROMISED]})
    layers: list[alt.Chart] = [
        alt.Chart(band).mark_rect(color=ink.faint, opacity=0.16).encode(x=x("low:Q"), x2="high:Q"),
        alt.Chart(band).mark_rule(color=ink.faint, strokeWidth=1).encode(x=x("promised:Q")),
    ]
    tooltip = [alt.Tooltip("design:N"), alt.Tooltip("word:N"), alt.Tooltip("numbers:N", title="of studies")]
    for place, word in enumerate((DIFFERENT, EQUIVALENT)):
        offset = 8 * (2 * place - 1)
        of_word = alt.Chart(table[table["word"] == word]).encode(y=y, color=colour, tooltip=tooltip)
        layers += [
            of_word.mark_rule(strokeWidth=3, strokeCap="round", yOffset=offset).encode(
                x=x("low:Q"), x2="high:Q"
            ),
            of_word.mark_point(filled=True, size=80, opacity=1, yOffset=offset).encode(x=x("share:Q")),
        ]
    whole = alt.LayerChart(layer=layers).properties(
        height=_ROW * len(designs), autosize=FIT_WIDTH, config=words(ink.faint)
    )
    return whole.configure_view(strokeWidth=0)
