"""What was chosen for each variant: the one rule by which the driver goes on and the report speaks.

Where the learning rate alone is tuned it is ``tuned_rates``'s, whoever proposed the rates; where several
hyperparameters are, or another one is, points compete (``tuned_points``).
"""

from collections.abc import Sequence
from dataclasses import replace

import pandas as pd

from workbench.analysis.tuned_points import PointChoice, TriedPoint, choose_point, tried_points
from workbench.analysis.tuned_rates import (
    ALL_LOST,
    AMONG_POINTS,
    TunedRate,
    choose_learning_rates,
    granted_tokens,
)
from workbench.records.hyperparameters import LEARNING_RATE
from workbench.records.index import StudyRecords
from workbench.records.manifest import WILCOXON, Manifest
from workbench.records.run import FINISHED, Phase
from workbench.records.space import contains


def tuned_variants(study: StudyRecords, names: Sequence[str] | None = None) -> dict[str, TunedRate | None]:
    """The tuned hyperparameters of each variant of a study, or of those in ``names``.

    None for a variant of which no tuning run has finished.
    """
    manifest, runs = study.manifest, study.runs
    names = manifest.names if names is None else names
    budgets = {one.name: one.budget.tokens if one.budget else None for one in manifest.variants}
    plan = manifest.tuning
    if plan is None:
        return choose_learning_rates(runs, names, manifest.metric, budgets)
    tuning = _of_tuning(runs, manifest)
    points = {
        name: tried_points(tuning, name, manifest.metric, manifest.seeds.tune, plan.fresh) for name in names
    }
    if plan.dimensions == [LEARNING_RATE]:
        found = choose_learning_rates(tuning, names, manifest.metric, budgets)
        return {
            name: one and _accounted(one, points[name], tuning, manifest, budgets[name])
            for name, one in found.items()
        }
    return {
        name: _among(points[name], tuning, name, manifest, budgets[name]) if points[name] else None
        for name in names
    }


def all_tuned(study: StudyRecords, names: Sequence[str]) -> dict[str, TunedRate]:
    """As ``tuned_variants``, for variants of which all tuning trials have an outcome.

    Of a ladder each rung's are chosen by its own runs, as its report does.
    """
    found = {}
    for compared in study.compared:
        own = [name for name in names if name in compared.manifest.names]
        for name, one in tuned_variants(compared, own).items():
            assert one is not None, f"{name} has an outcome of its tuning"
            found[name] = one
    return found


def _of_tuning(runs: pd.DataFrame, manifest: Manifest) -> pd.DataFrame:
    """All runs, but the tuning runs of an earlier space or of seeds that are tuned with no longer."""
    plan = manifest.tuning
    assert plan is not None
    seeds = {*manifest.seeds.tune, *plan.fresh}
    fits = [
        phase != Phase.TUNE or (seed in seeds and contains(plan.space, point))
        for phase, seed, point in zip(runs["phase"], runs["seed"], runs["hyperparameters"], strict=True)
    ]
    return runs[pd.Series(fits, index=runs.index, dtype=bool)]


def _among(
    points: list[TriedPoint], runs: pd.DataFrame, name: str, manifest: Manifest, budget: int | None
) -> TunedRate:
    assert manifest.tuning is not None
    choice = choose_point(points, manifest.tuning, manifest.seeds.tune)
    place = AMONG_POINTS if choice.chosen.mean < float("inf") else ALL_LOST
    rate = float(choice.chosen.hyperparameters[LEARNING_RATE])
    found = TunedRate(
        variant=name,
        learning_rate=rate,
        hyperparameters=choice.chosen.hyperparameters,
        place=place,
        by_rule=rate,
        trials=0,
        flops=0.0,
        tokens=0.0,
        points=choice,
    )
    return _accounted(found, points, runs, manifest, budget)


def _accounted(
    tuned: TunedRate,
    points: Sequence[TriedPoint],
    runs: pd.DataFrame,
    manifest: Manifest,
    budget: int | None,
) -> TunedRate:
    """``tuned`` with its trials and tokens as they were allotted, and what was spent of them.

    A point that racing stopped had all tuning seeds to use: what is equal for all variants is what they were
    given, not what they needed.
    """
    plan = manifest.tuning
    assert plan is not None
    mine = runs[(runs["variant"] == tuned.variant) & (runs["phase"] == Phase.TUNE)]
    finished = mine[mine["state"].isin([str(state) for state in FINISHED])]
    granted = granted_tokens(finished, runs, budget)
    trials = len(finished)
    if plan.pruner == WILCOXON and trials:
        unused = sum(max(0, len(manifest.seeds.tune) - len(point.losses)) for point in points)
        granted *= (trials + unused) / trials
        trials += unused
    return replace(
        tuned,
        trials=trials,
        tokens=granted,
        spent=float(finished["tokens"].fillna(0).sum()),
        flops=float(finished["flops"].fillna(0).sum()),
        budget=budget,
        points=tuned.points or _all_tried(tuned, points, manifest),
    )


def _all_tried(tuned: TunedRate, points: Sequence[TriedPoint], manifest: Manifest) -> PointChoice:
    """What was tried where the learning rate alone was tuned; the curve may choose a rate between."""
    near = min(points, key=lambda point: abs(point.hyperparameters[LEARNING_RATE] - tuned.learning_rate))
    return PointChoice(tried=tuple(points), chosen=near, seeds=tuple(manifest.seeds.tune))
