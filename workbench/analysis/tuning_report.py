"""What a report says of tuning over a space: what was chosen, how sensitive it is, and what it took."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from workbench.analysis.best_of_k import BestOf, best_of_k, best_so_far
from workbench.analysis.tuned_points import PointChoice, TriedPoint, edges, means_on_all_seeds
from workbench.analysis.tuned_rates import TunedRate
from workbench.numbers import decimals_for, fixed, plural
from workbench.records.hyperparameters import LEARNING_RATE, Hyperparameters, shown
from workbench.records.manifest import WILCOXON, Manifest, PlannedTuning

QUARTERS = 4


@dataclass(frozen=True, kw_only=True)
class Group:
    """Tried values of one hyperparameter that lie together: a choice, or a quarter of the numbers.

    ``excess`` is how much worse the best point among them is than the best of all, in units of the metric;
    None where none of them gave a result.
    """

    values: tuple[float | str, ...]
    excess: float | None

    @property
    def text(self) -> str:
        """``0.1``, ``0.001–0.0018``, ``cosine``."""
        ends = [shown(self.values[0]), shown(self.values[-1])]
        return ends[0] if ends[0] == ends[1] else "–".join(ends)


@dataclass(frozen=True, kw_only=True)
class TunedVariant:
    """How one variant was tuned.

    ``loss`` is the mean that decided, ``edges`` says of each value at an end of what was tried how,
    ``sensitivity`` has the groups of each hyperparameter, ``granted`` and ``spent`` are tokens. ``best_of``
    is the expected best of k of its points, ``so_far`` the best after each point in the order in which they
    ended (None before the first result).
    """

    variant: str
    chosen: Hyperparameters
    loss: float | None
    edges: dict[str, str]
    sensitivity: dict[str, tuple[Group, ...]]
    points: int
    trials: int
    granted: float
    spent: float
    flops: float
    best_of: tuple[BestOf, ...]
    so_far: tuple[float | None, ...]


@dataclass(frozen=True, kw_only=True)
class TuningReport:
    """How the variants of a study were tuned over ``dimensions``; ``shared``: all tried the same points."""

    sampler: str
    pruner: str
    dimensions: tuple[str, ...]
    shared: bool
    again: int
    variants: tuple[TunedVariant, ...]


def tuning_report(manifest: Manifest, tuned: Mapping[str, TunedRate | None]) -> TuningReport | None:
    """What is known of a study's tuning by now; None for a study that has no space."""
    plan = manifest.tuning
    if plan is None:
        return None
    return TuningReport(
        sampler=plan.sampler,
        pruner=plan.pruner,
        dimensions=tuple(plan.dimensions),
        shared=plan.sampler in ("grid", "qmc", "random"),
        again=plan.again,
        variants=tuple(
            _variant(one, one.points, plan)
            for one in tuned.values()
            if one is not None and one.points is not None
        ),
    )


def _variant(tuned: TunedRate, choice: PointChoice, plan: PlannedTuning) -> TunedVariant:
    level = means_on_all_seeds(choice.tried)
    means = [level[point.key] for point in choice.tried]
    loss = choice.loss if tuned.is_point else tuned.chosen_loss
    return TunedVariant(
        variant=tuned.variant,
        chosen={name: tuned.hyperparameters[name] for name in plan.space},
        loss=loss if loss is not None and math.isfinite(loss) else None,
        edges=edges(choice.tried, tuned.hyperparameters, plan.dimensions),
        sensitivity={name: sensitivity(choice.tried, name) for name in plan.dimensions},
        points=len(choice.tried),
        trials=tuned.trials,
        granted=tuned.tokens,
        spent=tuned.spent or 0.0,
        flops=tuned.flops,
        best_of=tuple(best_of_k(means)),
        so_far=tuple(value if math.isfinite(value) else None for value in best_so_far(means)),
    )


def sensitivity(points: Sequence[TriedPoint], name: str) -> tuple[Group, ...]:
    """How much worse the best point is where one hyperparameter has other values.

    Numbers of more than four values are cut into quarters of the values that were tried, in ascending order.
    The best of a group, and not its mean, is what a reader who fixes the value there would tune to.
    """
    values = list({point.hyperparameters[name] for point in points})
    ordered: list[Any] = sorted(values, key=lambda value: (isinstance(value, str), value))
    level = means_on_all_seeds(points)
    lowest = min(level.values(), default=math.inf)
    groups = []
    for own in _cut(ordered):
        best = min(level[point.key] for point in points if point.hyperparameters[name] in own)
        excess = best - lowest if math.isfinite(best) else None
        groups.append(Group(values=tuple(own), excess=excess))
    return tuple(groups)


def _cut(ordered: list[Any]) -> list[list[Any]]:
    """Each value by itself, or numbers in quarters of about as many values each."""
    if len(ordered) <= QUARTERS or any(isinstance(value, str) for value in ordered):
        return [[value] for value in ordered]
    ends = [round(place * len(ordered) / QUARTERS) for place in range(QUARTERS + 1)]
    return [ordered[first:last] for first, last in pairwise(ends)]


def edge_notes(tuned: TunedRate | None, plan: PlannedTuning | None) -> list[str]:
    """Which tuned values lie at an end of what was tried; a learning rate alone has its own note."""
    if plan is None or tuned is None or tuned.points is None or plan.dimensions == [LEARNING_RATE]:
        return []
    found = edges(tuned.points.tried, tuned.hyperparameters, plan.dimensions)
    return [f"{name} {text}: perhaps not the best" for name, text in found.items()]


def racing_warnings(manifest: Manifest, tuned: Mapping[str, TunedRate | None], unit: str) -> list[str]:
    """How many points racing stopped, and how close the closest of them was; empty without any.

    By how much a stopped point was behind is known at its own seeds alone.
    """
    plan = manifest.tuning
    if plan is None or plan.pruner != WILCOXON:
        return []
    total, behind = 0, []
    for one in tuned.values():
        if one is None or one.points is None:
            continue
        tried = one.points.tried
        total += len(tried)
        whole = [point for point in tried if len(point.losses) == len(manifest.seeds.tune)]
        best = min(whole, key=lambda point: (point.mean, point.key), default=None)
        for point in tried:
            if len(point.losses) < len(manifest.seeds.tune) and best is not None:
                ahead = sum(best.losses[seed] for seed in point.losses) / len(point.losses)
                behind.append((point.mean - ahead, one.variant, point))
    if not behind:
        return []
    text = f"racing gave {len(behind)} of {plural(total, 'point')} no further tuning seeds"
    known = [entry for entry in behind if math.isfinite(entry[0])]
    if not known:
        return [f"{text}: all of them were lost"]
    cost, variant, point = min(known, key=lambda entry: entry[0])
    decimals = decimals_for(manifest.smallest_margin)
    return [
        f"{text}: a point as good as the best is stopped with a chance of 10 % at each look; the closest "
        f"({variant}) was {fixed(cost, decimals)} {unit} behind the best at its {len(point.losses)} seeds"
    ]
