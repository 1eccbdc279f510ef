"""Which bases suit rotary positions at a context: neither too small for it nor needlessly large.

A base is too small when the similarity that rotation leaves to like tokens, ``Σ_i cos(m θ_i)`` over the pairs
of dimensions, is negative at some distance m within the context: Men et al. 2024, arXiv 2405.14591. A pair
that does not rotate adds 1 at every distance. That is a necessary condition: some larger bases fail as well.
A base is needlessly large when most pairs do not complete a turn within the context.
"""

import math
from functools import lru_cache

import numpy as np

STEP = 1.005  # between the bases that are tried
DISTANCES = 128  # looked at in one go


@lru_cache(maxsize=256)
def base_lower_bound(width: int, context: int, still: int = 0) -> float:
    """The smallest base from 100 on, in steps of 0.5 %, whose similarity is never negative up to ``context``.

    ``width`` dimensions of a head rotate and ``still`` do not. Infinite where no base below 1e18 will do.
    """
    base, suspect = 100.0, 0
    while base < 1e18:
        found = _negative_distance(base, width, context, still, suspect)
        if found is None:
            return base
        base, suspect = base * STEP, found  # the next base fails at nearly the same distance, or not at all
    return math.inf


def _negative_distance(base: float, width: int, context: int, still: int, suspect: int) -> int | None:
    """A distance whose similarity is negative, looked for from ``suspect`` on and then before it."""
    theta = base ** (-np.arange(0, width, 2) / width)  # (R/2,)
    starts = [*range(suspect, context + 1, DISTANCES), *range(0, suspect, DISTANCES)]
    for start in starts:
        distance = np.arange(start, min(start + DISTANCES, context + 1))  # (M,)
        negative = np.cos(distance[:, None] * theta).sum(-1) + still / 2 < 0  # (M,)
        if negative.any():
            return start + int(negative.argmax())
    return None


def base_upper_bound(width: int, context: int) -> float:
    """The largest base at which at least half of the R/2 frequencies complete a turn within ``context``."""
    pairs = width // 2
    last = pairs - pairs // 2 - 1  # the slowest pair that has to turn: base^(2 last / R) <= context / 2π
    return (context / (2 * math.pi)) ** (pairs / max(last, 1))


def slow_bands(base: float, width: int, context: int) -> int:
    """How many of the R/2 unscaled frequencies do not complete a turn within ``context`` positions."""
    return sum(2 * math.pi * base ** (i / width) > context for i in range(0, width, 2))
