"""One slot's process: takes trials from the driver, one or a population at a time, and reports on them.

Lines of JSON go both ways (see ``workbench.driver.events``). In: tasks, and that it is to stop; end of input
means that the driver is gone. Out: signs of life, that runs were taken up, progress, evaluations, and how
each run ended. What a trial prints goes to its log, and what is printed before the first one to the worker's
own.
"""

import gc
import os
import queue
import sys
import threading
import time
import traceback
from functools import partial
from pathlib import Path
from typing import IO, Any, Protocol

from workbench.driver.events import (
    Alive,
    Ended,
    Fault,
    Message,
    Ready,
    Report,
    Stop,
    Taken,
    Task,
    TooLarge,
    Unpopulatable,
    read_message,
    to_line,
    trial_report,
)
from workbench.driver.signals import left_to_the_driver
from workbench.driver.watch import SIGN_SECONDS
from workbench.files import write_atomically
from workbench.inspection.scheduled_measuring import schedule_measuring
from workbench.records.run import LOG, RunDirectory, RunRecord, State
from workbench.trained.scheduled_samples import schedule_samples
from workbench.training.hardware import release_memory
from workbench.training.population import trial as population_trial
from workbench.training.population.vmappable import NotVmappable
from workbench.training.pulse import Pulse
from workbench.training.run import Watcher
from workbench.training.run_text import study_corpus
from workbench.training.trainer import silence_libraries
from workbench.training.trial import run_trial


class Driver(Protocol):
    """What a task needs of the driver."""

    def send(self, report: Report) -> None:
        """Report to the driver."""

    def should_stop(self) -> bool:
        """Whether the driver asked for a clean stop."""


class Channel:
    """The driver's lines, read in a thread so that a request to stop is heard while training.

    Another thread gives signs of life, with what the ``pulse`` of the present task has counted.
    """

    def __init__(self, source: IO[str], sink: IO[str]) -> None:
        self._sink = sink
        self._source = source
        self._sending = threading.Lock()
        self._tasks: queue.Queue[Task | None] = queue.Queue()
        self._stop = threading.Event()
        self.pulse = Pulse()
        threading.Thread(target=self._listen, daemon=True).start()
        threading.Thread(target=self._breathe, daemon=True).start()

    def send(self, report: Report) -> None:
        """Report to the driver."""
        line = to_line(report)
        with self._sending:
            self._sink.write(line)
            self._sink.flush()

    def end_line(self) -> None:
        """End whatever line others began, so that the next report has one of its own."""
        self._sink.write("\n")

    def should_stop(self) -> bool:
        """Whether the driver asked for a clean stop."""
        return self._stop.is_set()

    def next_task(self) -> Task | None:
        """What to train next; None when there is no more to do."""
        return None if self._stop.is_set() else self._tasks.get()

    def _listen(self) -> None:
        try:
            for line in self._source:
                self._hear(read_message(line))
        except Exception:
            traceback.print_exc()
        # End of input: the driver died. Its successor resumes these trials from their last checkpoints.
        os._exit(1)

    def _breathe(self) -> None:
        while True:
            time.sleep(SIGN_SECONDS)
            try:
                self.send(Alive(done=self.pulse.count))
            except OSError:  # the driver is gone, and this process will be in a moment
                return

    def _hear(self, message: Message) -> None:
        if isinstance(message, Stop):
            self._stop.set()
            self._tasks.put(None)
        else:
            self._tasks.put(message)


def main() -> None:
    """Serve the driver until it says stop or goes away."""
    left_to_the_driver()
    channel = Channel(sys.stdin, os.fdopen(os.dup(1), "w", encoding="utf-8"))
    # From here on the pipe is the channel's alone: what libraries print goes to the worker's log with its
    # errors. What they printed when they were imported may lie in the pipe already, and lack an end.
    os.dup2(2, 1)
    sys.stdout.flush()
    channel.end_line()
    channel.send(Ready(pid=os.getpid()))
    gc.freeze()  # libraries stay: what collects garbage after each task need not look at them, for 0.3 s each
    while (task := channel.next_task()) is not None:
        channel.pulse.begin()
        channel.send(Taken())
        first, *others = map(RunDirectory, task.runs)
        _redirect_output(first.path / LOG)
        for run in others:
            write_atomically(run.path / LOG, f"trained in a population: see ../{first.run_id}/{LOG}\n")
        if not serve(task, channel, channel.pulse):
            return  # a failed trial's traceback can pin memory: the next one gets a new process


def _redirect_output(log: Path) -> None:
    """Send descriptors 1 and 2 to the run's log, so that C++ and Python output alike land there."""
    sys.stdout.flush()
    sys.stderr.flush()
    handle = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    os.dup2(handle, 1)
    os.dup2(handle, 2)
    os.close(handle)


def serve(task: Task, driver: Driver, pulse: Pulse | None = None) -> bool:
    """Train, and say how each run ended; False where this process had better not go on.

    The last report of a process that does not go on says that it ``leaves``. ``pulse`` counts what is done.
    """
    silence_libraries()
    names = [run.name for run in task.runs]
    ended: set[str] = set()

    def report(values: dict[str, Any]) -> None:
        said = trial_report(values)
        if isinstance(said, Ended):
            ended.add(said.run_id)
        driver.send(said)

    watcher = Watcher(
        report=report,
        should_stop=driver.should_stop,
        measuring=lambda run: schedule_measuring(run).and_then(schedule_samples(run, task.samples)),
        pulse=pulse or Pulse(),
    )
    try:
        records = _train(task, watcher)
    except NotVmappable as error:
        driver.send(Unpopulatable(run_ids=names, error=str(error)))
        return True
    except population_trial.TooLarge as error:
        left = [name for name in names if name not in ended]
        driver.send(TooLarge(run_ids=left, error=str(error), leaves=True))
        return False
    except Exception as error:  # no outcome of its trials: a fault of the machine
        traceback.print_exc()
        left = [name for name in names if name not in ended]
        driver.send(Fault(run_ids=left, error=f"{type(error).__name__}: {error}", leaves=True))
        return False
    release_memory()
    goes_on = all(record.state is not State.FAILED for record in records)
    unreported = [record for record in records if record.run_id not in ended]
    for number, record in enumerate(unreported, start=1):
        leaves = not goes_on and number == len(unreported)
        driver.send(Ended(run_id=record.run_id, state=record.state, record=record.to_dict(), leaves=leaves))
    return goes_on


def trains_alone(task: Task) -> bool:
    """Whether it is a trial that trains as one; one that began in a population ends in one."""
    return len(task.runs) == 1 and not RunDirectory(task.runs[0]).replica.exists() and task.halving is None


def _train(task: Task, watcher: Watcher) -> list[RunRecord]:
    runs = [RunDirectory(run, task.attempt) for run in task.runs]
    corpus = partial(study_corpus, runs[0].path.parent.parent)
    if trains_alone(task):
        return [run_trial(runs[0], corpus, watcher, task.execution)]
    return population_trial.run_population(runs, corpus, watcher, task.halving)


if __name__ == "__main__":
    main()
