"""One driver per study: a lock held while it lives, and a file that says who holds it and how it goes."""

import os
import platform
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from workbench.errors import RecordError, UserError
from workbench.files import write_json
from workbench.records.driver_state import DRIVER, LOCK, read_driver_state
from workbench.records.run import now

_BEAT_SECONDS = 2.0
_LOOK_SECONDS = 8.0  # a network's file system may show a file some seconds late


class Heartbeat:
    """Writes ``driver.json`` every two seconds: who drives, which phase, what is next, how long it takes."""

    def __init__(self, directory: Path, workers: int) -> None:
        self._path = directory / DRIVER
        self._state: dict[str, Any] = {
            "pid": os.getpid(),
            "host": platform.node(),
            "started": now(),
            "state": "running",
            "workers": workers,
            "phase": None,
            "message": "",
            "seconds_left": None,
        }
        self._last = 0.0
        self.beat("starting")

    def set(self, **values: Any) -> None:
        """Change fields and write at once."""
        self._state |= values
        self._write()

    def beat(self, message: str, seconds_left: float | None = None) -> None:
        """Write if two seconds have passed: where the study stands, and how long it is expected to take."""
        self._state |= {"message": message, "seconds_left": seconds_left}
        if time.monotonic() - self._last >= _BEAT_SECONDS:
            self._write()

    def _write(self) -> None:
        self._last = time.monotonic()
        # Where it cannot be written, readers take the study for interrupted until a later beat; no trial
        # depends on it. A record that cannot be written ends the sweep with a message of its own.
        with suppress(OSError):
            write_json(self._path, self._state | {"updated": now()})


@contextmanager
def sole_driver(directory: Path) -> Iterator[None]:
    """Hold the study's lock; raises ``UserError`` naming the holder when another driver has it.

    The operating system releases the lock when its holder dies, however it dies. On some network file systems
    a lock is this machine's alone: a driver of another one is known by its sign of life.
    """
    directory.mkdir(parents=True, exist_ok=True)
    lock = FileLock(directory / LOCK)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise _taken(directory) from None
    try:
        if _lives_elsewhere(directory):
            raise _taken(directory)
        yield
    finally:
        lock.release()


def _taken(directory: Path) -> UserError:
    return UserError(f"{directory}: {_holder(directory)}; wait for it, stop it, or use another --out")


def _lives_elsewhere(directory: Path) -> bool:
    """Whether a driver of another machine gives a sign of life while one looks; clocks need not agree."""
    try:
        before = read_driver_state(directory)
        if before.state != "running" or before.host in ("", platform.node()):
            return False
        time.sleep(_LOOK_SECONDS)
        return read_driver_state(directory).updated != before.updated
    except RecordError:  # there never was one
        return False


def _holder(directory: Path) -> str:
    try:
        driver = read_driver_state(directory)
    except RecordError:  # the holder has not written its file yet
        return "this study is being run by another process"
    return f"this study is being run by process {driver.pid} on {driver.host} since {driver.started}"
