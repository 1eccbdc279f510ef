"""``driver.json``: who drives a study, how it goes, and when that was last said."""

import time
from datetime import datetime
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from workbench.errors import RecordError
from workbench.files import read_json
from workbench.records.fields import Day, FiniteNumber, damage

DRIVER = "driver.json"
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
    path = study / DRIVER
    try:
        return DriverState.model_validate(read_json(path))
    except RecordError as error:
        raise RecordError(f"{error}; {_REMEDY}") from error
    except ValidationError as error:
        raise RecordError(f"{path}: {damage(error)}; {_REMEDY}") from None
