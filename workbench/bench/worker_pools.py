"""Workers as a study has them, with a note of when each trial began and ended."""

import os
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from workbench.driver.events import Ended, Event, Fault, Lost, Task, TooLarge, Unpopulatable
from workbench.driver.executors.local import LocalExecutor
from workbench.records.run import RunDirectory, RunRecord, State

_PATIENCE_SECONDS = 300.0  # without a word from any worker


@dataclass(frozen=True)
class Moment:
    """``what`` happened, and when by ``time.perf_counter``: submitted, ready, ended, ..."""

    what: str
    seconds: float


class Timeline(LocalExecutor):
    """Local workers that note when trials are handed out and when their events arrive."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.moments: list[Moment] = []

    def submit(self, slot: int, task: Task) -> None:
        """Hand out a trial, and note when."""
        self.moments.append(Moment("submitted", time.perf_counter()))
        super().submit(slot, task)

    def next_event(self, timeout: float) -> Event | None:
        """The next report, noted."""
        event = super().next_event(timeout)
        if event is not None:
            self.moments.append(Moment(event.event, time.perf_counter()))
        return event

    def times(self, what: str) -> list[float]:
        """When ``what`` happened, in order."""
        return [moment.seconds for moment in self.moments if moment.what == what]


@contextmanager
def pool(slots: int, device: str, folder: Path) -> Iterator[Timeline]:
    """Workers on one device that log to ``folder`` and cache their data there; ended with the block."""
    inherited = {"WORKBENCH_CACHE": str(folder / "cache")}
    if device == "cuda":
        inherited["CUDA_VISIBLE_DEVICES"] = os.environ.get("CUDA_VISIBLE_DEVICES", "0").split(",")[0]
    with _environment(inherited):
        workers = Timeline(slots, device=device, threads=1, logs=folder, import_paths=[])
    try:
        yield workers
    finally:
        workers.kill()


@contextmanager
def _environment(values: dict[str, str]) -> Iterator[None]:
    """Environment variables that hold inside the block; workers take a copy of them."""
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def train_all(workers: Timeline, groups: list[list[Path]], slots: int) -> float:
    """Seconds until all runs have ended, those of a group in one program, on the first ``slots`` workers.

    A group that does not fit into memory goes on in halves, as in a study. Raises ``RuntimeError`` where a
    worker dies, falls silent or meets a fault of the machine, or a run does not come to its end.
    """
    began, waiting = time.perf_counter(), deque(groups)
    runs = {run.name: run for group in groups for run in group}
    left = set(runs)
    while left:
        for slot in workers.free_slots():
            if slot < slots and waiting:
                workers.submit(slot, Task(runs=waiting.popleft()))
        event = workers.next_event(timeout=_PATIENCE_SECONDS)
        if event is None or (isinstance(event, Lost) and event.run_ids):
            raise RuntimeError("a worker died or fell silent")
        if isinstance(event, Fault | Unpopulatable):
            raise RuntimeError(event.error)
        if isinstance(event, TooLarge):
            waiting.extendleft(_halves([runs[name] for name in event.run_ids]))
        elif isinstance(event, Ended):
            left.discard(event.run_id)
    seconds = time.perf_counter() - began
    for run in runs.values():
        _require_complete(RunDirectory(run).read())
    return seconds


def _halves(runs: list[Path]) -> list[list[Path]]:
    middle = -(-len(runs) // 2)
    return [part for part in (runs[middle:], runs[:middle]) if part]


def _require_complete(record: RunRecord) -> None:
    if record.state is not State.COMPLETE:
        raise RuntimeError(f"a trial is {record.state}: {(record.error or '').splitlines()[-1:]}")
