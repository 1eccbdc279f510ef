"""A trial between its record and its outcome: what it was asked to do, and what is written when it ends."""

import math
import os
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import torch
from pydantic import ValidationError
from safetensors.torch import save_file

from workbench.data.batches import (
    EvaluationBatches,
    ReplicatedBatches,
    TokenizedCorpus,
    TrainingBatches,
)
from workbench.data.document_order import BY_DOCUMENT
from workbench.data.task_batches import (
    JudgingBatches,
    ReplicatedTaskBatches,
    TaskTrainingBatches,
    judging_batches,
)
from workbench.data.tasks.task import GeneratedTask
from workbench.errors import RecordError, UserError
from workbench.files import replacing
from workbench.model.decoder import Decoder
from workbench.model.weights import named_tensors, plain_tensors
from workbench.records import metrics
from workbench.records.execution import USUAL, Execution
from workbench.records.fields import damage
from workbench.records.hyperparameters import LEARNING_RATE
from workbench.records.provenance import git_state, hardware, machine, versions
from workbench.records.run import REMEDY, Place, Provenance, RunDirectory, RunRecord, State, now
from workbench.records.text_losses import TextLosses
from workbench.records.weights_at_hand import WEIGHTS_DIGEST, weights_digest
from workbench.training.checkpoint_file import ROWS
from workbench.training.config import TrainingConfig
from workbench.training.hardware import out_of_memory, peak_flops
from workbench.training.judged_texts import judged_texts
from workbench.training.log import Accounting
from workbench.training.pulse import Pulse
from workbench.training.schedules import rate_factor
from workbench.training.trained_decoder import model_of
from workbench.training.tuned_values import with_tuned
from workbench.training.validation import VALIDATION, AnswerTables


@dataclass(frozen=True, kw_only=True)
class ScheduledMeasuring:
    """What measures a decoder after some ``steps`` of its training (0: before the first)."""

    steps: frozenset[int] = frozenset()
    measure: Callable[[Decoder, int], None] = lambda decoder, step: None

    def and_then(self, other: "ScheduledMeasuring") -> "ScheduledMeasuring":
        """What does both, each at its own steps, this first."""

        def measure(decoder: Decoder, step: int) -> None:
            for one in (self, other):
                if step in one.steps:
                    one.measure(decoder, step)

        return ScheduledMeasuring(steps=self.steps | other.steps, measure=measure)


@dataclass(frozen=True, kw_only=True)
class Watcher:
    """How the driver takes part: ``report`` hears of progress, ``should_stop`` asks for a clean stop.

    Each event names its run as ``run_id``. ``measuring`` gives what measures the decoder of a run. ``pulse``
    counts what was done.
    """

    report: Callable[[dict[str, Any]], None] = lambda event: None
    should_stop: Callable[[], bool] = lambda: False
    measuring: Callable[["Run"], ScheduledMeasuring] = lambda run: ScheduledMeasuring()
    pulse: Pulse = field(default_factory=Pulse)


@dataclass(kw_only=True)
class Outcome:
    """What a run has to show for itself: its last losses, and what training took."""

    validation: dict[str, float] = field(default_factory=dict)
    text_losses: TextLosses | None = None
    answers: dict[str, AnswerTables] = field(default_factory=dict)
    train_loss: float = math.nan
    seconds: float = 0.0
    peak_memory: int = 0
    rows: list[metrics.Row] = field(default_factory=list)


class Run:
    """A run directory with its configuration read and its data at hand."""

    def __init__(
        self,
        directory: RunDirectory,
        corpus: TokenizedCorpus,
        execution: Execution = USUAL,
    ) -> None:
        self.directory = directory
        self.execution = execution
        self.corpus = corpus
        self.record = directory.read()
        self._texts = judged_texts(self.record.config["data"])
        self.model = model_of(directory, self.record)
        self.device: str = self.record.config["training"]["device"]
        self.learning_rate = float(self.record.hyperparameters[LEARNING_RATE])
        self.training = training_of(directory, self.record)
        self.steps = self.training.steps(self.model.context)
        self.interval = self.steps // self.training.evaluations

    @property
    def study(self) -> Path:
        """The directory of its study."""
        return self.directory.path.parent.parent

    @property
    def accounting(self) -> Accounting:
        """What turns its steps into tokens, FLOPs and utilisation."""
        peak = peak_flops(self.device, self.training.precision)
        return Accounting(
            tokens_per_step=self.training.batch_size * self.model.context,
            flops_per_token=self.model.flops_per_token(),
            peak_flops=None if peak is None else peak * self.execution.devices,
            device=self.device,
        )

    def training_batches(self, device: str = "cpu") -> TrainingBatches:
        """What it trains on, by step, cut on ``device``."""
        if self.corpus.task is not None:
            return self.task_batches(self.corpus.task, device)
        documents = None
        if self.record.config["data"].get("order") == BY_DOCUMENT:
            documents = self.corpus.train_documents
            assert documents is not None, "a corpus from the cache knows its documents"
        return TrainingBatches(
            self.corpus.train,
            self.model.context,
            self.training.batch_size,
            self.record.seed,
            device,
            documents,
        )

    def task_batches(self, task: GeneratedTask, device: str) -> TaskTrainingBatches:
        """The same where ``task`` generated what it trains on."""
        size = self.training.batch_size
        return TaskTrainingBatches(
            task, self.corpus.train, self.model.context, size, self.record.seed, device
        )

    def evaluation_sets(self) -> dict[str, JudgingBatches]:
        """What it is judged on, by name: the same text for every run of a study.

        They are the sets that its study names, the first of which gives ``validation/loss``; else the
        validation split of its corpus.
        """
        context = self.model.context
        size = self.training.batch_size
        if not self._texts:
            split = EvaluationBatches(self.corpus, context, size, self.training.evaluation_tokens)
            return {VALIDATION: split}
        sets: dict[str, JudgingBatches] = {}
        for name, text in self._texts.items():
            batches = judging_batches(text, self.corpus.tokenizer, context, size)
            batches.require_known(self.model.vocabulary)
            sets[name] = batches
        return sets

    def begin(self, **provenance: Any) -> None:
        """Mark it as running, and note where."""
        self.directory.require_claim()
        self.record.state = State.RUNNING
        self.record.attempts += 1
        self.record.started = self.record.started or now()
        self.directory.sweep()
        place: Place = {"name": machine(), "step": self.record.progress.get("step", 0)}
        facts = {
            **git_state(),
            "versions": versions(),
            "hardware": hardware(self.device),
            "precision": self.training.precision,
            **metrics.rows_version(),
            "directory": os.getcwd(),  # what a relative path of the corpus starts from
            "machines": [*self.record.provenance.get("machines", []), place],
            **provenance,
        }
        if (ways := self._ways()) != [{}]:
            facts["execution"] = ways
        self.record.provenance |= cast(Provenance, facts)  # mypy knows no TypedDict with more keys
        self.directory.write(self.record)

    def _ways(self) -> list[dict[str, Any]]:
        """How it was computed so far, and is from now on, each way once."""
        began: list[dict[str, Any]] = [{}] if self.directory.has_checkpoint else []
        earlier = self.record.provenance.get("execution", began)
        own = self.execution.to_dict()
        return earlier if own in earlier else [*earlier, own]

    def rows_of(self, checkpoint: dict[str, Any]) -> list[metrics.Row]:
        """The rows that a checkpoint holds, as they are written now: early ones held the next step's rate."""
        rows = checkpoint[ROWS]
        for row in rows:
            if metrics.RATE in row:
                factor = rate_factor(row["step"] - 1, self.steps, self.training)
                row[metrics.RATE] = self.learning_rate * factor
        return rows

    def reached(self, step: int) -> None:
        """Note how far it is."""
        self.record.progress = {"step": step, "steps": self.steps}
        self.directory.write(self.record)

    def begin_anew(self) -> None:
        """Note that nothing is left of what an earlier attempt reached."""
        if self.record.progress.get("step"):
            self.reached(0)

    def save_weights(self, decoder: Decoder) -> None:
        """Write the decoder's weights as the final ones; the record keeps their digest.

        Raises ``UserError`` for a part whose state they would not hold: read back, it would be another model.
        """
        self._require_all_is_saved(decoder)
        with replacing(self.directory.weights, self.directory.require_claim) as temporary:
            save_file(plain_tensors(decoder), temporary)
        self.record.provenance[WEIGHTS_DIGEST] = weights_digest(self.directory)

    def _require_all_is_saved(self, decoder: Decoder) -> None:
        if not self.model.foreign_parts:
            return
        saved = named_tensors(decoder)
        constructed = dict(Decoder(self.model).named_buffers())
        for name, buffer in decoder.named_buffers():
            if name not in saved and not torch.equal(buffer.cpu(), constructed[name]):
                raise UserError(
                    f"{name}: training changes this buffer of a part, and it is not persistent: the weights "
                    f"would not hold it; register it with persistent=True"
                )

    def wanted_memory_before(self) -> bool:
        """Note that memory ran out, and say whether it had before.

        Once may be the machine's fault, whose other processes need memory too; the trial is then tried again.
        When it happens again the model is too large, and that is an outcome.
        """
        before = self.record.provenance.get("wants_of_memory", 0)
        self.record.provenance["wants_of_memory"] = before + 1
        self.directory.write(self.record)
        return before > 0

    def finish(self, state: State, error: str | None = None, outcome: Outcome | None = None) -> None:
        """Write the outcome, and delete what it would have been resumed from."""
        self.record.state = state
        self.record.error = error
        self.record.finished = now()
        if outcome is not None:
            self._account(outcome)
            if state is State.COMPLETE:
                self.record.text_losses = outcome.text_losses
                self.record.answers = outcome.answers or None
        rows = None if outcome is None else outcome.rows
        metrics.compact(self.directory.path, rows, self.directory.require_claim)
        self.directory.write(self.record)
        self.directory.forget_checkpoints()

    def _account(self, outcome: Outcome) -> None:
        tokens = _furthest(outcome.rows, "tokens")
        step = _furthest(outcome.rows, "step")
        flops_per_token = self.model.flops_per_token()
        summary = {**outcome.validation, "train/loss": outcome.train_loss}
        # JSON has no NaN; a diverged trial's loss is missing, and its state and error say why.
        self.record.summary = {key: value for key, value in summary.items() if math.isfinite(value)}
        self.record.progress = {"step": step, "steps": self.steps}
        self.record.cost = {
            "tokens": tokens,
            "flops": float(tokens * flops_per_token),
            "seconds": round(outcome.seconds, 3),
            "parameters": self.model.num_parameters(),
            "flops_per_token": flops_per_token,
            "peak_memory_bytes": outcome.peak_memory,
            "tokens_per_second": round(tokens / max(outcome.seconds, 1e-9), 1),
        }


def _furthest(rows: list[metrics.Row], axis: str) -> int:
    """The largest value of an axis, which every row has; 0 without rows."""
    return max((int(cast(int, row[axis])) for row in rows), default=0)


def training_of(directory: RunDirectory, record: RunRecord) -> TrainingConfig:
    """How the run is trained: each hyperparameter but the learning rate takes its field's place.

    Raises ``RecordError`` for one that is no field of it, or has a value that the field cannot have, and for
    an optimizer or schedule of the user's own whose code is not to be had.
    """
    options = {name: value for name, value in record.config["training"].items() if name != "device"}
    try:
        return TrainingConfig.model_validate(
            with_tuned(options, record.hyperparameters), context={"parts": directory.parts}
        )
    except ValidationError as error:
        raise RecordError(f"{record.run_id}: cannot be trained: {damage(error)}; {REMEDY}") from None


def replicated_batches(runs: Sequence[Run], device: str) -> ReplicatedBatches | ReplicatedTaskBatches:
    """What several runs of one model and one corpus train on, side by side, cut on ``device``."""
    first = runs[0]
    if first.corpus.task is not None:
        return ReplicatedTaskBatches([run.task_batches(first.corpus.task, device) for run in runs])
    trials = [run.training_batches() for run in runs]
    return ReplicatedBatches(first.corpus.train, trials, first.model.context, device)


def open_run(
    directory: RunDirectory,
    corpus: Callable[[dict[str, Any]], TokenizedCorpus],
    execution: Execution = USUAL,
) -> Run:
    """The run with the corpus that its configuration names.

    What fails here fails the machine, not the trial: the plan was checked before the study began, so that a
    corpus or a component that cannot be found any more is raised, and no outcome.
    """
    return Run(directory, corpus(directory.read().config["data"]), execution)


def describe(error: Exception) -> str:
    """An error as a record keeps it: the user's own in one line, others with their traceback."""
    if out_of_memory(error):
        return f"out of memory: {error}. Use a smaller batch_size, context or model."
    if isinstance(error, UserError):
        return str(error)
    return "".join(traceback.format_exception(error)).strip()
