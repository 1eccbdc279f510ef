"""The Optuna ledger tells each outcome once, whatever was killed in between; the grid grows fairly."""

import math

import optuna
import pytest

from workbench.driver.optuna_ledger import Ledger, journal_damage
from workbench.records.run import RunRecord, State
from workbench.study.schema import RATES
from workbench.user_numbers import LARGEST_SEED


def record(run_id="r1", state=State.QUEUED, loss=None, variant="baseline", rate=0.01) -> RunRecord:
    summary = {} if loss is None else {"validation/loss": loss}
    return RunRecord(
        run_id=run_id,
        study="s",
        variant=variant,
        phase="tune",
        seed=1,
        hyperparameters={"learning_rate": rate},
        config={},
        state=state,
        summary=summary,
        error="boom\nlast line" if state is State.FAILED else None,
    )


def trials(ledger, variant="baseline"):
    return ledger._study(variant).get_trials()


def lines(directory) -> int:
    return len((directory / "optuna.journal").read_text().splitlines())


def test_an_outcome_is_entered_once(tmp_path):
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


def test_a_trial_that_only_waits_is_not_taken_for_its_run(tmp_path):
    first = Ledger(tmp_path, "validation/loss")
    attributes = {"phase": "tune", "run_id": "r1"}
    first._study("baseline").enqueue_trial({"learning_rate": 0.01, "seed": 1}, user_attrs=attributes)
    second = Ledger(tmp_path, "validation/loss")
    for run_id, rate, loss in (("r2", 0.02, 3.0), ("r1", 0.01, 2.0)):
        second.start(record(run_id, rate=rate))
        second.finish(record(run_id, State.COMPLETE, loss, rate=rate))
    found = {trial.user_attrs["run_id"]: trial for trial in trials(second) if trial.value is not None}
    assert {run: (trial.value, trial.params["learning_rate"]) for run, trial in found.items()} == {
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


def test_a_pruned_run_keeps_the_value_that_it_reported_last(tmp_path):
    ledger = Ledger(tmp_path, "validation/loss")
    ledger.start(record())
    ledger.report("r1", 10, 3.0)
    ledger.report("r1", 20, 2.5)
    ledger.finish(record(state=State.PRUNED, loss=2.5))
    (trial,) = trials(ledger)
    assert (trial.state, trial.value) == (optuna.trial.TrialState.PRUNED, 2.5)
    assert trial.intermediate_values == {10: 3.0, 20: 2.5}


@pytest.mark.parametrize("loss", [2.5, None])
def test_a_run_pruned_while_no_driver_lived_is_entered_with_its_last_value(tmp_path, loss):
    ended = record(state=State.PRUNED, loss=loss)
    ended.progress = {"step": 20, "steps": 80}
    ledger = Ledger(tmp_path, "validation/loss")
    ledger.finish(ended)
    (trial,) = trials(ledger)
    assert (trial.state, trial.value) == (optuna.trial.TrialState.PRUNED, loss)
    assert trial.intermediate_values == ({} if loss is None else {20: 2.5})


@pytest.mark.parametrize("loss", [None, math.nan])
def test_a_complete_run_without_a_finite_metric_is_no_result(tmp_path, loss):
    ledger = Ledger(tmp_path, "validation/loss")
    ledger.start(record())
    ledger.finish(record(state=State.COMPLETE, loss=loss))
    assert [trial.state for trial in trials(ledger)] == [optuna.trial.TrialState.FAIL]


def test_a_failed_run_that_is_tried_again_gets_a_second_trial(tmp_path):
    ledger = Ledger(tmp_path, "validation/loss")
    ledger.start(record())
    ledger.finish(record(state=State.FAILED))
    ledger.start(record())
    successor = Ledger(tmp_path, "validation/loss")  # killed while it was tried again
    successor.start(record())
    for _ in range(2):
        successor.finish(record(state=State.COMPLETE, loss=2.0))
    states = [trial.state.name for trial in trials(Ledger(tmp_path, "validation/loss"))]
    assert states == ["FAIL", "COMPLETE"]


def test_an_outcome_stays_when_a_damaged_record_makes_the_run_go_again(tmp_path):
    Ledger(tmp_path, "validation/loss").finish(record(state=State.COMPLETE, loss=2.0))
    ledger = Ledger(tmp_path, "validation/loss")
    ledger.start(record())
    ledger.report("r1", 10, 2.5)
    ledger.finish(record(state=State.COMPLETE, loss=2.0))
    assert [trial.value for trial in trials(ledger)] == [2.0]


def test_evaluations_that_a_resumed_run_repeats_are_kept_once_and_in_silence(tmp_path, recwarn):
    first = Ledger(tmp_path, "validation/loss")
    first.start(record())
    first.report("r1", 10, 3.0)
    second = Ledger(tmp_path, "validation/loss")
    second.start(record())
    second.report("r1", 10, 3.0)
    second.report("r1", 20, 2.5)
    assert trials(second)[0].intermediate_values == {10: 3.0, 20: 2.5}
    assert not [warning for warning in recwarn if "reported" in str(warning.message)]


def test_a_trial_costs_a_line_to_start_and_a_line_to_finish(tmp_path):
    ledger = Ledger(tmp_path, "validation/loss")
    ledger.start(record("first"))
    before = lines(tmp_path)
    ledger.start(record("second"))
    ledger.report("second", 10, 2.5)
    ledger.finish(record("second", State.COMPLETE, 2.0))
    assert lines(tmp_path) - before == 3


def test_finding_many_finished_runs_again_reads_each_variant_once_and_writes_nothing(tmp_path, monkeypatch):
    ended = [
        record(f"{variant}-{number}", State.COMPLETE, 2.0, variant=variant)
        for number in range(50)
        for variant in ("baseline", "norm=layernorm")
    ]
    first = Ledger(tmp_path, "validation/loss")
    for one in ended:
        first.finish(one)
    assert lines(tmp_path) == 2 + len(ended)  # a line for each study, and one for each trial
    reads = []
    read = optuna.Study.get_trials
    monkeypatch.setattr(
        optuna.Study, "get_trials", lambda study, *args, **kw: reads.append(study) or read(study, *args, **kw)
    )
    again = Ledger(tmp_path, "validation/loss")
    for one in ended:
        again.finish(one)
    assert lines(tmp_path) == 2 + len(ended)
    assert len(reads) == 2


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


def three_runs(directory):
    """A journal of three runs, one of them still running."""
    ledger = Ledger(directory, "validation/loss")
    ended = [record(f"r{seed}", State.COMPLETE, 2.0 + seed) for seed in (1, 2)]
    for one in ended:
        ledger.finish(one)
    ledger.start(record("r3"))
    return ended


def cut(content):
    return content[:-20]


def unended(content):
    return content[:-1]


def zeros_at_the_end(content):
    return content[:-30] + bytes(30)


def zeros_and_a_line(content):
    return content[:-30] + bytes(29) + b"\n"


def garbage_inside(content):
    first, rest = content.split(b"\n", 1)
    return first + b"\nnot an entry\n" + rest


def entries_of_nothing(content):
    return b'{"op_code": 4}\n[1]\n'


DAMAGES = [cut, unended, zeros_at_the_end, zeros_and_a_line, garbage_inside, entries_of_nothing]


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_journal_is_set_aside_and_made_anew(tmp_path, damage):
    ended = three_runs(tmp_path)
    journal = tmp_path / "optuna.journal"
    torn = damage(journal.read_bytes())
    journal.write_bytes(torn)
    ledger = Ledger(tmp_path, "validation/loss")
    assert "optuna.journal was damaged" in ledger.note
    assert (tmp_path / "optuna.journal.damaged").read_bytes() == torn
    for one in ended:
        ledger.finish(one)
    ledger.start(record("r3"))
    again = Ledger(tmp_path, "validation/loss")
    assert again.note is None
    assert [trial.value for trial in trials(again)] == [3.0, 4.0, None]


def test_a_sound_journal_is_left_as_it_is(tmp_path):
    three_runs(tmp_path)
    before = (tmp_path / "optuna.journal").read_bytes()
    assert journal_damage(tmp_path / "optuna.journal") is None
    assert Ledger(tmp_path, "validation/loss").note is None
    assert (tmp_path / "optuna.journal").read_bytes() == before
    assert journal_damage(tmp_path / "elsewhere" / "optuna.journal") is None


@pytest.mark.parametrize("rate", RATES)
def test_the_journal_takes_every_rate_and_seed_that_a_study_may_have(tmp_path, rate):
    ledger = Ledger(tmp_path, "validation/loss")
    one = record(state=State.COMPLETE, loss=1.0, rate=rate)
    one.seed = LARGEST_SEED
    ledger.finish(one)
    (trial,) = ledger._study("baseline").trials
    assert trial.params == {"learning_rate": rate, "seed": LARGEST_SEED}


def test_every_hyperparameter_is_a_parameter_whatever_its_name(tmp_path):
    one = record(state=State.COMPLETE, loss=1.0, rate=0.01)
    one.hyperparameters = {"learning_rate": 0.01, "weight_decay": 0.0}
    Ledger(tmp_path, "validation/loss").finish(one)
    (trial,) = Ledger(tmp_path, "validation/loss")._study("baseline").trials
    assert trial.params == {"learning_rate": 0.01, "weight_decay": 0.0, "seed": 1}
