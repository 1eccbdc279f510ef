"""``workbench status``: how far each study is, and what went wrong in it."""

from pathlib import Path
from typing import Any

from rich.console import Group
from rich.table import Table

from workbench.errors import RecordError
from workbench.records.index import PUBLISHED, StudyRecords, list_studies, load_study
from workbench.records.run import State
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
    driver = records.driver or {}
    return {
        "name": records.name,
        "question": records.manifest.get("question", ""),
        "path": str(records.path),
        "published": records.is_published,
        "live": records.is_live,
        "phase": driver.get("phase"),
        "message": driver.get("message", ""),
        "state": _state(records, driver),
        "runs": {state.value: int(states.get(state.value, 0)) for state in State},
        "superseded": records.superseded,
        "errors": [_error(row) for row in failed.to_dict("records")],
        "problems": [f"{problem.path}: {problem.message}" for problem in records.problems],
    }


def _state(records: StudyRecords, driver: dict[str, Any]) -> str:
    if records.is_live:
        return "running"
    if records.manifest.get("design") == "import":
        return "imported"
    if records.is_published:  # its driver stayed where it ran
        return "published"
    # A driver that was killed left "running" behind, with no heartbeat since.
    return "interrupted" if driver.get("state") == "running" else driver.get("state", "unknown")


def _error(row: dict[str, Any]) -> str:
    last = str(row["error"] or "").strip().rpartition("\n")[2]
    return f"{row['variant']} seed {row['seed']}: {row['state']}: {last}"


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
        table.add_row(name, study["state"], *counts, study["message"])
    lines = [line for study in facts["studies"] for line in (*study["errors"], *study["problems"])]
    empty = [] if facts["studies"] else [f"no studies under {facts['results']}; run one: workbench run STUDY"]
    return Group(*([table] if facts["studies"] else []), *empty, *lines, *facts["problems"])
