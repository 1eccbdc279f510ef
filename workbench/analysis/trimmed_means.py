"""A second opinion on a mean difference, for samples that are skewed or hold an outlier run.

Student's t covers less than it promises where the differences are skewed (88 to 91 % at 8 seeds) or where a
run now and then is far off. Beside it stands the 20 % trimmed mean with the interval of Yuen (1974): the
lowest and highest fifth are set aside from the mean, and count in its noise as the nearest that are left.
Nothing is dropped by it: the verdict is of all runs, and a note says where the two would differ.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from workbench.analysis.notes import Note, method, reading
from workbench.analysis.statistics import (
    CONFIDENCE,
    EQUIVALENCE_CONFIDENCE,
    Interval,
    PairedComparison,
    Verdict,
    judge,
    judge_intervals,
    t_interval,
)
from workbench.numbers import decimals_for, with_interval

LEAST_PAIRS = 8  # of fewer a fifth is less than one and a half runs
TRIMMED = 0.2  # at each end
FAR = 5.0  # robust standard deviations from the median
_NORMAL = 1.4826  # a normal sample's sd over its median absolute deviation


@dataclass(frozen=True, kw_only=True)
class TrimmedComparison:
    """The trimmed mean of paired differences, in units of the metric, with its 95 % and 90 % intervals.

    ``furthest`` is the seed whose difference lies furthest from the median, ``distance`` how far in robust
    standard deviations (1.4826 times the median absolute deviation); infinite where more than half of the
    differences are the same and this one is not.
    """

    n: int
    mean: float
    interval: Interval
    equivalence_interval: Interval
    furthest: int
    distance: float

    @property
    def has_outlier(self) -> bool:
        """Whether a run lies further off than normal noise explains."""
        return self.distance > FAR

    def verdict(self, margin: float) -> Verdict:
        """What the trimmed mean's intervals say of ``margin``."""
        return judge_intervals(self.interval, self.equivalence_interval, margin)


def compare_trimmed(differences: Mapping[int, float]) -> TrimmedComparison | None:
    """Summarise paired differences by seed; None for fewer than eight."""
    n = len(differences)
    if n < LEAST_PAIRS:
        return None
    sample = np.array(list(differences.values()), dtype=float)
    cut = int(TRIMMED * n)
    middle = np.sort(sample)[cut : n - cut]
    mean, left = float(middle.mean()), len(middle)
    winsorised = sample.clip(middle[0], middle[-1])
    # Yuen: the winsorised sum of squares over what is left after trimming, with its degrees of freedom.
    error = float(np.sqrt((n - 1) * winsorised.var(ddof=1) / (left * (left - 1))))
    distances = np.abs(sample - np.median(sample))
    scale = _NORMAL * float(np.median(distances))
    furthest = int(distances.argmax())
    distance = float(distances[furthest])
    if scale > 0:
        distance = distance / scale
    elif distance > 0:
        distance = float("inf")
    return TrimmedComparison(
        n=n,
        mean=mean,
        interval=t_interval(mean, error, left - 1, CONFIDENCE),
        equivalence_interval=t_interval(mean, error, left - 1, EQUIVALENCE_CONFIDENCE),
        furthest=list(differences)[furthest],
        distance=distance,
    )


def trimmed_notes(
    trimmed: TrimmedComparison | None, comparison: PairedComparison, margin: float
) -> list[Note]:
    """What a reader must know where the trimmed mean speaks another word, or a run lies far off."""
    if trimmed is None:
        return []
    notes = []
    other = trimmed.verdict(margin)
    agrees = other is judge(comparison, margin)
    if not agrees:
        shown = with_interval(trimmed.mean, trimmed.interval, decimals_for(margin), sign=True)
        care = f"the 20 % trimmed mean, {shown}, would lead to another verdict: {other}; read with care"
        notes.append(reading(care))
    if trimmed.has_outlier:
        far = "most seeds have the same difference, and it has another"
        if np.isfinite(trimmed.distance):
            far = f"its difference is {trimmed.distance:.1f} robust standard deviations off the median"
        outlier = f"seed {trimmed.furthest} lies far from the others: {far}; it counts like any other"
        # Where the trimmed mean agrees, the run changes nothing of the word.
        notes.append(method(outlier) if agrees else reading(outlier))
    return notes
