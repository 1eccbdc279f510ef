"""Colour and thickness of a comparison's marks, which follow its verdict, in charts of Altair."""

from typing import Any

import altair as alt

from workbench.analysis.contrast import seen_on
from workbench.analysis.variant_row import VariantRow
from workbench.analysis.verdict_colours import DECIDED, is_open, verdict_colour
from workbench.dashboard.chart_ink import Ink

OPEN = "open"  # the word of rows that nothing is decided of


def word_of(row: VariantRow) -> str:
    """The verdict whose colour a row has; ``OPEN`` where nothing is decided."""
    return OPEN if is_open(row.verdict) else str(row.verdict)


def thickness() -> Any:
    """Intervals of rows that nothing is decided of are thin."""
    return alt.condition(alt.datum.word == OPEN, alt.value(1.5), alt.value(3))


def word_colour(ink: Ink) -> alt.Color:
    """Rows in the colours of their verdicts: each has its word beside it, so that there is no legend."""
    words = [OPEN, *DECIDED]
    shown = [seen_on(verdict_colour(word), ink.paper) for word in words]
    return alt.Color("word:N", scale=alt.Scale(domain=words, range=shown), legend=None)
