"""What a search found: its points with their objectives, and which of them are on the Pareto front.

A search is exploratory: it trains each point once or a few times, at the seeds by which the sampler chose the
next ones, and the best of many is lucky. So nothing here is a verdict; ``workbench promote`` writes the study
that gives one.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from workbench.analysis.metric_units import unit_of
from workbench.analysis.pareto import pareto_front
from workbench.analysis.search_rungs import Entrant, RungAgreement, Standing, agreements, standings
from workbench.records.index import StudyRecords
from workbench.records.run import FINISHED, Phase, State, error_line
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
    of its runs (with hyperband at the last rung that it came to), ``reason`` (why it is infeasible or has no
    result; empty otherwise), ``tokens`` (of its longest training with a result; 0 without one), a column for
    each of ``dimensions``, one for each objective (the mean over its seeds; NaN where it is not known),
    ``feasible``, and ``per_seed``: by objective the value of each seed that has one. ``front`` are the
    numbers of the complete points that no other complete one beats, the best in the first objective before
    the others. A point that hyperband stopped at a lower rung is pruned, and has no value of what is
    measured: a loss after fewer tokens is another number. ``standings`` has what it gave there.
    """

    plan: RecordedSearch
    space: Space
    objectives: list[Objective]
    trials: pd.DataFrame
    front: list[int]
    standings: dict[int, Standing] = field(default_factory=dict)  # by number; empty without hyperband

    @property
    def dimensions(self) -> list[str]:
        """The names of the space's dimensions, in the file's order."""
        return list(self.space)

    @property
    def complete(self) -> pd.DataFrame:
        """The points with a result, the best in the first objective first."""
        done = self.trials[self.trials["state"] == COMPLETE]
        return done.sort_values([self.objectives[0].name, "number"], kind="stable")

    @property
    def agreements(self) -> list[RungAgreement]:
        """How alike hyperband's rungs order the points that went on; none without it."""
        return agreements(list(self.standings.values()), self.plan.rungs) if self.plan.rungs else []

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
    whole = plan.rungs[-1] if plan.rungs else int(study.manifest.training.get("tokens") or 0)
    found = _standings(plan, study.points, own, objectives, planned) if plan.rungs else {}
    rows = [
        _row(point, own.get(point.variant), objectives, planned, found.get(point.number), whole)
        for point in study.points
    ]
    trials = pd.DataFrame(rows, columns=_columns(plan, objectives))
    return Search(
        plan=plan,
        space=plan.space,
        objectives=objectives,
        trials=trials,
        front=_front(trials, objectives),
        standings=found,
    )


def objective(name: str) -> Objective:
    """The objective that a study file calls ``name``."""
    if name in FIGURES:
        title, unit = FIGURES[name]
        return Objective(name=name, title=title, unit=unit)
    return Objective(name=name, title=name.replace("/", " ").replace("_", " "), unit=unit_of(name))


def _front(trials: pd.DataFrame, objectives: Sequence[Objective]) -> list[int]:
    done = trials[trials["state"] == COMPLETE]
    names = [one.name for one in objectives]
    done = done[pareto_front(done[names].to_numpy(dtype=float))]
    return [int(number) for number in done.sort_values([*names, "number"], kind="stable")["number"]]


def _columns(plan: RecordedSearch, objectives: Sequence[Objective]) -> list[str]:
    first = ["number", "variant", "state", "run_ids", "seeds", "reason", "tokens"]
    return [*first, *plan.space, *(one.name for one in objectives), "feasible", "per_seed"]


def _standings(
    plan: RecordedSearch,
    points: Sequence[SearchPoint],
    runs: dict[str, pd.DataFrame],
    objectives: Sequence[Objective],
    planned: int,
) -> dict[int, Standing]:
    """Where each point that is trained stands, bracket by bracket."""
    brackets: dict[int | None, list[Entrant]] = {}
    for point in points:
        if point.infeasible is None:
            rows = runs[point.variant].to_dict("records") if point.variant in runs else []
            brackets.setdefault(point.bracket, []).append(_entrant(point, rows, objectives, planned))
    found: dict[int, Standing] = {}
    for number, entrants in brackets.items():
        if number is not None:
            found |= standings(entrants, plan.rungs[number % len(plan.rungs) :])
            continue
        for one in entrants:  # the file of points is damaged, and nobody knows whom it competes with
            alone = sorted(one.begun) or plan.rungs
            found |= standings([one], alone)
    return found


def _entrant(
    point: SearchPoint, rows: list[dict[str, Any]], objectives: Sequence[Objective], planned: int
) -> Entrant:
    at: dict[int, list[dict[str, Any]]] = {}
    for row in rows:
        at.setdefault(_tokens(row), []).append(row)
    outcomes: dict[int, list[float] | None] = {}
    for tokens, own in at.items():
        if len(own) >= planned and all(row["state"] in FINISHED for row in own):
            by_seed = [_by_seed(one.name, own, point) for one in objectives]
            sound = all(len(values) == len(own) for values in by_seed)
            outcomes[tokens] = [_mean(values) for values in by_seed] if sound else None
    return Entrant(number=point.number, begun=frozenset(at), outcomes=outcomes)


def _tokens(row: dict[str, Any]) -> int:
    """The budget of a run: what its configuration asks for, before it is rounded to whole steps."""
    return int(row["config"]["training"]["tokens"])


def _row(
    point: SearchPoint,
    runs: pd.DataFrame | None,
    objectives: Sequence[Objective],
    planned: int,
    standing: Standing | None,
    whole: int,
) -> dict[str, Any]:
    rows = [] if runs is None else runs.sort_values("seed").to_dict("records")
    if standing is not None:
        rows = [row for row in rows if _tokens(row) == standing.tokens]
    state, reason = _state(point, rows, planned)
    reached = whole if state == COMPLETE else 0
    if standing is not None:
        reached = standing.reached
        if standing.stopped:
            state, reason = str(State.PRUNED), f"stopped after {standing.tokens:,} tokens"
        elif state == COMPLETE and standing.tokens < whole:
            state = str(State.RUNNING)  # it waits for the others of its rung
    at_whole = rows if standing is None or standing.tokens == whole else []
    per_seed = {one.name: _by_seed(one.name, at_whole, point) for one in objectives}
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
        "tokens": reached,
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
