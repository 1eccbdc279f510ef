"""Racing over tuning seeds: which points get no further ones, for the tuning phase only.

The rule is that of Optuna's ``WilcoxonPruner`` with seeds as its steps: a point stops once the signed-rank
test (Wilcoxon 1945) calls its losses worse than those of the best point so far, seed by seed, at p < 0.1. It
follows from the losses alone, so that a driver that goes on, and the report, find the same.
"""

import math
from collections.abc import Iterable, Sequence
from statistics import mean

P_THRESHOLD = 0.1  # Optuna's default: one-sided, at each look


def is_out(own: Sequence[float], others: Iterable[Sequence[float]]) -> bool:
    """Whether a point with the losses ``own`` gets no further seeds.

    ``own`` are its losses at the first seeds, and ``others`` those of the variant's other points at the same
    ones in the same order; the first of longer ones count, and shorter ones do not. A point that was lost at
    one seed is out: its mean has no value.
    """
    if not all(map(math.isfinite, own)):
        return True
    seeds = len(own)
    rivals = [list(losses[:seeds]) for losses in others if len(losses) >= seeds]
    sound = [losses for losses in rivals if all(map(math.isfinite, losses))]
    if not seeds or not sound:
        return False
    best = min(sound, key=mean)
    differences = [mine - other for mine, other in zip(own, best, strict=True)]
    if sum(differences) <= 0:
        return False
    from scipy.stats import wilcoxon

    found = wilcoxon(differences, alternative="greater", zero_method="zsplit")
    return bool(found.pvalue < P_THRESHOLD)
