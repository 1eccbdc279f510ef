"""How much of a difference is owed to the text that it is judged on.

All seeds are validated on the same sample of text, so that an interval over seeds is conditional on it. The
runs keep the loss of each passage of the last validation; over passages, as over seeds, the paired difference
has a standard error. Passages of unequal length are clusters of a ratio estimate: the mean difference per
target is subtracted from each, and what is left is squared and summed.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import stats

from workbench.analysis.confirm_outcomes import Outcomes
from workbench.analysis.notes import Note, method, reading
from workbench.analysis.statistics import CONFIDENCE, Interval, PairedComparison, Verdict
from workbench.numbers import decimals_for, fixed

LEAST_PASSAGES = 8
LARGE_ENOUGH = 0.25  # of the margin
_LOSS = "validation/loss"
_BITS = "validation/bits_per_byte"


@dataclass(frozen=True, kw_only=True)
class TextUncertainty:
    """The paired difference over passages of the validation text, in units of the metric.

    ``error`` is its standard error over ``passages``, at the seeds at hand, and ``interval`` the 95 % t
    interval of it. ``two_way`` is the 95 % interval for other seeds and another text: both variances added,
    at the fewer degrees of freedom; what the two have in common is left in it. None where seeds have no
    standard error.
    """

    passages: int
    pairs: int
    targets: int
    error: float
    interval: Interval
    two_way: Interval | None


def text_uncertainty(
    variant: Outcomes,
    baseline: Outcomes,
    differences: Mapping[int, float],
    comparison: PairedComparison | None,
    metric: str,
) -> TextUncertainty | None:
    """The uncertainty of the pairs in ``differences`` from their text.

    None for records without losses of passages, for texts that differ between the two or of which too few
    passages are known, and for a metric that is not of the validation text.
    """
    if comparison is None or metric not in (_LOSS, _BITS):
        return None
    pairs = []
    for seed in differences:
        joint = _joint_passages(variant.runs[seed], baseline.runs[seed])
        if joint is None:
            return None
        scale = 1.0
        if metric == _BITS:  # nats of a passage in bits for each byte that a target stands for, in the mean
            scale = baseline.runs[seed][_BITS] / baseline.runs[seed][_LOSS]
        pairs.append((joint[0] * scale, joint[1]))
    targets = pairs[0][1]
    if any(len(other) != len(targets) or (other != targets).any() for _, other in pairs):
        return None
    return of_passages(np.array([nats for nats, _ in pairs]), targets, comparison)


def of_passages(
    differences: np.ndarray, targets: np.ndarray, comparison: PairedComparison
) -> TextUncertainty | None:
    """Of sums of the paired difference, (seeds, G), over G passages with so many ``targets``, (G,)."""
    passages = len(targets)
    if passages < LEAST_PASSAGES:
        return None
    sums = differences.mean(axis=0)  # (G,)
    whole = targets.sum()
    mean = float(sums.sum() / whole)
    left = sums - mean * targets
    error = math.sqrt(passages / (passages - 1) * float(left @ left)) / float(whole)
    two_way = None
    if comparison.sd is not None:
        both = math.hypot(error, comparison.sd / math.sqrt(comparison.n))
        two_way = _interval(comparison.mean, both, min(passages, comparison.n) - 1)
    return TextUncertainty(
        passages=passages,
        pairs=len(differences),
        targets=int(whole),
        error=error,
        interval=_interval(mean, error, passages - 1),
        two_way=two_way,
    )


def text_notes(text: TextUncertainty | None, verdict: Verdict | None, margin: float, unit: str) -> list[Note]:
    """A warning where the text is too small a sample for the margin, with the size that would do.

    It is about how the ``verdict`` is read where the interval over seeds and text does not say it too.
    """
    if text is None or margin <= 0 or text.error <= LARGE_ENOUGH * margin:
        return []
    needed = math.ceil(text.targets * (text.error / (LARGE_ENOUGH * margin)) ** 2)
    digits = 10 ** max(0, len(str(needed)) - 2)
    rounded = math.ceil(needed / digits) * digits
    shown = fixed(text.error, decimals_for(margin))
    small = (
        f"the validation text is small for the margin: another text of {text.targets:,} tokens would move "
        f"the difference by a standard error of {shown} {unit}, more than a quarter of the margin; about "
        f"{rounded:,} would do (evaluation_tokens, or a longer evaluation text)"
    )
    return [method(small) if _holds_for_other_text(text, verdict, margin) else reading(small)]


def _holds_for_other_text(text: TextUncertainty, verdict: Verdict | None, margin: float) -> bool:
    """Whether the interval over seeds and text allows nothing but the verdict; an open one needs none."""
    both = text.two_way
    if verdict not in (Verdict.BETTER, Verdict.WORSE, Verdict.EQUIVALENT):
        return True
    if both is None:
        return False
    if verdict is Verdict.EQUIVALENT:
        return -margin < both.low and both.high < margin
    return both.high < -margin if verdict is Verdict.BETTER else both.low > margin


def _joint_passages(ours: dict[str, Any], theirs: dict[str, Any]) -> tuple[np.ndarray, np.ndarray] | None:
    """The difference in nats, and the targets, of each passage that both have; None for other texts.

    With other batches the same text is cut at other places: passages run from one common cut to the next.
    Windows of another context, or tokens of other data, are another text even where there are as many.
    """
    if _text(ours) != _text(theirs):
        return None
    mine, other = ours.get("passages"), theirs.get("passages")
    if not isinstance(mine, dict) or not isinstance(other, dict):
        return None
    ends = [np.cumsum(found["targets"]) for found in (mine, other)]
    if not len(ends[0]) or not len(ends[1]) or ends[0][-1] != ends[1][-1]:
        return None
    common = np.intersect1d(ends[0], ends[1])
    sums = []
    for found, places in zip((mine, other), ends, strict=True):
        until = np.cumsum(found["nats"])[np.searchsorted(places, common)]
        sums.append(np.diff(until, prepend=0.0))
    return sums[0] - sums[1], np.diff(common, prepend=0.0)


def _text(run: dict[str, Any]) -> tuple[Any, Any]:
    """What of a run's configuration its validation windows follow from, beside their number."""
    config = run.get("config") or {}
    return config.get("data"), config.get("model", {}).get("context")


def _interval(mean: float, error: float, degrees: int) -> Interval:
    reach = float(stats.t.ppf((1 + CONFIDENCE) / 2, degrees)) * error
    return Interval(mean - reach, mean + reach, CONFIDENCE)
