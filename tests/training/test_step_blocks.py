"""Blocks of steps in turn: A B B A, as long as asked, and what else the machine did meanwhile."""

import time

import pytest

from workbench.training.step_blocks import OtherWork, measure_blocks


def test_a_block_is_a_b_b_a_and_its_seconds_are_of_one_step():
    order = []

    def step(name, seconds):
        def take():
            order.append(name)
            time.sleep(seconds)

        return take

    found = measure_blocks(step("a", 0.002), step("b", 0.004), "cpu", blocks=3, block_seconds=0.02)
    half = found.steps // 2
    assert len(found.seconds) == 3
    block = ["a"] * half + ["b"] * 2 * half + ["a"] * half
    assert order[-3 * len(block) :] == block * 3
    for a, b in found.seconds:
        assert found.steps * (a + b) >= 0.015
        assert b / a == pytest.approx(2, rel=0.5)


def test_what_drifts_within_a_block_falls_on_both_sides():
    clock = [0.0]

    def step():
        clock[0] += 0.0004
        time.sleep(0.001 + clock[0])

    ((a, b), *_) = measure_blocks(step, step, "cpu", blocks=1, block_seconds=0.02).seconds
    assert b / a == pytest.approx(1, abs=0.1)


def test_the_share_of_others_is_a_part_of_the_cores():
    work = OtherWork()
    until = time.perf_counter() + 0.1
    while time.perf_counter() < until:
        pass
    share = work.share()
    assert share is None or 0 <= share <= 1
