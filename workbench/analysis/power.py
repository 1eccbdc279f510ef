"""How many seeds a question needs, and what a number of seeds can see.

Power of the paired t test by the noncentral t distribution (statsmodels), at 5 % and 80 % power.
"""

from collections.abc import Callable
from math import isnan, sqrt

from statsmodels.stats.power import TTestPower

from workbench.errors import UserError

ALPHA = 0.05
POWER = 0.80
SEED_LIMIT = 1_000
_LARGEST = 1e3  # effects beyond a thousand sd have power 1
BEYOND_LIMIT = SEED_LIMIT + 1  # what is returned for "more than the limit"


def detectable_effect(sd: float, n: int) -> float | None:
    """The smallest difference that ``n`` pairs find with 80 % power; ``sd`` is of the paired difference.

    In the units of ``sd``; None for fewer than two pairs.
    """
    _check_sd(sd)
    if n < 2:
        return None
    return sd * float(TTestPower().solve_power(nobs=n, alpha=ALPHA / 2, power=POWER, alternative="larger"))


def seeds_needed(sd: float, effect: float) -> int:
    """The fewest pairs that find ``effect`` with 80 % power; ``BEYOND_LIMIT`` stands for more than 1,000."""
    _check_sd(sd)
    if sd == 0:
        return 2 if effect else BEYOND_LIMIT
    return _fewest(lambda n: _power(abs(effect) / sd, n, ALPHA / 2))


def pairs_to_clear(mean: float, margin: float, sd: float, *, least: float) -> int:
    """The fewest pairs with 80 % power for the verdict that ``mean`` points to.

    Beyond ``margin``: the 95 % interval must clear the nearer border. Inside: the 90 % interval must
    clear both (two one-sided tests; 1 minus the sum of their misses never overstates the power).
    Distances to a border count as ``least`` where they are smaller.
    """
    _check_sd(sd)
    if sd == 0:
        return 2 if abs(mean) != margin else BEYOND_LIMIT
    distance = abs(mean) - margin
    if distance > 0:
        return _fewest(lambda n: _power(max(distance, least) / sd, n, ALPHA / 2))
    near, far = max(-distance, least) / sd, max(margin + abs(mean), least) / sd
    return _fewest(lambda n: _power(near, n, ALPHA) + _power(far, n, ALPHA) - 1)


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


def _power(effect: float, n: int, alpha: float) -> float:
    """Power of one side at ``alpha``.

    Two-sided tests use half of it: at 80 % power the other tail adds less than a millionth. Where the
    power is 1 to ten digits, scipy's noncentral t may overflow to NaN.
    """
    power = float(TTestPower().power(min(effect, _LARGEST), n, alpha, alternative="larger"))
    return 1.0 if isnan(power) else power


def _fewest(power: Callable[[int], float]) -> int:
    """Bisection: power rises with the number of pairs."""
    if power(SEED_LIMIT) < POWER:
        return BEYOND_LIMIT
    low, high = 1, SEED_LIMIT
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if power(middle) >= POWER else (middle, high)
    return high


def _check_sd(sd: float) -> None:
    if not sd >= 0:
        raise UserError(f"standard deviation: {sd} is none; it must be 0 or more")
