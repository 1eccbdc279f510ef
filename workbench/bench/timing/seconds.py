"""Seconds of a piece of work, on a CPU or a GPU."""

import time
from collections.abc import Callable, Mapping
from functools import partial

from workbench.bench.timing.spread import Spread
from workbench.bench.timing.spread import difference as paired_difference
from workbench.bench.timing.spread import ratio as paired_ratio
from workbench.training.hardware import out_of_memory
from workbench.training.seconds import seconds_of

Measurement = Callable[[], float]


class Clock:
    """A budget of wall-clock seconds."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._began = time.perf_counter()

    @property
    def spent(self) -> float:
        """Seconds since the clock was made."""
        return time.perf_counter() - self._began

    @property
    def left(self) -> float:
        """Seconds that remain; negative when it is overdrawn."""
        return self.seconds - self.spent

    @property
    def part(self) -> float:
        """Share of the budget that is spent, at most 1."""
        return 1.0 if self.left <= 0 else self.spent / self.seconds


class PerCall:
    """Seconds of one call, averaged over as many calls as fill ``seconds``.

    The first measurement calls once beforehand: what is initialised or compiled then is not timed.
    """

    def __init__(self, call: Callable[[], object], device: str, seconds: float, most: int = 10_000) -> None:
        self._call = call
        self._device = device
        self._seconds = seconds
        self._most = most
        self._calls: int | None = None

    def __call__(self) -> float:
        """Measure once."""
        if self._calls is None:
            self._call()
            once = seconds_of(self._call, self._device)
            self._calls = min(self._most, max(1, round(self._seconds / once)))
        return seconds_of(partial(self._repeat, self._calls), self._device) / self._calls

    def _repeat(self, calls: int) -> None:
        for _ in range(calls):
            self._call()


class Rounds:
    """What measuring in turn gave: a value per case and round, and why a case gave none."""

    def __init__(self) -> None:
        self.values: dict[str, list[float]] = {}
        self.errors: dict[str, str] = {}

    def add(self, case: str, value: float) -> None:
        """Note what ``case`` took in this round."""
        self.values.setdefault(case, []).append(value)

    def fail(self, case: str, error: Exception) -> None:
        """Note that ``case`` cannot be measured; what it gave before is dropped."""
        self.errors[case] = error_line(error)
        self.values.pop(case, None)

    def spread(self, case: str) -> Spread | None:
        """The case's own spread; None where it failed."""
        return Spread.of(self.values[case]) if case in self.values else None

    def median(self, case: str) -> float:
        """The median of a case that was measured."""
        return Spread.of(self.values[case]).median

    def ratio(self, above: str, below: str) -> Spread | None:
        """``above / below`` round by round; None where one of them failed."""
        both = above in self.values and below in self.values
        return paired_ratio(self.values[above], self.values[below]) if both else None

    def difference(self, first: str, second: str) -> Spread | None:
        """``first - second`` round by round; None where one of them failed."""
        both = first in self.values and second in self.values
        return paired_difference(self.values[first], self.values[second]) if both else None


def interleave(
    cases: Mapping[str, Measurement],
    *,
    seconds: float,
    least: int = 3,
    most: int = 50,
    progress: Callable[[float], None] = lambda part: None,
) -> Rounds:
    """Measure all cases in turn, A B C A B C ..., until ``seconds`` are spent.

    At least ``least`` rounds and at most ``most`` count; one more before them warms up. A case that raises
    is left out from then on, and the others go on.
    """
    rounds = Rounds()
    working = dict(cases)
    clock = Clock(seconds)
    _round(rounds, working, keep=False)
    number = 0
    while working and number < most and (number < least or clock.left > 0):
        _round(rounds, working, keep=True)
        number += 1
        progress(min(1.0, max(clock.part, number / most)))
    return rounds


def _round(rounds: Rounds, working: dict[str, Measurement], *, keep: bool) -> None:
    for case, measure in list(working.items()):
        try:
            value = measure()
        except Exception as error:  # of any kind: a size that does not fit must not end the section
            rounds.fail(case, error)
            del working[case]
            continue
        if keep:
            rounds.add(case, value)


def error_line(error: Exception) -> str:
    """An error in one line: its kind and the last line of its message."""
    if out_of_memory(error):
        return "out of memory"
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[-1][:200]}" if lines else type(error).__name__
