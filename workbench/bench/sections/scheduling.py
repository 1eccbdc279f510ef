"""What it costs to hand trials out: on local workers, on a Ray cluster's, and ten thousand of them."""

import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

from workbench.bench.formats import Form, shown
from workbench.bench.outcome import Column, Finding, Outcome, Table
from workbench.bench.runners import run_study
from workbench.bench.section import Effort, Section, Setting
from workbench.bench.studies import finish, tiny_plan
from workbench.bench.timing.goals import Bound, Goal
from workbench.bench.timing.seconds import Clock
from workbench.bench.timing.spread import Spread
from workbench.bench.worker_pools import pool
from workbench.driver.events import Ended, Event, Task
from workbench.driver.executors.executor import Executor
from workbench.driver.executors.machines import Asked
from workbench.driver.executors.registry import find_machines
from workbench.errors import UserError
from workbench.records.run import RunDirectory
from workbench.study.plan import Plan, freeze

SCALES = Goal("the last trials take the driver at most twice as long as the first", Bound.AT_MOST, 2.0)
_SEEDS = {Effort.QUICK: 6, Effort.FULL: 40}  # of two variants, on real workers
_STARTS = {"local": 0.0, "ray": 30.0}  # seconds that have to be left: a cluster of one's own takes a while
_TRIALS = {Effort.QUICK: 100, Effort.FULL: 10_000}
_VARIANTS = 10  # of the study that trains nothing: a study has a thousand seeds of each at most
_FACTORS = {
    "norm": ["rmsnorm", "layernorm", "dynamic_tanh", "none"],
    "feedforward": ["swiglu", "relu", "gelu"],
    "positions": ["rope", "learned", "sinusoidal", "alibi", "none"],
}
_SLOTS = 64  # of the executor that trains nothing
_PART = 10  # the first tenth of the trials, and the last


class Noted:
    """An executor, with a note of when trials were handed out and had ended."""

    def __init__(self, executor: Executor) -> None:
        self._executor = executor
        self.submitted: list[float] = []
        self.ended: list[str] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._executor, name)

    def submit(self, slot: int, task: Task) -> None:
        """Hand out a trial, and note when."""
        self.submitted.append(time.perf_counter())
        self._executor.submit(slot, task)

    def next_event(self, timeout: float) -> Event | None:
        """The next report; that a trial has ended is noted."""
        event = self._executor.next_event(timeout)
        if isinstance(event, Ended):
            self.ended.append(event.run_id)
        return event


class Instant:
    """Slots on which a trial has ended when it is handed out, with an invented loss."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._ended: deque[Ended] = deque()
        self.own = 0.0  # seconds that were spent here, and are not the driver's
        self.told: list[float] = []  # when each end was told, without those

    def free_slots(self) -> list[int]:
        """Those whose end has been told."""
        return list(range(len(self._ended), _SLOTS))

    def submit(self, slot: int, task: Task) -> None:
        """Write the outcome of its runs, as a worker does."""
        began = time.perf_counter()
        for path in task.runs:
            run = RunDirectory(path)
            record = run.read()
            finish(record, self._plan)
            run.write(record)
            self._ended.append(Ended(run_id=record.run_id, state=record.state, record=record.to_dict()))
        self.own += time.perf_counter() - began

    def next_event(self, timeout: float) -> Event | None:
        """The end of the trial that was handed out first."""
        if not self._ended:
            return None
        self.told.append(time.perf_counter() - self.own)
        return self._ended.popleft()

    def waits(self) -> list[str]:
        """Nothing takes long."""
        return []

    def stop(self) -> Iterator[Event | None]:
        """Nothing runs."""
        return iter(())

    def kill(self) -> None:
        """Nothing runs."""


def measure(setting: Setting) -> Outcome:
    """The section."""
    clock = Clock(setting.seconds)
    outcome = Outcome()
    rows = []
    for name, executor in EXECUTORS.items():
        if clock.left < _STARTS[name]:
            outcome.notes.append(f"left out: {name} (starting it takes longer than the time that is left)")
            continue
        setting.progress(f"trials on {name} workers", clock.part)
        try:
            rows.append({"executor": name, **_beside_training(setting, name, executor)})
        except UserError as error:
            outcome.notes.append(f"left out: {name} ({error})")
    columns = (
        Column("executor", "executor"),
        Column("beside", "beside its training, a trial takes", Form.SECONDS),
        Column("training", "its training", Form.SECONDS),
    )
    outcome.tables.append(Table("One slot, trials that train for an instant", columns, rows))

    trials = _TRIALS[setting.effort]
    setting.progress(f"{trials:,} trials that train nothing", clock.part)
    spreads = _driver_alone(setting, trials)
    alone = (Column("which", "trials"), Column("seconds", "the driver takes, for each", Form.SECONDS))
    rows = [{"which": which, "seconds": spread} for which, spread in spreads.items()]
    outcome.tables.append(Table(f"The driver alone, {trials:,} trials on {_SLOTS} slots", alone, rows))
    first, last = list(spreads.values())[:2]
    growth = Spread.of([last.median / first.median])
    text = f"Of {trials:,} trials the first take the driver {shown(first, Form.SECONDS)} each, the last "
    text += f"{shown(last, Form.SECONDS)}."
    outcome.findings.append(Finding.judged(text, SCALES, growth))
    return outcome


@contextmanager
def _local(folder: Path, device: str) -> Iterator[Executor]:
    with pool(1, device, folder) as workers:
        yield workers


@contextmanager
def _ray(folder: Path, device: str) -> Iterator[Executor]:
    """A slot of a Ray that is this machine's alone."""
    gpus = 1.0 if device == "cuda" else 0.0
    machines = find_machines("ray", Asked(address="local", gpus_per_trial=gpus))
    try:
        workers = machines.executor(1, threads=1, devices=1, logs=folder, import_paths=[])
        try:
            yield workers
        finally:
            workers.kill()
    finally:
        machines.close()


EXECUTORS: dict[str, Callable[[Path, str], AbstractContextManager[Executor]]] = {"local": _local, "ray": _ray}


def _beside_training(
    setting: Setting, name: str, executor: Callable[[Path, str], AbstractContextManager[Executor]]
) -> dict[str, Any]:
    """Of a study of trivial trials on one slot: what each trial takes beside what its own clock says."""
    seeds = {"tune": 0, "confirm": _SEEDS[setting.effort]}
    plan = tiny_plan(setting.folder, setting.device, seeds=seeds)
    directory = setting.folder / name
    freeze(plan.manifest("workbench bench"), directory)
    with executor(directory, setting.device) as workers:
        noted = Noted(workers)
        run_study(plan, directory, noted)
    runs = [RunDirectory(directory / "runs" / run_id).read() for run_id in noted.ended]
    training = [run.measured("seconds") for run in runs]
    cycles = [after - before for before, after in pairwise(noted.submitted)]
    # The first loads libraries and prepares the text, and of the last nobody sees when the next would begin.
    beside = [cycle - own for cycle, own in zip(cycles[1:], training[1:-1], strict=True)]
    return {"beside": Spread.of(beside), "training": Spread.of(training[1:])}


def _driver_alone(setting: Setting, trials: int) -> dict[str, Spread]:
    """Seconds of the driver for a trial, among the first tenth of a study's trials and among the last."""
    seeds = {"tune": 0, "confirm": trials // _VARIANTS}
    plan = tiny_plan(setting.folder, "cpu", factors=_FACTORS, seeds=seeds)
    directory = setting.folder / "alone"
    freeze(plan.manifest("workbench bench"), directory)
    workers = Instant(plan)
    run_study(plan, directory, workers)
    seconds = [after - before for before, after in pairwise(workers.told)]
    part = max(1, len(seconds) // _PART)
    return {
        f"the first {part:,}": Spread.of(seconds[:part]),
        f"the last {part:,}": Spread.of(seconds[-part:]),
    }


SECTION = Section(
    name="scheduling",
    title="Scheduling",
    about=(
        "Trials that train for an instant on one slot, of this machine and of a Ray cluster that consists of "
        "it: all that is not training, from handing out one trial to handing out the next. Then the driver "
        "with workers that do nothing but write outcomes: what it takes itself for each trial, and whether "
        "that grows with their number."
    ),
    seconds={Effort.QUICK: 7.0, Effort.FULL: 900.0},
    measure=measure,
)
