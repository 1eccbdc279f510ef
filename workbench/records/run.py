"""One run, one directory: ``run.json``, its metrics, its weights and the checkpoint to resume from."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from enum import StrEnum
from hashlib import sha256
from pathlib import Path
from typing import Annotated, Any

import pandas as pd
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
    with_config,
)
from typing_extensions import TypedDict

from workbench.errors import RecordError
from workbench.files import read_json, sweep, write_json
from workbench.records import metrics
from workbench.records.attempts import require_claim, revoke
from workbench.records.fields import AsItIs, Count, Figure, FiniteNumber, Moment, damage
from workbench.records.hyperparameters import (
    LEARNING_RATE,
    Hyperparameters,
    brought_up_to_date,
    identity,
)
from workbench.records.space import Point
from workbench.records.text_losses import KeptTextLosses

RECORD = "run.json"
WEIGHTS = "model.safetensors"
CHECKPOINT = "last.ckpt"
REPLICA = "replica.ckpt"
LOG = "log.txt"
NEXT_REPLICA = "replica.next.ckpt"
REMEDY = "restore the file, or delete the run's directory and run the study, or import the model, again"
PARTS = "parts"  # in the study's directory: the code of parts that are not the workbench's


class Phase(StrEnum):
    """What a run is for. Only ``confirm`` bears on a study's verdict; a search has none."""

    PILOT = "pilot"  # of earlier versions: the baseline alone, to see how noisy a result is
    TUNE = "tune"  # which hyperparameters suit a variant
    CONFIRM = "confirm"  # each variant at its own, on fresh seeds
    GAIN = "gain"  # the baseline at other budgets: how much more of one does it need for a variant's loss?
    SEARCH = "search"  # a point of a search over architectures: what looks best?
    IMPORT = "import"  # a model from elsewhere


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


def _sound_training(training: dict[str, Any]) -> dict[str, Any]:
    threads, device = training.get("threads", 1), training.get("device", "")
    if not isinstance(threads, int):
        raise ValueError("threads should be a whole number")
    if not isinstance(device, str):
        raise ValueError("device should be a name")
    return training


@with_config(ConfigDict(extra="allow", strict=True))
class RunConfig(TypedDict, total=False):
    """All that a trial needs to run again, but its hyperparameters and its seed. Imports have no training."""

    model: dict[str, Any]  # a ModelConfig as a mapping
    data: dict[str, Any]  # corpus, tokenizer and fingerprint
    # A TrainingConfig as a mapping, and the device: what of it is read without the rest is checked.
    training: Annotated[dict[str, Any], AfterValidator(_sound_training)]
    start: dict[str, str]  # the run that its study starts from: its id, and the SHA-256 of its weights
    weights: str  # SHA-256 of an imported model's


@with_config(ConfigDict(extra="allow", strict=True))
class Place(TypedDict):
    """A machine that took a run up when the run had made so many steps."""

    name: str
    step: Count


@with_config(ConfigDict(extra="allow", strict=True))
class Provenance(TypedDict, total=False):
    """Where a run's numbers come from, as far as it is read again."""

    git_commit: str | None
    git_dirty: bool | None
    versions: dict[str, str]
    hardware: dict[str, Any] | str
    precision: str
    population: Count  # runs that trained in one program
    execution: list[dict[str, Any]]  # how it was computed, each way once (records.execution); [{}] if missing
    directory: str  # what a relative path of the corpus starts from
    machines: list[Place]  # that took it up, in order
    wants_of_memory: Count  # how often memory ran out
    weights_sha256: str
    source: str  # where an imported model came from
    dtype: str  # of its weights as they came: float32, bfloat16, …


class RunRecord(BaseModel):
    """What ``run.json`` holds. Keys of newer versions are kept."""

    model_config = ConfigDict(extra="allow", strict=True)

    run_id: str  # the name of its directory
    study: str
    variant: str
    phase: Annotated[Phase, Field(strict=False)]
    seed: Count
    hyperparameters: dict[str, FiniteNumber | str]
    config: Annotated[RunConfig, AsItIs]
    # Of a search: its point, by dimension the label of a level, a size or a hyperparameter.
    point: Point | None = None
    state: Annotated[State, Field(strict=False)] = State.QUEUED
    error: str | None = None  # why it has no result: a message, or a traceback
    summary: dict[str, Figure] = {}  # the last metrics by name; validation/loss is in nats per token
    # Of a complete run's last validation: what the text's documents cost.
    text_losses: KeptTextLosses | None = None
    # The same in early records: nats and number of targets by passage, which is some batches of windows.
    passages: dict[str, list[FiniteNumber]] | None = None
    # Of the same, by the name of each evaluation set that a task generated: how many answers there were and
    # were right, by distance (along) and by length; columns of equal length.
    answers: dict[str, dict[str, dict[str, list[FiniteNumber]]]] | None = None
    cost: dict[str, Figure] = {}  # tokens, FLOPs, seconds, bytes, parameters
    progress: dict[str, Count] = {}  # "step" of "steps"
    provenance: Annotated[Provenance, AsItIs] = {}
    created: Moment = Field(default_factory=now)
    started: Moment | None = None
    finished: Moment | None = None
    attempts: Count = 0  # how often a worker took it up

    @field_validator("hyperparameters")
    @classmethod
    def _names(cls, value: Hyperparameters) -> Hyperparameters:
        if isinstance(value.get(LEARNING_RATE, ""), str):
            raise ValueError(f"should have {LEARNING_RATE}")
        # Each is a column beside the record's own.
        if taken := value.keys() & cls.model_fields.keys():
            raise ValueError(f"should have other names than the record's own key {min(taken)!r}")
        return value

    @classmethod
    def from_dict(cls, values: dict[str, Any], source: Path) -> "RunRecord":
        """Check and convert the content of ``run.json``; raises ``RecordError`` with the key.

        Early records are brought up to date. ``source`` is the file, for the message.
        """
        missing = [key for key in _ALWAYS_WRITTEN if key not in values]
        if missing:
            raise RecordError(f"{source}: has no key {missing[0]!r}; {REMEDY}")
        try:
            return cls.model_validate(brought_up_to_date(values))
        except ValidationError as error:
            raise RecordError(f"{source}: {damage(error)}; {REMEDY}") from None

    def measured(self, name: str) -> float:
        """A number of its summary or cost, which a complete run has; ``RecordError`` where there is none."""
        value = {**self.cost, **self.summary}.get(name)
        if value is None:
            raise RecordError(f"{self.run_id}: its record has no {name!r}; {REMEDY}")
        return value

    def to_dict(self) -> dict[str, Any]:
        """The content of ``run.json``."""
        return {key: value for key, value in self if key not in _ONLY_OF_SOME or value is not None}


_ONLY_OF_SOME = ("text_losses", "passages", "answers")  # a record without one of them does not mention it
# A default would say of a damaged record that its run never began, or found nothing.
_ALWAYS_WRITTEN = ("state", "summary", "cost", "progress", "provenance", "created")


def config_hash(config: Mapping[str, Any]) -> str:
    """Identity of a configuration without its seed and hyperparameters: 12 hexadecimal digits."""
    return _digest(config)


def run_id(config: Mapping[str, Any], phase: Phase, hyperparameters: Hyperparameters, seed: int) -> str:
    """Identity of one trial: equal configuration, phase, hyperparameters and seed are the same run.

    The phase is part of it, so that a run that tuned something can never also confirm it.
    """
    return _digest([config, phase, identity(hyperparameters), seed])


def _digest(value: object) -> str:
    return sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:12]


class RunDirectory:
    """``<study>/runs/<run id>/``: the only place that a run writes to.

    ``attempt`` is that of the driver for which the run is trained: once another has the run, writing raises
    ``GivenUp``. None: nobody else can have it.
    """

    def __init__(self, path: Path, attempt: str | None = None) -> None:
        self.path = Path(path)
        self.attempt = attempt

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
        """Delete what the run would be resumed from; nobody trains it any more."""
        self.sweep()
        for path in (self.checkpoint, self.replica, self.next_replica):
            path.unlink(missing_ok=True)
        revoke(self.path)

    def require_claim(self) -> None:
        """Raise ``GivenUp`` where the driver has given this attempt up."""
        if self.attempt is not None:
            require_claim(self.path, self.attempt)

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
        try:
            values = read_json(source)
        except RecordError as error:
            raise RecordError(f"{error}; {REMEDY}") from error
        return RunRecord.from_dict(values, source)

    def write(self, record: RunRecord) -> None:
        """Replace the run's record atomically."""
        if record.run_id != self.run_id:
            raise RecordError(
                f"{self.path}: cannot hold run {record.run_id!r}; a run is its directory's name"
            )
        write_json(self.path / RECORD, record.to_dict(), self.require_claim)

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
