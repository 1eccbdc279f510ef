"""``workbench status``: in which state a study is, and what went wrong in it."""

import io
from datetime import UTC, datetime, timedelta

import pytest
from rich.console import Console

from workbench.files import write_json, write_yaml
from workbench.records.run import RunRecord, State, write_record
from workbench.study.status import render_status, study_status


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
            "hyperparameters": {"learning_rate": 0.01},
            "config": {},
        }
        error = (
            f"Traceback\nValueError: {state}\nand more" if state in (State.FAILED, State.DIVERGED) else None
        )
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


def test_every_state_is_counted_and_what_went_wrong_is_told_by_the_first_line_of_its_message(study):
    assert facts(study)["runs"] == dict.fromkeys((state.value for state in State), 1)
    assert facts(study)["state"] == "unknown"
    assert facts(study)["errors"] == [
        "baseline seed 4: diverged: ValueError: diverged",
        "baseline seed 5: failed: ValueError: failed",
    ]
    assert facts(study)["untrained"] == []


def test_a_complete_run_that_did_not_train_is_told(study):
    values = {
        "study": "mine",
        "variant": "baseline",
        "phase": "confirm",
        "hyperparameters": {"learning_rate": 0.5},
    }
    run = RunRecord(
        run_id="lost", seed=9, state=State.COMPLETE, config={"model": {"vocabulary": 257}}, **values
    )
    run.summary = {"validation/loss": 28.98}
    write_record(study, run)
    told = "baseline seed 9 at rate 0.5: did not train: validation loss 28.9800 nats/token, where a uniform "
    told += "guess loses 5.5491"
    assert facts(study)["untrained"] == [told]
    assert told in printed(study)


def test_status_says_how_long_it_takes_as_the_pages_do(study):
    driver = {"state": "running", "phase": "confirm", "message": "confirm: 1/3 trials", "seconds_left": 250.4}
    write_json(study / "driver.json", driver | {"updated": datetime.now(UTC).isoformat()})
    assert facts(study)["seconds_left"] == 250.4
    assert "confirm: 1/3 trials, about 4 min left" in printed(study)
    write_json(study / "driver.json", driver | {"updated": "2026-01-01T00:00:00+00:00"})
    assert facts(study)["seconds_left"] is None


def printed(study):
    console = Console(width=200, file=io.StringIO())
    console.print(render_status(study_status("mine", study.parent)))
    return console.file.getvalue()
