"""One trial from its record to its outcome: load, train or resume, and write down what happened."""

import math
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import lightning
import torch
from safetensors.torch import save_file
from torch.utils.data import DataLoader, IterableDataset

from workbench.data.batches import EvaluationBatches, TokenizedCorpus, TrainingBatches
from workbench.errors import UserError
from workbench.model.config import ModelConfig
from workbench.model.decoder import Decoder
from workbench.records import metrics
from workbench.records.provenance import git_state, hardware, versions
from workbench.records.run import RunDirectory, RunRecord, State, now
from workbench.seeds import generator
from workbench.training.callbacks import (
    Accounting,
    Checkpointer,
    Interrupted,
    Probing,
    Recorder,
    out_of_memory,
)
from workbench.training.config import TrainingConfig
from workbench.training.hardware import peak_flops
from workbench.training.module import DecoderModule, Diverged
from workbench.training.start import begin_from

_PRECISION = {"fp32": "32-true", "bf16": "bf16-mixed"}


Probe = Callable[[Decoder, int], None]


def no_probe(trial: "Trial") -> Probe:
    """Looks at nothing."""
    return lambda decoder, step: None


@dataclass(frozen=True, kw_only=True)
class Watcher:
    """The driver's ear, hand and eye: ``report`` hears of progress, ``should_stop`` asks for a clean stop.

    ``probe`` gives, for a trial, what is shown its decoder after each step.
    """

    report: Callable[[dict[str, Any]], None] = lambda event: None
    should_stop: Callable[[], bool] = lambda: False
    probe: Callable[["Trial"], Probe] = no_probe


class _Batches(IterableDataset):
    """Training batches from the trainer's present step on, so that a resumed trial sees what is left."""

    def __init__(self, batches: TrainingBatches, steps: int, first_step: Callable[[], int]) -> None:
        self._batches, self._steps, self._first_step = batches, steps, first_step

    def __iter__(self) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        return (self._batches.batch(step) for step in range(self._first_step(), self._steps))


def run_trial(
    directory: RunDirectory, corpus: Callable[[dict[str, Any]], TokenizedCorpus], watcher: Watcher
) -> RunRecord:
    """Run the trial whose record lies in ``directory``, with the corpus that its configuration names.

    Whatever goes wrong is recorded; only a record that cannot be read raises (``RecordError``).
    """
    record = directory.read()
    try:
        trial = Trial(directory, corpus(record.config["data"]), watcher)
    except Exception as error:  # a missing component or corpus fails this trial, not the sweep
        record.state, record.error, record.finished = State.FAILED, _describe(error), now()
        directory.write(record)
        return record
    return trial.run()


class Trial:
    """A trial bound to its run directory and its data."""

    def __init__(self, directory: RunDirectory, corpus: TokenizedCorpus, watcher: Watcher) -> None:
        self.directory, self.corpus, self.watcher = directory, corpus, watcher
        self.record = directory.read()
        self.model = ModelConfig.from_dict(self.record.config["model"])
        options = dict(self.record.config["training"])
        self.device = options.pop("device")
        self.training = TrainingConfig(**options)
        self.steps = self.training.steps(self.model.context)
        self.interval = self.steps // self.training.evaluations

    def run(self) -> RunRecord:
        """Train to the end, or to the outcome that ends the trial; the record says which."""
        self._begin()
        try:
            self._train()
            self._finish(State.COMPLETE)
        except Interrupted:
            pass  # the record stays "running", with a checkpoint: the next run of the study resumes it
        except Diverged as error:
            self._finish(State.DIVERGED, str(error))
        except Exception as error:  # any crash of a trial is an outcome: recorded with its traceback
            self._finish(State.FAILED, _describe(error))
        return self.record

    def _begin(self) -> None:
        self.record.state, self.record.attempts = State.RUNNING, self.record.attempts + 1
        self.record.started = self.record.started or now()
        self.record.provenance |= {
            **git_state(),
            "versions": versions(),
            "hardware": hardware(self.device),
            "precision": self.training.precision,
        }
        self.directory.write(self.record)

    def _train(self) -> None:
        torch.set_num_threads(self.training.threads)
        resume_from = self._resume_point()
        writer = metrics.MetricsWriter(self.directory.path)
        try:
            self._fit(writer, resume_from)
        finally:
            writer.close()

    def _resume_point(self) -> str | None:
        if not self.directory.checkpoint.exists():
            metrics.truncate_after(self.directory.path, -1)
            return None
        checkpoint = torch.load(self.directory.checkpoint, map_location="cpu", weights_only=True)
        metrics.truncate_after(self.directory.path, checkpoint["global_step"])
        return str(self.directory.checkpoint)

    def _fit(self, writer: metrics.MetricsWriter, resume_from: str | None) -> None:
        self.module = DecoderModule(
            self.model,
            self.training,
            learning_rate=self.record.learning_rate,
            seed=self.record.seed,
            steps=self.steps,
        )
        self.recorder = Recorder(writer, self._accounting(), self.steps, self._report)
        trainer = self._trainer()
        train, validation = self._loaders(trainer)
        if "start" in self.record.config and resume_from is None:
            study = self.directory.path.parent.parent
            begin_from(self.module.decoder, study, self.record.config["start"]["sha256"])
            trainer.validate(self.module, validation, verbose=False)  # the row of step 0: the damage
        trainer.fit(self.module, train, validation, ckpt_path=resume_from, weights_only=True)
        save_file(_plain(self.module.decoder), self.directory.weights)

    def _trainer(self) -> lightning.Trainer:
        checkpointer = Checkpointer(self.directory.checkpoint, self.interval, self.watcher.should_stop)
        return lightning.Trainer(
            accelerator="gpu" if self.device == "cuda" else "cpu",
            devices=1,
            precision=_PRECISION[self.training.precision],
            max_steps=self.steps,
            max_epochs=-1,
            val_check_interval=self.interval,
            check_val_every_n_epoch=None,
            num_sanity_val_steps=0,
            callbacks=[self.recorder, Probing(self.watcher.probe(self), self.recorder), checkpointer],
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            default_root_dir=self.directory.path,
        )

    def _loaders(self, trainer: lightning.Trainer) -> tuple[DataLoader, DataLoader]:
        batches = TrainingBatches(
            self.corpus.train, self.model.context, self.training.batch_size, seed=self.record.seed
        )
        evaluation = EvaluationBatches(
            self.corpus, self.model.context, self.training.batch_size, self.training.evaluation_tokens
        )
        stream = _Batches(batches, self.steps, lambda: trainer.global_step)
        # A loader draws a number for its workers, of which there are none: not from the global generator.
        options = {"batch_size": None, "pin_memory": self.device == "cuda", "generator": generator("loader")}
        return DataLoader(stream, **options), DataLoader(list(evaluation), **options)

    def _accounting(self) -> Accounting:
        return Accounting(
            tokens_per_step=self.training.batch_size * self.model.context,
            flops_per_token=self.model.flops_per_token(),
            peak_flops=peak_flops(self.device, self.training.precision),
            device=self.device,
        )

    def _report(self, event: dict[str, Any]) -> None:
        if event["event"] == "evaluation":
            self.record.progress = {"step": event["step"], "steps": self.steps}
            self.directory.write(self.record)
        self.watcher.report(event)

    def _finish(self, state: State, error: str | None = None) -> None:
        self.record.state, self.record.error, self.record.finished = state, error, now()
        if hasattr(self, "recorder"):
            self._account()
        metrics.compact(self.directory.path)
        self.directory.write(self.record)
        self.directory.checkpoint.unlink(missing_ok=True)

    def _account(self) -> None:
        table = metrics.read_metrics(self.directory.path)
        tokens = int(table["tokens"].max()) if len(table) else 0
        flops_per_token = self.model.flops_per_token()
        seconds = self.recorder.seconds
        summary = {**self.module.validation, "train/loss": self.recorder.last_loss}
        # JSON has no NaN; a diverged trial's loss is missing, and its state and error say why.
        self.record.summary = {key: value for key, value in summary.items() if math.isfinite(value)}
        self.record.progress = {"step": int(table["step"].max()) if len(table) else 0, "steps": self.steps}
        self.record.cost = {
            "tokens": tokens,
            "flops": float(tokens * flops_per_token),
            "seconds": round(seconds, 3),
            "parameters": self.model.num_parameters(),
            "flops_per_token": flops_per_token,
            "peak_memory_bytes": self.recorder.peak_memory,
            "tokens_per_second": round(tokens / max(seconds, 1e-9), 1),
        }


def _plain(decoder: torch.nn.Module) -> dict[str, torch.Tensor]:
    """The decoder's own tensors on the CPU, each once: a tied head is the token table under a second name."""
    seen: dict[int, str] = {}
    tensors = {}
    for name, tensor in decoder.state_dict().items():
        if seen.setdefault(tensor.data_ptr(), name) == name:
            tensors[name] = tensor.detach().cpu().contiguous()
    return tensors


def _describe(error: Exception) -> str:
    if out_of_memory(error):
        return f"out of memory: {error}. Use a smaller batch_size, context or model."
    if isinstance(error, UserError):
        return str(error)
    return "".join(traceback.format_exception(error)).strip()
