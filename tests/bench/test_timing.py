"""Medians, quartiles, ratios round by round, and measuring in turn."""

import pytest

from workbench.bench.timing.seconds import Clock, PerCall, error_line, interleave
from workbench.bench.timing.spread import Spread, difference, ratio
from workbench.training.seconds import seconds_of


def test_a_spread_is_the_median_and_the_quartiles():
    assert Spread.of([5.0, 1.0, 3.0, 2.0, 4.0]) == Spread(3.0, 2.0, 4.0, 5)
    with pytest.raises(ValueError, match="nothing was measured"):
        Spread.of([])


def test_a_ratio_is_taken_round_by_round():
    # A machine that slows down tenfold half way: the ratio of each round is 2 all the same.
    assert ratio([2.0, 2.0, 20.0, 20.0], [1.0, 1.0, 10.0, 10.0]) == Spread(2.0, 2.0, 2.0, 4)
    assert difference([3.0, 30.0], [1.0, 28.0]) == Spread(2.0, 2.0, 2.0, 2)


def test_unpaired_measurements_have_no_ratio():
    with pytest.raises(ValueError, match="zip"):
        ratio([1.0], [1.0, 2.0])


def test_cases_take_turns_and_the_first_round_does_not_count():
    order = []

    def case(name):
        def measure():
            order.append(name)
            return float(len(order))

        return measure

    rounds = interleave({"a": case("a"), "b": case("b")}, seconds=0.0, least=3)
    assert "".join(order) == "ab" * 4
    assert rounds.values == {"a": [3.0, 5.0, 7.0], "b": [4.0, 6.0, 8.0]}


def test_it_goes_on_until_the_time_is_up():
    rounds = interleave({"a": lambda: 1.0}, seconds=60.0, least=2, most=5)
    assert len(rounds.values["a"]) == 5


@pytest.mark.parametrize("fails_at", [1, 3])
def test_a_case_that_fails_leaves_the_others_alone(fails_at):
    calls = []

    def failing():
        calls.append(1)
        if len(calls) >= fails_at:
            raise MemoryError
        return 1.0

    rounds = interleave({"good": lambda: 2.0, "bad": failing}, seconds=0.0, least=4)
    assert rounds.values == {"good": [2.0] * 4}
    assert rounds.errors == {"bad": "out of memory"}
    assert len(calls) == fails_at
    assert rounds.ratio("good", "bad") is None
    assert rounds.difference("bad", "good") is None
    assert rounds.spread("bad") is None


def test_a_call_is_averaged_over_as_many_as_fill_the_slice(monkeypatch):
    calls = []
    monkeypatch.setattr("workbench.bench.timing.seconds.seconds_of", lambda work, device: (work(), 0.5)[1])
    measure = PerCall(lambda: calls.append(1), "cpu", seconds=2.0)
    assert measure() == 0.5 / 4
    assert len(calls) == 2 + 4  # one to warm up, one to see how long it takes
    assert measure() == 0.5 / 4
    assert len(calls) == 2 + 4 + 4


def test_seconds_are_those_of_the_work():
    import time

    assert 0.02 <= seconds_of(lambda: time.sleep(0.02), "cpu") < 1.0


def test_a_clock_tells_what_is_left():
    clock = Clock(100.0)
    assert 99.0 < clock.left <= 100.0
    assert 0.0 <= clock.part < 0.01
    assert Clock(1e-9).left < 0


def test_an_error_is_a_line():
    assert error_line(ValueError("first\nlast")) == "ValueError: last"
    assert error_line(KeyError()) == "KeyError"
