"""Paired comparisons over seeds: intervals, equivalence, and the verdict they allow.

A difference is always variant minus baseline at the same seed, and lower is better. The interval is
Student's t over the differences: with 3 seeds a percentile bootstrap that promises 95 % covers 73 %.
Equivalence is two one-sided tests (Schuirmann 1987): the 90 % interval lies inside the margin. The
bootstrap-t is the variant that Owen 2025 (arXiv 2508.10083) finds sound for small samples; here it
only checks the t interval.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from scipy.special import stdtr, stdtrit

from workbench.analysis.power import detectable_effect, seeds_needed
from workbench.errors import UserError

__all__ = [
    "FATES",
    "Interval",
    "PairedComparison",
    "Verdict",
    "bootstrap_disagrees",
    "compare_pairs",
    "detectable_effect",
    "holm",
    "judge",
    "judge_intervals",
    "mean_interval",
    "seeds_needed",
    "standard_deviation",
]

CONFIDENCE = 0.95
EQUIVALENCE_CONFIDENCE = 0.90  # two one-sided tests at 5 % are one 90 % interval
BOOTSTRAP_SEEDS = 10
_RESAMPLES = 9_999


class Verdict(StrEnum):
    """What the interval of a difference says about a declared margin; or why there is none to speak of."""

    BETTER = "better"
    WORSE = "worse"
    EQUIVALENT = "equivalent"
    INCONCLUSIVE = "inconclusive"
    AT_MARGIN = "at the margin"  # no number of seeds that was declared affordable is likely to decide
    DID_NOT_TRAIN = "did not train"
    FAILED = "failed"


FATES = (Verdict.DID_NOT_TRAIN, Verdict.FAILED)  # of a variant alone, whatever the baseline is


@dataclass(frozen=True)
class Interval:
    """A confidence interval; ``level`` is its nominal coverage."""

    low: float
    high: float
    level: float

    @property
    def half_width(self) -> float:
        """Half the distance between the ends."""
        return (self.high - self.low) / 2

    def excludes(self, value: float) -> bool:
        """Whether ``value`` lies outside."""
        return not self.low <= value <= self.high


@dataclass(frozen=True, kw_only=True)
class PairedComparison:
    """A sample of paired differences, in units of the metric.

    What one pair cannot give (sd, intervals, p) is None. A tie is no win. The bootstrap-t intervals
    are there from 10 pairs on.
    """

    n: int
    mean: float
    sd: float | None
    interval: Interval | None
    equivalence_interval: Interval | None
    p: float | None
    wins: int
    bootstrap_t: Interval | None = None
    bootstrap_equivalence: Interval | None = None

    @property
    def wins_interval(self) -> Interval:
        """Wilson's of the share of wins."""
        return wilson(self.wins, self.n)


def compare_pairs(differences: Sequence[float]) -> PairedComparison:
    """Summarise paired differences (n,); raises ``UserError`` when there is none or one is not finite."""
    sample = np.asarray(differences, dtype=float)
    if sample.ndim != 1 or not len(sample) or not np.isfinite(sample).all():
        raise UserError("paired differences must be a list of at least one finite number; drop lost pairs")
    n, mean, wins = len(sample), float(sample.mean()), int((sample < 0).sum())
    p, interval, equivalence = None, None, None
    if n > 1:
        p, (interval, equivalence) = _t_test(sample, CONFIDENCE, EQUIVALENCE_CONFIDENCE)
    bootstrap, bootstrap_equivalence = _bootstrap_t(sample)
    return PairedComparison(
        n=n,
        mean=mean,
        sd=standard_deviation(sample) if n > 1 else None,
        interval=interval,
        equivalence_interval=equivalence,
        p=p,
        wins=wins,
        bootstrap_t=bootstrap,
        bootstrap_equivalence=bootstrap_equivalence,
    )


def mean_interval(values: Sequence[float], level: float = CONFIDENCE) -> Interval | None:
    """The t interval of a mean; None for fewer than two values."""
    sample = np.asarray(values, dtype=float)
    return _t_test(sample, level)[1][0] if len(sample) > 1 else None


def _constant(sample: np.ndarray) -> bool:
    # Two equal models differ by the same float at every seed: no variance is left to estimate.
    return float(np.ptp(sample)) <= 1e-9 * float(np.abs(sample).max())


def standard_deviation(sample: np.ndarray) -> float:
    """The sd of two or more values; exactly 0 where they are the same but for rounding."""
    return 0.0 if _constant(sample) else float(sample.std(ddof=1))


def _t_test(sample: np.ndarray, *levels: float) -> tuple[float, list[Interval]]:
    """The two-sided p value against no difference, and an interval of the mean at each level."""
    if _constant(sample):
        mean = float(sample.mean())
        return float(not sample.any()), [Interval(mean, mean, level) for level in levels]
    mean, degrees = float(sample.mean()), len(sample) - 1
    error = float(sample.std(ddof=1) / np.sqrt(len(sample)))
    p = 2 * float(stdtr(degrees, -abs(mean) / error))
    return p, [t_interval(mean, error, degrees, level) for level in levels]


def t_interval(middle: float, error: float, degrees: float, level: float = CONFIDENCE) -> Interval:
    """Student's t interval around ``middle``, whose standard ``error`` has so many degrees of freedom."""
    half = float(stdtrit(degrees, (1 + level) / 2)) * error
    return Interval(middle - half, middle + half, level)


def wilson(count: int, n: int) -> Interval:
    """Wilson's 95 % interval of a share, of which ``count`` of ``n`` (1 or more) were seen."""
    from statsmodels.stats.proportion import proportion_confint  # which takes half a second to import

    low, high = proportion_confint(count, n, alpha=1 - CONFIDENCE, method="wilson")
    return Interval(float(low), float(high), CONFIDENCE)


def _bootstrap_t(sample: np.ndarray) -> tuple[Interval, Interval] | tuple[None, None]:
    """The 95 % and the 90 % bootstrap-t interval, from the same resamples."""
    if len(sample) < BOOTSTRAP_SEEDS or _constant(sample):
        return None, None
    scores = _bootstrap_scores(sample)
    error = sample.std(ddof=1) / np.sqrt(len(sample))
    mean = float(sample.mean())
    whole = _studentised(mean, error, scores, CONFIDENCE)
    return whole, _studentised(mean, error, scores, EQUIVALENCE_CONFIDENCE)


def _bootstrap_scores(sample: np.ndarray) -> np.ndarray:
    """The t statistic of each resample around the sample's mean, (R,)."""
    n = len(sample)
    generator = np.random.default_rng(0)  # its own: the same sample has the same interval everywhere
    resamples = sample[generator.integers(n, size=(_RESAMPLES, n))]  # (R, n)
    errors = resamples.std(axis=1, ddof=1) / np.sqrt(n)  # (R,)
    usable = errors > 0
    return (resamples.mean(axis=1)[usable] - sample.mean()) / errors[usable]


def _studentised(mean: float, error: float, scores: np.ndarray, level: float) -> Interval:
    lower, upper = np.quantile(scores, [(1 - level) / 2, (1 + level) / 2])
    return Interval(float(mean - upper * error), float(mean - lower * error), level)


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's adjusted p values (Holm 1979), in the order given.

    Those of ``statsmodels``' ``multipletests``, which collects the whole process's garbage at each call.
    """
    order = np.argsort(p_values)
    steps = np.asarray(p_values, float)[order] * np.arange(len(order), 0, -1)  # the smallest times n, ...
    adjusted = np.empty(len(order))
    adjusted[order] = np.minimum(np.maximum.accumulate(steps), 1.0)
    return adjusted.tolist()


def judge(comparison: PairedComparison, margin: float) -> Verdict:
    """The verdict of the t intervals against ``margin`` (units of the metric, half-width of "equal")."""
    return judge_intervals(comparison.interval, comparison.equivalence_interval, margin)


def judge_intervals(interval: Interval | None, equivalence: Interval | None, margin: float) -> Verdict:
    """The verdict of a 95 % and a 90 % interval; inconclusive where there is none."""
    if not margin >= 0:
        raise UserError(f"margin: {margin} is no half-width; give a number of the metric's units above 0")
    if interval is None or equivalence is None:
        return Verdict.INCONCLUSIVE
    if interval.high < -margin:
        return Verdict.BETTER
    if interval.low > margin:
        return Verdict.WORSE
    if -margin < equivalence.low and equivalence.high < margin:
        return Verdict.EQUIVALENT
    return Verdict.INCONCLUSIVE


def bootstrap_disagrees(comparison: PairedComparison, margin: float) -> bool:
    """Whether the bootstrap-t intervals would lead to another verdict than the t intervals."""
    if comparison.bootstrap_t is None:
        return False
    other = judge_intervals(comparison.bootstrap_t, comparison.bootstrap_equivalence, margin)
    return other is not judge(comparison, margin)
