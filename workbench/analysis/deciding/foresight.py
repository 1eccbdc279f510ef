"""What further pairs would bring: the chance of a verdict, and how many pairs one takes.

Mean and sd of a few pairs are uncertain, and a power that takes them for the truth keeps its promise in 9
to 70 % of the cases near the margin. Here both are drawn from what the pairs leave open, and the power is
averaged over the draws (assurance; O'Hagan, Stevens and Campbell 2005, Pharmaceutical Statistics 4:187):
sd² ~ (n - 1) s² / chi², mean ~ dbar + sd z / sqrt n.

Draws of a mean are weighted by a Cauchy density around zero, as wide as two margins (or as one standard
error, where the margin is finer than what so few pairs see). With equal weights the chance was up to .2 too
high in simulated studies whose true differences are of the order of the margin, d ~ N(0, (2 m)²), since few
pairs scatter more widely than truths do. With these it is right within .03 on the average over margins from
eight pairs on, and within .05 at each of half the sd of a difference or wider; and the density's long tails
leave a large effect what it is.

The draws are 256 points of a Sobol sequence, scrambled with a fixed seed: the same pairs have the same chance
everywhere. They are stored, as scipy's ``qmc.Sobol(dimensions, seed=0)`` gave them in units of 2⁻³⁰, by their
number of dimensions: to import it takes half a second, for which a page, or a command, would wait.
"""

from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from pathlib import Path

import numpy as np
from scipy.special import chdtri, ndtr, ndtri, stdtrit

from workbench.analysis.deciding.looks import Rule
from workbench.analysis.power import POWER, SEED_LIMIT

_POINTS = Path(__file__).with_name("sobol_points.npz")
_DRAWS = 256
_SPREADS = 24  # quantiles of the sd of a future sample
_QUANTILES = (0.2, 0.5, 0.8)
# Of pairs that a fixed number is looked for in: all up to 40, then in steps of 3 %.
_NUMBERS = (*range(2, 41), *sorted({int(40 * 1.03**step) for step in range(1, 109)} - {40}), SEED_LIMIT)


@dataclass(frozen=True)
class PairsNeeded:
    """How many pairs a verdict takes: the 20 %, 50 % and 80 % quantile of what the pairs at hand leave open.

    ``chance`` is that of a verdict with ``at`` pairs. ``limit + 1`` stands for every number above ``limit``.
    """

    low: int
    likely: int
    high: int
    at: int
    chance: float
    limit: int

    def __str__(self) -> str:
        """``47 (19 to 160); with 47 the chance of a verdict is 65 %``."""
        low, likely, high = map(self.text, (self.low, self.likely, self.high))
        chance = f"{100 * self.chance:.0f} %"
        return f"{likely} ({low} to {high}); with {self.at} the chance of a verdict is {chance}"

    def text(self, pairs: int) -> str:
        """A number of pairs; ``>1000`` for one beyond the limit."""
        return f">{self.limit}" if pairs > self.limit else str(pairs)


def chance_of_verdict(
    n: int,
    mean: np.ndarray,
    sd: np.ndarray,
    margin: np.ndarray | float,
    *,
    rule: Rule,
    look: int,
    difference_level: np.ndarray,
    equivalence_level: np.ndarray,
) -> np.ndarray:
    """The chance of any verdict at the looks after ``look``, (cases,), for samples of ``n`` pairs.

    ``mean``, ``sd`` and levels are (cases,), in units of the metric; ``margin`` too, or one for all. Levels
    stay what they are now: what others may pass on later is not counted.
    """
    decided_at, weights = _futures(n, mean, sd, margin, rule, look, difference_level, equivalence_level)
    return ((decided_at > 0) * weights).sum(axis=-1)


def pairs_until_decided(
    n: int, mean: float, sd: float, margin: float, *, rule: Rule, look: int, levels: tuple[float, float]
) -> PairsNeeded:
    """How many pairs in all a verdict takes, from ``n`` pairs at ``look`` (1, 2, …), and its chance by the
    last.

    ``levels`` are those of difference and equivalence (``Decision.levels``). The pairs at hand are counted
    in.
    """
    decided_at, weights = _futures(
        n, np.array([mean]), np.array([sd]), margin, rule, look, np.array([levels[0]]), np.array([levels[1]])
    )
    limit = rule.looks[-1]
    pairs = np.where(decided_at[0] > 0, decided_at[0], limit + 1)
    low, likely, high = _weighted_quantiles(pairs, weights[0])
    chance = float(weights[0][decided_at[0] > 0].sum())
    return PairsNeeded(low, likely, high, at=limit, chance=chance, limit=limit)


def pairs_for_fixed(n: int, mean: float, sd: float, margin: float, comparisons: int) -> PairsNeeded:
    """How many fresh pairs a study with a fixed number takes (80 % power), and the chance with the likeliest.

    From ``n`` pairs with this mean and sd (above 0), at the levels of the first of Holm's steps. Above 40
    pairs the numbers are right within 3 %. Adding pairs to those at hand is another thing: that is
    ``until_decided``.
    """
    rule = Rule.fixed(n, comparisons)
    levels = rule.difference_level(comparisons), rule.equivalence_level(comparisons)
    points = _points(2)
    true_sd = sd * _sd_factors(n, points[:, 0])
    true_mean = mean + true_sd * ndtri(points[:, 1]) / np.sqrt(n)
    weights = _weights(true_mean, margin, sd / np.sqrt(n))

    fewest = _fewest(true_mean, true_sd, margin, levels)
    low, likely, high = _weighted_quantiles(fewest, weights)
    at = min(likely, SEED_LIMIT)
    chance = float((power_at(at, true_mean, true_sd, margin, *levels) * weights).sum())
    return PairsNeeded(low, likely, high, at=at, chance=chance, limit=SEED_LIMIT)


def power_at(
    n: int,
    mean: np.ndarray | float,
    sd: np.ndarray | float,
    margin: np.ndarray | float,
    difference_level: float,
    equivalence_level: float,
) -> np.ndarray:
    """The chance that ``n`` fresh pairs (2 or more) bring any verdict, where ``mean`` and ``sd`` are true.

    Arrays broadcast; ``sd`` is above 0. ``difference_level`` is two-sided, ``equivalence_level`` one-sided.
    Exact but for the average over the sample's sd, which is over 24 quantiles of its distribution.
    """
    beyond, within = _half_widths((n,), difference_level, equivalence_level)
    place = np.asarray(mean) / sd
    return _power(np.sqrt(n), place, np.asarray(margin) / sd, beyond[0], within[0])


def _power(
    root: np.ndarray | float, place: np.ndarray, border: np.ndarray, beyond: np.ndarray, within: np.ndarray
) -> np.ndarray:
    """Power from true mean and margin in units of the sd; the half widths' last axis is averaged over."""
    place, border, root = (np.asarray(x)[..., None] for x in (place, border, root))
    worse = ndtr((place - border - beyond) * root)
    better = ndtr((-place - border - beyond) * root)
    room = border - within  # how far from zero a mean may lie to be called equivalent
    equivalent = ndtr((room - place) * root) - ndtr((-room - place) * root)
    return (worse + better + np.maximum(equivalent, 0)).mean(axis=-1)


@lru_cache(maxsize=64)
def _half_widths(
    numbers: tuple[int, ...], difference_level: float, equivalence_level: float
) -> tuple[np.ndarray, np.ndarray]:
    """Of both intervals at each number of pairs, in units of the true sd, for evenly spread sample sds."""
    n = np.array(numbers)[:, None]
    spreads = (np.arange(_SPREADS) + 0.5) / _SPREADS
    error = np.sqrt(chdtri(n - 1, spreads) / (n - 1) / n)
    beyond = stdtrit(n - 1, 1 - difference_level / 2) * error
    within = stdtrit(n - 1, 1 - equivalence_level) * error
    return beyond, within


def _fewest(mean: np.ndarray, sd: np.ndarray, margin: float, levels: tuple[float, float]) -> np.ndarray:
    """The fewest pairs with 80 % power for each truth, by bisection; ``SEED_LIMIT + 1`` for more."""
    beyond, within = _half_widths(_NUMBERS, *levels)
    numbers = np.array([*_NUMBERS, SEED_LIMIT + 1])
    low = np.full(mean.shape, -1)
    high = np.full(mean.shape, len(_NUMBERS))
    while (high - low > 1).any():
        is_open = high - low > 1
        middle = np.where(is_open, (low + high) // 2, 0)
        power = _power(np.sqrt(numbers[middle]), mean / sd, margin / sd, beyond[middle], within[middle])
        high = np.where(is_open & (power >= POWER), middle, high)
        low = np.where(is_open & (power < POWER), middle, low)
    return numbers[high]


def _futures(
    n: int,
    mean: np.ndarray,
    sd: np.ndarray,
    margin: np.ndarray | float,
    rule: Rule,
    look: int,
    difference_level: np.ndarray,
    equivalence_level: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """At how many pairs each draw is decided (0: never), and the weight of each: (cases, draws)."""
    if look < 1:
        raise ValueError("look: 0 is before the first; there is nothing yet to look ahead from")
    blocks = tuple(end - begin for begin, end in pairwise(rule.looks[look - 1 :]))
    draws = _draws(n, blocks)
    mean, sd, border = (np.asarray(x, float).reshape(-1, 1) for x in (mean, sd, margin))
    difference_level = np.asarray(difference_level).reshape(-1, 1)
    equivalence_level = np.asarray(equivalence_level).reshape(-1, 1)

    # A truth for each draw, and then one block of pairs after the other from it.
    true_sd = sd * draws.sd_factor
    true_mean = mean + true_sd * draws.mean_error
    count, total_mean, squares = n, mean, (n - 1) * sd**2
    decided_at = np.zeros(true_mean.shape, int)
    for place, (block, pairs) in enumerate(zip(blocks, rule.looks[look:], strict=True)):
        apart = true_mean + true_sd * draws.block_errors[place] - total_mean
        squares = squares + true_sd**2 * draws.block_squares[place]
        squares = squares + apart**2 * (count * block / (count + block))
        total_mean = total_mean + apart * (block / (count + block))
        count += block
        error = np.sqrt(squares / (count - 1) / count)
        gap = np.abs(total_mean) - border
        different = gap > stdtrit(count - 1, 1 - difference_level / 2) * error
        equivalent = gap < -stdtrit(count - 1, 1 - equivalence_level) * error
        decided_at[(decided_at == 0) & (different | equivalent)] = pairs
    return decided_at, _weights(true_mean, border, sd / np.sqrt(n))


def _weights(true_mean: np.ndarray, margin: np.ndarray | float, error: np.ndarray | float) -> np.ndarray:
    """How much each draw of a mean counts; they add up to 1 along the last axis."""
    width = np.maximum(np.maximum(2 * np.asarray(margin), error), np.finfo(float).tiny)
    weights = 1 / (1 + (true_mean / width) ** 2)
    return weights / weights.sum(axis=-1, keepdims=True)


def _weighted_quantiles(values: np.ndarray, weights: np.ndarray) -> tuple[int, int, int]:
    order = np.argsort(values)
    below = np.cumsum(weights[order])
    low, likely, high = (int(values[order][np.searchsorted(below, share)]) for share in _QUANTILES)
    return low, likely, high


@dataclass(frozen=True)
class _Draws:
    """In units of the sample's sd the true one, and in units of that everything else; (draws,) each."""

    sd_factor: np.ndarray
    mean_error: np.ndarray
    block_errors: list[np.ndarray]
    block_squares: list[np.ndarray]


@lru_cache(maxsize=64)
def _draws(n: int, blocks: tuple[int, ...]) -> _Draws:
    points = _points(2 + 2 * len(blocks))
    errors, squares = [], []
    for place, block in enumerate(blocks):
        error, spread = points[:, 2 + 2 * place], points[:, 3 + 2 * place]
        errors.append(ndtri(error) / np.sqrt(block))
        squares.append(chdtri(block - 1, spread) if block > 1 else np.zeros(_DRAWS))
    mean_error = ndtri(points[:, 1]) / np.sqrt(n)
    return _Draws(_sd_factors(n, points[:, 0]), mean_error, errors, squares)


@lru_cache(maxsize=16)
def _points(dimensions: int) -> np.ndarray:
    """Evenly spread points of the open unit cube, (draws, dimensions): an even number of up to 20."""
    with np.load(_POINTS) as stored:
        return (stored[str(dimensions)] / 2**30).clip(1e-9, 1 - 1e-9)


def _sd_factors(n: int, points: np.ndarray) -> np.ndarray:
    """The true sd over the sample's."""
    return np.sqrt((n - 1) / chdtri(n - 1, points))
