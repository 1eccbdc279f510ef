"""Watching a worker: for how long it may say nothing, and for how long its training may stand still.

A thread of the worker gives a sign of life every five seconds, whatever the training does (``events.Alive``);
the sign says how much the present trial has done since its first step (``training.pulse``). So two things are
noticed:

* A worker without a sign for a minute: its process is stopped, or so stuck that none of its threads runs. One
  that has not loaded its libraries yet has five minutes: it gives no sign before.
* A trial that did nothing for half an hour, though its worker gives signs: not a step, not a batch of a
  validation, not a run's tables of probes. It waits for a disk, a device or a lock that does not come back.

Such a worker is given up, and its trial goes on from its last checkpoint in another one. What is not noticed
is a trial that hangs before its first step has ended: text may have to be prepared and programs compiled,
which may take hours. Status says how long that has been so. A step that takes more than half an hour is
mistaken for a hang.

Only the seconds in which the driver listened count, so that a machine that slept, or a driver that was itself
stopped, gives nobody up.
"""

from workbench.driver.events import Alive, Event, Ready, Taken
from workbench.numbers import duration

SIGN_SECONDS = 5.0  # between two signs of life of a worker
SILENT_SECONDS = 60.0  # it is given up without a sign for so long,
LOADING_SECONDS = 300.0  # before its first sign for so long,
STILL_SECONDS = 1800.0  # and where its trial did nothing for so long

_TOLD_SILENT_SECONDS = 3 * SIGN_SECONDS  # from then on status says so
_TOLD_LOADING_SECONDS = 60.0
_TOLD_STILL_SECONDS = 300.0


class Watch:
    """What is known of one worker's process since it began."""

    def __init__(self) -> None:
        self._ready = False
        self._silent = 0.0  # seconds without a sign
        self._still = 0.0  # seconds in which its trial did nothing that counts
        self._done = 0  # how much its trial had done by its last sign; 0 before the end of its first step

    def handed(self) -> None:
        """It was handed a task; while it had none nobody watched it."""
        self._silent = 0.0
        self._still = 0.0
        self._done = 0

    def heard(self, event: Event) -> None:
        """It said something."""
        self._silent = 0.0
        match event:
            case Ready():
                self._ready = True
            case Alive():
                if event.done != self._done:
                    self._still = 0.0
                self._done = event.done
            case Taken():
                pass
            case _:
                self._still = 0.0

    def answered(self) -> None:
        """Who looks after it on its own machine, and watches its trial there, says that all is well."""
        self._ready = True
        self._silent = 0.0
        self._still = 0.0

    def listened(self, seconds: float) -> None:
        """So many seconds went by in which it might have said something."""
        self._silent += seconds
        self._still += seconds

    def reason(self) -> str:
        """Why it is to be given up; empty while it is not."""
        if not self._ready:
            if self._silent > LOADING_SECONDS:
                return f"it was not ready after {duration(LOADING_SECONDS)}"
        elif self._silent > SILENT_SECONDS:
            return f"no sign of life for {duration(SILENT_SECONDS)}"
        if self._done and self._still > STILL_SECONDS:
            return f"its training stood still for {duration(STILL_SECONDS)}"
        return ""

    def words(self) -> str:
        """What is waited for, for whoever asks how the study goes; empty while all is well."""
        if not self._ready:
            return f"not ready for {duration(self._silent)}" if self._silent > _TOLD_LOADING_SECONDS else ""
        if self._silent > _TOLD_SILENT_SECONDS:
            return f"no sign of life for {duration(self._silent)}"
        if self._still > _TOLD_STILL_SECONDS:
            if self._done:
                return f"its trial did nothing for {duration(self._still)}"
            return f"its trial has not ended its first step after {duration(self._still)}"
        return ""
