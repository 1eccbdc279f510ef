"""The numbers of a card as a forest plot draws them: a panel for each unit, a row for each number.

Below the rungs of a prediction stand the numbers of the literature that are in its unit and sense.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from workbench.analysis.colours import BASELINE_COLOUR, GREEN, VERMILLION
from workbench.analysis.verdict_colours import OPEN_COLOUR
from workbench.claims.card import Prediction
from workbench.claims.evidence import Evidence
from workbench.claims.results import CardResult, place
from workbench.claims.source import Source
from workbench.claims.wording import asked_text, estimate_text
from workbench.claims.words import Word
from workbench.numbers import plural

LITERATURE = "literature"
KINDS = (*map(str, Word), LITERATURE)
KIND_COLOURS = {
    str(Word.HOLDS): GREEN,
    str(Word.FAILS): VERMILLION,
    str(Word.OPEN): OPEN_COLOUR,
    LITERATURE: BASELINE_COLOUR,
}


@dataclass(frozen=True, kw_only=True)
class ForestRow:
    """A number: ``value`` with the ends of its interval.

    ``kind`` is the prediction's word, or ``literature``. A range of the literature may have no value.
    ``band`` is what is too small to matter by the prediction's margin, and ``asked`` what it says.
    """

    label: str
    kind: str
    said: str
    value: float | None
    low: float
    high: float
    band: tuple[float, float]
    asked: str

    @property
    def ends(self) -> list[float]:
        """The finite numbers that it puts on the axis."""
        known = [self.low, self.high] if self.value is None else [self.low, self.value, self.high]
        return [one for one in known if math.isfinite(one)]


@dataclass(frozen=True, kw_only=True)
class ForestPanel:
    """The rows of one unit, in the card's order."""

    unit: str
    quantities: tuple[str, ...]
    rows: tuple[ForestRow, ...]

    @property
    def title(self) -> str:
        """``loss (nats)``: what is measured, and the unit."""
        return f"{', '.join(self.quantities)} ({self.unit})"

    @property
    def ends(self) -> list[float]:
        """All finite numbers of the panel, with zero and the margins."""
        return [0.0, *(end for row in self.rows for end in (*row.band, *row.ends))]


def forest_panels(result: CardResult) -> list[ForestPanel]:
    """The panels of a card; a prediction without a number is in none."""
    panels: dict[str, list[ForestRow]] = {}
    quantities: dict[str, dict[str, None]] = {}
    for prediction in result.card.predictions:
        measured = [
            one
            for one in result.evidence
            if one.placed.prediction.id == prediction.id and one.estimate is not None
        ]
        if not measured:
            continue
        unit = prediction.measured.unit
        quantities.setdefault(unit, {})[prediction.measured.title] = None
        rows = panels.setdefault(unit, [])
        rows += [_measured_row(one) for one in measured]
        rows += [
            _source_row(source, prediction)
            for source in result.card.sources
            if source.prediction == prediction.id
        ]
    return [
        ForestPanel(unit=unit, quantities=tuple(quantities[unit]), rows=tuple(rows))
        for unit, rows in panels.items()
    ]


def without_number(result: CardResult) -> int:
    """How many predictions, each at each of its rungs, have no number and so no row."""
    return sum(one.estimate is None for one in result.evidence)


def _measured_row(one: Evidence) -> ForestRow:
    assert one.estimate is not None, "a row is of a prediction that has a number"
    said = "exact" if one.is_exact else plural(one.n, one.placed.prediction.measured.counted)
    return ForestRow(
        label=f"{place(one)}{'' if one.is_primary else ', secondary'}",
        kind=str(one.word),
        said=f"{one.word}   {estimate_text(one)}, {said}",
        value=one.estimate,
        low=one.interval.low if one.interval else one.estimate,
        high=one.interval.high if one.interval else one.estimate,
        band=_band(one.placed.prediction),
        asked=asked_text(one.placed.prediction),
    )


def _band(prediction: Prediction) -> tuple[float, float]:
    """Within the margin of zero; where only one border is asked of, from zero to that."""
    low = 0.0 if prediction.direction == "not_worse" else -prediction.margin
    return low, prediction.margin


def _source_row(source: Source, prediction: Prediction) -> ForestRow:
    ends = source.interval or (source.value, source.value)
    known = [one for one in ends if one is not None]
    text = f"{known[0]:+g} to {known[-1]:+g}" if source.value is None else f"{source.value:+g}"
    return ForestRow(
        label=source.paper,
        kind=LITERATURE,
        said=f"{LITERATURE}   {text}",
        value=source.value,
        low=known[0],
        high=known[-1],
        band=_band(prediction),
        asked=asked_text(prediction),
    )


def labels_of(rows: Sequence[ForestRow]) -> list[str]:
    """The rows' labels, each of them once: an axis of names would draw equal ones in one place."""
    seen: dict[str, int] = {}
    labels = []
    for row in rows:
        seen[row.label] = seen.get(row.label, 0) + 1
        labels.append(row.label if seen[row.label] == 1 else f"{row.label} ({seen[row.label]})")
    return labels
