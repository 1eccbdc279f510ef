"""One slot's process: takes trials from the driver, one or a population at a time, and reports on them.

Lines of JSON go both ways. In: ``{"runs": [directory, ...], "halving": {...} or null}`` or
``{"stop": true}``; end of input means that the driver is gone. Out: that runs were taken up, progress,
evaluations, and how each run ended. What a trial prints goes to its log.
"""

import gc
import json
import os
import queue
import sys
import threading
import time
import traceback
import warnings
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import IO, Any

from workbench.data.batches import TokenizedCorpus, prepare
from workbench.data.cache import cache_directory
from workbench.errors import UserError
from workbench.files import write_atomically
from workbench.inspection.scheduled_measuring import prober
from workbench.records.run import LOG, RunDirectory, RunRecord, State
from workbench.training.hardware import release_memory
from workbench.training.population.halving import Halving
from workbench.training.population.trial import TooLarge, run_population
from workbench.training.population.vmappable import NotVmappable
from workbench.training.run import Watcher
from workbench.training.run_text import kept_tokenizer
from workbench.training.trial import run_trial

_SIGN_OF_LIFE_SECONDS = 20.0


@dataclass(frozen=True, kw_only=True)
class Task:
    """Runs to train together, and whether the worse learning rates among them are to stop early."""

    runs: list[RunDirectory]
    halving: dict[str, Any] | None = None

    @classmethod
    def of(cls, message: dict[str, Any]) -> "Task":
        """What a line of the driver's says."""
        return cls(runs=[RunDirectory(Path(run)) for run in message["runs"]], halving=message["halving"])

    @property
    def alone(self) -> bool:
        """Whether it is a trial that trains as one; one that began in a population ends in one."""
        return len(self.runs) == 1 and not self.runs[0].replica.exists() and self.halving is None


class Channel:
    """The driver's lines, read in a thread so that a request to stop is heard while training."""

    def __init__(self, source: IO[str], sink: IO[str]) -> None:
        self._sink = sink
        self._source = source
        self._sending = threading.Lock()
        self._tasks: queue.Queue[Task | None] = queue.Queue()
        self._stop = threading.Event()
        threading.Thread(target=self._listen, daemon=True).start()
        threading.Thread(target=self._breathe, daemon=True).start()

    def send(self, event: dict[str, Any]) -> None:
        """Report to the driver."""
        line = json.dumps(event) + "\n"
        with self._sending:
            self._sink.write(line)
            self._sink.flush()

    def should_stop(self) -> bool:
        """Whether the driver asked for a clean stop."""
        return self._stop.is_set()

    def next_task(self) -> "Task | None":
        """What to train next; None when there is no more to do."""
        return None if self._stop.is_set() else self._tasks.get()

    def _listen(self) -> None:
        try:
            for line in self._source:
                self._hear(json.loads(line))
        except Exception:
            traceback.print_exc()
        # End of input: the driver died. Its successor resumes these trials from their last checkpoints.
        os._exit(1)

    def _breathe(self) -> None:
        """Tell the driver now and then that this process is there: between two reports hours may pass."""
        while True:
            time.sleep(_SIGN_OF_LIFE_SECONDS)
            try:
                self.send({"event": "alive"})
            except OSError:  # the driver is gone, and this process will be in a moment
                return

    def _hear(self, message: dict[str, Any]) -> None:
        if message.get("stop"):
            self._stop.set()
            self._tasks.put(None)
        else:
            self._tasks.put(Task.of(message))


def main() -> None:
    """Serve the driver until it says stop or goes away."""
    channel = Channel(sys.stdin, os.fdopen(os.dup(1), "w", encoding="utf-8"))
    channel.send({"event": "ready", "pid": os.getpid()})
    gc.freeze()  # libraries stay: what collects garbage after each task need not look at them, for 0.3 s each
    while (task := channel.next_task()) is not None:
        channel.send({"event": "taken"})
        _redirect_output(task.runs[0].path / LOG)
        for run in task.runs[1:]:
            write_atomically(run.path / LOG, f"trained in a population: see ../{task.runs[0].run_id}/{LOG}\n")
        if not _serve(task, channel):
            return  # a failed trial's traceback can pin memory: the next one gets a new process


def _redirect_output(log: Path) -> None:
    """Send descriptors 1 and 2 to the run's log, so that C++ and Python output alike land there."""
    sys.stdout.flush()
    sys.stderr.flush()
    handle = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    os.dup2(handle, 1)
    os.dup2(handle, 2)
    os.close(handle)


def _serve(task: Task, channel: Channel) -> bool:
    """Train, and say how each run ended; False where this process had better not go on.

    The last event of a process that does not go on says that it ``leaves``.
    """
    _quiet()
    told: set[str] = set()

    def report(event: dict[str, Any]) -> None:
        if event["event"] == "ended":
            told.add(event["run_id"])
        channel.send(event)

    watcher = Watcher(report=report, should_stop=channel.should_stop, probe=prober)
    try:
        records = _train(task, watcher)
    except NotVmappable as error:
        channel.send(
            {"event": "unpopulatable", "run_ids": [run.run_id for run in task.runs], "error": str(error)}
        )
        return True
    except TooLarge as error:
        left = [run.run_id for run in task.runs if run.run_id not in told]
        channel.send({"event": "too_large", "run_ids": left, "error": str(error), "leaves": True})
        return False
    except Exception as error:  # no outcome of its trials: a fault of the machine
        traceback.print_exc()
        left = [run.run_id for run in task.runs if run.run_id not in told]
        text = f"{type(error).__name__}: {error}"
        channel.send({"event": "fault", "run_ids": left, "error": text, "leaves": True})
        return False
    release_memory()
    goes_on = all(record.state is not State.FAILED for record in records)
    untold = [record for record in records if record.run_id not in told]
    for number, record in enumerate(untold, start=1):
        leaves = not goes_on and number == len(untold)
        event = {"run_id": record.run_id, "event": "ended", "state": str(record.state), "leaves": leaves}
        channel.send(event)
    return goes_on


def _train(task: Task, watcher: Watcher) -> list[RunRecord]:
    corpus = partial(_corpus, task.runs[0].path.parent.parent)
    if task.alone:
        return [run_trial(task.runs[0], corpus, watcher)]
    halving = None if task.halving is None else Halving(**task.halving)
    return run_population(task.runs, corpus, watcher, halving)


@cache
def _prepared(study: Path, corpus: str, tokenizer: str) -> TokenizedCorpus:
    return prepare(json.loads(corpus), kept_tokenizer(study, json.loads(tokenizer)), cache_directory())


def _corpus(study: Path, data: dict[str, Any]) -> TokenizedCorpus:
    corpus = _prepared(study, json.dumps(data["corpus"]), json.dumps(data["tokenizer"]))
    if corpus.fingerprint != data["fingerprint"]:
        raise UserError("data.corpus: the text changed since the study began; run the study again")
    return corpus


def _quiet() -> None:
    import logging

    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)
    # One process per core is the executor's plan; Lightning's advice to add loader workers undoes it.
    warnings.filterwarnings("ignore", message=".*does not have many workers.*")
    warnings.filterwarnings("ignore", message=".*LeafSpec.*")  # inside Lightning
    warnings.filterwarnings("ignore", message=".*GPU available but not used.*")


if __name__ == "__main__":
    main()
