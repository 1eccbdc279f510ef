"""Blocks of steps in turn: A B B A, as long as asked, and what else the machine did meanwhile."""

import time

import pytest

from workbench.training import step_blocks
from workbench.training.step_blocks import OtherWork, measure_blocks


class Clock:
    """Time that passes by steps alone, whatever else the machine does; ``slower`` seconds more with each."""

    def __init__(self, slower=0.0):
        self.now, self.order, self._slower = 0.0, [], slower

    def step(self, name, seconds):
        def take():
            self.order.append(name)
            self.now += seconds + self._slower * len(self.order)

        return take

    def seconds_of(self, work, device):
        began = self.now
        work()
        return self.now - began


@pytest.fixture
def clock(monkeypatch):
    """A function that makes a clock, which measuring goes by."""

    def make(slower=0.0):
        found = Clock(slower)
        monkeypatch.setattr(step_blocks, "seconds_of", found.seconds_of)
        return found

    return make


def test_a_block_is_a_b_b_a_and_its_seconds_are_of_one_step(clock):
    ticks = clock()
    heard = []
    a, b = ticks.step("a", 0.2), ticks.step("b", 0.4)
    found = measure_blocks(a, b, "cpu", blocks=3, block_seconds=3, progress=heard.append)
    half = found.steps // 2
    block = ["a"] * half + ["b"] * 2 * half + ["a"] * half
    assert ticks.order[-3 * len(block) :] == block * 3
    assert found.steps * (0.2 + 0.4) >= 3
    assert (found.steps - 2) * (0.2 + 0.4) < 3  # and no longer than it takes
    assert [pytest.approx(seconds) for seconds in found.seconds] == [(0.2, 0.4)] * 3
    assert heard == [pytest.approx(part / 3) for part in (1, 2, 3)]


def test_what_drifts_within_a_block_falls_on_both_sides(clock):
    ticks = clock(slower=0.01)
    found = measure_blocks(ticks.step("a", 0.2), ticks.step("b", 0.2), "cpu", blocks=4, block_seconds=3)
    assert all(a == pytest.approx(b) for a, b in found.seconds)


def test_a_step_that_is_longer_than_a_block_is_measured_all_the_same(clock):
    ticks = clock()
    found = measure_blocks(ticks.step("a", 9), ticks.step("b", 9), "cpu", blocks=2, block_seconds=1)
    assert (found.steps, len(found.seconds)) == (2, 2)


def test_the_share_of_others_is_a_part_of_the_cores():
    work = OtherWork()
    until = time.perf_counter() + 0.1
    while time.perf_counter() < until:
        pass
    share = work.share()
    assert share is None or 0 <= share <= 1
