"""What became of every planned confirm run of a variant, and which of them form pairs.

Only the phase ``confirm`` counts: its seeds are fresh, so the tuning winner's score is never the
reported one. A run without a result is an outcome too, and every pair that is lost has a reason.

A run has a result if it is complete and its final validation loss is below that of a uniform guess
(``records.training_outcome``). One that is not below did not train: its loss is finite, but a mean over such
losses, or a spread, would say nothing of the variant, so that it is counted and named and enters neither.
"""

import math
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from workbench.analysis.tuned_rates import TunedRate
from workbench.numbers import plural, rate
from workbench.records.hyperparameters import described, key_of
from workbench.records.run import Phase, State, error_line
from workbench.records.training_outcome import (
    BEFORE_LEARNING,
    DID_NOT_TRAIN,
    UNIFORM,
    did_not_train,
)

_LOST = {
    State.DIVERGED: "diverged",
    State.FAILED: "failed",
    State.PRUNED: "pruned",
    State.RUNNING: "running",
    State.QUEUED: "not started",
}
NOT_READ = "not read"  # a result whose metrics file does not give what was asked of it
_WITHOUT_RESULT = ("diverged", DID_NOT_TRAIN, "failed", "pruned", NOT_READ)


@dataclass(frozen=True, kw_only=True)
class Outcomes:
    """The confirm runs of one variant by planned seed.

    ``values`` holds the metric of complete runs that trained; ``states`` every planned seed's state in words;
    ``runs`` the rows behind them; ``notes`` what was left out and why. ``budget`` is the training tokens of a
    run, where variants have budgets of their own.
    """

    variant: str
    planned: tuple[int, ...]
    values: dict[int, float]
    states: dict[int, str]
    runs: dict[int, dict[str, Any]]
    notes: tuple[str, ...] = field(default=())
    budget: int | None = None

    def count(self, state: str) -> int:
        """How many planned seeds are in ``state``."""
        return sum(value == state for value in self.states.values())

    @property
    def finished(self) -> int:
        """Planned seeds that have an outcome, good or bad."""
        return sum(value not in ("running", "not started") for value in self.states.values())

    @property
    def status(self) -> str:
        """``not started``, ``running``, ``partial`` or ``done``."""
        if self.finished == len(self.planned):
            return "done"
        if self.count("running"):
            return "running"
        return "partial" if self.finished else "not started"

    @property
    def blown_up(self) -> int:
        """Planned seeds that did not train: their loss became no number, or ended at a guess or above."""
        return self.count("diverged") + self.count(DID_NOT_TRAIN)

    @property
    def crashed(self) -> int:
        """Planned seeds whose trial failed."""
        return self.count("failed") + self.count("pruned")

    @property
    def blown_up_share(self) -> float:
        """Runs that did not train over runs with an outcome; 0 before there is one."""
        return self.blown_up / self.finished if self.finished else 0.0

    @property
    def lost_at_once(self) -> bool:
        """Whether all that diverged had a first loss that was no number: no learning rate explains that."""
        errors = [self.runs[seed].get("error") for seed, state in self.states.items() if state == "diverged"]
        return bool(errors) and all(BEFORE_LEARNING in str(error) for error in errors)

    @property
    def untrained(self) -> dict[int, float]:
        """The final validation loss, nats per token, of complete runs that did not train."""
        seeds = [seed for seed, state in self.states.items() if state == DID_NOT_TRAIN]
        return {seed: float(self.runs[seed]["validation/loss"]) for seed in seeds}

    @property
    def uniform_loss(self) -> float | None:
        """What a uniform guess over the variant's vocabulary loses, nats per token; None if not recorded."""
        known = [run.get(UNIFORM) for run in self.runs.values()]
        return next((float(value) for value in known if value is not None and math.isfinite(value)), None)

    @property
    def error(self) -> str | None:
        """The first line of what the first failed trial died of."""
        errors = [self.runs[seed].get("error") for seed, state in self.states.items() if state == "failed"]
        return next((error_line(error) for error in errors if isinstance(error, str) and error.strip()), None)


def confirm_outcomes(
    runs: pd.DataFrame,
    variant: str,
    *,
    metric: str,
    seeds: list[int],
    tuned: TunedRate | None,
    budget: int | None = None,
) -> Outcomes:
    """Collect the confirm runs of ``variant`` at its tuned learning rate, by planned seed."""
    mine = runs[(runs["variant"] == variant) & (runs["phase"] == Phase.CONFIRM)].to_dict("records")
    kept, notes = _at_tuned_rate(mine, tuned)
    kept, extra = _planned(kept, seeds)
    by_seed = {int(run["seed"]): run for run in kept}
    states = {seed: _state(by_seed.get(seed), metric) for seed in seeds}
    return Outcomes(
        variant=variant,
        planned=tuple(seeds),
        values={seed: float(by_seed[seed][metric]) for seed in seeds if states[seed] == "complete"},
        states=states,
        runs=by_seed,
        notes=(*notes, *extra),
        budget=budget,
    )


def shared_seeds(variant: Outcomes, baseline: Outcomes) -> list[int]:
    """The seeds that both are to have, in order: one that is decided early has fewer than the baseline."""
    return [seed for seed in baseline.planned if seed in variant.states]


def paired_differences(variant: Outcomes, baseline: Outcomes) -> tuple[dict[int, float], list[str]]:
    """Variant minus baseline by seed, at equal budgets; and one line for each pair that is lost for good."""
    differences, lost = {}, []
    for seed in shared_seeds(variant, baseline):
        problem = _lost_pair(variant, baseline, seed)
        if problem is None:
            differences[seed] = variant.values[seed] - baseline.values[seed]
        elif problem:
            lost.append(f"seed {seed}: {problem}")
    return differences, lost


def _at_tuned_rate(runs: list[dict], tuned: TunedRate | None) -> tuple[list[dict], list[str]]:
    if tuned is None:
        return runs, []
    if tuned.is_point:
        return _at_tuned_point(runs, tuned)
    kept = [run for run in runs if math.isclose(run["learning_rate"], tuned.learning_rate, rel_tol=1e-9)]
    left = len(runs) - len(kept)
    chosen = rate(tuned.learning_rate)
    note = f"{plural(left, 'confirm run')} at another learning rate than the chosen {chosen} left out"
    return kept, [note] if left else []


def _at_tuned_point(runs: list[dict], tuned: TunedRate) -> tuple[list[dict], list[str]]:
    chosen = key_of(tuned.hyperparameters)
    kept = [run for run in runs if key_of(run["hyperparameters"]) == chosen]
    left = len(runs) - len(kept)
    note = (
        f"{plural(left, 'confirm run')} at other hyperparameters than the chosen "
        f"{described(tuned.hyperparameters)} left out"
    )
    return kept, [note] if left else []


def _planned(runs: list[dict], seeds: list[int]) -> tuple[list[dict], list[str]]:
    kept = [run for run in runs if run["seed"] in seeds]
    extra = sorted({int(run["seed"]) for run in runs} - set(seeds))
    note = f"confirm runs on seeds that the study does not name left out: {_join(extra)}"
    return kept, [note] if extra else []


def _state(run: dict | None, metric: str) -> str:
    if run is None:
        return "not started"
    if run["state"] != State.COMPLETE:
        return _LOST[State(run["state"])]
    if did_not_train(run):
        return DID_NOT_TRAIN
    value = run.get(metric)
    # Complete without a finite metric is no result; saying "failed" keeps it visible.
    return "complete" if value is not None and math.isfinite(value) else "failed"


def _lost_pair(variant: Outcomes, baseline: Outcomes, seed: int) -> str | None:
    """None for a sound pair, "" for one that is still to come, else why it is lost."""
    states = {variant.variant: variant.states[seed], baseline.variant: baseline.states[seed]}
    bad = [f"{name} {state}" for name, state in states.items() if state in _WITHOUT_RESULT]
    if bad:
        return ", ".join(bad)
    if any(state != "complete" for state in states.values()):
        return ""
    if variant.budget and baseline.budget:
        # Their tokens may differ by intention: each run has to have trained on all of its own variant's.
        return ", ".join(filter(None, (_short_of_budget(one, seed) for one in (variant, baseline)))) or None
    ours, theirs = variant.runs[seed].get("tokens"), baseline.runs[seed].get("tokens")
    if not _equal(ours, theirs):
        return f"trained on {ours:,.0f} tokens, the baseline on {theirs:,.0f}"
    return None


def _short_of_budget(mine: Outcomes, seed: int) -> str | None:
    tokens = mine.runs[seed].get("tokens")
    if _equal(tokens, mine.budget):
        return None
    return f"{mine.variant} trained on {tokens:,.0f} tokens, and its budget is {mine.budget:,}"


def _equal(ours: float | None, theirs: float | None) -> bool:
    known = [value for value in (ours, theirs) if value is not None and math.isfinite(value)]
    return len(known) < 2 or math.isclose(*known, rel_tol=1e-3)


def _join(seeds: list[int]) -> str:
    return ", ".join(str(seed) for seed in seeds)
