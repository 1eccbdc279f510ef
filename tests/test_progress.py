"""Progress: a bar on a terminal, plain lines elsewhere, and the time left in both."""

import io
import time
from itertools import pairwise

import pytest

from workbench.progress import LineClock, progress_on, seconds_left
from workbench.terminal import Terminal


class Clock:
    """A clock that goes on when it is told to."""

    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(time, "monotonic", clock)
    return clock


def lines(clock, reports, **options):
    """What is printed without a terminal; ``reports`` are the seconds since the last one, text and part."""
    stream = io.StringIO()
    with progress_on(Terminal(file=stream, width=20), **options) as report:
        for seconds, text, part in reports:
            clock.now += seconds
            report(text, part)
    return stream.getvalue().splitlines()


def test_what_is_soon_done_says_nothing(clock):
    assert lines(clock, [(0, "run 1", 0.0), (2, "run 2", 0.5), (2.9, "run 2", 0.99)]) == []


def test_what_takes_longer_says_what_is_done_and_how_long_it_takes(clock):
    reports = [(0, "run 1", 0.0), (6, "run 1", 0.25), (1, "run 1", 0.3), (5, "run 2", 0.5)]
    assert lines(clock, reports) == [
        "run 1 (25 %, about 18 s left)",
        "run 2 (50 %, about 12 s left)",
    ]


def test_each_stage_has_its_own_time_and_is_announced_where_that_is_wanted(clock):
    reports = [
        (0, "reading", 0.0),
        (60, "encoding the train split", 0.5),  # it began at some time since
        (10, "encoding the train split", 0.75),
        (10, "encoding the validation split", 0.1),
        (10, "encoding the validation split", 0.6),
    ]
    assert lines(clock, reports, title="data", announce=True) == [
        "data: reading",
        "data: encoding the train split (50 %)",
        "data: encoding the train split (75 %, about 10 s left)",
        "data: encoding the validation split (10 %)",
        "data: encoding the validation split (60 %, about 8 s left)",
    ]


def test_a_line_break_in_a_path_breaks_no_line(clock):
    assert lines(clock, [(0, "reading a\nb.txt", 0.0)], title="data", announce=True) == [
        "data: reading a⏎b.txt"
    ]


def test_lines_come_more_rarely_the_longer_it_takes(clock):
    due, line_clock = [], LineClock()
    for second in range(1, 601):
        clock.now += 1
        if line_clock.due():
            line_clock.restart()
            due.append(second)
    gaps = [after - before for before, after in pairwise(due)]
    assert due[0] == 5
    assert gaps[0] == 5
    assert gaps[-1] == 30
    assert gaps == sorted(gaps)


@pytest.mark.parametrize(
    ("left", "done", "elapsed", "seconds"),
    [(20, 10, 5, 10), (0.75, 0.25, 6, 18), (-1, 10, 5, 0), (5, 0, 5, None)],
)
def test_the_time_left_goes_by_what_was_done(left, done, elapsed, seconds):
    assert seconds_left(left, done, elapsed) == seconds


def test_a_terminal_has_a_bar_with_the_time_left():
    stream = io.StringIO()
    terminal = Terminal(file=stream, force_terminal=True, width=100, color_system=None)
    with progress_on(terminal, "data") as report:
        report("reading", 0.0)
        report("encoding [red]a\nb", 0.5)
        time.sleep(0.02)
        report("encoding [red]a\nb", 0.51)
    assert "data: encoding [red]a⏎b" in stream.getvalue()
    assert "51 %" in stream.getvalue()
    assert "left" in stream.getvalue()
