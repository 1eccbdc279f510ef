"""One run, one directory: ``run.json``, its metrics, its weights and the checkpoint to resume from."""

import json
from dataclasses import asdict, dataclass, field, fields
from datetime import UTC, datetime
from enum import StrEnum
from hashlib import sha256
from pathlib import Path
from typing import Any

import pandas as pd

from workbench.errors import RecordError
from workbench.files import read_json, sweep, write_json
from workbench.records import metrics

RECORD = "run.json"
WEIGHTS = "model.safetensors"
CHECKPOINT = "last.ckpt"
REPLICA = "replica.ckpt"
LOG = "log.txt"
NEXT_REPLICA = "replica.next.ckpt"
PARTS = "parts"  # in the study's directory: the code of parts that are not the workbench's


class State(StrEnum):
    """Where a run stands. Every state but the first two is an outcome, and is kept."""

    QUEUED = "queued"
    RUNNING = "running"
    COMPLETE = "complete"
    PRUNED = "pruned"
    DIVERGED = "diverged"
    FAILED = "failed"


FINISHED = frozenset({State.COMPLETE, State.PRUNED, State.DIVERGED, State.FAILED})


def now() -> str:
    """The present moment, ISO 8601 in UTC."""
    return datetime.now(UTC).isoformat(timespec="seconds")


@dataclass(kw_only=True)
class RunRecord:
    """What ``run.json`` holds.

    ``config`` is all that a trial needs to run again ("model", "data", "training"); ``summary`` holds
    the final metrics; ``cost`` is in tokens, FLOPs, seconds and bytes.
    """

    run_id: str
    study: str
    variant: str
    phase: str
    seed: int
    learning_rate: float
    config: dict[str, Any]
    state: State = State.QUEUED
    error: str | None = None
    summary: dict[str, float] = field(default_factory=dict)
    cost: dict[str, float] = field(default_factory=dict)
    progress: dict[str, int] = field(default_factory=dict)
    provenance: dict[str, Any] = field(default_factory=dict)
    created: str = field(default_factory=now)
    started: str | None = None
    finished: str | None = None
    attempts: int = 0

    @classmethod
    def from_dict(cls, values: dict[str, Any], source: Path) -> "RunRecord":
        """Check and convert the content of ``run.json``; raises ``RecordError`` naming ``source``."""
        known = {item.name for item in fields(cls)}
        try:
            record = cls(**{key: value for key, value in values.items() if key in known})
            record.state = State(record.state)
        except (TypeError, ValueError) as error:
            raise RecordError(f"{source}: is no run record ({error})") from error
        for name in ("config", "summary", "cost", "progress", "provenance"):
            if not isinstance(getattr(record, name), dict):
                raise RecordError(f"{source}: {name!r} is no object, so this is no run record")
        return record


def config_hash(config: dict[str, Any]) -> str:
    """Identity of a configuration without its seed and learning rate: 12 hexadecimal digits."""
    return _digest(config)


def run_id(config: dict[str, Any], phase: str, learning_rate: float, seed: int) -> str:
    """Identity of one trial: equal configuration, phase, learning rate and seed are the same run.

    The phase is part of it, so that a run that tuned something can never also confirm it.
    """
    return _digest([config, phase, learning_rate, seed])


def _digest(value: Any) -> str:
    return sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:12]


class RunDirectory:
    """``<study>/runs/<run id>/``: the only place that a run writes to."""

    def __init__(self, path: Path) -> None:
        self.path = Path(path)

    @property
    def run_id(self) -> str:
        """The run's identity: the name of its directory."""
        return self.path.name

    @property
    def checkpoint(self) -> Path:
        """The checkpoint to resume from; there only while the run is unfinished."""
        return self.path / CHECKPOINT

    @property
    def replica(self) -> Path:
        """The same for a run that trains in a population."""
        return self.path / REPLICA

    @property
    def next_replica(self) -> Path:
        """The same while not all runs of the population have theirs: it counts once one has been renamed."""
        return self.path / NEXT_REPLICA

    @property
    def has_checkpoint(self) -> bool:
        """Whether there is anything to resume the run from."""
        return any(path.exists() for path in (self.checkpoint, self.replica, self.next_replica))

    def sweep(self) -> None:
        """Delete what a writer that was killed left half-written."""
        sweep(self.path)

    def forget_checkpoints(self) -> None:
        """Delete what the run would be resumed from."""
        self.sweep()
        for path in (self.checkpoint, self.replica, self.next_replica):
            path.unlink(missing_ok=True)

    @property
    def parts(self) -> Path:
        """Where its study keeps the code of parts that are not the workbench's."""
        return self.path.parent.parent / PARTS

    @property
    def weights(self) -> Path:
        """The final weights, as safetensors."""
        return self.path / WEIGHTS

    def exists(self) -> bool:
        """Whether the run has a record."""
        return (self.path / RECORD).exists()

    def read(self) -> RunRecord:
        """The run's record; raises ``RecordError`` when it is missing or damaged."""
        source = self.path / RECORD
        return RunRecord.from_dict(read_json(source), source)

    def write(self, record: RunRecord) -> None:
        """Replace the run's record atomically."""
        if record.run_id != self.run_id:
            raise RecordError(
                f"{self.path}: cannot hold run {record.run_id!r}; a run is its directory's name"
            )
        write_json(self.path / RECORD, asdict(record))

    def metrics(self) -> pd.DataFrame:
        """One row per logged step: step, tokens, flops, seconds and the metrics (NaN where not logged)."""
        return metrics.read_metrics(self.path)


def error_line(error: str | None) -> str:
    """What went wrong in a line: the first of an error's message, which stands after a traceback's frames."""
    lines = (error or "").strip().split("\n")  # what else ends a line is a letter of the message
    frames = [index for index, line in enumerate(lines) if line.startswith("Traceback")]
    if not frames:
        return lines[0]
    # The exception follows the frames, which are indented; its message may go on for lines.
    ending = lines[frames[-1] + 1 :]
    return next((line for line in ending if line.strip() and not line.startswith(" ")), lines[-1])


def write_record(study: Path, record: RunRecord, frame: pd.DataFrame | None = None) -> RunDirectory:
    """Write a whole run at once under ``study``: its record and, if given, its finished metrics."""
    directory = RunDirectory(Path(study) / "runs" / record.run_id)
    directory.write(record)
    if frame is not None:
        metrics.save_frame(directory.path, frame)
    return directory
