"""Taking turns with a trial: while it waits between two of its steps, its rivals take as many.

A trial has its decoder measured after the steps that are asked for, its clock standing still. That is the
moment at which the others take theirs here, so that all of them share whatever the machine does meanwhile.
"""

import time
from collections.abc import Callable, Mapping
from functools import partial

from workbench.bench.timing.seconds import Clock, Rounds
from workbench.model.decoder import Decoder
from workbench.training.callbacks import Interrupted
from workbench.training.run import Run, ScheduledMeasuring, Watcher
from workbench.training.seconds import seconds_of, synchronize

REAL = "workbench"
WARM_TURNS = 2  # turns that do not count: what is compiled or allocated at first


class Turns:
    """Seconds per step of a trial and of ``rivals``, which map a name to "take this many steps".

    A turn is ``steps`` steps of each. The trial ends when ``seconds`` are spent after the warm-up and there
    are ``least`` rounds, or with its last step.
    """

    def __init__(
        self,
        rivals: Mapping[str, Callable[[int], object]],
        *,
        steps: int,
        device: str,
        seconds: float,
        least: int = 3,
    ) -> None:
        self.rounds = Rounds()
        self._rivals = dict(rivals)
        self._steps = steps
        self._device = device
        self._seconds = seconds
        self._least = least
        self._turn = 0
        self._since = 0.0
        self._clock: Clock | None = None

    @property
    def watcher(self) -> Watcher:
        """What to give to the trial."""
        return Watcher(
            measuring=lambda run: ScheduledMeasuring(
                steps=frozenset(self._pauses(run)), measure=self._after_step
            )
        )

    def _pauses(self, run: Run) -> range:
        return range(0, run.steps + 1, self._steps)

    def _after_step(self, decoder: Decoder, step: int) -> None:
        synchronize(self._device)
        if step:
            self._note(REAL, time.perf_counter() - self._since)
        self._let_rivals_run()
        self._turn += 1
        self._end_if_enough()
        self._since = time.perf_counter()

    def _let_rivals_run(self) -> None:
        for name, run in list(self._rivals.items()):
            try:
                self._note(name, seconds_of(partial(run, self._steps), self._device))
            except Exception as error:  # it does not fit: the others go on
                self.rounds.fail(name, error)
                del self._rivals[name]

    def _note(self, name: str, seconds: float) -> None:
        if self._turn >= WARM_TURNS:
            self.rounds.add(name, seconds / self._steps)

    def _end_if_enough(self) -> None:
        if self._turn < WARM_TURNS:
            return
        self._clock = self._clock or Clock(self._seconds)
        counted = self._turn - WARM_TURNS
        if counted >= self._least and self._clock.left <= 0:
            raise Interrupted("measured enough")
