"""Noise that no run has, to see what the rule's words are worth where differences are not normal.

Each shape has a mean of zero and, in its first comparison, an sd of one. Skew and outliers are in the
variants' runs alone, which is the worst case: of two variants that are alike in them the difference is
symmetric. The comparisons of a study then have nothing in common.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from workbench.analysis.calibrating.error_rates import PairNoise
from workbench.analysis.deciding.noise import NormalNoise

ROWS = 3  # comparisons of a table
_OUTLIERS, _FAR = 0.05, 8.0  # the share of runs that are far off, and by how many sd of the others
_FREEDOM = 3  # degrees of freedom of heavy tails: the fewest whole ones with a variance
_NOISE_OF_VARIANTS = (3.0, 1.0, 1 / 3)  # sd of their runs in units of the baseline's


@dataclass(frozen=True)
class _Independent:
    """Differences of one distribution, each by itself."""

    sample: Callable[[np.random.Generator, tuple[int, ...]], np.ndarray]

    def draw(self, generator: np.random.Generator, studies: int, pairs: int, comparisons: int) -> np.ndarray:
        """As ``Noise`` says."""
        return self.sample(generator, (studies, pairs, comparisons))


class _Unequal:
    """Runs of variants that are noisier than the baseline's, as noisy, and less noisy."""

    def draw(self, generator: np.random.Generator, studies: int, pairs: int, comparisons: int) -> np.ndarray:
        """As ``Noise`` says."""
        own = generator.standard_normal((studies, pairs, comparisons))
        baseline = generator.standard_normal((studies, pairs, 1))
        first = np.hypot(_NOISE_OF_VARIANTS[0], 1)
        return (np.array(_NOISE_OF_VARIANTS[:comparisons]) * own - baseline) / first


def _heavy(generator: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    return generator.standard_t(_FREEDOM, shape) / np.sqrt(_FREEDOM / (_FREEDOM - 2))


def _skewed(generator: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    return generator.standard_exponential(shape) - 1


def _outliers(generator: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    far = _FAR * (generator.random(shape) < _OUTLIERS)
    spread = np.sqrt(1 + _FAR**2 * _OUTLIERS * (1 - _OUTLIERS))
    return (generator.standard_normal(shape) + far - _FAR * _OUTLIERS) / spread


SHAPES: dict[str, PairNoise] = {
    "normal": PairNoise(NormalNoise(), 1.0, ROWS),
    "heavy tails (t, 3 degrees of freedom)": PairNoise(_Independent(_heavy), 1.0, ROWS),
    "skewed (exponential)": PairNoise(_Independent(_skewed), 1.0, ROWS),
    "outliers (5 % of runs, 8 sd up)": PairNoise(_Independent(_outliers), 1.0, ROWS),
    "unequal noise (variants 3, 1 and ⅓ of the baseline)": PairNoise(_Unequal(), 1.0, ROWS),
}
