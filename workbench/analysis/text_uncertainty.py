"""How much of a difference is owed to the text that it is judged on.

All seeds are validated on the same sample of text, so that an interval over seeds is conditional on it. The
runs keep the loss of each document of the last validation; over documents, as over seeds, the paired
difference has a standard error. Documents of unequal length are clusters of a ratio estimate: the mean
difference per target is subtracted from each, and what is left is squared and summed.

Early records have passages in the place of documents: some windows each, wherever documents end. They are
read as they always were. Windows of one document hang together, so that their error is rather too small.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from workbench.analysis.confirm_outcomes import Outcomes
from workbench.analysis.notes import Note, method, reading
from workbench.analysis.statistics import Interval, PairedComparison, Verdict, t_interval
from workbench.numbers import decimals_for, fixed, plural

LEAST_PASSAGES = 8
LARGE_ENOUGH = 0.25  # of the margin
FEW_DOCUMENTS = 10  # fewer clusters than that give too small an error, as long as they are of unequal length
_LOSS = "validation/loss"
_BITS = "validation/bits_per_byte"
UNLIKE_TEXTS = (
    "how much another validation text would move the difference is not known: not all of its runs have "
    "losses by the same documents, since they were judged on other texts or windows, or some were recorded "
    "by an earlier release (delete those and run the study again to know it)"
)


@dataclass(frozen=True, kw_only=True)
class TextUncertainty:
    """The paired difference over the documents of the validation text, in units of the metric.

    ``error`` is its standard error over ``parts``, at the seeds at hand, and ``interval`` the 95 % t interval
    of it. ``two_way`` is the 95 % interval for other seeds and another text: both variances added, at the
    fewer degrees of freedom; what the two have in common is left in it. None where seeds have no standard
    error. The parts are the ``documents``, or fewer where neighbours are joined, or pieces where there is but
    one; of early records they are passages, and ``documents`` is None. ``size`` is the whole text's, in
    ``counted``.
    """

    parts: int
    documents: int | None
    pairs: int
    size: int
    counted: Literal["tokens", "bytes"]
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

    None for records without losses by document or passage, for texts that differ between the two or of which
    too little is known, and for a metric that is not of the validation text.
    """
    if comparison is None or metric not in (_LOSS, _BITS):
        return None
    pairs = [(variant.runs[seed], baseline.runs[seed]) for seed in differences]
    if any(_has_documents(run) for pair in pairs for run in pair):
        return _over_documents(pairs, comparison, metric)
    return _over_passages(pairs, comparison, metric)


def has_unlike_texts(
    variant: Outcomes, baseline: Outcomes, differences: Mapping[int, float], metric: str
) -> bool:
    """Whether runs have losses by document, and no uncertainty because they are not of the same ones."""
    if metric not in (_LOSS, _BITS):
        return False
    runs = [outcomes.runs[seed] for seed in differences for outcomes in (variant, baseline)]
    return any(map(_has_documents, runs)) and not _have_same_documents(runs, metric)


def of_parts(
    differences: np.ndarray,
    sizes: np.ndarray,
    comparison: PairedComparison,
    *,
    documents: int | None = None,
    counted: Literal["tokens", "bytes"] = "tokens",
) -> TextUncertainty | None:
    """Of sums of the paired difference, (seeds, G), over G parts with so many tokens or bytes, (G,).

    None where the parts are too few.
    """
    parts = len(sizes)
    of_documents = documents is not None and documents > 1
    if parts < (2 if of_documents else LEAST_PASSAGES):
        return None
    sums = differences.mean(axis=0)  # (G,)
    whole = sizes.sum()
    mean = float(sums.sum() / whole)
    left = sums - mean * sizes
    error = math.sqrt(parts / (parts - 1) * float(left @ left)) / float(whole)
    two_way = None
    if comparison.sd is not None:
        both = math.hypot(error, comparison.sd / math.sqrt(comparison.n))
        two_way = t_interval(comparison.mean, both, min(parts, comparison.n) - 1)
    return TextUncertainty(
        parts=parts,
        documents=documents,
        pairs=len(differences),
        size=int(whole),
        counted=counted,
        error=error,
        interval=t_interval(mean, error, parts - 1),
        two_way=two_way,
    )


def text_notes(text: TextUncertainty | None, verdict: Verdict | None, margin: float, unit: str) -> list[Note]:
    """What the text's documents say of the difference, and a warning where they are too small a sample.

    The warning names the size that would do. It is about how the ``verdict`` is read where the interval over
    seeds and text does not say it too.
    """
    if text is None:
        return []
    notes = [] if text.documents is None else [method(_over_what(text, margin, unit))]
    if margin <= 0 or text.error <= LARGE_ENOUGH * margin:
        return notes
    needed = math.ceil(text.size * (text.error / (LARGE_ENOUGH * margin)) ** 2)
    digits = 10 ** max(0, len(str(needed)) - 2)
    rounded = math.ceil(needed / digits) * digits
    shown = fixed(text.error, decimals_for(margin))
    size = f"{text.size:,} {text.counted}"
    if text.documents is not None:
        size += f" in {plural(text.documents, 'document')}"
    small = (
        f"the validation text is small for the margin: another text of {size} would move the difference by a "
        f"standard error of {shown} {unit}, more than a quarter of the margin; about {rounded:,} would do "
        "(evaluation_tokens, or a longer evaluation text)"
    )
    return [*notes, method(small) if _holds_for_other_text(text, verdict, margin) else reading(small)]


def _over_what(text: TextUncertainty, margin: float, unit: str) -> str:
    """The interval for other seeds and another text, and what it rests on."""
    assert text.documents is not None, "early records do not know their documents"
    decimals = decimals_for(margin)
    shown = f"another validation text adds a standard error of {fixed(text.error, decimals)} {unit}"
    if text.two_way is not None:
        low, high = (fixed(end, decimals, sign=True) for end in (text.two_way.low, text.two_way.high))
        shown = f"for other seeds and another validation text the 95 % interval is {low} to {high} {unit}"
    if text.documents == 1:
        return f"{shown}; it rests on passages of a single document, and is too narrow for other documents"
    rests = f"{shown}; it rests on {text.documents:,} documents"
    if text.documents < FEW_DOCUMENTS:
        return f"{rests}, too few to say well how much texts differ"
    return rests


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


def _has_documents(run: Mapping[str, Any]) -> bool:
    return isinstance(run.get("text_losses"), dict)


def _have_same_documents(runs: Sequence[Mapping[str, Any]], metric: str) -> bool:
    """Whether all have losses by the same documents, of equally many targets where those are counted."""
    if not all(map(_has_documents, runs)):
        return False
    first = runs[0]["text_losses"]
    return all(
        run["text_losses"]["cut"] == first["cut"]
        and (metric == _BITS or run["text_losses"]["targets"] == first["targets"])
        for run in runs
    )


def _over_documents(
    pairs: Sequence[tuple[dict[str, Any], dict[str, Any]]], comparison: PairedComparison, metric: str
) -> TextUncertainty | None:
    """By the losses of documents; a loss per token has its tokens for weights, bits per byte the bytes."""
    if not _have_same_documents([run for pair in pairs for run in pair], metric):
        return None
    nats = np.array([[run["text_losses"]["nats"] for run in pair] for pair in pairs])  # (seeds, 2, G)
    differences = nats[:, 0] - nats[:, 1]
    first = pairs[0][0]["text_losses"]
    if metric == _BITS:
        sizes = np.array(first["bytes"], dtype=float)
        return of_parts(
            differences / math.log(2), sizes, comparison, documents=first["documents"], counted="bytes"
        )
    sizes = np.array(first["targets"], dtype=float)
    return of_parts(differences, sizes, comparison, documents=first["documents"])


def _over_passages(
    pairs: Sequence[tuple[dict[str, Any], dict[str, Any]]], comparison: PairedComparison, metric: str
) -> TextUncertainty | None:
    """By the losses of passages, as early records have them."""
    found = []
    for ours, theirs in pairs:
        joint = _joint_passages(ours, theirs)
        if joint is None:
            return None
        scale = 1.0
        if metric == _BITS:  # nats of a passage in bits for each byte that a target stands for, in the mean
            scale = theirs[_BITS] / theirs[_LOSS]
        found.append((joint[0] * scale, joint[1]))
    targets = found[0][1]
    if any(len(other) != len(targets) or (other != targets).any() for _, other in found):
        return None
    return of_parts(np.array([nats for nats, _ in found]), targets, comparison)


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
