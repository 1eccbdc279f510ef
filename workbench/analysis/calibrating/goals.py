"""What the calibration should show, and what it does: met or missed, with the uncertainty."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import groupby

from workbench.analysis.calibrating.error_rates import (
    ABOVE,
    BELOW,
    NONE,
    TWO_MARGINS,
    DesignRates,
    Share,
    TruthRates,
    averaged,
)
from workbench.analysis.calibrating.seeds_needed import SeedsNeeded

PROMISED = 0.05
TOLERANCE = 0.01  # around 5 % and 95 %
_POWER = 0.05  # between the power that was predicted and the observed one
TWO_SIDED = 1.96  # standard errors on each side of a 95 % interval
MET, MISSED, UNSURE = "met", "missed", "missed, within error"


@dataclass(frozen=True, kw_only=True)
class Goal:
    """One goal of one design: ``value`` should lie between ``low`` and ``high``.

    ``uncertainty`` is half of a 95 % interval, of Monte Carlo and seeds together. Of several margins the
    value is the worst one, and ``margin`` is where. ``is_points``: it is a difference of two shares.
    """

    what: str
    design: str
    rows: int
    low: float
    high: float
    value: float
    uncertainty: float
    margin: float
    is_points: bool = False

    @property
    def word(self) -> str:
        """Met or missed; and whether what is missed is missed by no more than its own uncertainty."""
        outside = max(self.low - self.value, self.value - self.high)
        if outside <= 0:
            return MET
        return UNSURE if outside <= self.uncertainty else MISSED


def goals(rates: Sequence[DesignRates], needed: Sequence[SeedsNeeded]) -> list[Goal]:
    """Those of each design, one comparison first, and of the seeds that are needed."""
    found = []
    for (rows, _, _), group in groupby(rates, lambda one: (one.comparisons, one.until_decided, one.looks)):
        of_design = list(group)
        found += _table_goals(of_design) if rows > 1 else _row_goals(of_design)
    for one in needed:
        found.append(
            Goal(
                what=f"power of {one.word}, seeds as predicted",
                design=f"{one.predicted} seeds",
                rows=1,
                low=-_POWER,
                high=_POWER,
                value=one.beyond_prediction.value,
                uncertainty=TWO_SIDED * one.beyond_prediction.error,
                margin=one.margin,
                is_points=True,
            )
        )
    return found


def _row_goals(rates: Sequence[DesignRates]) -> list[Goal]:
    """A row whose level is spent at one look is held to it from both sides; with several looks from one."""
    until = rates[0].until_decided
    least = 0.0 if until else PROMISED - TOLERANCE
    return [
        _worst(
            "no difference: better or worse", rates, 0.0, PROMISED, lambda one: one.at(NONE).false_difference
        ),
        # At a border one of the two sides is false; the level of the two-sided test is that of both.
        _worst(
            "at the margin: better or worse, both sides",
            rates,
            least,
            PROMISED + TOLERANCE,
            lambda one: together(one.at(ABOVE).false_difference, one.at(BELOW).false_difference),
        ),
        _worst(
            "at the margin: equivalent",
            rates,
            0.0,
            PROMISED + TOLERANCE,
            _larger(lambda truth: truth.false_equivalent),
        ),
        _worst(
            "printed intervals hold the truth",
            rates,
            1 - PROMISED - TOLERANCE,
            1.0 if until else 1 - PROMISED + TOLERANCE,
            _lowest_coverage if until else _furthest_coverage,
        ),
        _worst(
            "power of equivalent, minus predicted",
            rates,
            -_POWER,
            _POWER,
            lambda one: _beyond_prediction([one.at(NONE)]),
            is_points=True,
        ),
        _worst(
            "power at two margins, minus predicted",
            rates,
            -_POWER,
            _POWER,
            lambda one: _beyond_prediction([one.at(name) for name in TWO_MARGINS]),
            is_points=True,
        ),
    ]


def _table_goals(rates: Sequence[DesignRates]) -> list[Goal]:
    return [
        _worst(
            "no difference: any better or worse",
            rates,
            0.0,
            PROMISED,
            lambda one: one.at(NONE).false_difference,
        ),
        _worst(
            "at the margin: any false better or worse",
            rates,
            0.0,
            PROMISED + TOLERANCE,
            _larger(lambda truth: truth.false_difference),
        ),
        _worst(
            "at the margin: any equivalent",
            rates,
            0.0,
            PROMISED + TOLERANCE,
            _larger(lambda truth: truth.false_equivalent),
        ),
    ]


def _worst(
    what: str,
    rates: Sequence[DesignRates],
    low: float,
    high: float,
    share: Callable[[DesignRates], Share],
    *,
    is_points: bool = False,
) -> Goal:
    """The goal at the margin at which it lies furthest out, or nearest to the end that it may not cross."""
    measured = [(share(one), one.margin) for one in rates]
    value, margin = max(measured, key=lambda one: max(low - one[0].value, one[0].value - high))
    return Goal(
        what=what,
        design=rates[0].design,
        rows=rates[0].comparisons,
        low=low,
        high=high,
        value=value.value,
        uncertainty=TWO_SIDED * value.error,
        margin=margin,
        is_points=is_points,
    )


def _larger(share: Callable[[TruthRates], Share]) -> Callable[[DesignRates], Share]:
    """The largest share among the truths at the margin."""

    def of(one: DesignRates) -> Share:
        return max(
            (share(truth) for truth in one.truths if truth.is_at_margin), key=lambda found: found.value
        )

    return of


def _lowest_coverage(one: DesignRates) -> Share:
    return min((truth.covered for truth in one.truths), key=lambda share: share.value)


def _furthest_coverage(one: DesignRates) -> Share:
    return max((truth.covered for truth in one.truths), key=lambda share: abs(share.value - 1 + PROMISED))


def together(one: Share, other: Share) -> Share:
    """The sum of two shares; the seeds' part is that of both moving alike, which is the most."""
    seeds = None
    if one.seeds is not None and other.seeds is not None:
        seeds = one.seeds + other.seeds
    monte_carlo = (one.monte_carlo**2 + other.monte_carlo**2) ** 0.5
    return Share(value=one.value + other.value, monte_carlo=monte_carlo, seeds=seeds)


def _beyond_prediction(truths: Sequence[TruthRates]) -> Share:
    """Averaged over truths: nobody knows the true direction."""
    return averaged([one.beyond_prediction for one in truths if one.beyond_prediction is not None])
