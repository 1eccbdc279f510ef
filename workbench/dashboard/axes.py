"""Axes of Vega's charts with ticks and words of our own, which Vega would round, drop or cut."""

import json
from collections.abc import Mapping, Sequence
from textwrap import wrap
from typing import Any, TypedDict

import altair as alt

from workbench.analysis.ticks import Ticks

# The width is the page's, the height that of the plot alone: what is below and above it takes nothing away.
FIT_WIDTH = alt.AutoSizeParams(type="fit-x", contains="padding")


class Layers(alt.LayerChart):
    """Without what takes most of the time: checking against Vega-Lite's schema, and copying every layer."""

    def __init__(self, **given: Any) -> None:
        alt.TopLevelLayerSpec.__init__(self, **given)

    def to_dict(self, validate: bool = False, **options: Any) -> dict[str, Any]:
        """The specification, unchecked unless that is asked for."""
        return super().to_dict(validate=validate, **options)


def words(colour: str) -> alt.Config:
    """The colour of labels and titles: Streamlit's own is too pale to be read well."""
    return alt.Config(
        axis=alt.AxisConfig(labelColor=colour, titleColor=colour),
        legend=alt.LegendConfig(labelColor=colour, titleColor=colour),
    )


class Ticked(TypedDict):
    """Where the ticks of an axis or a legend are, and the expression that gives each its label."""

    values: list[float]
    labelExpr: str


def ticked(ticks: Ticks, labels: Sequence[str] | None = None) -> Ticked:
    """What an axis or a legend needs for ``ticks``; ``labels`` in place of the ticks' own."""
    known = json.dumps(list(ticks.values))
    words = json.dumps(list(labels or ticks.labels))
    return {"values": list(ticks.values), "labelExpr": f"{words}[indexof({known}, datum.value)]"}


def signed_axis(ticks: Ticks) -> alt.Axis:
    """The axis of differences, with a grid: a plus before what is above 0."""
    return alt.Axis(**ticked(ticks, ticks.signed), grid=True, labelOverlap="parity")


def balanced(text: str, most: int) -> list[str]:
    """``text`` in as few lines of at most so many letters as it takes, all about as long as one another."""
    lines = wrap(text, most)
    if len(lines) < 2:
        return lines
    narrower = (wrap(text, width) for width in range(len(text) // len(lines), most))
    return next((found for found in narrower if len(found) == len(lines)), lines)


def broken(lines: Mapping[str, list[str]]) -> str:
    """``labelExpr`` of an axis whose names are given in lines."""
    return f"({json.dumps(dict(lines))})[datum.value]"


def between(ticks: Ticks, **given: Any) -> alt.Scale:
    """A scale that ends where the axis of ``ticks`` does."""
    return alt.Scale(domain=[ticks.low, ticks.high], nice=False, **given)
