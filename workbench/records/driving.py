"""Who drives a study: as its sign of life says, or the process that a page of this machine started for it."""

import platform
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path

import psutil

from workbench.errors import RecordError
from workbench.files import read_json
from workbench.records.driver_state import DriverState, read_driver_state

STARTED = "started.json"  # the process that a page started, in the study's directory
_CLOCKS = 2.0  # seconds by which two clocks of one machine may tell a moment apart


class Driving(StrEnum):
    """Whether a study has a driver."""

    NONE = "none"
    STARTING = "starting"  # started from a page, and not yet at its first trial
    RUNNING = "running"  # gives signs of life


@dataclass(frozen=True)
class Driver:
    """Who drives a study, as far as this machine can tell.

    ``pid`` is None where no process of this machine can be asked: nobody drives, or ``host`` is another.
    """

    driving: Driving
    pid: int | None = None
    host: str = ""

    @property
    def can_be_stopped(self) -> bool:
        """Whether it can be asked to, from here."""
        return self.pid is not None


def driver_of(study: Path) -> Driver:
    """Who drives the study in the directory ``study``."""
    state = _state(study)
    if state is not None and state.is_live:
        own = state.pid if state.host == platform.node() and _lives(state.pid, state.started) else None
        return Driver(Driving.RUNNING, own, state.host)
    pid = started_here(study)
    # Once it said that it is done, or has stopped, the process has its report left to print.
    if pid is None or (state is not None and state.pid == pid and state.state != "running"):
        return Driver(Driving.NONE)
    return Driver(Driving.STARTING, pid, platform.node())


def started_here(study: Path) -> int | None:
    """The process that a page started for the study, while it lives."""
    try:
        started = read_json(study / STARTED)
    except RecordError:
        return None
    pid, host, when = (started.get(key) for key in ("pid", "host", "started"))
    if host != platform.node() or not isinstance(pid, int) or not isinstance(when, str):
        return None
    return pid if _lives(pid, when) else None


def where(driver: Driver) -> str:
    """``as process 41 on gpu-box``."""
    process = f"as process {driver.pid}" if driver.pid is not None else ""
    return (
        " ".join(filter(None, [process, f"on {driver.host}" if driver.host else ""])) or "by another process"
    )


def _state(study: Path) -> DriverState | None:
    try:
        return read_driver_state(study)
    except RecordError:  # there never was one; a damaged one is listed among the study's problems
        return None


def _lives(pid: int | None, started: str | None) -> bool:
    """Whether the process that was there at ``started`` still is: numbers of processes come again."""
    if pid is None or started is None:
        return False
    try:
        process = psutil.Process(pid)
        if process.status() == psutil.STATUS_ZOMBIE:
            return False
        return process.create_time() <= datetime.fromisoformat(started).timestamp() + _CLOCKS
    except (psutil.Error, ValueError):
        return False
