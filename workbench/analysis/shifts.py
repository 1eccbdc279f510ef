"""Many numbers of the same runs against the baseline's, paired by seed: which of them moved.

Each number has its mean difference, Student's t and a 95 % interval of its own; Holm's correction is over all
that were tested, so that the chance of calling any number moved where none did is 5 % at most.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import special

from workbench.analysis.statistics import Interval, holm, standard_deviation, t_interval

LEVEL = 0.05  # of Holm's adjusted p


@dataclass(frozen=True, kw_only=True)
class Shift:
    """How far the number ``name`` is from the baseline's: in its own units, over ``n`` pairs, two or more.

    ``t`` is infinite where all pairs differ by the same. ``p`` is Holm's.
    """

    name: str
    n: int
    mean: float
    interval: Interval
    t: float
    p: float

    @property
    def moved(self) -> bool:
        """Whether it did beyond Holm's correction."""
        return self.p <= LEVEL


def shifts(differences: Mapping[str, Sequence[float]]) -> tuple[Shift, ...]:
    """Of each name with two pairs or more, one of which differs: the largest ``|t|`` first.

    ``differences`` has the paired differences (n,) by name. What no seed changes is no test, and does not
    make Holm's correction stricter for the others.
    """
    found = {name: np.asarray(values, dtype=float) for name, values in differences.items()}
    tested = {name: sample for name, sample in found.items() if len(sample) > 1 and sample.any()}
    scores = [_t(sample) for sample in tested.values()]
    adjusted = holm([_two_sided(t, len(sample)) for t, sample in zip(scores, tested.values(), strict=True)])
    every = [
        Shift(name=name, n=len(sample), mean=float(sample.mean()), interval=_interval(sample), t=t, p=p)
        for (name, sample), t, p in zip(tested.items(), scores, adjusted, strict=True)
    ]
    return tuple(sorted(every, key=lambda one: -abs(one.t)))


def _t(sample: np.ndarray) -> float:
    spread = standard_deviation(sample)
    mean = float(sample.mean())
    return mean / (spread / math.sqrt(len(sample))) if spread else math.copysign(math.inf, mean)


def _two_sided(t: float, n: int) -> float:
    return float(2 * special.stdtr(n - 1, -abs(t)))


def _interval(sample: np.ndarray) -> Interval:
    error = standard_deviation(sample) / math.sqrt(len(sample))
    return t_interval(float(sample.mean()), error, len(sample) - 1)
