"""What driver and workers say to each other: one line of JSON each, read where it comes in.

A worker reports what becomes of its trials (``Report``), and the driver hands it a ``Task`` or asks it to
``Stop`` (``Message``). That a worker itself is gone nobody but its executor can say: ``Lost``. Reports and
losses are what the driver hears of an executor (``Event``).
"""

import json
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from workbench.records.execution import USUAL, Execution
from workbench.records.run import State
from workbench.training.population.halving import Halving


class _Line(BaseModel):
    model_config = ConfigDict(frozen=True)


class Ready(_Line):
    """A worker's process has loaded its libraries."""

    event: Literal["ready"] = "ready"
    pid: int | None = None


class Taken(_Line):
    """The worker took up the runs that it was handed last."""

    event: Literal["taken"] = "taken"


class Alive(_Line):
    """A sign of life: between two other reports hours may pass.

    ``done`` is how much the present trial has done since its first step (``training.pulse``).
    """

    event: Literal["alive"] = "alive"
    done: int = 0


class Progress(_Line):
    """A trial has made ``step`` of its ``steps``; ``loss`` is that of the step's batch, NaN included."""

    event: Literal["progress"] = "progress"
    run_id: str
    step: int
    steps: int
    loss: float


class Evaluation(_Line):
    """A trial was validated after ``step`` steps: metrics by name, such as ``validation/loss``."""

    event: Literal["evaluation"] = "evaluation"
    run_id: str
    step: int
    validation: dict[str, float]


class Ended(_Line):
    """A trial is over, or was stopped to go on later; its record says more, and is what counts.

    ``record`` is what stands in its ``run.json``: where a network's file system is slow to show that, the
    driver has it from here. ``leaves`` says, here as in the other reports that have it, that the worker's
    process ends by itself after this report.
    """

    event: Literal["ended"] = "ended"
    run_id: str
    state: State
    record: dict[str, Any] | None = None
    leaves: bool = False


class Fault(_Line):
    """These runs met a fault of the machine, which is no outcome."""

    event: Literal["fault"] = "fault"
    run_ids: list[str]
    error: str
    leaves: bool = False


class TooLarge(_Line):
    """These runs do not fit into memory together."""

    event: Literal["too_large"] = "too_large"
    run_ids: list[str]
    error: str
    leaves: bool = False


class Unpopulatable(_Line):
    """The model of these runs cannot be trained in a population, for the reason that ``error`` gives."""

    event: Literal["unpopulatable"] = "unpopulatable"
    run_ids: list[str]
    error: str


class Lost(_Line):
    """A worker's process ended with the exit status ``status`` (a signal's number, negative).

    ``run_ids`` are the runs that it still had. It was not ``started`` where it ended before it was ready, and
    the runs are ``unbegun`` where it ended between two tasks and never took them up. ``given_up`` is why the
    executor ended it, where it did. ``log`` is where it printed what belongs to no run. ``machine`` names the
    machine that was lost with it, where that is what happened: no fault of its runs.
    """

    event: Literal["lost"] = "lost"
    run_ids: list[str]
    status: int
    started: bool = True
    given_up: str = ""
    unbegun: bool = False
    log: str = ""
    machine: str = ""


TrialReport = Annotated[Progress | Evaluation | Ended, Field(discriminator="event")]
Report = Annotated[
    Ready | Taken | Alive | Progress | Evaluation | Ended | Fault | TooLarge | Unpopulatable,
    Field(discriminator="event"),
]
Event = Annotated[Report | Lost, Field(discriminator="event")]


class Task(_Line):
    """Runs, by their directories, to train together; ``halving`` stops the worse learning rates early.

    ``attempt`` is what the directories say whose they are (``records.attempts``); None: nobody else's ever.
    ``execution`` is how a run that trains alone is computed. ``samples``: how many texts each run writes
    while it trains, or from which prompts.
    """

    message: Literal["task"] = "task"
    runs: list[Path]
    halving: Halving | None = None
    attempt: str | None = None
    execution: Execution = USUAL
    samples: int | list[str] = 0


class Stop(_Line):
    """Save what is trained, and stop."""

    message: Literal["stop"] = "stop"


Message = Annotated[Task | Stop, Field(discriminator="message")]

_TRIAL_REPORT: TypeAdapter[TrialReport] = TypeAdapter(TrialReport)
_REPORT: TypeAdapter[Report] = TypeAdapter(Report)
_MESSAGE: TypeAdapter[Message] = TypeAdapter(Message)


def to_line(said: _Line) -> str:
    """A report or message as the line that its reader takes."""
    # Not by pydantic's own JSON, which writes null for the loss of a trial that diverged, and refuses names
    # with bytes that are no UTF-8.
    return json.dumps(said.model_dump(mode="json")) + "\n"


def read_report(line: str) -> Report | None:
    """What a worker's line reports; None for a line that is no report, such as what a library printed."""
    try:
        return _REPORT.validate_python(json.loads(line))
    except (ValueError, RecursionError):  # pydantic's ValidationError is a ValueError
        return None


def read_message(line: str) -> Message:
    """What the driver's line asks for. Raises ``ValueError`` for a line that is no message."""
    return _MESSAGE.validate_python(json.loads(line))


def trial_report(values: dict[str, Any]) -> TrialReport:
    """What training says of one trial (see ``training.run.Watcher``), as the report that it is."""
    return _TRIAL_REPORT.validate_python(values)
