"""Whether a variant trains more or less reliably than the baseline, which is an outcome of its own.

Both were trained at the same seeds, and only those at which one trained and the other did not tell them
apart: of so many, half would be the variant's if there were no difference (McNemar's exact test). The rule is
the same in both directions. Trials that crashed say nothing of training and do not count. The p values of a
study's variants are Holm's, over all comparisons that it declared: any of them falsely called more or less
reliable than the baseline in at most 5 % of studies. Where one looks at the seeds several times, each look
has the smaller level that ``deciding`` gives to a test at so many looks; for counts it is a little smaller
than need be.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

from workbench.analysis.confirm_outcomes import Outcomes
from workbench.analysis.deciding.nominal_levels import nominal_level
from workbench.analysis.statistics import Interval, Verdict, holm, wilson
from workbench.numbers import percent, plural, probability
from workbench.records.training_outcome import DID_NOT_TRAIN

SIGNIFICANT = 0.05
_TRAINED = "complete"
_LOST = ("diverged", DID_NOT_TRAIN)


@dataclass(frozen=True, kw_only=True)
class LostShare:
    """``lost`` of ``runs`` did not train."""

    lost: int
    runs: int

    @property
    def interval(self) -> Interval | None:
        """The 95 % Wilson interval of the share; None without a run."""
        return wilson(self.lost, self.runs) if self.runs else None

    def __str__(self) -> str:
        """``5 of 8 (31 % to 86 %)``."""
        if self.interval is None:
            return "0 of 0"
        return f"{self.lost} of {self.runs} ({percent(self.interval.low)} to {percent(self.interval.high)})"


@dataclass(frozen=True, kw_only=True)
class DivergenceComparison:
    """How many runs of the variant and of the baseline did not train.

    ``pairs`` counts the seeds at which both trained or did not; at ``variant_only`` of them the variant alone
    did not, at ``baseline_only`` the baseline alone. ``p`` is McNemar's, exact and two-sided; at least six
    such seeds, all one way, are needed for p < 0.05. ``adjusted_p`` is over all comparisons of the study, as
    Holm has it, and over its looks; ``p`` itself where there is one of each.
    """

    variant: LostShare
    baseline: LostShare
    pairs: int
    variant_only: int
    baseline_only: int
    p: float
    adjusted_p: float
    comparisons: int = 1
    looks: int = 1

    @property
    def verdict(self) -> Verdict | None:
        """``worse`` where the variant diverges more, ``better`` where it does less; None where chance may be.

        "Diverges" as the field says it: the loss became no number, or ended at a guess or above.
        """
        if self.adjusted_p >= SIGNIFICANT:
            return None
        return Verdict.WORSE if self.variant_only > self.baseline_only else Verdict.BETTER

    @property
    def test(self) -> str:
        """``exact McNemar p = 0.031``; of several comparisons or looks also what is left of it after them."""
        said = f"exact McNemar p {_equals(self.p)}"
        if self.looks > 1:
            return f"{said}, p {_equals(self.adjusted_p)} over {self._scope}"
        if self.comparisons > 1:
            return f"{said}, Holm p {_equals(self.adjusted_p)}"
        return said

    @property
    def _scope(self) -> str:
        """What an adjusted p is over: ``3 comparisons and 5 looks``."""
        looks = plural(self.looks, "look")
        return looks if self.comparisons == 1 else f"{plural(self.comparisons, 'comparison')} and {looks}"

    @property
    def note(self) -> str | None:
        """Both shares and the test, where any run did not train."""
        if not self.variant.lost and not self.baseline.lost:
            return None
        discordant = plural(self.variant_only + self.baseline_only, "seed")
        return (
            f"did not train: {self.variant} of its seeds, {self.baseline} of the baseline's, with 95 % "
            f"intervals; {self.test} from {discordant} at which only one of the two did"
        )


def compare_divergences(
    outcomes: Mapping[str, Outcomes], baseline: str, looks: Sequence[int] = ()
) -> dict[str, DivergenceComparison]:
    """Compare who trained, each variant with the baseline, over the planned seeds that have an outcome.

    ``outcomes`` are of all variants that were declared: one of which nothing is known yet holds its place.
    ``looks`` are the numbers of pairs at which a study looks that goes on until all is decided; empty where
    the number of pairs was fixed.
    """
    found = {name: _compare(mine, outcomes[baseline]) for name, mine in outcomes.items() if name != baseline}
    adjusted = holm([_over_looks(one.p, looks) for one in found.values()])
    return {
        name: replace(one, adjusted_p=p, comparisons=len(found), looks=max(len(looks), 1))
        for (name, one), p in zip(found.items(), adjusted, strict=True)
    }


def _over_looks(p: float, looks: Sequence[int]) -> float:
    """``p`` as much larger as the 5 % are larger than the level of a single look."""
    if len(looks) < 2:
        return p
    level = 2 * nominal_level(SIGNIFICANT / 2, looks)
    return min(1.0, p * SIGNIFICANT / level)


def _compare(variant: Outcomes, baseline: Outcomes) -> DivergenceComparison:
    states = [(variant.states.get(seed), baseline.states.get(seed)) for seed in baseline.planned]
    paired = [
        (ours in _LOST, theirs in _LOST)
        for ours, theirs in states
        if ours in (_TRAINED, *_LOST) and theirs in (_TRAINED, *_LOST)
    ]
    variant_only = sum(ours and not theirs for ours, theirs in paired)
    baseline_only = sum(theirs and not ours for ours, theirs in paired)
    p = mcnemar(variant_only, baseline_only)
    return DivergenceComparison(
        variant=_share(variant),
        baseline=_share(baseline),
        pairs=len(paired),
        variant_only=variant_only,
        baseline_only=baseline_only,
        p=p,
        adjusted_p=p,
    )


@lru_cache(maxsize=1024)
def mcnemar(one_way: int, other_way: int) -> float:
    """The exact two-sided p value of discordant pairs; 1 without any."""
    discordant = one_way + other_way
    if not discordant:
        return 1.0
    from scipy.stats import binomtest  # which takes half a second to import

    return float(binomtest(one_way, discordant, 0.5).pvalue)


def _share(mine: Outcomes) -> LostShare:
    return LostShare(lost=mine.blown_up, runs=mine.blown_up + mine.count(_TRAINED))


def _equals(p: float) -> str:
    return f"{'' if p < 0.001 else '= '}{probability(p)}"
