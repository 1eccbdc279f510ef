"""Altair chart of compute-equivalent gains: the baseline's loss by budget, and each variant's read off it."""

from collections.abc import Mapping
from functools import partial

import altair as alt
import pandas as pd

from workbench.analysis.effects import Report
from workbench.analysis.gain_ladder import ComputeGains, read_off
from workbench.analysis.statistics import mean_interval
from workbench.analysis.ticks import doublings, linear
from workbench.dashboard.axes import FIT_WIDTH, balanced, between, ticked, words
from workbench.dashboard.chart_ink import Ink
from workbench.dashboard.effect_charts import variant_colour
from workbench.numbers import decimals_for, with_interval

_LINE = 48  # letters in a line of an axis's title


def budget_frame(found: ComputeGains, margin: float) -> pd.DataFrame:
    """One row per budget with a result: the baseline's mean loss, and its 95 % t interval over seeds."""
    decimals = decimals_for(margin)
    rows = []
    for rung in found.rungs:
        if rung.mean is None:
            continue
        interval = mean_interval(list(rung.losses.values()))
        rows.append(
            {
                "tokens": rung.tokens,
                "mean": rung.mean,
                "low": interval.low if interval else rung.mean,
                "high": interval.high if interval else rung.mean,
                "seeds": len(rung.losses),
                "rate": rung.learning_rate,
                "numbers": with_interval(rung.mean, interval, decimals),
            }
        )
    return pd.DataFrame(rows, columns=["tokens", "mean", "low", "high", "seeds", "rate", "numbers"])


def read_off_frame(report: Report, found: ComputeGains) -> pd.DataFrame:
    """One row per variant with a gain: its loss, and the tokens at which the baseline reaches it."""
    labels = {row.variant: row.label for row in report.rows}
    return pd.DataFrame(
        [
            {
                "variant": one.variant,
                "label": labels[one.variant],
                "tokens": found.tokens,
                "loss": one.loss,
                "reached": one.low if one.reached is None else one.reached,
                "low": one.low,
                "high": one.high,
                "gain": one.gain,
            }
            for one in read_off(found)
        ],
        columns=["variant", "label", "tokens", "loss", "reached", "low", "high", "gain"],
    )


def gains_chart(
    ladder: pd.DataFrame, table: pd.DataFrame, colours: Mapping[str, str], report: Report, ink: Ink
) -> alt.LayerChart:
    """Both frames: a square for each variant at the study's budget, a line to where it is read off."""
    places = doublings(ladder["tokens"])
    x = partial(
        alt.X,
        scale=alt.Scale(type="log", nice=False, padding=24),
        title="Training tokens",
        axis=alt.Axis(**ticked(places), grid=False, labelOverlap="parity"),
    )
    ticks = linear([*ladder["low"], *ladder["high"], *table["loss"]], count=6)
    y = partial(
        alt.Y,
        scale=between(ticks, zero=False),
        title=balanced(f"{report.metric} ({report.unit})", _LINE),
        axis=alt.Axis(**ticked(ticks), labelOverlap=False),
    )
    baseline = alt.Chart(ladder).encode(
        x=x("tokens:Q"),
        tooltip=[
            alt.Tooltip("tokens:Q", title="tokens", format=","),
            alt.Tooltip("numbers:N", title="baseline"),
            alt.Tooltip("seeds:Q", title="seeds"),
            alt.Tooltip("rate:Q", title="learning rate", format="~g"),
        ],
    )
    layers = [
        baseline.mark_line(color=ink.text, strokeWidth=2).encode(y=y("mean:Q")),
        baseline.mark_rule(color=ink.text, strokeWidth=1).encode(y=y("low:Q"), y2="high:Q"),
        baseline.mark_circle(color=ink.text, size=60, opacity=1).encode(y=y("mean:Q")),
    ]
    if len(table):  # an empty layer is a drawing without a name
        variants = alt.Chart(table).encode(
            y=y("loss:Q"),
            color=variant_colour(table, colours, legend=True),
            tooltip=[
                alt.Tooltip("label:N", title="variant"),
                alt.Tooltip("gain:N", title="gain in tokens"),
                alt.Tooltip("loss:Q", title="loss", format=".4f"),
            ],
        )
        layers += [
            variants.mark_rule(strokeWidth=1).encode(x=x("tokens:Q"), x2="reached:Q"),
            variants.mark_rule(strokeWidth=5, opacity=0.5).encode(x=x("low:Q"), x2="high:Q"),
            variants.mark_square(size=90, opacity=1).encode(x=x("tokens:Q")),
        ]
    whole = alt.LayerChart(layer=layers)
    return whole.properties(height=300, autosize=FIT_WIDTH, config=words(ink.faint))
