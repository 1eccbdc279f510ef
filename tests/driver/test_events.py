"""Lines between driver and worker: they are read as they were meant, and nothing else is taken for one."""

import math
from pathlib import Path
from typing import get_args

import pytest
from pydantic import ValidationError

from workbench.driver import events
from workbench.driver.events import read_message, read_report, to_line, trial_report
from workbench.records.run import State
from workbench.training.population.halving import Halving

REPORTS = [
    events.Ready(pid=7),
    events.Taken(),
    events.Alive(),
    events.Progress(run_id="a", step=3, steps=10, loss=2.5),
    events.Evaluation(run_id="a", step=3, validation={"validation/loss": math.inf}),
    events.Ended(run_id="a", state=State.PRUNED, leaves=True),
    events.Fault(run_ids=["a", "b"], error="OSError: caf\udce9 is gone", leaves=True),
    events.TooLarge(run_ids=["a", "b"], error="CUDA out of memory"),
    events.Unpopulatable(run_ids=["a"], error="my:Norm cannot"),
]
MESSAGES = [
    events.Task(runs=[Path("results/s/runs/caf\udce9")]),
    events.Task(runs=[Path("a"), Path("b")], halving=Halving(candidates=4, metric="validation/loss")),
    events.Stop(),
]


def kind(said):
    return type(said).__name__


def test_every_report_is_among_those_that_are_tried():
    union, _ = get_args(events.Report)
    assert {type(report) for report in REPORTS} == {*get_args(union)}


@pytest.mark.parametrize("report", REPORTS, ids=kind)
def test_a_report_is_one_line_and_is_read_as_it_was_sent(report):
    line = to_line(report)
    assert (line.count("\n"), line[-1], line.isascii()) == (1, "\n", True)
    assert read_report(line) == report


@pytest.mark.parametrize("message", MESSAGES, ids=kind)
def test_a_message_is_read_as_it_was_sent(message):
    assert read_message(to_line(message)) == message


def test_a_loss_that_is_no_number_stays_one():
    report = read_report(to_line(events.Progress(run_id="a", step=1, steps=2, loss=math.nan)))
    assert math.isnan(report.loss)


@pytest.mark.parametrize("line", ["", "\n", "{", "7", "{}", '{"event": "lost", "run_ids": [], "status": 0}'])
def test_what_is_no_report_is_none(line):
    assert read_report(line) is None


def test_a_message_that_is_none_ends_the_worker():
    with pytest.raises(ValidationError):
        read_message('{"message": "dance"}')


def test_what_training_says_of_a_trial_becomes_a_report():
    found = trial_report({"event": "ended", "run_id": "a", "state": "diverged"})
    assert found == events.Ended(run_id="a", state=State.DIVERGED)
