"""What the tuning trials of a variant gave, point by point: a point is one value for each hyperparameter.

Losses at one learning rate and different other hyperparameters are losses of different points, and are never
averaged. The best of many points looks better than it is (the winner's curse): the lowest of twelve means
owes its place to luck as much as to its values. So where several hyperparameters are tuned the best few are
run again on seeds that no point was chosen by, and the mean over those seeds alone decides.
"""

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import mean
from typing import Any

import pandas as pd

from workbench.records.hyperparameters import Hyperparameters, key_of, shown
from workbench.records.manifest import PlannedTuning
from workbench.records.run import FINISHED, Phase, State
from workbench.records.training_outcome import did_not_train


@dataclass(frozen=True, kw_only=True)
class TriedPoint:
    """A point that a variant tried: the metric at each tuning seed, and at each fresh seed.

    A trial without a result (diverged, failed, pruned, or one that did not train) counts as inf. ``ended`` is
    when its first trial did, ISO 8601.
    """

    hyperparameters: Hyperparameters
    losses: dict[int, float] = field(default_factory=dict)
    fresh: dict[int, float] = field(default_factory=dict)
    ended: str = ""

    @property
    def key(self) -> str:
        """What tells it from other points."""
        return key_of(self.hyperparameters)

    @property
    def mean(self) -> float:
        """The mean over its tuning seeds; inf without any, or where one had no result."""
        return mean(self.losses.values()) if self.losses else math.inf

    @property
    def fresh_mean(self) -> float:
        """The same over its fresh seeds."""
        return mean(self.fresh.values()) if self.fresh else math.inf


@dataclass(frozen=True, kw_only=True)
class PointChoice:
    """Which of ``tried`` points was chosen, and why.

    ``again`` are those that were run again, the best mean over fresh seeds first; empty while they are not.
    ``seeds`` and ``fresh`` are the seeds of both.
    """

    tried: tuple[TriedPoint, ...]
    chosen: TriedPoint
    again: tuple[TriedPoint, ...] = ()
    seeds: tuple[int, ...] = ()
    fresh: tuple[int, ...] = ()

    @property
    def loss(self) -> float:
        """The mean that decided: over fresh seeds where there are any, else over tuning seeds."""
        return self.chosen.fresh_mean if self.again else self.chosen.mean


def tried_points(
    runs: pd.DataFrame, variant: str, metric: str, seeds: Collection[int], fresh: Collection[int] = ()
) -> list[TriedPoint]:
    """The points that ``variant`` tried, in the order in which the first trial of each ended."""
    mine = runs[(runs["variant"] == variant) & (runs["phase"] == Phase.TUNE)]
    mine = mine[mine["state"].isin([str(state) for state in FINISHED])]
    found: dict[str, TriedPoint] = {}
    for run in mine.sort_values("seed").to_dict("records"):
        point = dict(run["hyperparameters"])
        ended = str(run.get("finished") or "")
        known = found.setdefault(key_of(point), TriedPoint(hyperparameters=point, ended=ended))
        seed = int(run["seed"])
        if seed in seeds:
            known.losses[seed] = outcome_value(run, metric)
        elif seed in fresh:
            known.fresh[seed] = outcome_value(run, metric)
        if ended < known.ended:
            found[known.key] = TriedPoint(
                hyperparameters=point, losses=known.losses, fresh=known.fresh, ended=ended
            )
    return sorted(found.values(), key=lambda point: (point.ended, point.key))


def leading(points: Sequence[TriedPoint], seeds: Collection[int], count: int) -> list[TriedPoint]:
    """The ``count`` best points by the mean over tuning seeds, the best first; of equal ones by their key.

    Only points with a trial at every seed compete; where none has, those with the most.
    """
    most = max((len(point.losses) for point in points), default=0)
    competing = [point for point in points if len(point.losses) == min(most, len(seeds))]
    return sorted(competing, key=lambda point: (point.mean, point.key))[:count]


def means_on_all_seeds(points: Sequence[TriedPoint]) -> dict[str, float]:
    """The mean of each point by its key; of one that got fewer seeds, what it is likely at all of them.

    A point that racing stopped is put as far behind the best complete one as it is at the seeds that it had:
    seeds differ from each other by more than points do.
    """
    most = max((len(point.losses) for point in points), default=0)
    whole = [point for point in points if len(point.losses) == most and math.isfinite(point.mean)]
    best = min(whole, key=lambda point: (point.mean, point.key), default=None)
    found = {}
    for point in points:
        found[point.key] = point.mean
        if best is not None and len(point.losses) < most and math.isfinite(point.mean):
            shared = [seed for seed in point.losses if seed in best.losses]
            behind = [point.losses[seed] - best.losses[seed] for seed in shared]
            found[point.key] = best.mean + mean(behind) if behind else point.mean
    return found


def choose_point(points: Sequence[TriedPoint], plan: PlannedTuning, seeds: Sequence[int]) -> PointChoice:
    """The point that a variant is confirmed at, by the rule above; before the fresh seeds, the lowest mean.

    ``points`` are some, ``seeds`` those of tuning. Of equal points the first by key is chosen.
    """
    best = leading(points, seeds, max(1, plan.again))
    again = [point for point in best if plan.fresh and set(plan.fresh) <= set(point.fresh)]
    is_rerun = bool(again) and len(again) == len(best)
    again = sorted(again, key=lambda point: (point.fresh_mean, point.key)) if is_rerun else []
    return PointChoice(
        tried=tuple(points),
        chosen=again[0] if again else best[0],
        again=tuple(again),
        seeds=tuple(seeds),
        fresh=tuple(plan.fresh),
    )


def edges(points: Sequence[TriedPoint], chosen: Hyperparameters, dimensions: Sequence[str]) -> dict[str, str]:
    """Of each number that lies at an end of what was tried, how: ``0.3 is the largest tried``.

    0 is no end: these numbers have no smaller value.
    """
    found = {}
    for name in dimensions:
        value = chosen[name]
        tried = sorted({point.hyperparameters[name] for point in points if name in point.hyperparameters})
        if isinstance(value, str) or len(tried) < 2:
            continue
        if value <= tried[0] and value != 0:
            found[name] = f"{shown(value)} is the smallest tried"
        elif value >= tried[-1]:
            found[name] = f"{shown(value)} is the largest tried"
    return found


def outcome_value(run: Mapping[str, Any], metric: str) -> float:
    """A finished run's metric; inf where it has none."""
    value = run.get(metric)
    if run["state"] != State.COMPLETE or value is None or not math.isfinite(value) or did_not_train(run):
        return math.inf
    return float(value)
