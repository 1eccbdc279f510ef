"""From an effect to what changed inside: which measured numbers moved with it, paired by seed.

Every number that the probes hold of a run is tested (``behaviour_columns``), as none was named before the
runs were there; Holm's correction is over all of one variant. That a number moved together with the loss
does not say that it caused the difference: the change may have moved both.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import pandas as pd

from workbench.analysis.shifts import LEVEL, Shift, shifts
from workbench.analysis.statistics import Interval
from workbench.inspection.behaviour_columns import Values, differences, names
from workbench.inspection.behaviour_words import told
from workbench.inspection.listed_views import ListedView
from workbench.numbers import percent, plural, probability, span, with_interval

NOTHING = "nothing that we measure explains it"
NO_CAUSE = (
    "A number that moves together with the loss over seeds need not be what moves it: the change may have "
    "moved both. To see a cause, change that number alone."
)
# What follows from the configuration is no finding: a network of another width has other units.
_BY_DESIGN = ("feedforward: units, mean", "feedforward: units, last layer")


@dataclass(frozen=True)
class Explanation:
    """What moved of ``variant`` against ``baseline``: ``shifts`` has what was tested, largest ``|t|`` first.

    ``alone`` names numbers that one of the two has and the other has not, so that there is no difference.
    """

    variant: str
    baseline: str
    shifts: tuple[Shift, ...]
    alone: tuple[str, ...] = ()

    @property
    def moved(self) -> tuple[Shift, ...]:
        """Those beyond Holm's correction."""
        return tuple(one for one in self.shifts if one.moved)

    @property
    def pairs(self) -> str:
        """Over how many paired seeds: ``8``, or ``5 to 8`` where numbers differ in that."""
        return span([one.n for one in self.shifts], 0)

    def headline(self) -> str:
        """How many moved, of how many; the sentence that none did; or that nothing could be tested."""
        if not self.shifts:
            return "No number was measured of two paired seeds or more, so that none can be compared."
        tested = plural(len(self.shifts), "number")
        beyond = f"beyond Holm's correction over {'it' if len(self.shifts) == 1 else 'all of them'}"
        over = f"{self.pairs} paired seeds"
        if self.moved:
            return f"{len(self.moved):,} of {tested} moved {beyond} ({percent(LEVEL)}), over {over}."
        first = self.shifts[0]
        nearest = f"{told(first.name).words}, Holm p = {probability(first.p)}"
        return (
            f"{_sentence(NOTHING)}: of {tested} none moved {beyond} ({percent(LEVEL)}), over {over}; the "
            f"largest t is that of {nearest}. Smaller shifts than these seeds can show are not ruled out."
        )

    def sentences(self, most: int | None = None) -> list[str]:
        """One for each number that moved, the largest ``|t|`` first, at most ``most``."""
        return [in_words(one) for one in self.moved[:most]]

    def table(self) -> pd.DataFrame:
        """A row for each number that was tested, for a page or a file."""
        rows = [
            {
                "number": told(one.name).words,
                "difference": one.mean,
                "low": one.interval.low,
                "high": one.interval.high,
                "unit": told(one.name).unit,
                "t": one.t,
                "Holm p": one.p,
                "pairs": one.n,
                "moved": one.moved,
                "name": one.name,
            }
            for one in self.shifts
        ]
        columns = ["number", "difference", "low", "high", "unit", "t", "Holm p", "pairs", "moved", "name"]
        return pd.DataFrame(rows, columns=columns)


def explain(values: Values, variant: str, baseline: str) -> Explanation:
    """Which of the ``values`` of ``variant`` are not the baseline's, by seeds that both have."""
    known = [name for name in names(values) if name not in _BY_DESIGN]
    paired = {name: differences(values, name, variant, baseline) for name in known}
    alone = tuple(name for name in known if _has(values, variant, name) != _has(values, baseline, name))
    return Explanation(variant, baseline, shifts(paired), alone)


def _has(values: Values, variant: str, name: str) -> bool:
    return any(name in run for (other, _), run in values.items() if other == variant)


def in_words(one: Shift) -> str:
    """``attention distance (uniform attention: 1), mean over heads, grew by 0.23 [0.18, 0.28]``."""
    words, unit = told(one.name).words, told(one.name).unit
    size, interval = one.mean, one.interval
    verb = "grew"
    if size < 0:
        size, interval, verb = -size, Interval(-interval.high, -interval.low, interval.level), "fell"
    return f"{words}, {verb} by {with_interval(size, interval)}{f' {unit}' if unit else ''}"


def views_of(found: Iterable[Shift]) -> list[tuple[ListedView, dict[str, str]]]:
    """The views that show numbers of ``found``, each once with the options of the first number.

    And with its ``part``, where the view has several.
    """
    views: dict[ListedView, dict[str, str]] = {}
    for one in found:
        shown = told(one.name)
        part = {"part": shown.part} if shown.part else {}
        views.setdefault(shown.view, {**shown.options, **part})
    return list(views.items())


def _sentence(words: str) -> str:
    return words[0].upper() + words[1:]
