"""Which of several points no other beats, where more than one number is to be low."""

import numpy as np


def pareto_front(values: np.ndarray) -> np.ndarray:
    """Which of ``values`` (points, objectives; all minimised) no other beats: booleans, one per point.

    A point is beaten by one that is nowhere worse and somewhere better; equal points stay together.
    """
    nowhere_worse = (values[:, None, :] <= values[None, :, :]).all(axis=2)  # [i, j]: i against j
    somewhere_better = (values[:, None, :] < values[None, :, :]).any(axis=2)
    return ~np.asarray((nowhere_worse & somewhere_better).any(axis=0))


def best_first(values: np.ndarray) -> list[int]:
    """The places of ``values`` (points, objectives; all minimised), the best first.

    Of one objective by its value. Of several by non-dominated rank (the front, then the front of what is
    left, and so on; Deb et al. 2002), and within a rank by the first objective. Equal ones keep their order.
    """
    ranks = np.zeros(len(values), dtype=int)
    left = np.arange(len(values))
    while len(left):
        front = pareto_front(values[left])
        ranks[left[~front]] += 1
        left = left[~front]
    return sorted(range(len(values)), key=lambda place: (ranks[place], values[place, 0]))
