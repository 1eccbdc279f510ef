"""When a worker is given up: too long without a sign of life, or a trial that does nothing."""

import pytest

from workbench.driver import watch
from workbench.driver.events import Alive, Progress, Ready, Taken
from workbench.driver.watch import Watch


@pytest.fixture
def ready():
    watched = Watch()
    watched.handed()
    watched.heard(Ready())
    watched.heard(Taken())
    return watched


def lives(watched, seconds, done):
    """It gives signs for so long, each with as much done as ``done`` gives for its time."""
    for number in range(int(seconds / watch.SIGN_SECONDS)):
        watched.listened(watch.SIGN_SECONDS)
        watched.heard(Alive(done=done(number)))


def test_a_worker_is_given_up_after_a_minute_without_a_sign(ready):
    ready.listened(10.0)
    assert (ready.words(), ready.reason()) == ("", "")
    ready.listened(32.0)
    assert (ready.words(), ready.reason()) == ("no sign of life for 42 s", "")
    ready.listened(18.5)
    assert ready.reason() == "no sign of life for 60 s"


@pytest.mark.parametrize("event", [Alive(), Taken(), Progress(run_id="a", step=1, steps=2, loss=1.0)])
def test_whatever_it_says_is_a_sign(ready, event):
    ready.listened(59.0)
    ready.heard(event)
    ready.listened(59.0)
    assert ready.reason() == ""


def test_libraries_may_take_longer_to_load_than_a_sign_may_be_missed():
    watched = Watch()
    watched.handed()
    watched.listened(61.0)
    assert (watched.words(), watched.reason()) == ("not ready for 61 s", "")
    watched.listened(240.0)
    assert watched.reason() == "it was not ready after 5 min"


def test_a_trial_that_does_nothing_after_its_first_step_is_given_up_though_its_worker_lives(ready):
    lives(ready, 1700, done=lambda number: 7)
    assert (ready.words(), ready.reason()) == ("its trial did nothing for 28 min", "")
    lives(ready, 150, done=lambda number: 7)
    assert ready.reason() == "its training stood still for 30 min"


def test_a_trial_that_comes_on_is_left_alone_however_seldom_it_reports(ready):
    lives(ready, 7200, done=lambda number: 1 + number // 300)
    assert (ready.words(), ready.reason()) == ("its trial did nothing for 20 min", "")
    ready.heard(Progress(run_id="a", step=1, steps=2, loss=1.0))
    assert ready.words() == ""


def test_preparing_text_and_compiling_may_take_hours_and_are_told(ready):
    lives(ready, 4 * 3600, done=lambda number: 0)
    assert ready.reason() == ""
    assert ready.words() == "its trial has not ended its first step after 4 h 00 min"


def test_what_was_before_a_task_does_not_count_for_it(ready):
    lives(ready, 1790, done=lambda number: 7)
    ready.listened(59.0)
    ready.handed()
    ready.listened(59.0)
    lives(ready, 1790, done=lambda number: 0)
    assert ready.reason() == ""
