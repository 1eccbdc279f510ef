"""``workbench status``: how far each study is, and what went wrong in it."""

from pathlib import Path
from typing import Any

from rich.console import Group
from rich.table import Table

from workbench.analysis.without_result import above_guess
from workbench.errors import RecordError
from workbench.numbers import time_left
from workbench.records.hyperparameters import described
from workbench.records.index import PUBLISHED, StudyRecords, list_studies, load_study
from workbench.records.run import State, error_line
from workbench.records.training_outcome import DID_NOT_TRAIN, UNIFORM, untrained
from workbench.study.paths import find_results


def study_status(study: str | None, results: Path) -> dict[str, Any]:
    """Facts about one study, or about all under ``results``; damaged ones are listed as problems."""
    paths = [find_results(study, results)] if study else list_studies(results)
    facts: dict[str, Any] = {"results": str(results), "studies": [], "problems": []}
    for path in paths:
        try:
            facts["studies"].append(_describe(load_study(path)))
        except RecordError as error:
            facts["problems"].append(str(error))
    return facts


def _describe(records: StudyRecords) -> dict[str, Any]:
    states = records.runs["state"].value_counts().to_dict()
    failed = records.runs[records.runs["state"].isin([State.FAILED, State.DIVERGED])]
    lost = records.runs[untrained(records.runs)]
    driver = records.driver
    return {
        "name": records.name,
        "question": records.manifest.question,
        "path": str(records.path),
        "published": records.is_published,
        "live": records.is_live,
        "phase": driver.phase if driver else None,
        "message": driver.message if driver else "",
        "seconds_left": records.seconds_left,
        "state": _state(records),
        "runs": {state.value: int(states.get(state.value, 0)) for state in State},
        "superseded": records.superseded,
        "errors": [_error(row) for row in failed.to_dict("records")],
        "untrained": [_untrained(row, records) for row in lost.to_dict("records")],
        "problems": [problem.message for problem in records.problems],
    } | _points(records)


def _points(records: StudyRecords) -> dict[str, Any]:
    """Of a search how many points are to be trained, were proposed, and were excluded before training."""
    if records.manifest.search is None:
        return {}
    excluded = sum(point.infeasible is not None for point in records.points)
    planned = records.manifest.search.trials
    return {"points": {"planned": planned, "proposed": len(records.points), "excluded": excluded}}


def _state(records: StudyRecords) -> str:
    if records.is_live:
        return "running"
    if records.manifest.is_import:
        return "imported"
    if records.is_published:  # its driver stayed where it ran
        return "published"
    if records.driver is None:
        return "unknown"
    # A driver that was killed left "running" behind, with no heartbeat since.
    return "interrupted" if records.driver.state == "running" else records.driver.state


def _error(row: dict[str, Any]) -> str:
    return f"{row['variant']} seed {row['seed']}: {row['state']}: {error_line(row['error'])}"


def _untrained(row: dict[str, Any], records: StudyRecords) -> str:
    losses = above_guess(row["validation/loss"], row[UNIFORM])
    if records.manifest.is_import:
        return f"{row['variant']}: {losses}; is its tokenizer the one that it was trained with?"
    trial = f"{row['variant']} seed {row['seed']} at {described(row['hyperparameters'])}"
    return f"{trial}: {DID_NOT_TRAIN}: {losses}"


def _now(study: dict[str, Any]) -> str:
    return ", ".join(filter(None, (study["message"], time_left(study["seconds_left"]))))


def render_status(facts: dict[str, Any]) -> Group:
    """The facts for a terminal."""
    table = Table()
    for heading in ("study", "state", "complete", "running", "queued", "diverged", "failed", "now"):
        table.add_column(heading)
    for study in facts["studies"]:
        counts = [
            str(study["runs"][state]) for state in ("complete", "running", "queued", "diverged", "failed")
        ]
        name = f"{PUBLISHED}/{study['name']}" if study["published"] else study["name"]
        table.add_row(name, study["state"], *counts, _now(study))
    wrong = ("errors", "untrained", "problems")
    lines = [line for study in facts["studies"] for kind in wrong for line in study[kind]]
    empty = [] if facts["studies"] else [f"no studies under {facts['results']}; run one: workbench run STUDY"]
    return Group(*([table] if facts["studies"] else []), *empty, *lines, *facts["problems"])
