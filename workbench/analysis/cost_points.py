"""What each variant of a study loses, and what that cost it: FLOPs, seconds and bytes of a training.

Losses are means over the confirm runs that trained, with their own 95 % t intervals over seeds. These are
wider than those of paired differences, which a study's verdicts rest on: a front is to be read, and judges
nothing.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import fmean
from typing import Any

import numpy as np

from workbench.analysis.confirm_outcomes import Outcomes
from workbench.analysis.decisions import confirm_phase
from workbench.analysis.metric_units import is_per_token, set_metrics, unit_of
from workbench.analysis.pareto import pareto_front
from workbench.analysis.statistics import Interval, mean_interval
from workbench.analysis.verdicts import fate
from workbench.records.index import StudyRecords
from workbench.records.manifest import Manifest

# What a training costs, by the column of the runs' records.
COSTS = {"flops": "Training FLOPs", "seconds": "Training time", "peak_memory_bytes": "Peak memory"}


@dataclass(frozen=True, kw_only=True)
class Ground:
    """What losses must have in common to be compared: the metric, the text that it is of, and the tokenizer.

    ``text`` is the fingerprint of what is judged on; ``tokenizer`` is empty where a metric does not depend on
    it, as bits per byte.
    """

    metric: str
    text: str
    tokenizer: str

    @property
    def unit(self) -> str:
        """Of the metric."""
        return unit_of(self.metric)


@dataclass(frozen=True, kw_only=True)
class CostPoint:
    """A variant: its mean ``loss`` over ``seeds`` with the interval (None for one seed), and its costs.

    ``costs`` are means over the same runs, by the keys of ``COSTS``; what no run has recorded is not in it.
    ``machines`` are what the runs trained on.
    """

    variant: str
    is_baseline: bool
    ground: Ground
    seeds: int
    loss: float
    interval: Interval | None
    costs: Mapping[str, float]
    machines: tuple[str, ...]
    study: str = ""

    def of(self, study: str) -> "CostPoint":
        """The same, as a point of ``study``."""
        return replace(self, study=study)


def cost_points(study: StudyRecords, metric: str | None = None) -> list[CostPoint]:
    """The points of a study's variants by ``metric``, by default its own.

    A variant that failed or did not train has none, nor has one without a complete run that has the metric.
    """
    chosen = metric or study.manifest.metric
    points = []
    for name, mine in confirm_phase(study)[1].items():
        runs = [mine.runs[seed] for seed in mine.values if _finite(mine.runs[seed].get(chosen))]
        if runs and fate(mine) is None:
            points.append(_point(study.manifest, name, mine, runs, chosen))
    return points


def _point(
    manifest: Manifest, name: str, mine: Outcomes, runs: Sequence[Mapping[str, Any]], metric: str
) -> CostPoint:
    losses = [float(run[metric]) for run in runs]
    costs = {}
    for cost in COSTS:
        known = [float(run[cost]) for run in runs if _finite(run.get(cost)) and run[cost] > 0]
        if known:
            costs[cost] = fmean(known)
    return CostPoint(
        variant=name,
        is_baseline=name == manifest.baseline,
        ground=_ground(manifest, name, metric),
        seeds=len(losses),
        loss=fmean(losses),
        interval=mean_interval(losses),
        costs=costs,
        machines=tuple(dict.fromkeys(_machine(run) for run in runs)),
    )


def _ground(manifest: Manifest, name: str, metric: str) -> Ground:
    judged = set_metrics(manifest).get(metric) or next(iter(manifest.evaluation), None)
    variant = next(one for one in manifest.variants if one.name == name)
    text = judged.fingerprint if judged else manifest.text_of(variant).get("fingerprint")
    tokenizer = manifest.tokenizer_of(name) if is_per_token(metric) else ""
    # Texts that nobody can tell apart are taken for different ones, those of one study for the same.
    return Ground(metric=metric, text=str(text or f"of {manifest.name}"), tokenizer=str(tokenizer))


def _machine(run: Mapping[str, Any]) -> str:
    hardware = (run.get("provenance") or {}).get("hardware") or {}
    name = hardware.get("gpu") or hardware.get("processor") or hardware.get("device")
    return str(name or "a machine that is not recorded")


def _finite(value: Any) -> bool:
    return isinstance(value, int | float) and math.isfinite(value)


def on_front(points: Sequence[CostPoint], cost: str) -> list[bool]:
    """Which of ``points``, all of one ground, no other beats in ``cost`` and mean loss together.

    A point without that cost is on no front.
    """
    known = [place for place, point in enumerate(points) if cost in point.costs]
    if not known:
        return [False] * len(points)
    values = np.array([[points[place].costs[cost], points[place].loss] for place in known])
    best = {place for place, is_best in zip(known, pareto_front(values), strict=True) if is_best}
    return [place in best for place in range(len(points))]


def grounds(points: Sequence[CostPoint]) -> dict[Ground, list[CostPoint]]:
    """The points by what they have in common; the ground of most points first."""
    found: dict[Ground, list[CostPoint]] = {}
    for point in points:
        found.setdefault(point.ground, []).append(point)
    return dict(sorted(found.items(), key=lambda pair: -len(pair[1])))
