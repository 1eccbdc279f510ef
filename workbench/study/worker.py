"""One slot's process: takes trials from the driver, one at a time, and reports on them.

Lines of JSON go both ways. In: ``{"run": directory}`` or ``{"stop": true}``; end of input means that the
driver is gone. Out: progress, evaluations, and how each run ended. What a trial prints goes to its log.
"""

import json
import os
import queue
import sys
import threading
import warnings
from functools import cache
from pathlib import Path
from typing import IO, Any

from workbench.data.batches import TokenizedCorpus, prepare
from workbench.data.cache import cache_directory
from workbench.errors import UserError
from workbench.inspection.prober import prober
from workbench.records.run import RunDirectory
from workbench.training.run import Watcher
from workbench.training.trial import run_trial

LOG = "log.txt"


class Channel:
    """The driver's lines, read in a thread so that a request to stop is heard while training."""

    def __init__(self, source: IO[str], sink: IO[str]) -> None:
        self._sink, self._source = sink, source
        self._runs: queue.Queue[str | None] = queue.Queue()
        self._stop = threading.Event()
        threading.Thread(target=self._listen, daemon=True).start()

    def send(self, event: dict[str, Any]) -> None:
        """Report to the driver."""
        self._sink.write(json.dumps(event) + "\n")
        self._sink.flush()

    def should_stop(self) -> bool:
        """Whether the driver asked for a clean stop."""
        return self._stop.is_set()

    def next_run(self) -> str | None:
        """The next run directory; None when there is no more to do."""
        return None if self._stop.is_set() else self._runs.get()

    def _listen(self) -> None:
        for line in self._source:
            message = json.loads(line)
            if message.get("stop"):
                self._stop.set()
                self._runs.put(None)
            else:
                self._runs.put(message["run"])
        # End of input: the driver died. Its successor will resume this trial from the last checkpoint.
        os._exit(1)


def main() -> None:
    """Serve the driver until it says stop or goes away."""
    channel = Channel(sys.stdin, os.fdopen(os.dup(1), "w", encoding="utf-8"))
    channel.send({"event": "ready", "pid": os.getpid()})
    while (directory := channel.next_run()) is not None:
        _redirect_output(Path(directory) / LOG)
        if _serve(Path(directory), channel) == "failed":
            return  # a failed trial's traceback can pin memory: the next one gets a new process


def _redirect_output(log: Path) -> None:
    """Send descriptors 1 and 2 to the run's log, so that C++ and Python output alike land there."""
    sys.stdout.flush()
    sys.stderr.flush()
    handle = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    os.dup2(handle, 1)
    os.dup2(handle, 2)
    os.close(handle)


def _serve(directory: Path, channel: Channel) -> str:
    _quiet()
    run = RunDirectory(directory)

    watcher = Watcher(report=channel.send, should_stop=channel.should_stop, probe=prober)
    state = run_trial(run, _corpus, watcher).state
    channel.send({"run_id": run.run_id, "event": "ended", "state": str(state)})
    return str(state)


@cache
def _prepared(corpus: str, tokenizer: str) -> TokenizedCorpus:
    return prepare(json.loads(corpus), json.loads(tokenizer), cache_directory())


def _corpus(data: dict[str, Any]) -> TokenizedCorpus:
    corpus = _prepared(json.dumps(data["corpus"]), json.dumps(data["tokenizer"]))
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
