"""One row of the report: all that is known of one variant."""

import math
from dataclasses import dataclass, field, fields
from typing import Any

from workbench.analysis.budget_trend import QUARTERS, BudgetTrend
from workbench.analysis.deciding.belief import Belief, belief
from workbench.analysis.deciding.decisions import Decision
from workbench.analysis.deciding.foresight import PairsNeeded
from workbench.analysis.divergence import DivergenceComparison
from workbench.analysis.notes import Note
from workbench.analysis.statistics import Interval, PairedComparison, Verdict
from workbench.analysis.text_uncertainty import TextUncertainty
from workbench.analysis.trimmed_means import TrimmedComparison

# Each becomes columns of its own.
_OF_SEVERAL = ("comparison", "decision", "pairs_needed", "divergence", "trimmed", "trend", "text")


@dataclass(frozen=True, kw_only=True)
class VariantRow:
    """One variant against the baseline. What is not known (yet) is None; losses are in ``unit``.

    ``change`` maps factors to (baseline's level, own level). ``seeds_done`` counts complete confirm runs that
    trained. ``diverged`` and ``failed`` count runs; ``lost_at_once`` says that all that
    diverged did so before their first update; ``untrained`` has the final validation loss (nats per
    token) of those that are complete and did not train, ``uniform_loss`` what a uniform guess loses.
    ``median`` counts seeds that did not train as infinitely bad; ``worst`` is the worst run that trained.
    ``relative`` is the mean difference over the baseline's mean at the same seeds. ``decision`` is the word
    of its pairs among those of all comparisons, ``pairs_needed`` what an open question takes. ``seconds`` is
    the training time of the confirm runs.
    ``rate_optimum`` (with its 95 % interval; an end that is None lies beyond what was tried) and
    ``rate_curvature`` (unit per octave squared) are of the quadratic through the tuning losses,
    ``rate_grid_regret`` what the best of the tried rates may lose at most against an optimum between two.

    ``tokens`` is what one of its trials trains on. Where variants differ in that, ``bytes_read`` is the
    UTF-8 bytes of text which those tokens stand for, ``training_flops`` the FLOPs of the whole training, and
    ``budget_mismatch`` the relative difference to the baseline in what is held equal; else they are
    None. ``budget_unit`` says what that is where it is not the same for all variants: tokens, bytes, flops or
    pool. ``unique_tokens`` is how many tokens its training text has, copies of a document counted once, and
    ``epochs`` how often a trial reads each of them, on the average; None where the manifest does not say.

    ``fate`` is *did not train* or *failed*, also of the baseline, and then there is no comparison; ``error``
    is the first line of a failed run's error; ``no_verdict`` says why a variant that trained cannot be
    judged. ``called`` is what every rung of a ladder calls it; None in other studies. ``divergence`` compares
    who trained, ``trimmed`` is a second opinion on the mean from eight pairs on, ``trend`` says where the
    difference was earlier in the runs, ``text`` how far it depends on the text.
    """

    variant: str
    is_baseline: bool
    change: dict[str, tuple[str, str]]
    metric: str
    unit: str
    margin: float
    parameters: int | None
    nonembedding_parameters: int | None
    flops_per_token: float | None
    mismatch: float | None
    tokens: float | None
    bytes_read: float | None
    training_flops: float | None
    budget_mismatch: float | None
    budget_unit: str | None
    unique_tokens: int | None
    epochs: float | None
    learning_rate: float | None
    interior: bool | None
    rate_place: str | None
    tuning_trials: int
    tuning_tokens: float
    tuning_flops: float
    status: str
    seeds_planned: int
    seeds_done: int
    running: int
    diverged: int
    failed: int
    lost_at_once: bool
    untrained: dict[int, float]
    uniform_loss: float | None
    fate: Verdict | None
    error: str | None
    mean: float | None
    sd: float | None
    median: float | None
    worst: float | None
    seconds: float
    comparison: PairedComparison | None = None
    differences: dict[int, float] = field(default_factory=dict)
    values: dict[int, float] = field(default_factory=dict)
    relative: float | None = None
    holm_p: float | None = None
    verdict: Verdict | None = None
    no_verdict: str | None = None
    pairs_needed: PairsNeeded | None = None
    decision: Decision | None = None
    detectable_effect: float | None = None
    rate_optimum: float | None = None
    rate_low: float | None = None
    rate_high: float | None = None
    rate_curvature: float | None = None
    rate_curvature_error: float | None = None
    rate_grid_regret: float | None = None
    divergence: DivergenceComparison | None = None
    trimmed: TrimmedComparison | None = None
    trend: BudgetTrend | None = None
    text: TextUncertainty | None = None
    called: str | None = None
    notes: tuple[Note, ...] = ()

    @property
    def blown_up(self) -> int:
        """Seeds that did not train: diverged, or ended at the loss of a uniform guess or above."""
        return self.diverged + len(self.untrained)

    @property
    def diverges(self) -> str | None:
        """``more`` or ``less``, where the verdict is about who trains at all and not about losses."""
        shown = self.divergence.verdict if self.divergence else None
        if shown is None or shown is not self.verdict:
            return None
        return "more" if shown is Verdict.WORSE else "less"

    @property
    def change_text(self) -> str:
        """``norm: rmsnorm → layernorm``; a dash for the baseline."""
        return ", ".join(f"{factor}: {old} → {new}" for factor, (old, new) in self.change.items()) or "—"

    @property
    def difference(self) -> float | None:
        """The mean paired difference to the baseline."""
        return self.comparison.mean if self.comparison else None

    @property
    def interval(self) -> Interval | None:
        """The t interval of the difference that the word follows from, at its own level."""
        return self.comparison.interval if self.comparison else None

    @property
    def belief(self) -> Belief | None:
        """P(better), P(equal) and P(worse) of the pairs alone; None below two."""
        found = self.decision
        if found is None or found.mean is None or found.sd is None:
            return None
        return belief(found.n, found.mean, found.sd, self.margin)

    @property
    def seeds_needed(self) -> int | None:
        """The likeliest number of pairs that would decide; 1,001 means more than 1,000."""
        return self.pairs_needed.likely if self.pairs_needed else None

    @property
    def pairs(self) -> int:
        """Seeds at which both the variant and the baseline are complete."""
        return self.comparison.n if self.comparison else 0

    @property
    def wins(self) -> int | None:
        """Pairs in which the variant is lower than the baseline."""
        return self.comparison.wins if self.comparison else None

    @property
    def label(self) -> str:
        """What a reader sees: the change where there is one and the name says no more, else the name."""
        name = self.called or self.variant
        if len(self.change) == 1:
            (factor, (_, new)) = next(iter(self.change.items()))
            if name == f"{factor}={new}":
                return self.change_text
        return name


_OF_A_BUDGET = ("bytes_read", "training_flops", "budget_mismatch")
_OF_A_UNIT = ("budget_unit",)
_OF_A_TEXT = ("unique_tokens", "epochs")
_OF_A_RUNG = ("called",)


def flat(row: VariantRow) -> dict[str, Any]:
    """Every column of a row under a name of its own, numbers raw; infinities and NaN become None.

    Columns of a variant's own budget, of what is equal where variants differ in that, and of how often its
    text is read, are there where that is known.
    """
    values = {item.name: getattr(row, item.name) for item in fields(row) if item.name not in _OF_SEVERAL}
    for group in (_OF_A_BUDGET, _OF_A_UNIT, _OF_A_TEXT, _OF_A_RUNG):
        if all(values[name] is None for name in group):
            values = {name: value for name, value in values.items() if name not in group}
    values["change"] = row.change_text
    values |= {name: str(values[name]) if values[name] else None for name in ("verdict", "fate")}
    values["notes"] = [str(note) for note in row.notes]
    values |= comparison_columns(row.comparison)
    values |= _decision_columns(row)
    values |= _divergence_columns(row.divergence) | {"diverges": row.diverges}
    values |= _trimmed_columns(row.trimmed) | _trend_columns(row.trend)
    values |= _text_columns(row.text)
    return {key: plain(value) for key, value in values.items()}


def comparison_columns(comparison: PairedComparison | None) -> dict[str, Any]:
    """A comparison as columns: the difference, its intervals, p and wins."""
    known = {} if comparison is None else vars(comparison) | {"wins_interval": comparison.wins_interval}
    return {
        "pairs": known.get("n", 0),
        "difference": known.get("mean"),
        "difference_sd": known.get("sd"),
        **_ends("difference", known.get("interval")),
        **_ends("equivalence", known.get("equivalence_interval")),
        **_ends("bootstrap_t", known.get("bootstrap_t")),
        "p": known.get("p"),
        "wins": known.get("wins"),
        **_ends("wins", known.get("wins_interval")),
    }


def _decision_columns(row: VariantRow) -> dict[str, Any]:
    """The level of the interval, the look, what the pairs make likely, and what an open question takes."""
    decision, needed, belief = row.decision, row.pairs_needed, row.belief
    interval = decision.interval if decision else None
    return {
        "difference_level": interval.level if interval else None,
        "look": decision.look if decision and decision.rule.until_decided else None,
        "looks": decision.looks if decision and decision.rule.until_decided else None,
        "p_better": belief.better if belief else None,
        "p_equal": belief.equal if belief else None,
        "p_worse": belief.worse if belief else None,
        "seeds_needed": row.seeds_needed,
        "seeds_needed_low": needed.low if needed else None,
        "seeds_needed_high": needed.high if needed else None,
        "chance_of_verdict": needed.chance if needed else None,
    }


def _divergence_columns(found: DivergenceComparison | None) -> dict[str, Any]:
    """Shares of runs that did not train, with their Wilson intervals, and McNemar's test."""
    variant = found.variant if found else None
    baseline = found.baseline if found else None
    return {
        "lost_runs": variant.lost if variant else None,
        "lost_runs_of": variant.runs if variant else None,
        **_ends("lost_share", variant.interval if variant else None),
        "baseline_lost_runs": baseline.lost if baseline else None,
        "baseline_lost_runs_of": baseline.runs if baseline else None,
        **_ends("baseline_lost_share", baseline.interval if baseline else None),
        "mcnemar_p": found.p if found else None,
        "mcnemar_adjusted_p": found.adjusted_p if found else None,
    }


def _trimmed_columns(trimmed: TrimmedComparison | None) -> dict[str, Any]:
    """The 20 % trimmed mean with Yuen's intervals, and how far the furthest run lies off."""
    return {
        "trimmed": trimmed.mean if trimmed else None,
        **_ends("trimmed", trimmed.interval if trimmed else None),
        **_ends("trimmed_equivalence", trimmed.equivalence_interval if trimmed else None),
        "furthest_seed": trimmed.furthest if trimmed else None,
        "furthest_distance": trimmed.distance if trimmed else None,
    }


def _trend_columns(trend: BudgetTrend | None) -> dict[str, Any]:
    """The difference at quarters of the run, its slope on ln tokens at the end, and where it changed sign."""
    return {
        **{f"difference_at_{share}": trend.at[share] if trend else None for share in QUARTERS},
        "trend_slope": trend.slope if trend else None,
        **_ends("trend_slope", trend.interval if trend else None),
        "sign_change": trend.sign_change if trend else None,
    }


def _text_columns(text: TextUncertainty | None) -> dict[str, Any]:
    """The standard error and interval over documents of the text, or passages of early records, and the
    interval over seeds and text.
    """
    return {
        "text_documents": text.documents if text else None,
        "text_passages": text.parts if text and text.documents is None else None,
        "text_error": text.error if text else None,
        **_ends("text", text.interval if text else None),
        **_ends("seeds_and_text", text.two_way if text else None),
    }


def plain(value: Any) -> Any:
    """``value`` as JSON can hold it: no infinities, no NaN, no tuples, string keys."""
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return value.item() if hasattr(value, "item") else value


def _ends(name: str, interval: Interval | None) -> dict[str, float | None]:
    if interval is None:
        return {f"{name}_low": None, f"{name}_high": None}
    return {f"{name}_low": interval.low, f"{name}_high": interval.high}
