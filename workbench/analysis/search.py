"""What a search found: its points with their objectives, and which of them are on the Pareto front.

A search is exploratory: it trains each point once or a few times, at the seeds by which the sampler chose the
next ones, and the best of many is lucky. So nothing here is a verdict; ``workbench promote`` writes the study
that gives one.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from workbench.analysis.metric_units import unit_of
from workbench.records.index import StudyRecords
from workbench.records.run import Phase, State, error_line
from workbench.records.search import RecordedSearch, SearchPoint
from workbench.records.space import Space

# Objectives beside a metric: what they are called for readers, and their unit.
FIGURES = {
    "flops_per_token": ("training FLOPs per token", "FLOP"),
    "decode_bytes": ("bytes read per decoded token", "B"),
    "parameters": ("parameters", ""),
    "nonembedding_parameters": ("parameters without embeddings", ""),
    "seconds": ("training time", "s"),
}
COMPLETE = "complete"
INFEASIBLE = "infeasible"


@dataclass(frozen=True, kw_only=True)
class Objective:
    """What a search minimises: its name in the study file, and how readers know it. ``unit`` may be empty."""

    name: str
    title: str
    unit: str
    minimize: bool = True


@dataclass(frozen=True, kw_only=True)
class Search:
    """A search in whatever state it is.

    ``space`` has the choices of a factor by their labels, as ``trials`` has them.

    ``trials`` has a row for each point: ``number`` (its number in Optuna's study), ``variant`` (``#12``),
    ``state`` (complete, running, queued, pruned, diverged, failed or infeasible), ``run_ids`` and ``seeds``
    of its runs, ``reason`` (why it is infeasible or has no result; empty otherwise), a column for each of
    ``dimensions``, one for each objective (the mean over its seeds; NaN where it is not known), ``feasible``,
    and ``per_seed``: by objective the value of each seed that has one. ``front`` are the numbers of the
    complete points that no other complete one beats, the best in the first objective before the others.
    """

    plan: RecordedSearch
    space: Space
    objectives: list[Objective]
    trials: pd.DataFrame
    front: list[int]

    @property
    def dimensions(self) -> list[str]:
        """The names of the space's dimensions, in the file's order."""
        return list(self.space)

    @property
    def complete(self) -> pd.DataFrame:
        """The points with a result, the best in the first objective first."""
        done = self.trials[self.trials["state"] == COMPLETE]
        return done.sort_values([self.objectives[0].name, "number"], kind="stable")

    def best(self, count: int) -> pd.DataFrame:
        """The best points: of one objective those with the lowest values, of several the front's.

        At most ``count`` rows; a front is read from its best point in the first objective on.
        """
        if len(self.objectives) == 1:
            return self.complete.head(count)
        return self.complete[self.complete["number"].isin(self.front)].head(count)


def searched(study: StudyRecords) -> Search | None:
    """The search of a study; None for a study that is none."""
    plan = study.manifest.search
    if plan is None:
        return None
    objectives = [objective(name) for name in plan.objectives]
    runs = study.runs[study.runs["phase"] == Phase.SEARCH]
    own = {str(name): rows for name, rows in runs.groupby("variant")}
    planned = len(study.manifest.seeds.tune)
    rows = [_row(point, own.get(point.variant), objectives, planned) for point in study.points]
    trials = pd.DataFrame(rows, columns=_columns(plan, objectives))
    return Search(
        plan=plan, space=plan.space, objectives=objectives, trials=trials, front=_front(trials, objectives)
    )


def objective(name: str) -> Objective:
    """The objective that a study file calls ``name``."""
    if name in FIGURES:
        title, unit = FIGURES[name]
        return Objective(name=name, title=title, unit=unit)
    return Objective(name=name, title=name.replace("/", " ").replace("_", " "), unit=unit_of(name))


def pareto_front(values: np.ndarray) -> np.ndarray:
    """Which of ``values`` (points, objectives; all minimised) no other beats: booleans, one per point.

    A point is beaten by one that is nowhere worse and somewhere better; equal points stay together.
    """
    nowhere_worse = (values[:, None, :] <= values[None, :, :]).all(axis=2)  # [i, j]: i against j
    somewhere_better = (values[:, None, :] < values[None, :, :]).any(axis=2)
    return ~np.asarray((nowhere_worse & somewhere_better).any(axis=0))


def _front(trials: pd.DataFrame, objectives: Sequence[Objective]) -> list[int]:
    done = trials[trials["state"] == COMPLETE]
    names = [one.name for one in objectives]
    done = done[pareto_front(done[names].to_numpy(dtype=float))]
    return [int(number) for number in done.sort_values([*names, "number"], kind="stable")["number"]]


def _columns(plan: RecordedSearch, objectives: Sequence[Objective]) -> list[str]:
    first = ["number", "variant", "state", "run_ids", "seeds", "reason"]
    return [*first, *plan.space, *(one.name for one in objectives), "feasible", "per_seed"]


def _row(
    point: SearchPoint, runs: pd.DataFrame | None, objectives: Sequence[Objective], planned: int
) -> dict[str, Any]:
    rows = [] if runs is None else runs.sort_values("seed").to_dict("records")
    state, reason = _state(point, rows, planned)
    per_seed = {one.name: _by_seed(one.name, rows, point) for one in objectives}
    means = {name: _mean(values) for name, values in per_seed.items()}
    for name in means:
        if name in point.figures:
            means[name] = point.figures[name]
        elif state != COMPLETE:
            means[name] = math.nan  # a mean over some of its seeds is no value of the point
    return {
        "number": point.number,
        "variant": point.variant,
        "state": state,
        "run_ids": [row["run_id"] for row in rows],
        "seeds": [row["seed"] for row in rows],
        "reason": reason,
        **point.point,
        **means,
        "feasible": point.infeasible is None,
        "per_seed": per_seed,
    }


def _by_seed(name: str, rows: list[dict[str, Any]], point: SearchPoint) -> dict[int, float]:
    """An objective's value at each seed with a result; what the configuration says is the same for all."""
    done = [row for row in rows if row["state"] == State.COMPLETE]
    found = {row["seed"]: point.figures.get(name, row.get(name)) for row in done}
    return {seed: float(value) for seed, value in found.items() if value is not None and math.isfinite(value)}


def _mean(values: dict[int, float]) -> float:
    return math.fsum(values.values()) / len(values) if values else math.nan


def _state(point: SearchPoint, rows: list[dict[str, Any]], planned: int) -> tuple[str, str]:
    """What became of a point, and why it has no result: the worst that befell one of its seeds."""
    if point.infeasible is not None:
        return INFEASIBLE, point.infeasible
    for state in (State.FAILED, State.DIVERGED, State.PRUNED, State.RUNNING):
        mine = [row for row in rows if row["state"] == state]
        if mine:
            error = mine[0]["error"]
            return str(state), error_line(error) if isinstance(error, str) else ""
    done = [row for row in rows if row["state"] == State.COMPLETE]
    if len(done) >= planned:
        return COMPLETE, ""
    return str(State.RUNNING if done else State.QUEUED), ""
