"""What a standard deviation from few runs says of the true one: a range, never a number alone.

Of a normal sample with nu degrees of freedom, nu s²/sigma² is chi-squared. From three runs the 95 % range is
half of s to six times s, so that whatever is reckoned from s has a *likely* value and a *safe* one.
"""

from dataclasses import dataclass
from math import sqrt

from scipy.special import chdtri

from workbench.errors import UserError

SAFE = 0.80  # of all samples that give an sd, the share whose true sd is no larger than the safe one
_CONFIDENCE = 0.95


@dataclass(frozen=True)
class SdRange:
    """The 95 % range of a true sd, in units of the metric."""

    low: float
    high: float


def safe_sd(sd: float, degrees: int) -> float:
    """The one-sided 80 % upper bound of the true sd, given ``sd`` with ``degrees`` of freedom (n - 1)."""
    _check(sd, degrees)
    return sd * sqrt(degrees / float(chdtri(degrees, SAFE)))


def sd_range(sd: float, degrees: int) -> SdRange:
    """The 95 % range of the true sd, given ``sd`` with ``degrees`` of freedom (n - 1)."""
    _check(sd, degrees)
    tail = (1 - _CONFIDENCE) / 2
    low = sd * sqrt(degrees / float(chdtri(degrees, tail)))
    high = sd * sqrt(degrees / float(chdtri(degrees, 1 - tail)))
    return SdRange(low, high)


def _check(sd: float, degrees: int) -> None:
    if not sd >= 0 or degrees < 1:
        raise UserError(
            f"standard deviation: {sd} with {degrees} degrees of freedom has no range; "
            "it needs two runs or more"
        )
