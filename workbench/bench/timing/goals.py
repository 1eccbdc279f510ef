"""What a number ought to be, and whether it is."""

from dataclasses import dataclass
from enum import StrEnum

from workbench.bench.timing.spread import Spread


class Verdict(StrEnum):
    """Whether a goal is met."""

    MET = "met"
    MISSED = "missed"
    UNDECIDED = "undecided"


class Bound(StrEnum):
    """On which side of the limit a number ought to lie."""

    AT_LEAST = "at least"
    AT_MOST = "at most"


@dataclass(frozen=True)
class Goal:
    """``text`` says it in words; ``limit`` is in the measured number's own unit."""

    text: str
    bound: Bound
    limit: float

    def verdict(self, measured: Spread) -> Verdict:
        """Met or missed where both quartiles lie on one side of the limit, undecided where it is between."""
        met = [self._met(value) for value in (measured.low, measured.high)]
        if all(met):
            return Verdict.MET
        return Verdict.UNDECIDED if any(met) else Verdict.MISSED

    def _met(self, value: float) -> bool:
        return value >= self.limit if self.bound is Bound.AT_LEAST else value <= self.limit


def together(verdicts: list[Verdict]) -> Verdict:
    """One verdict for several: missed if one is, undecided if one is, else met."""
    for verdict in (Verdict.MISSED, Verdict.UNDECIDED):
        if verdict in verdicts:
            return verdict
    return Verdict.MET
