"""Two kinds of training steps measured in turns, block by block, so that their ratio is what differs.

A block is A B B A. What slows the machine down for longer than a block falls on both sides alike, and so
does what drifts within one.
"""

import math
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import psutil

from workbench.training.seconds import seconds_of

_WARM = 3  # steps of each side that do not count: what is allocated, initialised or compiled at first
_TRIED = 3  # steps of each side by which the length of a block is chosen


@dataclass(frozen=True)
class Blocks:
    """``seconds`` of a step of A and of B in each block, which has ``steps`` of each."""

    steps: int
    seconds: list[tuple[float, float]]


def measure_blocks(
    a: Callable[[], object],
    b: Callable[[], object],
    device: str,
    *,
    blocks: int,
    block_seconds: float,
    progress: Callable[[float], None] = lambda part: None,
) -> Blocks:
    """``blocks`` blocks of steps ``a`` and ``b``, each of ``block_seconds`` or a little more."""
    for step in (a, b):
        _repeat(step, _WARM)
    once = sum(seconds_of(partial(_repeat, step, _TRIED), device) for step in (a, b)) / _TRIED
    half = max(1, math.ceil(block_seconds / 2 / once))  # steps of each side, twice in a block
    found = []
    for number in range(blocks):
        first, second, third, fourth = (
            seconds_of(partial(_repeat, step, half), device) for step in (a, b, b, a)
        )
        found.append(((first + fourth) / (2 * half), (second + third) / (2 * half)))
        progress((number + 1) / blocks)
    return Blocks(2 * half, found)


def _repeat(step: Callable[[], object], times: int) -> None:
    for _ in range(times):
        step()


class OtherWork:
    """How busy other processes keep the cores that this one may use, between its making and ``share``."""

    def __init__(self) -> None:
        self.load_average = os.getloadavg()[0] if hasattr(os, "getloadavg") else None
        self._began = time.perf_counter()
        self._busy, self._own = _busy_seconds(), _own_seconds()

    def share(self) -> float | None:
        """The part of the cores' time that went to others, 0 to 1; None where the system counts none."""
        busy = _busy_seconds()
        if busy is None or self._busy is None or busy <= self._busy:
            return None
        others = busy - self._busy - (_own_seconds() - self._own)
        cores = len(_cores())
        return min(1.0, max(0.0, others / (cores * (time.perf_counter() - self._began))))


def _cores() -> list[int]:
    if hasattr(os, "sched_getaffinity"):
        return sorted(os.sched_getaffinity(0))
    return list(range(os.cpu_count() or 1))


def _busy_seconds() -> float | None:
    """Seconds that all processes together computed on our cores since the machine began."""
    by_core = psutil.cpu_times(percpu=True)
    known = [by_core[core] for core in _cores() if core < len(by_core)]
    if not known:
        return None
    idle = ("idle", "iowait", "guest", "guest_nice")  # a guest's are in user and nice as well
    return sum(value for times in known for name, value in times._asdict().items() if name not in idle)


def _own_seconds() -> float:
    times = psutil.Process().cpu_times()
    return times.user + times.system
