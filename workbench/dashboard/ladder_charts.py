"""Altair chart of one effect over a ladder: its intervals against the compute of a run, and the trend."""

from functools import partial

import altair as alt
import pandas as pd

from workbench.analysis.ladder_effects import LadderReport, LadderRow
from workbench.analysis.report_tables import verdict_cell
from workbench.analysis.ticks import Ticks, linear
from workbench.dashboard.axes import FIT_WIDTH, balanced, between, ticked, words
from workbench.dashboard.chart_ink import Ink
from workbench.dashboard.verdict_marks import OPEN, thickness, word_colour, word_of
from workbench.numbers import decimals_for, scaled, with_interval

_HEIGHT = 230  # pixels
_LINE = 40  # letters in a line of a panel, of which several stand side by side
_AROUND = 1.6  # how far the axis reaches beyond the rungs, as a factor
MEASURED, LINE = "measured", "what the line says"


def ladder_frame(row: LadderRow, found: LadderReport) -> pd.DataFrame:
    """One row per rung that has a difference; another where the line says something beyond the top."""
    decimals = decimals_for(found.margin)
    rows = []
    for rung, own in zip(found.rungs, row.rows, strict=True):
        if own.difference is None:
            continue
        rows.append(
            {
                "rung": rung.words,
                "compute": rung.recorded.compute,
                "mean": own.difference,
                "low": own.interval.low if own.interval else own.difference,
                "high": own.interval.high if own.interval else own.difference,
                "numbers": with_interval(own.difference, own.interval, decimals, sign=True),
                "verdict": verdict_cell(own),
                "kind": MEASURED,
                "word": word_of(own),
            }
        )
    if row.extrapolation is not None:
        far = row.extrapolation
        rows.append(
            {
                "rung": "beyond the top rung",
                "compute": far.compute,
                "mean": far.mean,
                "low": far.interval.low,
                "high": far.interval.high,
                "numbers": with_interval(far.mean, far.interval, decimals, sign=True),
                "verdict": f"{LINE}, 95 % prediction interval",
                "kind": LINE,
                "word": OPEN,
            }
        )
    columns = ["rung", "compute", "mean", "low", "high", "numbers", "verdict", "kind", "word"]
    return pd.DataFrame(rows, columns=columns)


def line_frame(row: LadderRow) -> pd.DataFrame:
    """The two ends of the trend; empty where there is none."""
    if row.trend is None:
        return pd.DataFrame(columns=["compute", "mean"])
    reach = [one.compute for one in row.effects]
    if row.extrapolation is not None:
        reach.append(row.extrapolation.compute)
    ends = [min(reach), max(reach)]
    return pd.DataFrame({"compute": ends, "mean": [row.trend.at(one) for one in ends]})


def ladder_chart(row: LadderRow, found: LadderReport, ink: Ink) -> alt.LayerChart:
    """The rows of ``ladder_frame`` with the trend as a dashed line, and the margin as a band.

    Each rung's mark has the colour of its verdict; one that is open is grey and thin.
    """
    table, line = ladder_frame(row, found), line_frame(row)
    places = [rung.recorded.compute for rung in found.rungs]
    if row.extrapolation is not None:
        places.append(row.extrapolation.compute)
    labels = tuple(scaled(one, "") for one in places)
    reach = Ticks(tuple(places), labels, min(places) / _AROUND, max(places) * _AROUND)
    x = partial(
        alt.X,
        scale=alt.Scale(type="log", domain=[reach.low, reach.high], nice=False),
        axis=alt.Axis(**ticked(reach), grid=False, labelOverlap="parity"),
        title="FLOPs of a run",
    )
    ticks = linear([*table["low"], *table["high"], *line["mean"], 0.0, row.margin, -row.margin], count=5)
    y = partial(
        alt.Y,
        scale=between(ticks, zero=False),
        axis=alt.Axis(**ticked(ticks, ticks.signed), grid=True, labelOverlap=False),
        title=balanced(f"Difference to the baseline, {found.unit}", _LINE),
    )
    band = pd.DataFrame(
        {"low": [-row.margin], "high": [row.margin], "what": [f"±{row.margin:g} {found.unit}"]}
    )
    colour = word_colour(ink)
    shown = alt.Chart(table).encode(x=x("compute:Q"), tooltip=_tooltip())
    measured = shown.transform_filter(alt.datum.kind == MEASURED)
    layers = [
        alt.Chart(band)
        .mark_rect(color=ink.faint, opacity=0.16)
        .encode(
            y=y("low:Q"), y2="high:Q", tooltip=alt.Tooltip("what:N", title="margin: too small to matter")
        ),
        alt.Chart(pd.DataFrame({"y": [0.0]})).mark_rule(color=ink.faint, strokeWidth=1).encode(y=y("y:Q")),
        alt.Chart(line)
        .mark_line(color=ink.faint, strokeWidth=1.5, strokeDash=[5, 4])
        .encode(x=x("compute:Q"), y=y("mean:Q")),
        measured.mark_rule(strokeCap="round").encode(
            y=y("low:Q"), y2="high:Q", color=colour, strokeWidth=thickness()
        ),
        measured.mark_point(filled=True, size=110, opacity=1).encode(y=y("mean:Q"), color=colour),
    ]
    if row.extrapolation is not None:
        beyond = shown.transform_filter(alt.datum.kind == LINE)
        layers += [
            beyond.mark_rule(color=ink.faint, strokeWidth=2, strokeDash=[2, 3]).encode(
                y=y("low:Q"), y2="high:Q"
            ),
            beyond.mark_point(color=ink.faint, filled=False, size=110, opacity=1).encode(y=y("mean:Q")),
        ]
    whole = alt.LayerChart(layer=layers)
    return whole.properties(height=_HEIGHT, autosize=FIT_WIDTH, config=words(ink.faint))


def _tooltip() -> list[alt.Tooltip]:
    return [
        alt.Tooltip("rung:N", title="rung"),
        alt.Tooltip("numbers:N", title="difference"),
        alt.Tooltip("verdict:N", title="verdict"),
    ]
