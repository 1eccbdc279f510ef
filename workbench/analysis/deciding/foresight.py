"""What further pairs would bring: the chance of a verdict, and how many pairs one takes.

Mean and sd of a few pairs are themselves uncertain, and a power that takes them for the truth keeps its promise
in 9 to 70 % of the cases near the margin. Here both are drawn from what the pairs leave open (flat prior:
sd² ~ (n - 1) s² / chi², mean ~ dbar + sd z / sqrt n), and the power is averaged over the draws (assurance;
O'Hagan, Stevens and Campbell 2005, Pharmaceutical Statistics 4:187). The draws are 1,024 points of a Sobol
sequence with a fixed seed: the same pairs have the same chance everywhere.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy.special import chdtri, ndtr, ndtri, stdtrit
from scipy.stats import qmc

from workbench.analysis.deciding.looks import Rule
from workbench.analysis.deciding.steps import levels_by_places
from workbench.analysis.power import BEYOND_LIMIT, POWER, SEED_LIMIT

_DRAWS = 1_024
_SPREADS = 48  # quantiles of a future sd
_QUANTILES = (0.2, 0.5, 0.8)


@dataclass(frozen=True)
class PairsNeeded:
    """How many pairs a verdict takes: the 20 %, 50 % and 80 % quantile of what the pairs at hand leave open.

    ``chance`` is that of a verdict with ``at`` pairs. ``beyond`` stands for every number above ``limit``.
    """

    low: int
    likely: int
    high: int
    at: int
    chance: float
    limit: int

    @property
    def beyond(self) -> int:
        """What stands for "more than the limit"."""
        return self.limit + 1

    def __str__(self) -> str:
        """``47 (19 to 160); with 47 the chance of a verdict is 65 %``."""
        low, likely, high = (self._text(pairs) for pairs in (self.low, self.likely, self.high))
        return f"{likely} ({low} to {high}); with {self.at} the chance of a verdict is {self.chance:.0%}"

    def _text(self, pairs: int) -> str:
        return f">{self.limit}" if pairs > self.limit else str(pairs)


def chance_of_verdict(
    n: int,
    mean: np.ndarray,
    sd: np.ndarray,
    margin: np.ndarray | float,
    *,
    rule: Rule,
    look: int,
    difference_places: np.ndarray,
    equivalence_places: np.ndarray,
) -> np.ndarray:
    """The chance of any verdict at the looks after ``look``, (cases,), for samples of ``n`` pairs.

    ``mean``, ``sd``, ``margin`` and places are (cases,) or one for all. Levels stay what they are now: what
    others may pass on later is not counted.
    """
    decided_at = _decided_at(n, mean, sd, margin, rule, look, difference_places, equivalence_places)
    return (decided_at > 0).mean(axis=-1)


def pairs_until_decided(
    n: int, mean: float, sd: float, margin: float, *, rule: Rule, look: int, places: tuple[int, int]
) -> PairsNeeded:
    """How many pairs in all a verdict takes, and its chance by the last look.

    ``places`` are those of difference and equivalence. The pairs at hand are counted in.
    """
    decided_at = _decided_at(
        n, np.array([mean]), np.array([sd]), margin, rule, look, np.array([places[0]]), np.array([places[1]])
    )[0]
    limit = rule.looks[-1]
    pairs = np.where(decided_at > 0, decided_at, limit + 1)
    low, likely, high = (int(x) for x in np.quantile(pairs, _QUANTILES, method="inverted_cdf"))
    return PairsNeeded(low, likely, high, at=limit, chance=float((decided_at > 0).mean()), limit=limit)


def pairs_for_fixed(n: int, mean: float, sd: float, margin: float, comparisons: int) -> PairsNeeded:
    """How many fresh pairs a study with a fixed number takes (80 % power), and the chance with the likeliest.

    From ``n`` pairs with this mean and sd. Levels are those of the first of Holm's steps. Pairs that are added to
    those at hand until they decide are another thing: that is ``until_decided``.
    """
    rule = Rule.fixed(n, comparisons)
    levels = rule.difference_level(comparisons), rule.equivalence_level(comparisons)
    points = _points(2)
    true_sd = sd * _sd_factors(n, points[:, 0])
    true_mean = mean + true_sd * ndtri(points[:, 1]) / np.sqrt(n)

    # The power of each draw at some numbers of pairs; the fewest that suffice.
    tried = _numbers_of_pairs()
    powers = np.array([power_at(pairs, true_mean, true_sd, margin, *levels) for pairs in tried])
    enough = powers >= POWER
    fewest = np.where(enough.any(axis=0), tried[enough.argmax(axis=0)], BEYOND_LIMIT)
    low, likely, high = (int(x) for x in np.quantile(fewest, _QUANTILES, method="inverted_cdf"))
    at = min(likely, SEED_LIMIT)
    chance = float(power_at(at, true_mean, true_sd, margin, *levels).mean())
    return PairsNeeded(low, likely, high, at=at, chance=chance, limit=SEED_LIMIT)


def power_at(
    n: int,
    mean: np.ndarray,
    sd: np.ndarray,
    margin: np.ndarray | float,
    difference_level: float,
    equivalence_level: float,
) -> np.ndarray:
    """The chance that ``n`` fresh pairs bring any verdict where the truth is ``mean`` and ``sd`` (above 0).

    Exact but for the average over the sample's sd, which is over quantiles of its distribution.
    """
    spreads = (np.arange(_SPREADS) + 0.5) / _SPREADS
    sample_error = np.sqrt(chdtri(n - 1, spreads) / (n - 1) / n)  # in units of the true sd
    beyond = stdtrit(n - 1, 1 - difference_level / 2) * sample_error
    within = stdtrit(n - 1, 1 - equivalence_level) * sample_error
    mean, sd = np.asarray(mean, float)[..., None], np.asarray(sd, float)[..., None]
    border = np.asarray(margin, float)[..., None] / sd
    place, root = mean / sd, np.sqrt(n)

    worse = ndtr((place - border - beyond) * root)
    better = ndtr((-place - border - beyond) * root)
    room = border - within  # how far from zero a mean may lie to be called equivalent
    equivalent = ndtr((room - place) * root) - ndtr((-room - place) * root)
    return (worse + better + np.maximum(equivalent, 0)).mean(axis=-1)


def _decided_at(
    n: int,
    mean: np.ndarray,
    sd: np.ndarray,
    margin: np.ndarray | float,
    rule: Rule,
    look: int,
    difference_places: np.ndarray,
    equivalence_places: np.ndarray,
) -> np.ndarray:
    """The number of pairs at which each draw is decided, 0 for never: (cases, draws)."""
    future = rule.looks[look:]
    ends = (rule.looks[look - 1], *future) if look else (n, *future)
    blocks = tuple(int(end - begin) for begin, end in zip(ends, ends[1:], strict=False))
    draws = _draws(n, blocks)
    mean, sd, border = (np.asarray(x, float).reshape(-1, 1) for x in (mean, sd, margin))
    difference_places = np.asarray(difference_places).reshape(-1, 1)
    equivalence_places = np.asarray(equivalence_places).reshape(-1, 1)

    # A truth for each draw, and then one block of pairs after the other from it.
    true_sd = sd * draws.sd_factor
    true_mean = mean + true_sd * draws.mean_error
    count, total_mean, squares = n, mean, (n - 1) * sd**2
    decided_at = np.zeros(true_mean.shape, int)
    for block, error, spread, pairs in zip(
        blocks, draws.block_error, draws.block_squares, future, strict=True
    ):
        block_mean = true_mean + true_sd * error
        apart = block_mean - total_mean
        squares = squares + true_sd**2 * spread + apart**2 * (count * block / (count + block))
        total_mean = total_mean + apart * (block / (count + block))
        count += block
        standard_error = np.sqrt(squares / (count - 1) / count)
        gap = np.abs(total_mean) - border
        beyond, within = _quantiles_of_t(count, rule)
        decided = (gap > beyond[difference_places] * standard_error) | (
            gap < -within[equivalence_places] * standard_error
        )
        decided_at = np.where((decided_at == 0) & decided, pairs, decided_at)
    return decided_at


@dataclass(frozen=True)
class _Draws:
    """Draws in units of the sample's and the true sd: (draws,) and one (draws,) for each block."""

    sd_factor: np.ndarray
    mean_error: np.ndarray
    block_error: list[np.ndarray]
    block_squares: list[np.ndarray]


@lru_cache(maxsize=64)
def _draws(n: int, blocks: tuple[int, ...]) -> _Draws:
    points = _points(2 + 2 * len(blocks))
    errors, squares = [], []
    for place, block in enumerate(blocks):
        errors.append(ndtri(points[:, 2 + 2 * place]) / np.sqrt(block))
        spread = points[:, 3 + 2 * place]
        squares.append(chdtri(block - 1, spread) if block > 1 else np.zeros(_DRAWS))
    mean_error = ndtri(points[:, 1]) / np.sqrt(n)
    return _Draws(_sd_factors(n, points[:, 0]), mean_error, errors, squares)


@lru_cache(maxsize=16)
def _points(dimensions: int) -> np.ndarray:
    """Evenly spread points of the open unit cube, (draws, dimensions)."""
    return qmc.Sobol(dimensions, seed=0).random(_DRAWS).clip(1e-9, 1 - 1e-9)


def _sd_factors(n: int, points: np.ndarray) -> np.ndarray:
    """The true sd over the sample's."""
    return np.sqrt((n - 1) / chdtri(n - 1, points))


@lru_cache(maxsize=256)
def _quantiles_of_t(n: int, rule: Rule) -> tuple[np.ndarray, np.ndarray]:
    """By places, from 1 on: how many standard errors beyond the border, and within it, decide."""
    difference, equivalence = levels_by_places(rule)
    return stdtrit(n - 1, 1 - difference / 2), stdtrit(n - 1, 1 - equivalence)


@lru_cache(maxsize=1)
def _numbers_of_pairs() -> np.ndarray:
    """All up to 40, then in steps of 3 %."""
    steps = 40 * 1.03 ** np.arange(1, 120)
    return np.unique([*range(2, 41), *steps[steps < SEED_LIMIT].astype(int), SEED_LIMIT])
