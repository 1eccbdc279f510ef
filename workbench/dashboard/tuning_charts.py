"""Altair charts of tuning over a space: the points of each variant, and the best of k of them."""

import math
from collections.abc import Mapping, Sequence

import altair as alt
import pandas as pd

from workbench.analysis.ticks import linear
from workbench.analysis.tuned_rates import TunedRate
from workbench.analysis.tuning_report import TuningReport
from workbench.dashboard.axes import FIT_WIDTH, between, ticked, words
from workbench.dashboard.chart_ink import Ink
from workbench.dashboard.effect_charts import variant_colour
from workbench.records.hyperparameters import described


def points_frame(tuned: Sequence[TunedRate], name: str, labels: Mapping[str, str]) -> pd.DataFrame:
    """One row per variant and point that gave a result: its value of ``name``, mean loss, whether chosen."""
    return pd.DataFrame(
        [
            {
                "variant": one.variant,
                "label": labels.get(one.variant, one.variant),
                "value": point.hyperparameters[name],
                "loss": point.mean,
                "seeds": len(point.losses),
                "chosen": point.key == one.points.chosen.key,
                "point": described(point.hyperparameters),
            }
            for one in tuned
            if one.points is not None
            for point in one.points.tried
            if math.isfinite(point.mean)
        ],
        columns=["variant", "label", "value", "loss", "seeds", "chosen", "point"],
    )


def points(
    table: pd.DataFrame,
    name: str,
    colours: Mapping[str, str],
    metric: str,
    unit: str,
    ink: Ink,
    *,
    log: bool = False,
) -> alt.LayerChart:
    """Loss against one hyperparameter for each point of each variant; the chosen one is ringed."""
    ticks = linear(table["loss"], count=6)
    is_text = table["value"].map(lambda value: isinstance(value, str)).any()
    x = alt.X("value:N", title=name)
    if not is_text:
        scale = alt.Scale(type="log" if log else "linear", nice=False, zero=False, padding=24)
        x = alt.X("value:Q", title=name, scale=scale, axis=alt.Axis(grid=False, format="~g", tickCount=6))
    y = alt.Y(
        "loss:Q",
        scale=between(ticks, zero=False),
        title=f"{metric} ({unit})",
        axis=alt.Axis(**ticked(ticks), labelOverlap=False),
    )
    base = alt.Chart(table).encode(
        x=x,
        y=y,
        color=variant_colour(table, colours, legend=True),
        tooltip=[
            alt.Tooltip("label:N", title="variant"),
            alt.Tooltip("point:N", title="point"),
            alt.Tooltip("loss:Q", title="mean loss", format=".4f"),
            alt.Tooltip("seeds:Q", title="seeds"),
        ],
    )
    dots = base.mark_circle(size=60, opacity=1)
    rings = base.transform_filter("datum.chosen").mark_point(size=260, strokeWidth=2, filled=False)
    whole = alt.LayerChart(layer=[dots, rings])
    return whole.properties(height=260, autosize=FIT_WIDTH, config=words(ink.faint))


def best_of_frame(tuning: TuningReport, labels: Mapping[str, str]) -> pd.DataFrame:
    """One row per variant and k: the expected best of k draws ± its sd, and the best so far by trial."""
    return pd.DataFrame(
        [
            {
                "variant": one.variant,
                "label": labels.get(one.variant, one.variant),
                "k": best.k,
                "mean": best.mean,
                "low": best.mean - best.sd,
                "high": best.mean + best.sd,
                "so_far": math.nan if so_far is None else so_far,
            }
            for one in tuning.variants
            for best, so_far in zip(one.best_of, one.so_far, strict=False)
        ],
        columns=["variant", "label", "k", "mean", "low", "high", "so_far"],
    )


def best_of(
    table: pd.DataFrame, colours: Mapping[str, str], metric: str, unit: str, ink: Ink, *, in_order: bool
) -> alt.LayerChart:
    """The expected best of k points ± one sd against k; ``in_order``: and the best so far, dashed."""
    ticks = linear([*table["low"], *table["high"], *table["so_far"].dropna()], count=6)
    x = alt.X("k:Q", title="Points tried", axis=alt.Axis(grid=False, tickMinStep=1, format="d"))

    def y(field: str) -> alt.Y:
        return alt.Y(
            field,
            scale=between(ticks, zero=False),
            title=f"{metric} ({unit})",
            axis=alt.Axis(**ticked(ticks), labelOverlap=False),
        )

    base = alt.Chart(table).encode(
        x=x,
        color=variant_colour(table, colours, legend=True),
        tooltip=[
            alt.Tooltip("label:N", title="variant"),
            alt.Tooltip("k:Q", title="points"),
            alt.Tooltip("mean:Q", title="expected best", format=".4f"),
            alt.Tooltip("so_far:Q", title="best so far", format=".4f"),
        ],
    )
    band = base.mark_area(opacity=0.15).encode(y=y("low:Q"), y2="high:Q")
    layers = [band, base.mark_line(strokeWidth=2, point=True).encode(y=y("mean:Q"))]
    if in_order:
        so_far = base.mark_line(strokeWidth=2, strokeDash=[2, 3], interpolate="step-after")
        layers.append(so_far.encode(y=y("so_far:Q")))
    whole = alt.LayerChart(layer=layers)
    return whole.properties(height=260, autosize=FIT_WIDTH, config=words(ink.faint))
