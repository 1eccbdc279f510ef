"""Progress: counted once, told in plain lines without a terminal, with an ETA."""

import io
import re

import pytest

from workbench.records.run import RunRecord, State
from workbench.study.display import Display
from workbench.terminal import Terminal


def record(run_id, state=State.COMPLETE, **changes):
    values = {"phase": "confirm", "seed": 3, "learning_rate": 0.01, "summary": {"validation/loss": 2.5}}
    return RunRecord(
        run_id=run_id, study="s", variant="norm=layernorm", config={}, state=state, **(values | changes)
    )


@pytest.fixture
def shown():
    stream = io.StringIO()
    display = Display(Terminal(file=stream, width=120), workers=2)
    display.begin({"pilot": 1, "confirm": 2}, steps=10)
    return display, stream


def test_without_a_terminal_each_trial_is_a_line_with_an_eta(shown):
    display, stream = shown
    display.phase("confirm", 2)
    display.started([record("a", State.QUEUED)])
    display.progress(record("a"), 10, 2.6)
    display.ended(record("a"))
    lines = stream.getvalue().splitlines()
    assert lines[0] == "3 trials of 10 steps (pilot 1, confirm 2) on 2 worker(s)"
    assert re.fullmatch(
        r"\[1/3\] confirm · norm=layernorm · seed 3 · rate 0.01: loss 2.5000 ETA \d:\d\d:\d\d", lines[-1]
    )


def test_a_run_is_counted_once_however_often_it_is_met(shown):
    display, _ = shown
    display.started([record("a", State.QUEUED)])
    display.ended(record("a"))
    for _ in range(3):
        display.found(record("a"))
    display.found(record("b"))
    assert display.message().startswith(": 2/3 trials")


def test_outcomes_that_are_not_results_are_told(shown):
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
