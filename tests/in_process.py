"""Whole commands inside the test's own process, for tests that ask nothing about processes.

Starting a driver or a worker costs many times what a tiny study trains for: each imports Lightning anew.
"""

import io
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import pytest

from workbench.cli import main
from workbench.driver import worker
from workbench.driver.events import Event, Lost, Ready, Report, Task, read_message, read_report, to_line
from workbench.driver.executors.local import LocalExecutor
from workbench.driver.executors.registry import EXECUTORS
from workbench.training import run_text


class _Worker:
    """Stands for a worker's process: what the driver writes to it is done when ``write`` returns."""

    def __init__(self, put: Callable[["_Worker", Event], None]) -> None:
        self.stdin = self
        self._put = put
        self.send(Ready())

    def write(self, line: str) -> None:
        message = read_message(line)
        with warnings.catch_warnings():  # a worker silences some for good
            goes_on = isinstance(message, Task) and worker.serve(message, self)
        if not goes_on:
            self._put(self, Lost(run_ids=[], status=0))

    def send(self, report: Report) -> None:
        heard = read_report(to_line(report))
        assert heard is not None
        self._put(self, heard)

    def should_stop(self) -> bool:
        return False

    def flush(self) -> None: ...

    def poll(self) -> int:
        return 0

    def wait(self, timeout: float) -> None: ...


class InProcessExecutor(LocalExecutor):
    """The executor with its bookkeeping, but without processes."""

    def _spawn(self, slot: Any) -> None:
        slot.process = _Worker(lambda process, event: self._events.put((process, slot, event)))


@contextmanager
def inside(folder: Path) -> Iterator[None]:
    """The process as ``workbench`` would find it when called in ``folder``, which holds its cache too."""
    run_text._prepared.cache_clear()  # it knows texts by paths as studies name them: relative to the folder
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("WORKBENCH_CACHE", str(folder / "cache"))
        patch.setattr(sys, "path", [*sys.path])
        yield


def workbench(
    folder: Path, *arguments: str, executor: str = f"{__name__}:InProcessExecutor"
) -> CompletedProcess:
    """``workbench`` in ``folder`` to its end, as its entry point runs it; trials are trained here too.

    They are not where ``executor`` is another. An error that would have been a traceback is raised.
    """
    output, errors = io.StringIO(), io.StringIO()
    with inside(folder), pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["workbench", *arguments])
        patch.setitem(EXECUTORS, "local", executor)
        with redirect_stdout(output), redirect_stderr(errors), pytest.raises(SystemExit) as ended:
            main.main()
    return CompletedProcess(arguments, ended.value.code or 0, output.getvalue(), errors.getvalue())


def refused(answer, *words):
    """Asserts that a command ended with one error, which has all ``words``."""
    [line] = answer.stderr.splitlines()
    assert answer.returncode == 2
    assert line.startswith("error: ")
    for word in words:
        assert word in line
