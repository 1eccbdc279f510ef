"""The seam between the driver, which decides, and whoever runs the trials that it hands out."""

from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

from workbench.driver.events import Event, Task


class Executor(Protocol):
    """Runs trials on slots, and reports on them.

    What the driver relies on:

    * A task goes to a free slot, which is not free again before all of its runs have ended or were reported
      otherwise: as lost, at fault, too large together, or unpopulatable.
    * Each run that was submitted is reported so once, whatever becomes of whoever trains it; no hang, no
      crash and no lost machine goes without an event. What counts as an outcome is what stands in its
      directory: an event says only that it is time to look.
    * Of a machine that was lost with whoever trained on it the event says so (``Lost.machine``): it is no
      fault of the runs, and however often it happens no reason to stop the study.
    * An executor decides nothing: it tries no run again, and gives none to a second process. Both are the
      driver's, which counts losses. A process that it could not end may live on: what it would still write
      is refused (``records.attempts``).
    * Whoever trains is watched (``driver.watch``): one that gives no sign of life, or whose training stands
      still, is ended and reported as lost.

    Slots may come and go between two calls; the driver asks for the free ones each time. It calls from one
    thread only.
    """

    def free_slots(self) -> list[int]:
        """Slots that would start a task now."""

    def submit(self, slot: int, task: Task) -> None:
        """Start the task on a free slot; several runs are one population."""

    def next_event(self, timeout: float) -> Event | None:
        """The next event of any slot; None when none came within ``timeout`` seconds."""

    def waits(self) -> list[str]:
        """What takes longer than it should, a line each, such as ``worker 1: no sign of life for 42 s``."""

    def stop(self) -> Iterator[Event | None]:
        """Ask every trial to save and stop; yields what is still reported, and leaves no process behind.

        None comes about every second in which nothing is reported: saving may take minutes.
        """

    def kill(self) -> None:
        """End every process now."""


class MakeExecutor(Protocol):
    """What makes an executor; usually its class."""

    def __call__(
        self,
        slots: int,
        *,
        device: str,
        threads: int,
        logs: Path,
        import_paths: list[Path],
        devices: int = 1,
    ) -> Executor:
        """An executor of ``slots`` slots that train on ``device`` ("cpu" or "cuda"), each with ``threads``.

        A trial takes ``devices`` GPUs, or processes with as many threads, of its slot's machine.
        ``logs`` is the folder for what workers print that belongs to no run. ``import_paths`` are where the
        user's own parts are imported from, beside what is installed.
        """
