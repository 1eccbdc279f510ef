"""How many seeds a question needs, and what a number of seeds can see.

*Different*: the 95 % interval of a paired difference lies beyond the margin's nearer border; power by the
noncentral t distribution. *Equivalent*: the 90 % interval lies within the margin, two one-sided t tests;
power by integrating over the sd that a sample may have. With several comparisons each test has its share of
the 5 % (Bonferroni), which Holm's steps, the rule of the verdict, never fall short of.
"""

from collections.abc import Callable
from functools import lru_cache, partial
from math import isnan, sqrt

import numpy as np
from scipy.special import chdtri, nctdtr, nctdtrinc, ndtr, stdtrit

from workbench.errors import UserError

ALPHA = 0.05
POWER = 0.80
SEED_LIMIT = 1_000
_LARGEST = 1e3  # effects beyond a thousand sd have power 1
_QUANTILES = 4_000
BEYOND_LIMIT = SEED_LIMIT + 1  # what is returned for "more than the limit"


def detectable_effect(sd: float, n: int, *, comparisons: int = 1, power: float = POWER) -> float | None:
    """The smallest difference that ``n`` pairs tell from none; ``sd`` is of the paired difference.

    In the units of ``sd``; None for fewer than two pairs. Beyond a margin so much more is found with as much
    power: the smallest effect that is called better or worse is the margin and this. Right to within one part
    in 10,000.
    """
    _check_sd(sd)
    if n < 2:
        return None
    beyond = -stdtrit(n - 1, _share(comparisons) / 2)
    return sd * float(nctdtrinc(n - 1, 1 - power, beyond)) / sqrt(n)


def seeds_needed(sd: float, effect: float, *, comparisons: int = 1, power: float = POWER) -> int:
    """The fewest pairs that find ``effect`` with the given power; ``BEYOND_LIMIT`` for more than 1,000."""
    _check_sd(sd)
    if sd == 0:
        return 2 if effect else BEYOND_LIMIT
    alpha = _share(comparisons) / 2
    return _fewest(lambda n: _power(abs(effect) / sd, n, alpha), power)


def difference_power(beyond: float, sd: float, n: int, *, comparisons: int = 1) -> float:
    """The chance that ``n`` pairs are called better or worse where the truth lies ``beyond`` the margin.

    ``beyond`` (0 or more) and ``sd`` are in units of the metric.
    """
    _check_sd(sd)
    if sd == 0:
        return float(beyond > 0 and n > 1)
    return _power(beyond / sd, n, _share(comparisons) / 2)


def equivalence_power(margin: float, sd: float, n: int, *, true: float = 0.0, comparisons: int = 1) -> float:
    """The chance that ``n`` pairs are called equivalent where the difference is ``true``.

    All but ``n`` and ``comparisons`` are in units of the metric. The 90 % interval fits between the borders
    only where the sample's sd is small enough: averaged over the sd's distribution at the midpoints of 4,000
    equal shares, it is the chance that the mean falls where it fits.
    """
    _check_sd(sd)
    if n < 2:
        return 0.0
    if sd == 0:
        return float(abs(true) < margin)
    error = sd / sqrt(n)
    # Half of the interval at each of the sds that a sample may have.
    half = -stdtrit(n - 1, _share(comparisons)) * error * _relative_sds(n - 1)  # (4000,)
    low = ndtr((half - margin - true) / error)
    high = ndtr((margin - half - true) / error)
    return float(np.maximum(high - low, 0).mean())


def seeds_for_equivalence(
    margin: float, sd: float, *, true: float = 0.0, comparisons: int = 1, power: float = POWER
) -> int:
    """The fewest pairs that are called equivalent with the given power; ``BEYOND_LIMIT`` beyond 1,000."""
    _check_sd(sd)
    chance = partial(equivalence_power, margin, sd, true=true, comparisons=comparisons)
    return _fewest(chance, power)


def margin_for_equivalence(sd: float, n: int, *, comparisons: int = 1, power: float = POWER) -> float | None:
    """The smallest margin at which ``n`` pairs of equals are called equivalent; None below two pairs."""
    _check_sd(sd)
    if n < 2:
        return None
    low, high = 0.0, sd
    while equivalence_power(high, sd, n, comparisons=comparisons) < power and high:
        low, high = high, 2 * high
    while high - low > 1e-4 * high:
        middle = (low + high) / 2
        if equivalence_power(middle, sd, n, comparisons=comparisons) < power:
            low = middle
        else:
            high = middle
    return high


def seeds_text(seeds: int | None) -> str:
    """A number of seeds for people: ``14``, ``>1000``, or a dash."""
    if seeds is None:
        return "—"
    return f">{SEED_LIMIT}" if seeds > SEED_LIMIT else str(seeds)


def bound_on_paired_sd(sd: float) -> float:
    """The sd of a difference of two independent runs, each of ``sd``.

    Shared data order and shared initial values can only make the paired difference less noisy than
    that, as long as the two are not negatively correlated.
    """
    return sqrt(2) * sd


def _share(comparisons: int) -> float:
    return ALPHA / comparisons


@lru_cache(maxsize=64)
def _relative_sds(degrees: int) -> np.ndarray:
    """What the sd of a sample with so many degrees of freedom is of the true one, (4000,): each as likely."""
    middles = (np.arange(_QUANTILES) + 0.5) / _QUANTILES
    return np.sqrt(chdtri(degrees, middles) / degrees)


def _power(effect: float, n: int, alpha: float) -> float:
    """Power of one side at ``alpha``.

    Two-sided tests use half of it: at 80 % power the other tail adds less than a millionth. Where the
    power is 1 to ten digits, scipy's noncentral t may overflow to NaN.
    """
    if n < 2:
        return 0.0
    beyond = -stdtrit(n - 1, alpha)
    power = 1 - float(nctdtr(n - 1, min(effect, _LARGEST) * sqrt(n), beyond))
    return 1.0 if isnan(power) else power


def _fewest(chance: Callable[[int], float], power: float) -> int:
    """Bisection: the chance rises with the number of pairs."""
    if chance(SEED_LIMIT) < power:
        return BEYOND_LIMIT
    low, high = 1, SEED_LIMIT
    while high - low > 1:
        middle = (low + high) // 2
        if chance(middle) >= power:
            high = middle
        else:
            low = middle
    return high


def _check_sd(sd: float) -> None:
    if not sd >= 0:
        raise UserError(f"standard deviation: {sd} is none; it must be 0 or more")
