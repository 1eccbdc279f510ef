"""``workbench status``: in which state a study is, and what went wrong in it."""

from datetime import UTC, datetime, timedelta

import pytest

from workbench.records.files import write_json, write_yaml
from workbench.records.run import RunRecord, State, write_record
from workbench.study.status import study_status


@pytest.fixture
def study(tmp_path):
    """A study with a run in every state."""
    folder = tmp_path / "mine"
    manifest = {"name": "mine", "variants": [], "baseline": "baseline", "metric": "validation/loss"}
    write_yaml(folder / "study.yaml", manifest)
    for seed, state in enumerate(State):
        values = {
            "study": "mine",
            "variant": "baseline",
            "phase": "confirm",
            "learning_rate": 0.01,
            "config": {},
        }
        error = f"Traceback\nValueError: {state}" if state in (State.FAILED, State.DIVERGED) else None
        write_record(folder, RunRecord(run_id=f"run{seed}", seed=seed, state=state, error=error, **values))
    return folder


def facts(study):
    return study_status("mine", study.parent)["studies"][0]


@pytest.mark.parametrize(
    ("said", "age", "state"),
    [
        ("running", 1, "running"),
        ("running", 60, "interrupted"),
        ("done", 1, "done"),
        ("stopped", 60, "stopped"),
    ],
)
def test_a_study_runs_while_its_driver_lives(study, said, age, state):
    updated = datetime.now(UTC) - timedelta(seconds=age)
    write_json(study / "driver.json", {"state": said, "updated": updated.isoformat(), "phase": "confirm"})
    assert (facts(study)["state"], facts(study)["live"]) == (state, state == "running")


def test_every_state_is_counted_and_what_went_wrong_is_told_by_its_last_line(study):
    assert facts(study)["runs"] == dict.fromkeys((state.value for state in State), 1)
    assert facts(study)["state"] == "unknown"
    assert facts(study)["errors"] == [
        "baseline seed 4: diverged: ValueError: diverged",
        "baseline seed 5: failed: ValueError: failed",
    ]
