"""Progress: counted once, shown in plain lines without a terminal, with an ETA."""

import io
import re

import pytest

from workbench.driver.display import Display
from workbench.records.run import RunRecord, State
from workbench.terminal import Terminal


def record(run_id, state=State.COMPLETE, **changes):
    values = {
        "phase": "confirm",
        "seed": 3,
        "hyperparameters": {"learning_rate": 0.01},
        "summary": {"validation/loss": 2.5},
    }
    values |= {"config": {}, "variant": "norm=layernorm"}
    return RunRecord(run_id=run_id, study="s", state=state, **values | changes)


@pytest.fixture
def shown():
    stream = io.StringIO()
    display = Display(Terminal(file=stream, width=120), workers=2)
    display.begin({"pilot": 1, "confirm": 2}, steps=10)
    return display, stream


def test_without_a_terminal_each_trial_is_a_line_with_an_eta(shown):
    display, stream = shown
    display.phase("confirm", 2, 2, [])
    display.started([record("a", State.QUEUED)])
    display.progress(record("a"), 5, 2.7)
    display.progress(record("a"), 10, 2.6)
    display.ended(record("a"))
    lines = stream.getvalue().splitlines()
    assert lines[0] == "3 trials of 10 steps (pilot 1, confirm 2) on 2 workers"
    assert lines[1] == "phase confirm: 2 trials"
    expected = r"\[1/3\] confirm · norm=layernorm · seed 3 · rate 0.01: loss 2.5000, about \d+ s left"
    assert re.fullmatch(expected, lines[-1])


def test_one_trial_is_one_trial():
    stream = io.StringIO()
    display = Display(Terminal(file=stream, width=120), workers=1)
    display.begin({"pilot": 1}, steps=1)
    display.phase("pilot", 1, 1, [])
    assert stream.getvalue().splitlines() == [
        "1 trial of 1 step (pilot 1) on 1 worker",
        "phase pilot: 1 trial",
    ]


def test_a_trial_counts_as_one_however_many_steps_it_takes(shown):
    """Of 4 batches twice as large 2 are half of its tokens, as are 5 of the baseline's 10 steps."""
    display, _ = shown
    own = {"step": 0, "steps": 4}
    display.started([record("a", State.QUEUED, progress=own), record("b", State.QUEUED)])
    display.progress(record("a", progress=own), 2, 2.6)
    assert display._steps_done == 5
    display.progress(record("b"), 5, 2.6)
    assert display._steps_done == 10
    display.progress(record("a", progress=own), 4, 2.6)
    display.progress(record("b"), 10, 2.6)
    assert display._steps_done == 20


def test_a_study_that_goes_on_says_with_what(shown):
    display, stream = shown
    display.phase("pilot", 1, 0, [])
    display.phase("tune", 4, 4, [record("a", State.RUNNING)])
    display.phase("confirm", 20, 8, [])
    assert stream.getvalue().splitlines()[1:] == [
        "phase pilot: ended before (1 trial)",
        "phase tune goes on: 4 trials",
        "  confirm · norm=layernorm · seed 3 · rate 0.01 goes on from its checkpoint",
        "phase confirm goes on: 12 of 20 trials ended before",
    ]


def test_a_trial_that_did_not_train_is_no_success(shown):
    display, stream = shown
    config = {"model": {"vocabulary": 257}}
    lost = record("a", config=config, summary={"validation/loss": 253_094_644.0})
    display.started([lost])
    display.ended(lost)
    assert (
        stream.getvalue()
        .splitlines()[-1]
        .endswith("did not train: validation loss 2.531e+08 nats/token, where a uniform guess loses 5.5491")
    )


def test_starting_weights_that_know_nothing_of_the_text_are_noted_once(shown):
    display, stream = shown
    first = record("a", State.RUNNING, config={"model": {"vocabulary": 257}})
    display.first_validation(first, 5.0)
    assert "warning" not in stream.getvalue()
    for _ in range(2):
        display.first_validation(first, 28.98)
    assert stream.getvalue().splitlines()[1:] == [
        "warning: norm=layernorm: before the first step, validation loss 28.9800 nats/token, where a uniform "
        "guess loses 5.5491"
    ]


def test_pairs_that_come_before_other_tuning_are_said_and_seen(shown):
    display, stream = shown
    display.phase("tune", 2, 2, [])
    block = [record(name, State.QUEUED, variant=name) for name in ("baseline", "norm=layernorm")]
    display.ahead("norm=layernorm", block, [], [])
    display.ahead("norm=layernorm", block, block, [])
    display.ahead("norm=layernorm", block, block[1:], block[1:])
    said = "norm=layernorm: tuned (rate 0.01), and so is the baseline: its first look"
    assert stream.getvalue().splitlines()[2:] == [
        f"{said} ahead of other tuning, 2 trials",
        f"{said} goes on ahead of other tuning, 1 trial",
        "  confirm · norm=layernorm · seed 3 · rate 0.01 goes on from its checkpoint",
    ]
    display.started([record("t", State.QUEUED, phase="tune")])
    display.started(block[:1])
    assert display.message() == "tune and confirm: 0/3 trials"
    display.ended(record("t", phase="tune"))
    assert display.message() == "confirm: 1/3 trials"


def test_the_time_that_is_left_is_one_number(shown, monkeypatch):
    display, _ = shown
    assert display.seconds_left() is None
    display.started([record("a", State.QUEUED)])
    now = 20.0  # seconds that the worker took to start
    monkeypatch.setattr("time.monotonic", lambda: now)
    display.progress(record("a"), 1, 2.6)
    assert display.seconds_left() is None
    now = 25.0
    display.progress(record("a"), 6, 2.6)
    assert display.seconds_left() == 24  # of 30 steps, at one a second
    assert display.message() == "confirm: 0/3 trials"


def test_a_run_is_counted_once_however_often_it_is_met(shown):
    display, _ = shown
    display.started([record("a", State.QUEUED)])
    display.ended(record("a"))
    for _ in range(3):
        display.found(record("a"))
    display.found(record("b"))
    assert display.message().startswith(": 2/3 trials")


def test_outcomes_that_are_not_results_are_shown(shown):
    display, stream = shown
    for run_id, state in (("a", State.FAILED), ("b", State.DIVERGED), ("c", State.RUNNING)):
        display.started([record(run_id, State.QUEUED)])
        display.ended(record(run_id, state, error="Traceback\nValueError: broken"))
    output = stream.getvalue()
    assert "failed: ValueError: broken" in output
    assert "diverged: ValueError: broken" in output
    assert "stopped, resumes next time" in output
    assert display.message().startswith(": 2/3 trials")


def test_the_steps_that_a_lost_trial_repeats_count_once():
    terminal = Terminal(file=io.StringIO(), force_terminal=True, width=120)
    display = Display(terminal, workers=1)
    display.begin({"confirm": 1}, steps=10)
    one = record("a", State.QUEUED)
    display.started([one])
    display.progress(one, 6, 2.6)
    display.started([one])  # its worker was lost: it goes on from step 4
    for step in (5, 8):
        display.progress(one, step, 2.6)
    display.refresh()
    study, trial = display._bars.tasks
    assert (study.completed, study.total) == (8, 10)
    assert trial.completed == 8  # the bar of the first attempt is gone
    display.close()


def test_a_grown_grid_means_more_trials():
    display = Display(Terminal(file=io.StringIO()), workers=1)
    display.begin({"tune": 4, "confirm": 2}, steps=10)
    display.expect(2)
    assert "0/8 trials" in display.message()


def test_what_takes_longer_than_it_should_stands_where_one_looks(shown):
    """In the line that status and the dashboard show, and in the plain lines."""
    display, _ = shown
    display.phase("confirm", 2, 2, [])
    display.waits(["worker 1: no sign of life for 42 s"])
    assert display.message() == "confirm: 0/3 trials; worker 1: no sign of life for 42 s"
    display.waits([f"worker {number}: not ready for 70 s" for number in range(64)])
    assert display.message().endswith("worker 2: not ready for 70 s; and 61 more")
    display.waits([])
    assert display.message() == "confirm: 0/3 trials"
