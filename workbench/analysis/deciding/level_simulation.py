"""The simulation from which the table of ``nominal_levels`` is made.

``python -m workbench.analysis.deciding.level_simulation`` writes the table anew, in about two minutes.

What is simulated is the paired t statistic of normal differences that lie exactly on a border, at 2, 4, 8,
…, 1,024 pairs of one growing sample. Whoever looks at several of these numbers of pairs and stops at the
first p value below ``level`` is wrong with the probability that the *smallest* of those p values lies below
``level``. So the level that keeps the error at alpha is the alpha quantile of the smallest p value, and one
simulation answers for every alpha, every first look and every number of looks (Pocock 1977, Biometrika
64:191, has the same for known variance and looks at equal distances).
"""

import sys
from math import floor, log10

import numpy as np
from scipy.special import stdtr

NUMBERS_OF_PAIRS = tuple(2**power for power in range(1, 11))
FIRST_LOOKS = (2, 4, 8, 16, 32)
ALPHAS = (0.05, 0.025, 0.01, 0.004, 0.0015, 0.0005, 0.0002)
PATHS = 20_000_000
_CHUNK = 250_000
_EDGES = np.concatenate([[0.0], np.geomspace(1e-6, 0.06, 12_000)])  # of the histograms of p


def simulated_levels(paths: int = PATHS, seed: int = 0) -> dict[int, tuple[tuple[float, ...], ...]]:
    """One-sided nominal levels, ``[first look][number of looks - 2]``, each for all of ``ALPHAS``.

    Both tails of each path count, as two draws. Levels are rounded down, to three digits.
    """
    generator = np.random.default_rng(seed)
    counts: dict[tuple[int, int], np.ndarray] = {}
    for done in range(0, paths, _CHUNK):
        p_values = p_of_paths(min(_CHUNK, paths - done), generator)
        for first in FIRST_LOOKS:
            start = NUMBERS_OF_PAIRS.index(first)
            smallest = p_values[start]
            for end in range(start + 1, len(NUMBERS_OF_PAIRS)):
                smallest = np.minimum(smallest, p_values[end])
                found = np.histogram(smallest[smallest < _EDGES[-1]], _EDGES)[0]
                place = first, end - start - 1
                counts[place] = counts.get(place, 0) + found
    return {
        first: tuple(
            tuple(_rounded_down(level) for level in _quantiles(counts[first, row] / (2 * paths)))
            for row in range(len(NUMBERS_OF_PAIRS) - NUMBERS_OF_PAIRS.index(first) - 1)
        )
        for first in FIRST_LOOKS
    }


def p_of_paths(paths: int, generator: np.random.Generator) -> np.ndarray:
    """One-sided p values at all ``NUMBERS_OF_PAIRS``, (10, 2 * paths): the upper tails, then the lower."""
    n = NUMBERS_OF_PAIRS[0]
    total = np.sqrt(n) * generator.standard_normal(paths)
    squares = generator.chisquare(n - 1, paths)  # around the mean
    found = []
    for n in NUMBERS_OF_PAIRS:
        upper = stdtr(n - 1, -total / np.sqrt(n * squares / (n - 1)))
        found.append(np.concatenate([upper, 1 - upper]))
        # As many pairs again: their sum, their squares around their own mean, and the distance of both means.
        more = np.sqrt(n) * generator.standard_normal(paths)
        squares = squares + generator.chisquare(n - 1, paths) + (total - more) ** 2 / (2 * n)
        total = total + more
    return np.array(found)


def _quantiles(density: np.ndarray) -> np.ndarray:
    return np.interp(ALPHAS, np.cumsum(density), _EDGES[1:])


def _rounded_down(level: float) -> float:
    step = 10.0 ** (floor(log10(level)) - 2)
    return round(floor(level / step) * step, 12)


def as_source(levels: dict[int, tuple[tuple[float, ...], ...]]) -> str:
    """The table as it stands in ``nominal_levels``."""
    lines = ["LEVELS: dict[int, tuple[tuple[float, ...], ...]] = {"]
    for first, rows in levels.items():
        lines.append(f"    {first}: (")
        lines.extend(f"        ({', '.join(f'{level:.7g}' for level in row)})," for row in rows)
        lines.append("    ),")
    return "\n".join([*lines, "}", ""])


if __name__ == "__main__":
    sys.stdout.write(as_source(simulated_levels()))
