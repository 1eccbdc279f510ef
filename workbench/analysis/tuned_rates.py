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
    had its whole budget to use, though it stopped early).
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


def choose_learning_rate(runs: pd.DataFrame, variant: str, metric: str) -> TunedRate | None:
    """The rate with the lowest mean of ``metric`` over the tuning seeds of ``variant``.

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
        tokens=_granted_tokens(finished, runs),
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
    of them by its nature.
    """
    ours, theirs = _spend(rate), _spend(baseline)
    for what, mine, other in zip(("trials", "tokens"), ours, theirs, strict=True):
        if abs(mine - other) > _UNEQUAL * max(mine, other):
            return f"tuned on {mine:,.0f} {what}, the baseline on {other:,.0f}: no verdict on unequal tuning"
    return None


def _spend(rate: TunedRate | None) -> tuple[float, float]:
    return (rate.trials, rate.tokens) if rate else (0, 0)


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


def _granted_tokens(finished: pd.DataFrame, runs: pd.DataFrame) -> float:
    tuned = runs[runs["phase"] == Phase.TUNE]
    budget = tuned.loc[tuned["state"] == State.COMPLETE, "tokens"].max()
    complete = finished["state"] == State.COMPLETE
    return float(finished["tokens"].where(complete, budget).fillna(0).sum())
