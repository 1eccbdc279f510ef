"""``driver.json``: who drives a study, how it goes, and when that was last said."""

import time
from datetime import datetime
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict

from workbench.files import read_json
from workbench.records.damaged_files import read_checked
from workbench.records.fields import Day, FiniteNumber

DRIVER = "driver.json"
LOCK = "driver.lock"  # held while a driver lives
_LIVE_SECONDS = 30.0
_REMEDY = "it says nothing of the runs: delete it, or run the study again"


class DriverState(BaseModel):
    """What ``driver.json`` holds. Only where it stands is always known; what a newer version adds is kept."""

    model_config = ConfigDict(frozen=True, extra="allow", strict=True)

    pid: int | None = None  # of the driver's process on its host
    host: str = ""
    started: Day | None = None
    state: Literal["running", "stopped", "done"]
    workers: int | None = None
    phase: str | None = None  # None before the first
    message: str = ""  # where the study stands, in a line
    seconds_left: FiniteNumber | None = None  # None before there is an estimate
    updated: Day | None = None  # the last sign of life

    @property
    def is_live(self) -> bool:
        """Whether the driver is at work: it says so, and said so within the last half minute."""
        if self.state != "running" or self.updated is None:
            return False
        return time.time() - datetime.fromisoformat(self.updated).timestamp() < _LIVE_SECONDS


def read_driver_state(study: Path) -> DriverState:
    """The ``driver.json`` of a study's directory; raises ``RecordError`` when it is missing or damaged."""
    return read_checked(study / DRIVER, DriverState, read_json, _REMEDY)
