"""What every quantity has: how it is called, what a prediction of it may say, and its values by seed.

A new one is a class in a file of its own, and a line in ``registry.py``. What cannot be measured from a
study's records is none: a card that names it is refused.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

from workbench.analysis.confirm_outcomes import Outcomes
from workbench.analysis.deciding.looks import Rule
from workbench.analysis.decisions import confirm_phase, rule_of
from workbench.analysis.statistics import Interval
from workbench.analysis.tuned_rates import TunedRate
from workbench.records.index import StudyRecords
from workbench.records.manifest import ManifestVariant

FEWEST_PAIRS = 8  # below which no card's word rests on a prediction


class NotMeasurableError(Exception):
    """Why a study's records do not say the quantity (yet); a prediction of it stays open."""


@dataclass(frozen=True)
class Sides:
    """What is compared: ``variant`` minus ``against``, the study's baseline where that is left out.

    ``evaluation`` names the evaluation text, and ``cell`` where step times are measured, where the quantity
    is of one.
    """

    variant: str
    against: str | None = None
    evaluation: str | None = None
    cell: str | None = None


@dataclass(frozen=True)
class ConfirmedStudy:
    """A study's records with its confirm phase, which several quantities read."""

    records: StudyRecords

    @cached_property
    def _confirmed(self) -> tuple[dict[str, TunedRate | None], dict[str, Outcomes]]:
        return confirm_phase(self.records)

    @cached_property
    def _rungs(self) -> list["ConfirmedStudy"]:
        return [ConfirmedStudy(records) for records in self.records.compared]

    @property
    def tuned(self) -> Mapping[str, TunedRate | None]:
        """The learning rate that each variant was tuned to."""
        return self._confirmed[0]

    @property
    def outcomes(self) -> Mapping[str, Outcomes]:
        """What became of each variant's confirm runs."""
        return self._confirmed[1]

    @property
    def rule(self) -> Rule:
        """When the study looks at its pairs; each prediction is tested by itself."""
        rule = rule_of(self.records.manifest)
        return Rule(rule.looks, 1, rule.until_decided)

    def variant(self, name: str) -> ManifestVariant:
        """The manifest's entry; raises ``NotMeasurableError`` where the study has no such variant."""
        for variant in self.records.manifest.variants:
            if variant.name == name:
                return variant
        known = ", ".join(self.records.manifest.names)
        raise NotMeasurableError(f"{self.records.title} has no variant {name!r}; it has {known}")

    def pair(self, sides: Sides) -> tuple[ManifestVariant, ManifestVariant]:
        """Both sides, the study's baseline where ``against`` is left out."""
        against = self.records.manifest.baseline if sides.against is None else sides.against
        return self.variant(sides.variant), self.variant(against)

    def at_rungs(self, sides: Sides) -> list[tuple[str, "ConfirmedStudy", Sides]]:
        """Each rung of a ladder, from the least compute to the most: its name, itself, and both sides there.

        ``sides`` are called as all rungs call them. Raises ``NotMeasurableError`` where the study is no
        ladder, or has no such variant.
        """
        recorded, title = self.records.manifest.rungs, self.records.title
        if not recorded:
            raise NotMeasurableError(f"{title} is no ladder; write a study with the key rungs")
        found = []
        for number, (rung, study) in enumerate(zip(recorded, self._rungs, strict=True), start=1):
            names = {called: name for name, called in rung.variants.items()}
            for asked in (sides.variant, sides.against):
                if asked is not None and asked not in names:
                    known = ", ".join(names)
                    raise NotMeasurableError(f"{title} has no variant {asked!r}; it has {known}")
            against = None if sides.against is None else names[sides.against]
            own = Sides(names[sides.variant], against, sides.evaluation)
            found.append((f"rung {number}", study, own))
        return found


@dataclass(frozen=True)
class Estimate:
    """A number with its interval at some level."""

    value: float
    interval: Interval


@dataclass(frozen=True, kw_only=True)
class Measured:
    """A quantity's values in the order of the seeds, NaN for a seed that is lost; shorter where some are due.

    ``rule`` says at which numbers of them one looks. ``lost`` names what is lost for good and why, ``due``
    counts seeds whose runs are still to come. ``at_level`` gives estimate and interval at a level of
    confidence where the quantity is no mean of the values; it gives None where there are none.
    ``reservations`` say why neither word may rest on the values besides. ``exact`` is a number that has no
    noise and no seeds, in place of the values; ``impossible`` why the variant cannot do at all what is asked,
    whatever the seed, which counts as failing. Where the values are of no trials, ``hardware`` says on what
    they were measured, ``details`` how, and ``seconds`` how long one of them takes.
    """

    values: Sequence[float] = ()
    rule: Rule | None = None
    lost: tuple[str, ...] = ()
    due: int = 0
    reservations: tuple[str, ...] = ()
    at_level: Callable[[float], Estimate | None] | None = None
    exact: float | None = None
    impossible: str | None = None
    hardware: tuple[str, ...] = ()
    details: tuple[str, ...] = ()
    seconds: float | None = None


class Quantity(ABC):
    """One thing that studies measure and that a prediction can be about.

    ``alone``: a prediction that names no other side is of the variant by itself. ``of_a_text``: it may name
    an evaluation text. ``at_tuned_rate``: it is of runs at the tuned learning rate, so that a rate at an edge
    of what was tried speaks against it. ``of_trials``: it is of a study's trials, and else needs none;
    ``of_a_cell``: it is of step times in the cell that the prediction names; ``over_rungs``: it is of a
    ladder as a whole, which no other quantity is. ``counted`` are its values, of which a card's word needs
    ``fewest``. ``page`` is the dashboard's page that shows more, if any, and ``part`` the tab there, if
    it is not what the page opens on; ``joined`` stands between the two sides in words.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    unit: ClassVar[str]
    about: ClassVar[str]
    page: ClassVar[str | None] = "effects"
    part: ClassVar[str | None] = None
    counted: ClassVar[str] = "pair"
    fewest: ClassVar[int] = FEWEST_PAIRS
    joined: ClassVar[str] = "minus"
    alone: ClassVar[bool] = False
    of_a_text: ClassVar[bool] = False
    at_tuned_rate: ClassVar[bool] = True
    of_trials: ClassVar[bool] = True
    of_a_cell: ClassVar[bool] = False
    over_rungs: ClassVar[bool] = False

    @abstractmethod
    def measure(self, study: ConfirmedStudy, sides: Sides) -> Measured:
        """The values of ``study``; raises ``NotMeasurableError`` where its records do not say them."""


def log_ratio(ours: float | None, theirs: float | None, what: str) -> float:
    """The natural logarithm of a ratio; raises ``NotMeasurableError`` where a side is not recorded."""
    if not ours or not theirs:
        raise NotMeasurableError(f"{what} is not recorded of both sides")
    return math.log(ours / theirs)
