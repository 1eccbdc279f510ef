"""Rank 0's side of a trial on several devices: it starts the other ranks, hears of their failures, ends them.

A rank that fails says why and ends; one that is killed just ends. Either breaks off what rank 0 waits for,
whose own error then says nothing of the cause: what went wrong first counts. Where a device does not notice
that its peer is gone, rank 0 is woken after ``_STUCK_SECONDS``, and ended after as many more. The others end
when rank 0 does, whatever ends it: they hold the other end of a pipe.
"""

import json
import logging
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import torch
from torch import distributed

from workbench.training.callbacks import Interrupted
from workbench.training.log import Diverged
from workbench.training.machine_faults import RankLost
from workbench.training.ranks import ALONE, HOST, PATIENCE, Ranks, abort, joined
from workbench.training.run import Run

_log = logging.getLogger(__name__)
_FOLLOWER = [sys.executable, "-m", "workbench.training.follower"]
_GRACE_SECONDS = 3.0  # in which another rank's failure may become known that rank 0's error follows from
_STUCK_SECONDS = 30.0
_ENDING_SECONDS = 60.0  # for a rank that is done


class RankFailed(RuntimeError):
    """Another rank than this one failed, as its error says: an outcome of the trial."""


class _Follower:
    """One of the other ranks: its process, and what it says of itself on a pipe."""

    def __init__(self, rank: int, asked: dict[str, Any]) -> None:
        self.rank = rank
        self.ready = threading.Event()
        self.ended = threading.Event()
        self.ended_at = 0.0
        self.failure: dict[str, Any] | None = None
        self.done = False  # it came to the trial's end
        self._dismissed = threading.Event()
        reading, writing = os.pipe()
        try:
            self.process = subprocess.Popen(
                _FOLLOWER,
                stdin=subprocess.PIPE,
                pass_fds=[writing],
                encoding="utf-8",
                # It finds what this process finds: the same workbench, and the user's own parts.
                env=os.environ | {"PYTHONPATH": os.pathsep.join(map(os.path.abspath, sys.path))},
            )
        finally:
            os.close(writing)
        threading.Thread(target=self._listen, args=(reading,), daemon=True).start()
        assert self.process.stdin is not None, "it is a pipe"
        with suppress(BrokenPipeError):  # that it has ended is noticed where its reports are read
            self.process.stdin.write(json.dumps(asked | {"rank": rank, "reports": writing}) + "\n")
            self.process.stdin.flush()

    def dismiss(self) -> None:
        """Rank 0 waits for it no more."""
        self._dismissed.set()

    def end(self, patience: float) -> None:
        """Let it end by itself for so many seconds, then end it."""
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(timeout=patience)
        self.process.kill()
        self.process.wait()
        assert self.process.stdin is not None, "it is a pipe"
        with suppress(BrokenPipeError):
            self.process.stdin.close()

    def error(self) -> Exception:
        """What its end means for the trial."""
        if self.failure is None:
            return RankLost(f"rank {self.rank} ended with status {self.process.wait()}")
        error = self.failure["error"]
        # A traceback begins a line, for whoever looks for the line of the error itself.
        text = f"rank {self.rank}:\n{error}" if "\n" in error else f"rank {self.rank}: {error}"
        match self.failure["kind"]:
            case "fault":
                return RankLost(text)
            case "memory":
                return torch.OutOfMemoryError(text)
            case _:
                return RankFailed(text)

    def _listen(self, reading: int) -> None:
        with open(reading, encoding="utf-8") as reports:
            for line in reports:
                try:
                    report = json.loads(line)
                except ValueError:  # it was killed within a word
                    break
                self.done = self.done or report["kind"] == "done"
                if report["kind"] not in ("ready", "done"):
                    self.failure = report
                self.ready.set()
        # It has ended, or will in a moment: nobody else holds the pipe.
        self.ended_at = time.monotonic() if self.failure is None else self.failure["at"]
        self.ended.set()
        self.ready.set()
        if self.done or self._dismissed.wait(_STUCK_SECONDS):
            return
        _log.error("%s; rank 0 does not notice it, and is woken", self.error())
        abort()
        if not self._dismissed.wait(_STUCK_SECONDS):
            _log.error("rank 0 does not wake up, and ends")
            os._exit(1)


@contextmanager
def followed(run: Run, resumes: bool) -> Iterator[Ranks]:
    """The ranks that compute ``run``, of which this process is the first; the others end with the block.

    ``resumes`` says whether it goes on from its checkpoint. Raises for the failure of another rank what it
    would have meant here: ``RankFailed``, ``torch.OutOfMemoryError``, or ``RankLost`` for a fault.
    """
    count = run.execution.devices
    if count == 1:
        yield ALONE
        return
    store = distributed.TCPStore(HOST, 0, count, is_master=True, wait_for_workers=False, timeout=PATIENCE)
    asked = {
        "run": str(run.directory.path),
        "attempt": run.directory.attempt,
        "execution": run.execution.to_dict(),
        "port": store.port,
        "resumes": resumes,
    }
    others: list[_Follower] = []
    patience = 0.0
    try:
        for rank in range(1, count):
            others.append(_Follower(rank, asked))
        for other in others:
            other.ready.wait()
            if other.ended.is_set():
                raise other.error()
        with joined(store, 0, count, run.device) as ranks:
            yield ranks
        patience = _ENDING_SECONDS
    except (Interrupted, Diverged):
        patience = _ENDING_SECONDS  # all came to it together
        raise
    except Exception as error:
        cause = _cause(others, time.monotonic())
        if cause is None or cause is error:
            raise
        raise cause from error
    finally:
        for other in others:
            other.dismiss()
        for other in others:
            other.end(patience)


def _cause(others: list[_Follower], failed: float) -> Exception | None:
    """The failure of another rank that came before rank 0's, at ``failed``; None where there is none.

    One that was killed did not say when: rank 0 may notice it before the pipe is closed.
    """
    deadline = failed + _GRACE_SECONDS
    while time.monotonic() < deadline:
        ended = [other for other in others if other.ended.is_set() and not other.done]
        first = min(ended, key=lambda other: other.ended_at, default=None)
        if first is not None and (first.failure is None or first.ended_at <= failed):
            return first.error()
        time.sleep(0.05)
    return None
