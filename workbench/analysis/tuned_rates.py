"""The learning rate that each variant is judged at, and whether all had the same chance to find theirs.

A rate at which a run diverged, failed or did not train is not chosen while another gave a result. One at
which no run gave a result says nothing of how good the rates beside it are, so that an optimum is not
*interior* for its sake: the best rate may lie between the two.
"""

import math
from dataclasses import dataclass, field

import pandas as pd

from workbench.records.hyperparameters import Hyperparameters
from workbench.records.run import FINISHED, Phase, State
from workbench.records.training_outcome import UNIFORM, did_not_train, untrained

_UNEQUAL = 0.05
_COLUMNS = [
    "variant",
    "phase",
    "state",
    "seed",
    "learning_rate",
    "hyperparameters",
    "tokens",
    "flops",
    "validation/loss",
    UNIFORM,
]


@dataclass(frozen=True, kw_only=True)
class TunedRate:
    """A variant's tuned learning rate, and all ``hyperparameters`` that were tried with it.

    ``losses`` maps each tried rate to the metric per tuning seed; a run without a result counts as inf.
    ``interior`` says that rates on both sides gave a result, ``bounded_by`` which rates did not although it
    would be interior if they had. ``flops`` is what was spent; ``tokens`` what was granted (a diverged run
    had its whole budget to use, though it stopped early). ``budget``: training tokens of one trial, where
    variants have budgets of their own.
    """

    variant: str
    learning_rate: float
    hyperparameters: Hyperparameters
    interior: bool
    bounded_by: tuple[float, ...] = ()
    losses: dict[float, list[float]] = field(default_factory=dict)
    trials: int
    flops: float
    tokens: float
    budget: int | None = None

    @property
    def means(self) -> dict[float, float]:
        """The mean over tuning seeds at each rate, rates ascending."""
        return {rate: sum(values) / len(values) for rate, values in sorted(self.losses.items())}

    @property
    def trained(self) -> bool:
        """Whether any rate gave a result at every tuning seed."""
        return math.isfinite(self.means[self.learning_rate])

    @property
    def place(self) -> str:
        """Where the chosen rate lies: ``interior``, ``at the edge``, ``one side lost`` or ``all lost``."""
        if not self.trained:
            return "all lost"
        if self.interior:
            return "interior"
        return "one side lost" if self.bounded_by else "at the edge"


def choose_learning_rate(
    runs: pd.DataFrame, variant: str, metric: str, budget: int | None = None
) -> TunedRate | None:
    """The rate with the lowest mean of ``metric`` over the tuning seeds of ``variant``.

    ``budget``: the training tokens of one of its trials, where variants have budgets of their own.

    Runs that diverged, failed, did not train or were pruned count as infinitely bad; of equal rates the
    smaller is chosen, and before both one at which some run gave a result. While tuning goes on, only rates
    with as many seeds as the most-tried one compete. None when no tuning run has finished.
    """
    # Whole rows, configurations and all, are slow to pick; and no column may be asked for twice.
    runs = runs.reindex(columns=list(dict.fromkeys([*_COLUMNS, metric])))
    finished = _finished(runs, variant)
    if finished.empty:
        return None
    losses = _losses(finished, metric)
    means = {rate: sum(values) / len(values) for rate, values in losses.items()}
    seeds = max(len(values) for values in losses.values())
    rates = sorted(losses)
    informative = _informative(finished)
    competing = [rate for rate in rates if len(losses[rate]) == seeds]
    best = min(competing, key=lambda rate: (means[rate], rate not in informative, rate))
    return TunedRate(
        variant=variant,
        learning_rate=best,
        hyperparameters=finished.loc[finished["learning_rate"] == best, "hyperparameters"].iloc[0],
        interior=_between(informative, best),
        bounded_by=_bounds(rates, informative, best),
        losses=losses,
        trials=len(finished),
        flops=float(finished["flops"].fillna(0).sum()),
        tokens=_granted_tokens(finished, runs, budget),
        budget=budget,
    )


def _informative(finished: pd.DataFrame) -> list[float]:
    """Rates at which some run trained; one that halving stopped did too, and lost against others."""
    trained = finished[finished["state"].isin([State.COMPLETE, State.PRUNED]) & ~untrained(finished)]
    return sorted(map(float, trained["learning_rate"].unique()))


def _between(rates: list[float], best: float) -> bool:
    return bool(rates) and rates[0] < best < rates[-1]


def _bounds(rates: list[float], informative: list[float], best: float) -> tuple[float, ...]:
    """The nearest rates without a result, on the sides of ``best`` where none gave one."""
    if not _between(rates, best) or best not in informative:
        return ()
    below = [rate for rate in rates if rate < best] if best == informative[0] else []
    above = [rate for rate in rates if rate > best] if best == informative[-1] else []
    return (*below[-1:], *above[:1])


def unequal_tuning(rate: TunedRate | None, baseline: TunedRate | None) -> str | None:
    """Why a variant and the baseline cannot be compared, when their tuning differs by more than 5 %.

    Trials and tokens are compared, not FLOPs: at equal tokens, a variant with dearer tokens spends more
    of them by its nature. Where a study holds bytes or FLOPs equal, each variant has a budget of tokens of
    its own, and what counts is how many times it was granted.
    """
    refusal = "no verdict on unequal tuning"
    trials, tokens = _spend(rate)
    other_trials, other_tokens = _spend(baseline)
    if _unequal(trials, other_trials):
        return f"tuned on {trials:,} trials, the baseline on {other_trials:,}: {refusal}"

    budgets = (rate.budget, baseline.budget) if rate and baseline else (None, None)
    if budgets[0] and budgets[1]:
        if _unequal(tokens / budgets[0], other_tokens / budgets[1]):
            ours, theirs = _in_budgets(tokens, budgets[0]), _in_budgets(other_tokens, budgets[1])
            return f"tuned on {ours}, the baseline on {theirs}: {refusal}"
    elif _unequal(tokens, other_tokens):
        return f"tuned on {tokens:,.0f} tokens, the baseline on {other_tokens:,.0f}: {refusal}"
    return None


def _unequal(mine: float, other: float) -> bool:
    return abs(mine - other) > _UNEQUAL * max(mine, other)


def _in_budgets(tokens: float, budget: int) -> str:
    return f"{tokens:,.0f} tokens, {tokens / budget:.3g} times the {budget:,} of a trial"


def _spend(rate: TunedRate | None) -> tuple[int, float]:
    return (rate.trials, rate.tokens) if rate else (0, 0.0)


def _finished(runs: pd.DataFrame, variant: str) -> pd.DataFrame:
    states = {str(state) for state in FINISHED}
    return runs[(runs["variant"] == variant) & (runs["phase"] == Phase.TUNE) & runs["state"].isin(states)]


def _losses(finished: pd.DataFrame, metric: str) -> dict[float, list[float]]:
    losses: dict[float, list[float]] = {}
    for run in finished.sort_values(["learning_rate", "seed"]).to_dict("records"):
        losses.setdefault(float(run["learning_rate"]), []).append(outcome_value(run, metric))
    return losses


def outcome_value(run: dict, metric: str) -> float:
    """A finished run's metric; inf where it has none."""
    value = run.get(metric)
    if run["state"] != State.COMPLETE or value is None or not math.isfinite(value) or did_not_train(run):
        return math.inf
    return float(value)


def _granted_tokens(finished: pd.DataFrame, runs: pd.DataFrame, budget: int | None) -> float:
    if budget is None:  # all variants have the same
        tuned = runs[runs["phase"] == Phase.TUNE]
        budget = tuned.loc[tuned["state"] == State.COMPLETE, "tokens"].max()
    complete = finished["state"] == State.COMPLETE
    return float(finished["tokens"].where(complete, budget).fillna(0).sum())
