"""The process of another rank than the first: computes its part of each batch, and writes nothing down.

It is told what to do in one line on its standard input, which stays open as long as rank 0 lives. What it
has to say goes to a pipe, a line of JSON each: that it is ready, that it is done, or why it failed. What it
prints goes where rank 0's output goes, the run's log.
"""

import json
import os
import signal
import sys
import threading
import time
import traceback
from functools import partial
from pathlib import Path
from typing import IO, Any

import torch
from torch import distributed

from workbench.records.execution import Execution
from workbench.records.metrics import MetricsWriter
from workbench.records.run import RunDirectory
from workbench.training.callbacks import Interrupted
from workbench.training.checkpoint_file import load_checkpoint
from workbench.training.fitting import Fitting
from workbench.training.hardware import out_of_memory
from workbench.training.log import Diverged, RunLog
from workbench.training.machine_faults import is_machine_fault
from workbench.training.ranks import HOST, PATIENCE, joined
from workbench.training.run import Watcher, describe, open_run
from workbench.training.run_text import study_corpus
from workbench.training.trainer import silence_libraries


def main() -> None:
    """Take part in one trial."""
    for number in (signal.SIGTERM, signal.SIGUSR1):
        signal.signal(number, lambda *_: None)  # the driver hears them too, and asks rank 0 to stop
    asked = json.loads(sys.stdin.readline())
    threading.Thread(target=_end_with_the_leader, daemon=True).start()
    silence_libraries()
    with os.fdopen(asked["reports"], "w", encoding="utf-8") as reports:
        _say(reports, "ready")
        try:
            _follow(asked)
        except (Interrupted, Diverged):
            pass  # so did rank 0, which says so
        except BaseException as error:
            _say(reports, _kind(error), at=time.monotonic(), error=_described(error))
            traceback.print_exc()
            sys.stderr.flush()
            os._exit(1)  # at once: what is still open keeps others waiting
        _say(reports, "done")


def _end_with_the_leader() -> None:
    sys.stdin.read()
    os._exit(1)


def _say(reports: IO[str], kind: str, **facts: Any) -> None:
    reports.write(json.dumps({"kind": kind, **facts}) + "\n")
    reports.flush()


def _kind(error: BaseException) -> str:
    if out_of_memory(error):
        return "memory"
    is_fault = is_machine_fault(error) or not isinstance(error, Exception)
    return "fault" if is_fault else "failed"


def _described(error: BaseException) -> str:
    return describe(error) if isinstance(error, Exception) else repr(error)


def _follow(asked: dict[str, Any]) -> None:
    directory = RunDirectory(Path(asked["run"]), asked["attempt"])
    study = directory.path.parent.parent
    execution = Execution.model_validate(asked["execution"])
    run = open_run(directory, partial(study_corpus, study), execution)
    torch.set_num_threads(run.training.threads)
    checkpoint = load_checkpoint(directory.checkpoint) if asked["resumes"] else None
    rows = [] if checkpoint is None else run.rows_of(checkpoint.content)
    store = distributed.TCPStore(HOST, asked["port"], execution.devices, is_master=False, timeout=PATIENCE)
    with joined(store, asked["rank"], execution.devices, run.device) as ranks:
        # The rows of the run are rank 0's to write.
        log = RunLog(MetricsWriter(None, rows), run.accounting, run.steps, lambda event: None)
        Fitting(run, ranks, log, Watcher()).fit(checkpoint)


if __name__ == "__main__":
    main()
