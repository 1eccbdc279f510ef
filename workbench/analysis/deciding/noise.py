"""Where the noise of simulated studies comes from: a distribution, or differences that were measured.

A source draws the noise of paired differences, whose mean is zero, so that what is true is what a simulation
adds to it. The comparisons of one study share a baseline, so that a source draws them together.
"""

from dataclasses import dataclass
from typing import Protocol

import numpy as np


class Noise(Protocol):
    """What draws the noise of paired differences, in units of the metric."""

    def draw(self, generator: np.random.Generator, studies: int, pairs: int, comparisons: int) -> np.ndarray:
        """The noise of ``pairs`` further pairs of each study, (studies, pairs, comparisons)."""


@dataclass(frozen=True)
class NormalNoise:
    """Normal differences of the sd ``sd``: one for all comparisons, or one for each.

    ``shared`` is the part of the variance that all comparisons of a study have in common, as they have one
    baseline (independent runs of equal noise: 0.5).
    """

    sd: np.ndarray | float = 1.0
    shared: float = 0.5

    def draw(self, generator: np.random.Generator, studies: int, pairs: int, comparisons: int) -> np.ndarray:
        """As ``Noise`` says."""
        own = generator.standard_normal((studies, pairs, comparisons))
        common = generator.standard_normal((studies, pairs, 1))
        return self.sd * (np.sqrt(1 - self.shared) * own + np.sqrt(self.shared) * common)


class PooledNoise:
    """Differences that were measured, drawn with replacement; the seeds of all comparisons together.

    ``pool`` is (seeds, comparisons), or (pools, seeds, comparisons), of which study k draws from the pool k
    modulo their number. Each pool is centred, and stretched so that what is drawn has, on the average, the
    sd that its sample has with n - 1: a resample of n values is short of it by 1 / 2n.
    """

    def __init__(self, pool: np.ndarray) -> None:
        pools = np.asarray(pool, float)
        pools = pools[None] if pools.ndim == 2 else pools
        seeds = pools.shape[1]
        if seeds < 2:
            raise ValueError("pool: a spread needs two seeds or more")
        self._pools = (pools - pools.mean(axis=1, keepdims=True)) * np.sqrt(seeds / (seeds - 1))

    def draw(self, generator: np.random.Generator, studies: int, pairs: int, comparisons: int) -> np.ndarray:
        """As ``Noise`` says; the first ``comparisons`` of the pool's."""
        pools, seeds, _ = self._pools.shape
        drawn = generator.integers(seeds, size=(studies, pairs))
        of_study = np.arange(studies)[:, None] % pools
        return self._pools[of_study, drawn, :comparisons]
