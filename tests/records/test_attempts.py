"""A run belongs to the attempt that was given it last: no other writes to its directory."""

import pytest

from tests.driver.test_populations import record
from workbench.records.attempts import ATTEMPT, GivenUp, claim, require_claim, revoke
from workbench.records.run import RunDirectory, State


def test_the_last_attempt_has_the_run(tmp_path):
    claim(tmp_path, "first")
    require_claim(tmp_path, "first")
    claim(tmp_path, "second")
    require_claim(tmp_path, "second")
    with pytest.raises(GivenUp, match=r"this attempt \(first\) was given up; the run is that of second"):
        require_claim(tmp_path, "first")
    revoke(tmp_path)
    with pytest.raises(GivenUp, match="the run is that of nobody"):
        require_claim(tmp_path, "second")


def test_an_attempt_that_was_given_up_leaves_the_record_as_it_was(tmp_path):
    path = tmp_path / "run"
    RunDirectory(path).write(record("run"))  # the driver's own
    claim(path, "first")
    late = RunDirectory(path, "first")
    late.write(record("run"))
    claim(path, "second")
    done = record("run")
    done.state = State.COMPLETE
    with pytest.raises(GivenUp):
        late.write(done)
    assert late.read().state is State.QUEUED
    assert {file.name for file in path.iterdir()} == {"run.json", ATTEMPT}


def test_a_run_that_has_its_outcome_is_nobodys(tmp_path):
    path = tmp_path / "run"
    claim(path, "first")
    run = RunDirectory(path, "first")
    run.write(record("run"))
    run.forget_checkpoints()
    with pytest.raises(GivenUp):
        run.write(record("run"))
