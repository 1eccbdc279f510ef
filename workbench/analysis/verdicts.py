"""From pairs and lost pairs to a verdict: the interval decides, unless divergence forbids it."""

from workbench.analysis.outcomes import Outcomes
from workbench.analysis.statistics import (
    PairedComparison,
    Verdict,
    bootstrap_disagrees,
    judge,
    small_but_real,
)

SCREENING = 3


def decide(
    comparison: PairedComparison | None, variant: Outcomes, baseline: Outcomes, margin: float
) -> tuple[Verdict | None, list[str]]:
    """The verdict and what must be said with it; None while there is nothing to judge yet."""
    if _mostly_diverged(variant, baseline):
        return Verdict.WORSE, [f"diverged in {variant.count('diverged')} of {len(variant.planned)} seeds"]
    if comparison is None:
        over = variant.status == "done" and baseline.status == "done"
        return (Verdict.INCONCLUSIVE, ["no pair of complete runs"]) if over else (None, [])
    verdict, notes = judge(comparison, margin), _remarks(comparison, margin)
    if verdict in (Verdict.BETTER, Verdict.EQUIVALENT) and _diverges_more(variant, baseline):
        notes.append(f"{verdict} where it trained, but it diverged more often than the baseline")
        verdict = Verdict.INCONCLUSIVE
    return verdict, notes


def _mostly_diverged(variant: Outcomes, baseline: Outcomes) -> bool:
    most = variant.count("diverged") > len(variant.planned) / 2
    return most and _diverges_more(variant, baseline)


def _diverges_more(variant: Outcomes, baseline: Outcomes) -> bool:
    return variant.diverged_share > baseline.diverged_share


def _remarks(comparison: PairedComparison, margin: float) -> list[str]:
    notes = []
    if comparison.n < SCREENING:
        notes.append(f"{comparison.n} pair(s) only: a screening, no ground for a claim")
    if small_but_real(comparison, margin):
        notes.append("small but real: the interval excludes zero and reaches into the margin")
    if comparison.sd == 0:
        notes.append("the difference is the same at every seed: no noise to estimate")
    if bootstrap_disagrees(comparison, margin):
        notes.append("a bootstrap-t interval would lead to another verdict: read with care")
    return notes
