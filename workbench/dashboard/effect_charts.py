"""Altair charts of effects: the forest plot, the pairs behind it, and the tuning curves."""

import math
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from textwrap import wrap

import altair as alt
import pandas as pd

from workbench.analysis.effects import Report
from workbench.analysis.ticks import Ticks, every, exact, linear
from workbench.analysis.tuned_rates import TunedRate, same_rate
from workbench.analysis.variant_row import VariantRow
from workbench.analysis.without_result import brief
from workbench.dashboard.axes import FIT_WIDTH, balanced, between, broken, signed_axis, ticked, words
from workbench.dashboard.chart_ink import Ink
from workbench.dashboard.row_words import TEXT, words_above
from workbench.dashboard.verdict_marks import OPEN, thickness, word_colour, word_of
from workbench.numbers import MISSING, decimals_for, rate, with_interval

ROW = 66  # pixels per variant in a forest plot
_INTERVAL = 6  # pixels that an interval lies below its row's middle, where there is room for words above
_LINE = 62  # letters in a line of a narrow page
_LETTER = 7  # pixels of a letter
_SYMBOL = 34  # pixels of a mark in a legend, with the room around it
_RATES = 8  # learning rates that have a label


def forest_frame(report: Report) -> pd.DataFrame:
    """One row per comparison that has a difference: its interval, verdict and the text beside it.

    A variant that failed or did not train has a row without numbers: it is named, and does not set the scale.
    """
    return pd.DataFrame([_forest_row(row) for row in _named_rows(report)])


def _named_rows(report: Report) -> list[VariantRow]:
    return [row for row in report.comparisons if row.difference is not None or row.fate or row.diverges]


def _forest_row(row: VariantRow) -> dict:
    names = {"variant": row.variant, "label": row.label}
    if row.difference is None:
        nothing = {"mean": math.nan, "low": math.nan, "high": math.nan, "wins": MISSING}
        verdict, _, seeds = brief(row).partition(", ")
        numbers = f"{seeds}, not drawn" if seeds else "not drawn"
        said = f"{verdict}   {numbers}"
        return names | nothing | {"numbers": numbers, "verdict": verdict, "said": said, "word": OPEN}
    verdict = brief(row) if row.verdict else "not judged yet"
    return names | {
        "mean": row.difference,
        "low": row.interval.low if row.interval else row.difference,
        "high": row.interval.high if row.interval else row.difference,
        "numbers": difference_text(row),
        "verdict": verdict,
        "said": f"{verdict}   {difference_text(row)}",
        "word": word_of(row),
        "wins": f"{row.wins} of {row.pairs}",
    }


def seed_frame(report: Report) -> pd.DataFrame:
    """One row per paired difference."""
    return pd.DataFrame(
        [
            {
                "variant": row.variant,
                "label": row.label,
                "seed": seed,
                "difference": value,
                "word": word_of(row),
            }
            for row in report.comparisons
            for seed, value in row.differences.items()
        ],
        columns=["variant", "label", "seed", "difference", "word"],
    )


def difference_text(row: VariantRow) -> str:
    """``+0.210 [0.183, 0.237]``; without the interval where there is none."""
    if row.difference is None:
        return MISSING
    return with_interval(row.difference, row.interval, decimals_for(row.margin), sign=True)


def forest(report: Report, ink: Ink) -> alt.LayerChart:
    """Paired differences with the intervals of their verdicts, the margin as a band, and every seed as a dot.

    A row has the colour of its verdict; one that is open is grey, thin and hollow. Names and numbers stand
    above each interval, not beside it: so it keeps its width on a narrow page.
    """
    table = forest_frame(report)
    seeds = seed_frame(report)
    order = [row.label for row in _named_rows(report)]
    places = decimals_for(report.margin)
    y = alt.Y("label:N", scale=alt.Scale(domain=order), title=None, axis=None)
    colour = word_colour(ink)
    ends = [*table["low"], *table["high"], *table["mean"], *seeds["difference"]]
    margins = [report.margin, *(row.margin for row in report.comparisons)]
    ticks = linear([*ends, 0.0, *margins, *(-margin for margin in margins)])
    x = partial(
        alt.X,
        scale=between(ticks, zero=False),
        axis=signed_axis(ticks),
        title=balanced(_title(report), _LINE),
    )
    intervals = alt.Chart(table).encode(y=y, color=colour, tooltip=_forest_tooltip(places))
    rule = intervals.mark_rule(strokeCap="round", yOffset=_INTERVAL).encode(strokeWidth=thickness())
    mark = intervals.mark_point(filled=True, size=130, opacity=1, yOffset=_INTERVAL, strokeWidth=2).encode(
        fill=alt.condition(alt.datum.word == OPEN, alt.value(ink.paper), colour), stroke=colour
    )
    lines = 1 if (table["label"].str.len() + table["said"].str.len()).max() <= _LINE else 2
    names = alt.Chart(table).encode(y=y)
    layers = [
        _margin_band(report, x, y, ROW + TEXT * (lines - 1), ink),
        alt.Chart(pd.DataFrame({"x": [0.0]})).mark_rule(color=ink.faint, strokeWidth=1).encode(x=x("x:Q")),
        rule.encode(x=x("low:Q"), x2="high:Q"),
        mark.encode(x=x("mean:Q")),
        _seed_dots(seeds, y, x, colour, places),
        *words_above(names, "label", "said", above=18 + TEXT * (lines - 1) / 2, lines=lines, ink=ink),
    ]
    whole = alt.LayerChart(layer=layers).properties(
        height=(ROW + TEXT * (lines - 1)) * len(order),
        autosize=FIT_WIDTH,
        config=words(ink.faint),
    )
    return whole.configure_view(strokeWidth=0)


def _title(report: Report) -> str:
    return f"Difference to {report.baseline.variant} in {report.metric}, {report.unit} (left of 0 is better)"


def _margin_band(report: Report, x: Callable[[str], alt.X], y: alt.Y, height: int, ink: Ink) -> alt.Chart:
    """The band of the margin over all rows; where factors have their own, in each row its own."""
    what = alt.Tooltip("what:N", title="margin: too small to matter")
    if not isinstance(report.margins, dict):
        frame = pd.DataFrame({"low": [-report.margin], "high": [report.margin], "what": [report.margin_text]})
        band = alt.Chart(frame).mark_rect(color=ink.faint, opacity=0.16)
        return band.encode(x=x("low:Q"), x2="high:Q", tooltip=what)
    rows = _named_rows(report)
    frame = pd.DataFrame(
        {
            "label": [row.label for row in rows],
            "low": [-row.margin for row in rows],
            "high": [row.margin for row in rows],
            "what": [f"±{row.margin:g}" for row in rows],
        }
    )
    band = alt.Chart(frame).mark_rule(color=ink.faint, opacity=0.16, strokeWidth=height)
    return band.encode(x=x("low:Q"), x2="high:Q", y=y, tooltip=what)


def _seed_dots(
    seeds: pd.DataFrame, y: alt.Y, x: Callable[[str], alt.X], colour: alt.Color, places: int
) -> alt.Chart:
    return (
        alt.Chart(seeds)
        .mark_circle(size=34, opacity=0.6, yOffset=_INTERVAL + 14)
        .encode(
            x=x("difference:Q"),
            y=y,
            color=colour,
            tooltip=[
                alt.Tooltip("label:N", title="variant"),
                alt.Tooltip("seed:N", title="seed"),
                alt.Tooltip("difference:Q", title="difference", format=f"+.{places}f"),
            ],
        )
    )


def _forest_tooltip(places: int) -> list[alt.Tooltip]:
    number = f"+.{places}f"
    return [
        alt.Tooltip("label:N", title="variant"),
        alt.Tooltip("mean:Q", title="mean difference", format=number),
        alt.Tooltip("low:Q", title="interval from", format=number),
        alt.Tooltip("high:Q", title="to", format=number),
        alt.Tooltip("wins:N", title="seeds below the baseline"),
        alt.Tooltip("verdict:N", title="verdict"),
    ]


def variant_colour(table: pd.DataFrame, colours: Mapping[str, str], *, legend: bool = False) -> alt.Color:
    """Each variant in its colour, by its label; with ``legend``, named above the chart."""
    names = dict(zip(table["label"], table["variant"], strict=True))
    shown = [colours[name] for name in names.values()]
    drawn = None
    if legend:
        widest = max((len(name) for name in names), default=0) * _LETTER + _SYMBOL
        columns = max(1, min(4, int(_LINE * _LETTER / widest)))
        drawn = alt.Legend(title=None, orient="top", labelLimit=440, columns=columns, symbolType="circle")
    return alt.Color("label:N", scale=alt.Scale(domain=list(names), range=shown), legend=drawn)


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
    x = alt.X("label:N", scale=alt.Scale(domain=order), title=None, axis=_variant_axis(order, ink))
    ticks = linear(table["value"], count=6)
    title = balanced(f"{report.metric} ({report.unit})", 48)
    y = alt.Y(
        "value:Q",
        scale=between(ticks, zero=False),
        title=title,
        axis=alt.Axis(**ticked(ticks), labelOverlap=False),
    )
    places = decimals_for(report.margin)
    base = alt.Chart(table).encode(x=x, y=y)
    lines = base.mark_line(color=ink.faint, strokeWidth=1, opacity=0.6).encode(detail="seed:N")
    dots = base.mark_circle(size=85, opacity=0.95).encode(
        color=variant_colour(table, colours),
        tooltip=[
            alt.Tooltip("label:N", title="variant"),
            alt.Tooltip("seed:N", title="seed"),
            alt.Tooltip("value:Q", title=report.metric, format=f".{places}f"),
        ],
    )
    whole = alt.LayerChart(layer=[lines, dots])
    return whole.properties(height=300, autosize=FIT_WIDTH, config=words(ink.faint))


def _variant_axis(names: Sequence[str], ink: Ink) -> alt.Axis:
    """Names below their dots, in lines as wide as there is room; upright where a word has none."""
    letters = int(_LINE / max(1, len(names))) - 1
    upright = any(len(word) > letters for name in names for word in name.split())
    lines = {name: [name] if upright else wrap(name, letters) for name in names}
    return alt.Axis(
        labelExpr=broken(lines),
        labelAngle=-90 if upright else 0,
        labelLimit=240 if upright else 0,
        labelOverlap=False,
        labelPadding=10,
        labelFontSize=12,
        labelColor=ink.text,
    )


def tuning_frame(tuned: Sequence[TunedRate], labels: Mapping[str, str]) -> pd.DataFrame:
    """One row per variant and rate: mean loss of the runs that had one, lost runs, whether it was chosen.

    A chosen rate that was not tried has a row of no seeds, with the height of the curve it was chosen by.
    """
    rows = [_tuning_row(one, value, labels) for one in tuned for value in sorted(one.losses)]
    rows += [
        _between_row(one, labels)
        for one in tuned
        if not any(same_rate(one.learning_rate, tried) for tried in one.losses)
    ]
    return pd.DataFrame(
        rows,
        columns=["variant", "label", "rate", "loss", "lost", "seeds", "chosen", "place"],
    )


def _tuning_row(tuned: TunedRate, value: float, labels: Mapping[str, str]) -> dict:
    losses = tuned.losses[value]
    finite = [loss for loss in losses if math.isfinite(loss)]
    chosen = same_rate(value, tuned.learning_rate)
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


def _between_row(tuned: TunedRate, labels: Mapping[str, str]) -> dict:
    return {
        "variant": tuned.variant,
        "label": labels.get(tuned.variant, tuned.variant),
        "rate": tuned.learning_rate,
        "loss": tuned.chosen_loss,
        "lost": 0,
        "seeds": 0,
        "chosen": True,
        "place": tuned.place,
    }


def tuning(
    table: pd.DataFrame, colours: Mapping[str, str], metric: str, unit: str, ink: Ink
) -> alt.LayerChart:
    """Loss against learning rate per variant; the chosen rate is ringed.

    A rate at which a run gave no result is crossed; where none did there is no loss, and the cross stands at
    the top.
    """
    rates = sorted(table.loc[table["seeds"] > 0, "rate"].unique())
    shown = rates[:: every(len(rates), _RATES)]
    labels = exact(rates)[:: every(len(rates), _RATES)]
    places = Ticks(tuple(shown), labels, rates[0], rates[-1])
    x = alt.X(
        "rate:Q",
        scale=alt.Scale(type="log", nice=False, padding=24),
        title="Learning rate",
        axis=alt.Axis(**ticked(places), grid=False, labelOverlap="parity"),
    )
    ticks = linear(table["loss"], count=6)
    title = balanced(f"{metric} ({unit})", 48)
    y = partial(
        alt.Y,
        scale=between(ticks, zero=False),
        title=title,
        axis=alt.Axis(**ticked(ticks), labelOverlap=False),
    )
    colour = variant_colour(table, colours, legend=True)
    placed = table.assign(cross=table["loss"].fillna(ticks.high))
    base = alt.Chart(placed).encode(x=x, y=y("loss:Q"), color=colour, tooltip=_tuning_tooltip())
    measured = base.transform_filter("datum.seeds > 0")
    lines = measured.mark_line(strokeWidth=2)
    dots = measured.mark_circle(size=60, opacity=1)
    rings = base.transform_filter("datum.chosen").mark_point(size=260, strokeWidth=2, filled=False)
    layers = [lines, dots, rings]
    if (table["lost"] > 0).any():  # an empty layer is a drawing without a name
        crosses = base.transform_filter("datum.lost > 0").mark_point(
            shape="cross", size=160, strokeWidth=1, color=ink.text, angle=45, filled=True, yOffset=-14
        )
        layers.append(crosses.encode(y=y("cross:Q")))
    whole = alt.LayerChart(layer=layers)
    return whole.properties(height=300, autosize=FIT_WIDTH, config=words(ink.faint))


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
