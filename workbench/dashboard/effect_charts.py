"""Altair charts of effects: the forest plot, the pairs behind it, and the tuning curves."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import altair as alt
import pandas as pd

from workbench.analysis.effects import Report
from workbench.analysis.fates import brief
from workbench.analysis.rows import VariantRow
from workbench.analysis.tuning import TunedRate
from workbench.analysis.units import decimals_for, fixed
from workbench.dashboard.formats import MISSING, rate

ROW = 58  # pixels per variant in a forest plot


@dataclass(frozen=True)
class Ink:
    """Colours of a chart's own marks in the present theme; axes and titles follow Streamlit's theme."""

    text: str
    faint: str
    paper: str

    @classmethod
    def of(cls, dark: bool) -> "Ink":
        """The inks of the dark or the light theme."""
        return cls("#E4E9EF", "#8A97A6", "#12161C") if dark else cls("#1C2733", "#6B7886", "#FFFFFF")


def forest_frame(report: Report) -> pd.DataFrame:
    """One row per comparison that has a difference: its interval, verdict and the text beside it.

    A variant that failed or did not train has a row without numbers: it is named, and does not set the scale.
    """
    return pd.DataFrame([_forest_row(row) for row in _named_rows(report)])


def _named_rows(report: Report) -> list[VariantRow]:
    return [row for row in report.comparisons if row.difference is not None or row.fate]


def _forest_row(row: VariantRow) -> dict:
    names = {"variant": row.variant, "label": row.label}
    if row.difference is None:
        nothing = {"mean": math.nan, "low": math.nan, "high": math.nan, "wins": MISSING}
        verdict, _, seeds = brief(row).partition(", ")
        return names | nothing | {"numbers": f"{seeds}, not drawn", "verdict": verdict}
    return names | {
        "mean": row.difference,
        "low": row.interval.low if row.interval else row.difference,
        "high": row.interval.high if row.interval else row.difference,
        "numbers": difference_text(row),
        "verdict": str(row.verdict or "not judged yet"),
        "wins": f"{row.wins} of {row.pairs}",
    }


def seed_frame(report: Report) -> pd.DataFrame:
    """One row per paired difference."""
    return pd.DataFrame(
        [
            {"variant": row.variant, "label": row.label, "seed": seed, "difference": value}
            for row in report.comparisons
            for seed, value in row.differences.items()
        ],
        columns=["variant", "label", "seed", "difference"],
    )


def difference_text(row: VariantRow) -> str:
    """``+0.210 [+0.183, +0.237]``; without the interval where there is none."""
    places = decimals_for(row.margin)
    text = fixed(row.difference, places, sign=True)
    if row.interval is None:
        return text
    ends = (fixed(end, places, sign=True) for end in (row.interval.low, row.interval.high))
    return f"{text}  [{', '.join(ends)}]"


def forest(report: Report, colours: Mapping[str, str], ink: Ink) -> alt.Chart | alt.LayerChart:
    """Paired differences with 95 % intervals, the margin as a band, and every seed as a dot."""
    table, seeds = forest_frame(report), seed_frame(report)
    order = [row.label for row in _named_rows(report)]
    places = decimals_for(report.margin)
    y = alt.Y("label:N", sort=order, title=None, axis=_name_axis(ink))
    colour = _colour(table, colours)
    x = _difference_axis(report)
    intervals = alt.Chart(table).encode(y=y, color=colour, tooltip=_forest_tooltip(places))
    layers = [
        _margin_band(report.margin, ink),
        alt.Chart(pd.DataFrame({"x": [0.0]})).mark_rule(color=ink.faint, strokeWidth=1).encode(x="x:Q"),
        intervals.mark_rule(strokeWidth=3, strokeCap="round").encode(x=x.title(_title(report)), x2="high:Q"),
        intervals.mark_point(filled=True, size=130, opacity=1).encode(x="mean:Q"),
        _seed_dots(seeds, y, colour, places),
        _beside(table, y, "verdict", ink.text, -9, "bold"),
        _beside(table, y, "numbers", ink.text, 9, "normal"),
    ]
    return alt.layer(*layers).properties(height=ROW * len(order) + 40).configure_view(strokeWidth=0)


def _name_axis(ink: Ink) -> alt.Axis:
    return alt.Axis(
        labelLimit=360, labelFontSize=13, labelColor=ink.text, ticks=False, domain=False, labelPadding=14
    )


def _title(report: Report) -> str:
    return f"Difference to {report.baseline.variant} in {report.metric}, {report.unit} (left of 0 is better)"


def _difference_axis(report: Report) -> alt.X:
    return alt.X("low:Q", scale=alt.Scale(nice=True, zero=True), axis=_signed_axis())


def _signed_axis() -> alt.Axis:
    return alt.Axis(labelExpr="datum.value == 0 ? '0' : format(datum.value, '+~g')", tickCount=8, grid=True)


def _margin_band(margin: float, ink: Ink) -> alt.Chart:
    frame = pd.DataFrame({"low": [-margin], "high": [margin], "what": [f"±{margin:g}"]})
    return (
        alt.Chart(frame)
        .mark_rect(color=ink.faint, opacity=0.16)
        .encode(x="low:Q", x2="high:Q", tooltip=alt.Tooltip("what:N", title="margin: too small to matter"))
    )


def _seed_dots(seeds: pd.DataFrame, y: alt.Y, colour: alt.Color, places: int) -> alt.Chart:
    return (
        alt.Chart(seeds)
        .mark_circle(size=34, opacity=0.6, yOffset=14)
        .encode(
            x="difference:Q",
            y=y,
            color=colour,
            tooltip=[
                alt.Tooltip("label:N", title="variant"),
                alt.Tooltip("seed:N", title="seed"),
                alt.Tooltip("difference:Q", title="difference", format=f"+.{places}f"),
            ],
        )
    )


def _beside(table: pd.DataFrame, y: alt.Y, column: str, colour: str, offset: int, weight: str) -> alt.Chart:
    marks = alt.Chart(table).mark_text(
        align="left", dx=16, dy=offset, color=colour, fontSize=13, fontWeight=weight, clip=False
    )
    return marks.encode(x=alt.value("width"), y=y, text=f"{column}:N")


def _forest_tooltip(places: int) -> list[alt.Tooltip]:
    number = f"+.{places}f"
    return [
        alt.Tooltip("label:N", title="variant"),
        alt.Tooltip("mean:Q", title="mean difference", format=number),
        alt.Tooltip("low:Q", title="95 % interval from", format=number),
        alt.Tooltip("high:Q", title="to", format=number),
        alt.Tooltip("wins:N", title="seeds below the baseline"),
        alt.Tooltip("verdict:N", title="verdict"),
    ]


def _colour(
    table: pd.DataFrame, colours: Mapping[str, str], *, legend: alt.Legend | None = None
) -> alt.Color:
    names = dict(zip(table["label"], table["variant"], strict=True))
    scale = alt.Scale(domain=list(names), range=[colours[name] for name in names.values()])
    return alt.Color("label:N", scale=scale, legend=legend)


def value_frame(report: Report) -> pd.DataFrame:
    """One row per variant and seed: the metric of the confirm run."""
    return pd.DataFrame(
        [
            {"variant": row.variant, "label": row.label, "seed": seed, "value": value}
            for row in report.rows
            for seed, value in row.values.items()
        ],
        columns=["variant", "label", "seed", "value"],
    )


def paired_dots(report: Report, colours: Mapping[str, str], ink: Ink) -> alt.LayerChart:
    """Every confirm run as a dot, the runs of one seed joined: parallel lines are what pairing removes."""
    table = value_frame(report)
    order = [row.label for row in report.rows]
    x = alt.X(
        "label:N",
        sort=order,
        title=None,
        axis=alt.Axis(labelAngle=0, labelLimit=220, labelPadding=10, labelFontSize=13, labelColor=ink.text),
    )
    y = alt.Y("value:Q", scale=alt.Scale(zero=False, nice=True), title=f"{report.metric} ({report.unit})")
    places = decimals_for(report.margin)
    base = alt.Chart(table).encode(x=x, y=y)
    lines = base.mark_line(color=ink.faint, strokeWidth=1, opacity=0.6).encode(detail="seed:N")
    dots = base.mark_circle(size=85, opacity=0.95).encode(
        color=_colour(table, colours),
        tooltip=[
            alt.Tooltip("label:N", title="variant"),
            alt.Tooltip("seed:N", title="seed"),
            alt.Tooltip("value:Q", title=report.metric, format=f".{places}f"),
        ],
    )
    return alt.layer(lines, dots).properties(height=360)


def tuning_frame(tuned: Sequence[TunedRate], labels: Mapping[str, str]) -> pd.DataFrame:
    """One row per variant and rate: mean loss of the runs that had one, lost runs, whether it was chosen."""
    return pd.DataFrame(
        [_tuning_row(one, value, labels) for one in tuned for value in sorted(one.losses)],
        columns=["variant", "label", "rate", "loss", "lost", "seeds", "chosen", "place"],
    )


def _tuning_row(tuned: TunedRate, value: float, labels: Mapping[str, str]) -> dict:
    losses = tuned.losses[value]
    finite = [loss for loss in losses if math.isfinite(loss)]
    chosen = math.isclose(value, tuned.learning_rate, rel_tol=1e-9)
    return {
        "variant": tuned.variant,
        "label": labels.get(tuned.variant, tuned.variant),
        "rate": value,
        "loss": sum(finite) / len(finite) if finite else math.nan,
        "lost": len(losses) - len(finite),
        "seeds": len(losses),
        "chosen": chosen,
        "place": tuned.place if chosen else MISSING,
    }


def tuning(
    table: pd.DataFrame, colours: Mapping[str, str], metric: str, unit: str, ink: Ink
) -> alt.LayerChart:
    """Loss against learning rate per variant; the chosen rate is ringed.

    A rate at which a run gave no result has a cross at the top: there may be no loss to draw it at.
    """
    rates = sorted(table["rate"].unique())
    x = alt.X(
        "rate:Q",
        scale=alt.Scale(type="log", nice=False, padding=24),
        title="Learning rate",
        axis=alt.Axis(values=rates, labelExpr="format(datum.value, '~g')", grid=False),
    )
    y = alt.Y("loss:Q", scale=alt.Scale(zero=False, nice=True), title=f"{metric} ({unit})")
    legend = alt.Legend(title=None, orient="top", labelLimit=320, columns=4, symbolType="circle")
    base = alt.Chart(table).encode(
        x=x, y=y, color=_colour(table, colours, legend=legend), tooltip=_tuning_tooltip()
    )
    lines = base.mark_line(strokeWidth=2)
    dots = base.mark_circle(size=60, opacity=1)
    rings = base.transform_filter("datum.chosen").mark_point(size=260, strokeWidth=2, filled=False)
    crosses = (
        base.transform_filter("datum.lost > 0")
        .mark_point(shape="cross", size=160, strokeWidth=1, color=ink.text, angle=45, filled=True)
        .encode(y=alt.value(4))
    )
    return alt.layer(lines, dots, rings, crosses).properties(height=360)


def _tuning_tooltip() -> list[alt.Tooltip]:
    return [
        alt.Tooltip("label:N", title="variant"),
        alt.Tooltip("rate:Q", title="learning rate", format="~g"),
        alt.Tooltip("loss:Q", title="mean loss", format=".4f"),
        alt.Tooltip("seeds:Q", title="seeds"),
        alt.Tooltip("lost:Q", title="without a result"),
        alt.Tooltip("place:N", title="chosen"),
    ]


def tuning_caption(tuned: Sequence[TunedRate], labels: Mapping[str, str]) -> str:
    """Which rate each variant got, in one line."""
    return " · ".join(_tuning_words(one, labels.get(one.variant, one.variant)) for one in tuned)


def _tuning_words(tuned: TunedRate, label: str) -> str:
    return f"{label}: {rate(tuned.learning_rate)}" + ("" if tuned.interior else f" ({tuned.place})")
