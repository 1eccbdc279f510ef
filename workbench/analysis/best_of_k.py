"""The best of k: how good a variant looks by how many points were tried.

Dodge et al. 2019, arXiv 1909.03004.

A better loss after more trials says little of a variant. The curve of the expected lowest loss of k random
draws says how much tuning a result took, and whether another variant was ahead with fewer trials.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise


@dataclass(frozen=True, kw_only=True)
class BestOf:
    """The lowest of ``k`` losses that are drawn from those that were found: its mean and variance."""

    k: int
    mean: float
    variance: float

    @property
    def sd(self) -> float:
        """The standard deviation of the lowest loss, in its unit."""
        return math.sqrt(self.variance)


def best_of_k(values: Sequence[float]) -> list[BestOf]:
    """The expected lowest of k ``values``, for k from 1 to as many as there are.

    The k are drawn with replacement from the empirical distribution, as Dodge et al. do: with n values in
    ascending order, the lowest of k is above the i-th with probability ((n - i) / n)^k. A value that is not
    finite, of a point without a result, counts as the largest that is; empty where none is finite.
    """
    finite = [value for value in values if math.isfinite(value)]
    if not finite:
        return []
    worst = max(finite)
    ascending = sorted(value if math.isfinite(value) else worst for value in values)
    n = len(ascending)
    found = []
    for k in range(1, n + 1):
        above = [((n - place) / n) ** k for place in range(n + 1)]
        chances = [before - after for before, after in pairwise(above)]
        mean = sum(chance * value for chance, value in zip(chances, ascending, strict=True))
        # About the mean: the difference of two large squares would lose its digits.
        variance = sum(chance * (value - mean) ** 2 for chance, value in zip(chances, ascending, strict=True))
        found.append(BestOf(k=k, mean=mean, variance=variance))
    return found


def best_so_far(values: Sequence[float]) -> list[float]:
    """The lowest of the first k ``values``, in the order in which they were found; inf before the first."""
    lowest = math.inf
    found = []
    for value in values:
        if math.isfinite(value):
            lowest = min(lowest, value)
        found.append(lowest)
    return found
