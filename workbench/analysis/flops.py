"""The runs of a study, trained on equal tokens, bytes of text or passes over it, read at equal arithmetic.

Each confirm run's validation curve is read at one number of training FLOPs, interpolated linearly in
log FLOPs between evaluations. A variant with dearer tokens is read before its learning-rate schedule
has ended, and what that does to it depends on the budget: where progress limits the loss, a long schedule
read early has lost less than a short one that has ended, and where noise does, more. A difference in cost
of 1.3 % can move the reading by a margin. It is a reading, then, and has no verdict: whoever wants one trains
each variant on its own schedule to the same FLOPs (``budget: flops``).
"""

import math
from collections.abc import Hashable
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from statistics import mean, stdev

import numpy as np

from workbench.analysis.confirm_outcomes import (
    NOT_READ,
    Outcomes,
    paired_differences,
)
from workbench.analysis.decisions import confirm_phase
from workbench.analysis.statistics import PairedComparison, compare_pairs
from workbench.analysis.verdicts import fate
from workbench.errors import RecordError
from workbench.records.index import StudyRecords
from workbench.records.manifest import Manifest, ManifestVariant
from workbench.records.metrics import Evaluations, evaluations, metrics_version

_RELEVANT = 0.01
_KEPT = 2048  # validation curves in memory: a few kB each


@dataclass(frozen=True, kw_only=True)
class FlopsRow:
    """One variant at equal FLOPs: the metric by seed, and the comparison with the baseline.

    ``share`` is how much of its schedule a run has behind it where it is read, 1 where it is read at its end.
    ``at_the_end`` is the other reading of the same curves: the comparison at their ends, after equal tokens.
    """

    variant: str
    share: float | None
    values: dict[int, float]
    mean: float | None
    sd: float | None
    comparison: PairedComparison | None
    at_the_end: PairedComparison | None


@dataclass(frozen=True, kw_only=True)
class EqualFlops:
    """All variants read at ``flops`` training FLOPs; ``notes`` say what could not be read."""

    flops: float
    rows: tuple[FlopsRow, ...]
    notes: tuple[str, ...]


def flops_differ(study: StudyRecords) -> bool:
    """Whether a comparison at equal FLOPs is another one than the study's own.

    It is where the variants' FLOPs differ by more than 1 %: of a whole training where each has its own
    budget, per token where all have the same tokens. What a study trains at equal FLOPs is that comparison.
    """
    read = _trained_apart(study.manifest)
    budgets = [variant.budget for variant in read if variant.budget]
    if len(budgets) == len(read):
        costs: list[float | None] = [budget.flops for budget in budgets]
    else:
        costs = [variant.flops_per_token for variant in read]
    known = [cost for cost in costs if cost]
    return len(known) > 1 and max(known) - min(known) > _RELEVANT * max(known)


def loss_at_flops(
    study: StudyRecords, flops: float | None = None, outcomes: dict[str, Outcomes] | None = None
) -> EqualFlops | None:
    """Compare at ``flops``, by default the most that all reached, what did not train at equal FLOPs.

    ``outcomes`` are the study's confirm outcomes, where they are known already. None when no complete confirm
    run has a validation curve.
    """
    metric = study.manifest.metric
    outcomes = confirm_phase(study)[1] if outcomes is None else outcomes
    outcomes = {one.name: outcomes[one.name] for one in _trained_apart(study.manifest)}
    curves, notes = _curves(outcomes, metric)
    reached = [min(curve["flops"].max() for curve in mine.values()) for mine in curves.values() if mine]
    if not reached:
        return None
    target = min(reached) if flops is None else flops
    read = {name: _read_at(outcomes[name], curves[name], metric, target) for name in outcomes}
    baseline = read[study.manifest.baseline]
    rows = tuple(
        FlopsRow(
            variant=name,
            share=_share(curves[name], target),
            values=mine.values,
            mean=mean(mine.values.values()) if mine.values else None,
            sd=stdev(mine.values.values()) if len(mine.values) > 1 else None,
            comparison=_comparison(mine, baseline),
            at_the_end=_comparison(outcomes[name], outcomes[study.manifest.baseline]),
        )
        for name, mine in read.items()
    )
    return EqualFlops(flops=float(target), rows=rows, notes=tuple(notes))


def _trained_apart(manifest: Manifest) -> list[ManifestVariant]:
    """The baseline, and the variants that trained to other FLOPs than it did."""
    return [
        one
        for one in manifest.variants
        if one.name == manifest.baseline or manifest.budget_unit(one) != "flops"
    ]


def _curves(outcomes: dict[str, Outcomes], metric: str) -> tuple[dict[str, dict], list[str]]:
    curves: dict[str, dict[int, Evaluations]] = {}
    notes: list[str] = []
    for name, mine in outcomes.items():
        curves[name] = {}
        for seed in mine.values:
            try:
                curve = validation_curve(mine.runs[seed]["path"], metric)
            except RecordError as error:
                notes.append(f"{name} seed {seed}: {error}")
                continue
            if curve:
                curves[name][seed] = curve
    return curves, notes


def validation_curve(path: str | Path, metric: str) -> Evaluations:
    """The axes and ``metric`` where it was evaluated, in order of steps; empty where it never was.

    Kept until the run's metrics change, so that callers must not change it.
    """
    return _curve(Path(path), metric, metrics_version(Path(path)))


@lru_cache(maxsize=_KEPT)
def _curve(path: Path, metric: str, version: Hashable) -> Evaluations:
    curve = evaluations(path, metric)
    return curve if "flops" in curve else {}


def _read_at(outcomes: Outcomes, curves: dict[int, Evaluations], metric: str, flops: float) -> Outcomes:
    """The same outcomes with the metric read at ``flops``; a seed without a curve there is not read."""
    values = {seed: _interpolate(curve, metric, flops) for seed, curve in curves.items()}
    known = {seed: value for seed, value in values.items() if value is not None}
    states = {
        seed: NOT_READ if state == "complete" and seed not in known else state
        for seed, state in outcomes.states.items()
    }
    # At equal FLOPs the tokens differ by intention, so they are no reason to refuse a pair.
    runs = {seed: run | {"tokens": None} for seed, run in outcomes.runs.items()}
    return replace(outcomes, values=known, states=states, runs=runs, notes=())


def _interpolate(curve: Evaluations, metric: str, flops: float) -> float | None:
    spent, losses = curve["flops"].astype(float), curve[metric].astype(float)
    usable = (spent > 0) & np.isfinite(losses)
    spent, losses = spent[usable], losses[usable]
    if not len(spent) or not spent[0] <= flops <= spent[-1] * (1 + 1e-9):
        return None  # outside what was measured; nothing is extrapolated
    return float(np.interp(math.log(flops), np.log(spent), losses))


def _share(curves: dict[int, Evaluations], flops: float) -> float | None:
    """How much of the variant's runs is over at ``flops``; None where none is read there."""
    ends = [curve["flops"].max() for curve in curves.values()]
    return min(1.0, float(flops / mean(ends))) if ends else None


def _comparison(mine: Outcomes, baseline: Outcomes) -> PairedComparison | None:
    if mine.variant == baseline.variant or fate(mine) is not None:
        return None
    differences, _ = paired_differences(mine, baseline)
    return compare_pairs(list(differences.values())) if differences else None
