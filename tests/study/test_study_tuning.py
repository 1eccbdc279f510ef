"""The Optuna ledger tells each outcome once, whatever was killed in between; the grid grows fairly."""

import optuna
import pytest

from workbench.records.run import RunRecord, State
from workbench.study.tuning import Ledger, grown


def record(run_id="r1", state=State.QUEUED, loss=None, variant="baseline", rate=0.01) -> RunRecord:
    summary = {} if loss is None else {"validation/loss": loss}
    return RunRecord(
        run_id=run_id,
        study="s",
        variant=variant,
        phase="tune",
        seed=1,
        learning_rate=rate,
        config={},
        state=state,
        summary=summary,
        error="boom\nlast line" if state is State.FAILED else None,
    )


def trials(ledger, variant="baseline"):
    return ledger._study(variant).get_trials()


def test_an_outcome_is_told_once(tmp_path):
    ledger = Ledger(tmp_path, "validation/loss")
    ledger.start(record())
    ledger.report("r1", 10, 2.5)
    for _ in range(2):
        ledger.finish(record(state=State.COMPLETE, loss=2.0))
    (trial,) = trials(ledger)
    assert trial.value == 2.0
    assert trial.params == {"learning_rate": 0.01, "seed": 1}
    assert trial.intermediate_values == {10: 2.5}
    assert trial.user_attrs["phase"] == "tune"


def test_a_new_driver_goes_on_with_the_same_trial(tmp_path):
    Ledger(tmp_path, "validation/loss").start(record())
    successor = Ledger(tmp_path, "validation/loss")
    successor.start(record())
    successor.finish(record(state=State.COMPLETE, loss=2.0))
    assert [trial.value for trial in trials(successor)] == [2.0]


def test_a_run_that_ended_while_no_driver_lived_is_entered(tmp_path):
    ledger = Ledger(tmp_path, "validation/loss")
    ledger.finish(record(state=State.COMPLETE, loss=2.0))
    assert [trial.value for trial in trials(ledger)] == [2.0]


def test_a_driver_killed_between_enqueueing_and_asking_leaves_no_stranger(tmp_path):
    first = Ledger(tmp_path, "validation/loss")
    attributes = {"phase": "tune", "run_id": "r1"}
    first._study("baseline").enqueue_trial({"learning_rate": 0.01, "seed": 1}, user_attrs=attributes)
    second = Ledger(tmp_path, "validation/loss")
    second.start(record("r1"))
    second.start(record("r2", rate=0.02))
    second.finish(record("r2", State.COMPLETE, 3.0, rate=0.02))
    second.finish(record("r1", State.COMPLETE, 2.0))
    assert {
        trial.user_attrs["run_id"]: (trial.value, trial.params["learning_rate"]) for trial in trials(second)
    } == {
        "r1": (2.0, 0.01),
        "r2": (3.0, 0.02),
    }


@pytest.mark.parametrize("state", [State.FAILED, State.DIVERGED])
def test_what_went_wrong_is_a_failed_trial_with_its_error(tmp_path, state):
    ledger = Ledger(tmp_path, "validation/loss")
    ledger.start(record())
    ledger.finish(record(state=state))
    (trial,) = trials(ledger)
    assert trial.state == optuna.trial.TrialState.FAIL
    assert trial.user_attrs["state"] == state.value


def test_variants_have_studies_of_their_own(tmp_path):
    ledger = Ledger(tmp_path, "validation/loss")
    for variant in ("baseline", "norm=layernorm"):
        ledger.finish(record(variant=variant, run_id=variant, state=State.COMPLETE, loss=1.0))
    assert len(trials(ledger)) == len(trials(ledger, "norm=layernorm")) == 1


def test_a_lock_left_by_a_killed_driver_does_not_stall(tmp_path):
    (tmp_path / "optuna.journal.lock").touch()
    ledger = Ledger(tmp_path, "validation/loss")
    ledger.finish(record(state=State.COMPLETE, loss=1.0))
    assert len(trials(ledger)) == 1


@pytest.mark.parametrize(
    ("chosen", "added"),
    [
        ([0.002, 0.002], []),
        ([0.001, 0.002], [0.0005]),
        ([0.002, 0.004], [0.008]),
        ([0.001, 0.004], [0.0005, 0.008]),
    ],
)
def test_the_grid_grows_on_the_side_that_was_hit(chosen, added):
    assert grown([0.001, 0.002, 0.004], chosen) == added
