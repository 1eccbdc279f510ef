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

    ``different`` is better or worse. ``difference_places`` and ``equivalence_places`` count who shared the
    alpha of its family when a comparison was decided, or who still shares it where it was not.
    """

    different: np.ndarray
    equivalent: np.ndarray
    difference_places: np.ndarray
    equivalence_places: np.ndarray

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


@lru_cache(maxsize=64)
def levels_by_places(rule: Rule) -> tuple[np.ndarray, np.ndarray]:
    """At the index of the places: the two-sided level of a difference, the one-sided one of equivalence."""
    places = range(1, rule.comparisons + 1)
    difference = [rule.difference_level(count) for count in places]
    equivalence = [rule.equivalence_level(count) for count in places]
    return np.array([np.nan, *difference]), np.array([np.nan, *equivalence])


def step_down(beyond: np.ndarray, within: np.ndarray, rule: Rule) -> Steps:
    """Decide with the p values of ``p_values``, and pass on what a decided comparison no longer needs.

    With a fixed number of pairs this is Holm's procedure, once for each family. ``until_decided`` passes
    both of a decided comparison's shares on, whichever family decided it (see the package).
    """
    comparisons = beyond.shape[-1]
    difference_levels, equivalence_levels = levels_by_places(rule)
    shape = np.broadcast(beyond, within).shape
    different = np.zeros(shape, bool)
    equivalent = np.zeros(shape, bool)
    difference_places = np.full(shape, rule.comparisons)
    equivalence_places = np.full(shape, rule.comparisons)
    for _ in range(comparisons):
        undecided = ~(different | equivalent)
        more_different = undecided & (beyond < difference_levels[difference_places])
        more_equivalent = undecided & (within < equivalence_levels[equivalence_places])
        if not (more_different.any() or more_equivalent.any()):
            break
        different |= more_different
        equivalent |= more_equivalent
        if rule.until_decided:
            gone_different = gone_equivalent = different | equivalent
        else:
            gone_different, gone_equivalent = different, equivalent
        # Who was decided keeps the places that decided it.
        undecided = ~(different | equivalent)
        difference_places = _places(difference_places, gone_different, undecided, rule)
        equivalence_places = _places(equivalence_places, gone_equivalent, undecided, rule)
    return Steps(different, equivalent, difference_places, equivalence_places)


def _places(places: np.ndarray, gone: np.ndarray, undecided: np.ndarray, rule: Rule) -> np.ndarray:
    left = rule.comparisons - gone.sum(axis=-1, keepdims=True)
    return np.where(undecided, left, places)
