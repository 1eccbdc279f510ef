"""From pairs and lost pairs to a verdict: the interval decides, where there is something to compare.

Two verdicts are about a variant alone, and need no baseline:

* *did not train*: in more than half of its planned seeds the loss became no number, or ended at that of a
  uniform guess or above. What the other seeds say is shown and decides nothing.
* *failed*: no seed has a result, because the trials crashed.

Where no seed has a result and neither holds, the more frequent of the two decides, and *did not train* a tie.
A baseline of which either is true leaves no losses to compare.

Who trains more reliably is an outcome that needs no losses. Where McNemar's exact test over the seeds says
that it is the variant (Holm's p < 0.05), the variant is *better: diverges less*, and where it says that it is
the baseline, the variant is *worse: diverges more* (``divergence``). That holds for a baseline that did not
train too, whatever the losses are where both trained, and is said with them. With nothing of the kind shown
there is no verdict beside a baseline that did not train.

Where that test decides nothing, the pairs that are left are compared, and the lost ones named. Who did not
train more often than the other cannot be called as good or better, and the other not worse, from those pairs
alone: that the two diverge alike is not shown either.
"""

from collections.abc import Collection

from workbench.analysis.confirm_outcomes import Outcomes, shared_seeds
from workbench.analysis.notes import Note, reading
from workbench.analysis.statistics import PairedComparison, Verdict, bootstrap_disagrees, judge
from workbench.numbers import plural
from workbench.records.training_outcome import DID_NOT_TRAIN

SCREENING = 3


def fate(mine: Outcomes, seeds: Collection[int] | None = None) -> Verdict | None:
    """*did not train* or *failed*, where that became of ``mine`` (at ``seeds``, or all); None if it trained.

    None too while more than half of the seeds may still have a result.
    """
    states = [mine.states[seed] for seed in (mine.planned if seeds is None else seeds)]
    blown_up = sum(state in ("diverged", DID_NOT_TRAIN) for state in states)
    crashed = sum(state in ("failed", "pruned") for state in states)
    if blown_up > len(states) / 2:
        return Verdict.DID_NOT_TRAIN
    if "complete" in states or not states:
        return None
    if crashed > len(states) / 2:
        return Verdict.FAILED
    if blown_up + crashed == len(states):
        return Verdict.DID_NOT_TRAIN if blown_up >= crashed else Verdict.FAILED
    return None


def decide(
    comparison: PairedComparison | None,
    variant: Outcomes,
    baseline: Outcomes,
    margin: float,
    *,
    reliability: Verdict | None,
    word: Verdict | None = None,
) -> tuple[Verdict | None, list[Note]]:
    """The verdict and what must be said with it; None where there is nothing to judge, or not yet.

    ``reliability`` is what who trained says (``divergence``). ``word`` is what the pairs say among all
    comparisons of the study; left out, what their own intervals say.
    """
    if own := fate(variant):
        return own, []
    against = fate(baseline)
    if reliability is not None and against is not Verdict.FAILED:
        if comparison is None or against:
            return reliability, []
        where_trained = f"where both trained, {word or judge(comparison, margin)} by the losses"
        return reliability, [*_remarks(comparison, margin), reading(where_trained)]
    if against:
        return None, []
    if comparison is None:
        return _without_pair(variant, baseline)
    verdict = word or judge(comparison, margin)
    notes = _remarks(comparison, margin)
    if complaint := _one_sided(verdict, variant, baseline):
        return Verdict.INCONCLUSIVE, [*notes, reading(complaint)]
    return verdict, notes


def _without_pair(variant: Outcomes, baseline: Outcomes) -> tuple[Verdict | None, list[Note]]:
    """Both have results and none at the same seed: what became of the variant where the baseline has one."""
    if variant.status != "done" or baseline.status != "done":
        return None, []
    with_result = [seed for seed in shared_seeds(variant, baseline) if seed in baseline.values]
    if there := fate(variant, with_result):
        why = "no pair of complete runs: it has no result at any seed at which the baseline has one"
        return there, [reading(why)]
    return Verdict.INCONCLUSIVE, [reading("no pair of complete runs")]


def _one_sided(verdict: Verdict, variant: Outcomes, baseline: Outcomes) -> str | None:
    """Why a verdict on the pairs that are left would leave out what speaks against it."""
    ours, theirs = variant.blown_up_share, baseline.blown_up_share
    if ours > theirs and verdict in (Verdict.BETTER, Verdict.EQUIVALENT):
        return f"{verdict} where it trained, but more of its seeds did not train than of the baseline's"
    if ours < theirs and verdict in (Verdict.WORSE, Verdict.EQUIVALENT):
        return f"{verdict} where both trained, but more of the baseline's seeds did not train than of its own"
    return None


def _remarks(comparison: PairedComparison, margin: float) -> list[Note]:
    notes = []
    if comparison.n < SCREENING:
        notes.append(reading(f"{plural(comparison.n, 'pair')} only: a screening, no ground for a claim"))
    if comparison.sd == 0:
        notes.append(reading("the difference is the same at every seed: no noise to estimate"))
    if bootstrap_disagrees(comparison, margin):
        notes.append(reading("a bootstrap-t interval would lead to another verdict: read with care"))
    return notes
