"""Training curves of a study as one tidy table."""

from pathlib import Path

import pandas as pd

from workbench.errors import UserError, suggestion
from workbench.records.index import StudyRecords
from workbench.records.metrics import AXES, RATE, rates_of_steps, read_evaluations, read_metrics
from workbench.records.run import Phase

EVERY = "all"
_OF_A_RUN = ["variant", "seed", "phase", "run_id"]


def curves_of(study: StudyRecords, metric: str | None, phase: str | None) -> pd.DataFrame:
    """The values of ``metric`` in the runs of ``phase``, each with its run and its place on all axes.

    Raises ``UserError`` naming the metrics, or phases, there are; ``RecordError`` for a run whose metrics are
    damaged.
    """
    metric = study.manifest.metric if metric is None else metric
    runs = _in_order(study, _of_phase(study, phase))
    parts = []
    for run in runs.to_dict("records"):
        values = _values(Path(run["path"]), metric, run)
        known = [name for name in (*AXES, metric) if name in values]
        parts.append(values[known].assign(**{name: run[name] for name in _OF_A_RUN}))
    if not any(len(part) for part in parts):
        known = sorted({name for path in runs["path"] for name in read_metrics(Path(path))} - set(AXES))
        if known and metric not in known:
            raise UserError(f"metric: no run of {study.title} has {metric!r}; {suggestion(metric, known)}")
        return pd.DataFrame(columns=[*_OF_A_RUN, *AXES, metric])
    table = pd.concat([part for part in parts if len(part)], ignore_index=True)
    return table[[*_OF_A_RUN, *(name for name in (*AXES, metric) if name in table)]]


def _in_order(study: StudyRecords, runs: pd.DataFrame) -> pd.DataFrame:
    """Variants as the study has them, then seeds: records lie in the order of their ids."""
    places = {name: place for place, name in enumerate(study.manifest.names)}
    order = runs["variant"].map(lambda name: places.get(name, len(places)))
    return runs.assign(order=order).sort_values(["order", "variant", "seed"], kind="stable")


def _of_phase(study: StudyRecords, phase: str | None) -> pd.DataFrame:
    runs = study.runs
    known = list(dict.fromkeys(runs["phase"]))
    if phase == EVERY:
        return runs
    if phase is None:
        phase = Phase.SEARCH if study.manifest.is_search else Phase.CONFIRM
    elif phase not in known:
        raise UserError(
            f"phase: no run of {study.title} is of {phase!r}; {suggestion(phase, [EVERY, *known])}"
        )
    return runs[runs["phase"] == phase]


def _values(run: Path, metric: str, row: dict) -> pd.DataFrame:
    if metric != RATE:
        return read_evaluations(run, metric)
    table = read_metrics(run)
    return (
        rates_of_steps(table, row.get("provenance") or {}).dropna(subset=[RATE]) if RATE in table else table
    )
