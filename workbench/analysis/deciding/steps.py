"""The words at one look: Holm's steps, for any number of studies at once.

Everything here is arithmetic on arrays whose last axis is the comparisons of one study, so that the same
lines decide a real study and the hundred thousand simulated ones that test it.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy.special import stdtr

from workbench.analysis.deciding.looks import Rule


@dataclass(frozen=True)
class Steps:
    """What was decided, (..., comparisons) each.

    ``different`` is better or worse. ``difference_level`` (two-sided) and ``equivalence_level`` (one-sided)
    are the levels of a single look at which a comparison was decided, or is tested now where it was not.
    """

    different: np.ndarray
    equivalent: np.ndarray
    difference_level: np.ndarray
    equivalence_level: np.ndarray

    @property
    def decided(self) -> np.ndarray:
        """Better, worse or equivalent."""
        return self.different | self.equivalent


def p_values(
    n: np.ndarray, mean: np.ndarray, sd: np.ndarray, margin: np.ndarray | float
) -> tuple[np.ndarray, np.ndarray]:
    """p against "no further than the margin" (two-sided), and against "the margin or further" (one-sided).

    Both follow from the distance to the nearer border: of two one-sided tests of equivalence, that border's
    has the larger p. Fewer than two pairs say nothing: both are 1.
    """
    enough = n > 1
    gap = np.abs(mean) - margin
    error = sd / np.sqrt(np.maximum(n, 1))
    # Equal at every seed: no noise, and any distance at all is beyond it.
    with np.errstate(divide="ignore", invalid="ignore"):
        t = np.where(gap == 0, 0.0, gap / error)
    freedom = np.maximum(n - 1, 1)
    beyond = np.where(enough, np.minimum(2 * stdtr(freedom, -t), 1.0), 1.0)
    within = np.where(enough, stdtr(freedom, t), 1.0)
    return beyond, within


def step_down(beyond: np.ndarray, within: np.ndarray, rule: Rule) -> Steps:
    """Decide with the p values of ``p_values``, and pass on what a decided comparison no longer needs."""
    shape = np.broadcast(beyond, within).shape
    different = np.zeros(shape, bool)
    equivalent = np.zeros(shape, bool)
    difference_levels, equivalence_levels = _levels(rule)
    difference_level = np.full(shape, difference_levels[rule.comparisons, rule.comparisons])
    equivalence_level = np.full(shape, equivalence_levels[rule.comparisons, rule.comparisons])
    while True:
        undecided = ~(different | equivalent)
        more_different = undecided & (beyond < difference_level)
        more_equivalent = undecided & (within < equivalence_level)
        if not (more_different.any() or more_equivalent.any()):
            return Steps(different, equivalent, difference_level, equivalence_level)
        different |= more_different
        equivalent |= more_equivalent

        # Who was decided keeps the level that decided it; who was not is tested at that of a larger share.
        undecided = ~(different | equivalent)
        left = _left(different | equivalent, rule)
        new_difference = difference_levels[_left(different, rule), left]
        new_equivalence = equivalence_levels[_left(equivalent, rule), left]
        difference_level = np.where(undecided, new_difference, difference_level)
        equivalence_level = np.where(undecided, new_equivalence, equivalence_level)


def _left(gone: np.ndarray, rule: Rule) -> np.ndarray:
    return rule.comparisons - gone.sum(axis=-1, keepdims=True)


@lru_cache(maxsize=64)
def _levels(rule: Rule) -> tuple[np.ndarray, np.ndarray]:
    """Both levels, [how many the level's own family left undecided, how many both did]; NaN below 1."""
    counts = range(rule.comparisons + 1)
    difference = np.full((len(counts), len(counts)), np.nan)
    equivalence = difference.copy()
    for own in counts[1:]:
        for both in range(1, own + 1):
            places = rule.places(own, both)
            difference[own, both] = rule.difference_level(places)
            equivalence[own, both] = rule.equivalence_level(places)
    return difference, equivalence
