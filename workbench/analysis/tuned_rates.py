"""The learning rate that each variant is judged at, and whether all had the same chance to find theirs.

With at least three rates and two tuning seeds it is the optimum of a quadratic through the losses
(``rate_curve``), else the rate with the lowest mean. A rate at which a run diverged, failed or did not
train is not chosen while another gave a result, and is no part of a quadratic. One at which no run gave a
result says nothing of how good the rates beside it are, so that an optimum is not *interior* for its sake:
the best rate may lie between the two.

A rate at which a variant was confirmed stays its own, as long as the tuning runs do not contradict it: an
older rule, or one tuning seed more, moves the optimum a little, and would throw all confirm runs away.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from workbench.analysis.rate_curve import (
    BEYOND_NOISE,
    FEWEST_SEEDS,
    RateCurve,
    RunNoise,
    fit_curve,
    is_near,
    pooled_noise,
)
from workbench.analysis.tuned_points import PointChoice, outcome_value
from workbench.records.hyperparameters import LEARNING_RATE, Hyperparameters
from workbench.records.run import FINISHED, Phase, State
from workbench.records.training_outcome import UNIFORM, untrained

# Where a chosen rate lies.
INTERIOR = "interior"
FLAT = "flat"
NOISE_UNKNOWN = "noise not known"
AT_EDGE = "at the edge"
ONE_SIDE_LOST = "one side lost"
ALL_LOST = "all lost"
AMONG_POINTS = "among points"  # of several hyperparameters, which no line through learning rates shows

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
    """A variant's tuned learning rate, and all ``hyperparameters`` that go with it.

    ``losses`` maps each tried rate to the metric per tuning seed (``seeds``, the same order); a run without a
    result counts as inf. ``place`` says where the chosen rate lies: ``interior`` where the rates on both
    sides are worse beyond noise; ``flat`` where they are not; ``noise not known`` for a single tuning seed
    before anything is confirmed; ``at the edge``; ``one side lost``, with the rates ``bounded_by`` that gave
    no result; ``all lost``; ``among points`` where several hyperparameters are tuned: what was tried are then
    ``points``, and there are no ``losses`` by rate. ``flat_throughout`` says that no rate is worse than the
    best beyond noise. ``by_rule`` is what the tuning runs alone say. ``curve`` is None for fewer than three
    rates. ``flops`` is what was spent, and so is ``spent`` in tokens (None where it was not reckoned);
    ``tokens`` is what was granted (a diverged run had its whole budget to use, though it stopped early).
    ``budget``: training tokens of one trial, where variants have budgets of their own.
    """

    variant: str
    learning_rate: float
    hyperparameters: Hyperparameters
    place: str
    by_rule: float
    bounded_by: tuple[float, ...] = ()
    flat_throughout: bool = False
    losses: dict[float, list[float]] = field(default_factory=dict)
    seeds: dict[float, list[int]] = field(default_factory=dict)
    curve: RateCurve | None = None
    trials: int
    flops: float
    tokens: float
    budget: int | None = None
    spent: float | None = None
    points: PointChoice | None = None

    @property
    def means(self) -> dict[float, float]:
        """The mean over tuning seeds at each rate, rates ascending."""
        return {rate: sum(values) / len(values) for rate, values in sorted(self.losses.items())}

    @property
    def chosen_loss(self) -> float | None:
        """The mean at the chosen rate; where it was not tried, the curve's height, None without a curve."""
        for rate, value in self.means.items():
            if same_rate(rate, self.learning_rate):
                return value
        if self.curve is None or not self.curve.rates[0] <= self.learning_rate <= self.curve.rates[-1]:
            return None
        return self.curve.loss(self.learning_rate)

    @property
    def rates_tried(self) -> list[float]:
        """The learning rates of everything that was tried, ascending."""
        if self.points is not None and self.is_point:
            return sorted({float(point.hyperparameters[LEARNING_RATE]) for point in self.points.tried})
        return sorted(self.losses)

    @property
    def candidate_means(self) -> list[float]:
        """The mean over tuning seeds of everything that was tried."""
        if self.points is not None and self.is_point:
            return [point.mean for point in self.points.tried]
        return list(self.means.values())

    @property
    def is_point(self) -> bool:
        """Whether it was chosen among points of several hyperparameters, and not along learning rates."""
        return self.points is not None and not self.losses

    @property
    def trained(self) -> bool:
        """Whether any rate gave a result at every tuning seed."""
        return self.place != ALL_LOST

    @property
    def interior(self) -> bool:
        """Whether lower and higher rates gave a result, and both are worse beyond noise."""
        return self.place == INTERIOR

    @property
    def kept(self) -> bool:
        """Whether the rate is that of confirm runs, and not the one that the tuning runs would give."""
        return not same_rate(self.learning_rate, self.by_rule)


def choose_learning_rate(
    runs: pd.DataFrame, variant: str, metric: str, budget: int | None = None
) -> TunedRate | None:
    """The learning rate of ``variant``, by ``choose_learning_rates``."""
    return choose_learning_rates(runs, [variant], metric, {variant: budget})[variant]


def choose_learning_rates(
    runs: pd.DataFrame,
    variants: Sequence[str],
    metric: str,
    budgets: Mapping[str, int | None] | None = None,
) -> dict[str, TunedRate | None]:
    """The learning rate of each variant by the tuning runs' ``metric``; the noise is that of all variants.

    ``budgets``: the training tokens of a trial of each, where variants have budgets of their own.

    Runs that diverged, failed, did not train or were pruned count as infinitely bad; of equal rates the
    smaller is chosen, and before both one at which some run gave a result. While tuning goes on, only rates
    with as many seeds as the most-tried one compete. None for a variant of which no tuning run has finished.
    """
    # Whole rows, configurations and all, are slow to pick; and no column may be asked for twice.
    runs = runs.reindex(columns=list(dict.fromkeys([*_COLUMNS, metric])))
    tried = {name: _Tried(runs, name, metric) for name in dict.fromkeys([*runs["variant"], *variants])}
    noise = pooled_noise([np.array(list(near.values())) for one in tried.values() if (near := one.near())])
    confirm = _confirm_noise(runs, metric)
    own = budgets or {}
    return {
        name: None
        if tried[name].finished.empty
        else _choose(tried[name], runs, noise, confirm, own.get(name))
        for name in variants
    }


class _Tried:
    """What the finished tuning runs of a variant gave."""

    def __init__(self, runs: pd.DataFrame, variant: str, metric: str) -> None:
        self.variant = variant
        self.finished = _finished(runs, variant)
        self.losses: dict[float, list[float]] = {}
        self.seeds: dict[float, list[int]] = {}
        for run in self.finished.sort_values(["learning_rate", "seed"]).to_dict("records"):
            rate = float(run["learning_rate"])
            self.losses.setdefault(rate, []).append(outcome_value(run, metric))
            self.seeds.setdefault(rate, []).append(int(run["seed"]))

    @property
    def competing(self) -> list[float]:
        """Rates with as many seeds as the most-tried one, ascending."""
        most = max(map(len, self.losses.values()), default=0)
        return [rate for rate in sorted(self.losses) if len(self.losses[rate]) == most]

    def complete(self) -> dict[float, list[float]]:
        """The losses of competing rates that gave a result at every seed; nothing where seeds differ."""
        rates = [rate for rate in self.competing if all(map(math.isfinite, self.losses[rate]))]
        shared = {tuple(self.seeds[rate]) for rate in rates}
        if len(shared) != 1 or any(len(set(seeds)) < len(seeds) for seeds in shared):
            return {}
        return {rate: self.losses[rate] for rate in rates}

    def near(self) -> dict[float, list[float]]:
        """Of those, what the noise is taken from: rates that are not far from the best one."""
        complete = self.complete()
        best = min(complete, key=lambda rate: sum(complete[rate]), default=math.nan)
        return {rate: losses for rate, losses in complete.items() if is_near(rate, best)}


def _choose(
    tried: _Tried,
    runs: pd.DataFrame,
    noise: RunNoise | None,
    confirm_noise: RunNoise | None,
    budget: int | None,
) -> TunedRate:
    losses, complete = tried.losses, tried.complete()
    informative = _informative(tried.finished)
    means = {rate: sum(values) / len(values) for rate, values in losses.items()}
    best = min(tried.competing, key=lambda rate: (means[rate], rate not in informative, rate))

    # What the tuning runs say: the optimum of the curve, or where there is none the lowest mean.
    several = bool(complete) and len(losses[best]) >= FEWEST_SEEDS
    curve = fit_curve(complete, noise if several else None) if complete else None
    optimum = curve.optimum if curve is not None and several else None
    by_rule = best if optimum is None else optimum

    # What was confirmed before stays, unless they contradict it.
    evidence = _Evidence(complete, best, curve if several else None, noise if several else None)
    point = _nearest_tried(tried.finished, by_rule) | {LEARNING_RATE: by_rule}
    for before in _confirmed(runs, tried.variant, by_rule):
        if not evidence.contradicts(before[LEARNING_RATE], by_rule):
            point = before
            break
    chosen = point[LEARNING_RATE]

    # Where that lies. One tuning seed has no noise of its own; that of the confirm runs is a bound on it.
    judged = evidence if several else _Evidence(complete, best, None, confirm_noise)
    rates = sorted(losses)
    bounds = _bounds(rates, informative, chosen)
    if not math.isfinite(means[best]):
        place = ALL_LOST
    elif not _between(informative, chosen):
        place = ONE_SIDE_LOST if bounds else AT_EDGE
    elif not judged.is_known:
        place = NOISE_UNKNOWN
    else:
        place = INTERIOR if judged.both_sides_worse(rates, chosen) else FLAT
    return TunedRate(
        variant=tried.variant,
        learning_rate=chosen,
        hyperparameters=point,
        place=place,
        by_rule=by_rule,
        bounded_by=bounds,
        flat_throughout=evidence.is_known and not any(evidence.worse(rate) for rate in rates),
        losses=losses,
        seeds=tried.seeds,
        curve=curve,
        trials=len(tried.finished),
        flops=float(tried.finished["flops"].fillna(0).sum()),
        tokens=granted_tokens(tried.finished, runs, budget),
        budget=budget,
    )


class _Evidence:
    """What the runs at ``complete`` rates say of other rates than the ``best`` of them."""

    def __init__(
        self,
        complete: dict[float, list[float]],
        best: float,
        curve: RateCurve | None,
        noise: RunNoise | None,
    ) -> None:
        self.is_known = noise is not None and best in complete
        self._means = {rate: sum(values) / len(values) for rate, values in complete.items()}
        self._best = best
        self._curve = curve if curve is not None and curve.optimum is not None else None
        # Of the difference of two means at the same seeds; nothing is beyond a noise that nobody knows.
        self._error = math.inf
        if noise is not None and best in complete:
            self._error = math.sqrt(2 * noise.variance / len(complete[best]))

    def worse(self, rate: float, than: float | None = None) -> bool:
        """Whether a rate that was tried is worse beyond noise than another, or the best; one that lost is."""
        if rate not in self._means:
            return True
        reference = self._means[self._best if than is None else than]
        return self._means[rate] - reference > BEYOND_NOISE * self._error

    def contradicts(self, rate: float, by_rule: float) -> bool:
        """Whether ``rate``, at which a variant was confirmed, cannot stay beside the rule's ``by_rule``."""
        if same_rate(rate, by_rule):
            return False
        if not self.is_known:
            return True
        if rate in self._means:
            return self.worse(rate)
        # One between those that were tried: by the curve, or where there is none by the two beside it.
        below = [other for other in self._means if other < rate]
        above = [other for other in self._means if other > rate]
        if not below or not above:
            return True
        if self._covers(rate, by_rule):
            return self._beyond_noise_on_curve(rate, by_rule)
        return self.worse(max(below)) and self.worse(min(above))

    def both_sides_worse(self, rates: list[float], chosen: float) -> bool:
        """Whether the rates beside ``chosen`` are worse than it beyond noise.

        An optimum between two rates lies close to one of them, which can be hardly worse: on the side of one
        that is closer than half their distance, the rate behind it is asked.
        """
        below = [rate for rate in rates if rate < chosen and not same_rate(rate, chosen)]
        above = [rate for rate in rates if rate > chosen and not same_rate(rate, chosen)]
        if not any(same_rate(rate, chosen) for rate in rates):
            middle = math.sqrt(below[-1] * above[0])
            if chosen < middle and len(below) > 1:
                below = below[:-1]
            if chosen > middle and len(above) > 1:
                above = above[1:]
        return all(self._worse_than_chosen(rate, chosen) for rate in (below[-1], above[0]))

    def _worse_than_chosen(self, rate: float, chosen: float) -> bool:
        if rate not in self._means:
            return True
        if self._covers(rate, chosen):
            return self._beyond_noise_on_curve(rate, chosen)
        nearest = min(self._means, key=lambda other: abs(math.log2(other / chosen)))
        return self.worse(rate, nearest)

    def _covers(self, *rates: float) -> bool:
        """Whether all lie within what the curve goes through."""
        if self._curve is None:
            return False
        return all(self._curve.rates[0] <= rate <= self._curve.rates[-1] for rate in rates)

    def _beyond_noise_on_curve(self, rate: float, than: float) -> bool:
        assert self._curve is not None  # which covers both
        difference, error = self._curve.excess(rate, than)
        return error is not None and difference > BEYOND_NOISE * error


def _nearest_tried(finished: pd.DataFrame, rate: float) -> Hyperparameters:
    """What was tried at the rate next to ``rate``."""
    tried = sorted(map(float, finished["learning_rate"].unique()))
    nearest = min(tried, key=lambda other: (abs(math.log2(other / rate)), other))
    return dict(finished.loc[finished["learning_rate"] == nearest, "hyperparameters"].iloc[0])


def _confirmed(runs: pd.DataFrame, variant: str, by_rule: float) -> list[Hyperparameters]:
    """What confirm runs of ``variant`` were begun with: most runs first, then the nearest to the rule's."""
    begun = runs[
        (runs["variant"] == variant) & (runs["phase"] == Phase.CONFIRM) & (runs["state"] != State.QUEUED)
    ]
    found = dict(iter(begun.groupby("learning_rate")["hyperparameters"]))
    order = sorted(found, key=lambda rate: (-len(found[rate]), abs(math.log2(rate / by_rule))))
    return [dict(found[rate].iloc[0]) for rate in order]


def _confirm_noise(runs: pd.DataFrame, metric: str) -> RunNoise | None:
    """The variance of a confirm run of one variant at one rate, pooled; what seeds share is part of it."""
    done = runs[(runs["phase"] == Phase.CONFIRM) & (runs["state"] == State.COMPLETE) & ~untrained(runs)]
    values = pd.to_numeric(done[metric], errors="coerce")
    groups = values[np.isfinite(values)].groupby([done["variant"], done["learning_rate"]])
    df = int((groups.size() - 1).sum()) if len(groups) else 0
    if not df:
        return None
    squares = float((groups.var() * (groups.size() - 1)).sum())
    return RunNoise(variance=squares / df, df=df)


def same_rate(one: float, other: float) -> bool:
    """Whether two learning rates are one, but for rounding."""
    return math.isclose(one, other, rel_tol=1e-9)


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


def granted_tokens(finished: pd.DataFrame, runs: pd.DataFrame, budget: int | None) -> float:
    """The tokens that ``finished`` tuning runs had to use: ``budget`` each, or what complete ones took."""
    if budget is None:  # all variants have the same
        tuned = runs[runs["phase"] == Phase.TUNE]
        budget = tuned.loc[tuned["state"] == State.COMPLETE, "tokens"].max()
    complete = finished["state"] == State.COMPLETE
    return float(finished["tokens"].where(complete, budget).fillna(0).sum())
