"""One trial from its record to its outcome: load, train or resume, and write down what happened."""

from collections.abc import Callable, Iterator
from typing import Any

import lightning
import torch
from torch.utils.data import DataLoader, IterableDataset

from workbench.data.batches import TokenizedCorpus, TrainingBatches
from workbench.errors import RecordError
from workbench.records import metrics
from workbench.records.run import RunDirectory, RunRecord, State
from workbench.seeds import generator
from workbench.training.callbacks import Checkpointer, Interrupted, Probing, Recorder
from workbench.training.checkpoint_file import load_checkpoint
from workbench.training.faults import is_machine_fault
from workbench.training.hardware import forget_peak_memory, out_of_memory
from workbench.training.log import Diverged, RunLog
from workbench.training.module import DecoderModule
from workbench.training.run import Outcome, Run, Watcher, describe, open_run
from workbench.training.starting_weights import begin_from

_PRECISION = {"fp32": "32-true", "bf16": "bf16-mixed"}


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

    What goes wrong with the trial is recorded. A fault of the machine (``training.faults``) is raised, and
    leaves the trial as it stands at its last checkpoint: run it again.
    """
    return Trial(open_run(directory, corpus), watcher).run()


class Trial:
    """A run that trains alone."""

    def __init__(self, run: Run, watcher: Watcher) -> None:
        self._run, self._watcher = run, watcher
        self._recorder: Recorder | None = None

    def run(self) -> RunRecord:
        """Train to the end, or to the outcome that ends the trial; the record says which."""
        self._run.begin()
        try:
            self._train()
            self._finish(State.COMPLETE)
        except Interrupted:
            pass  # the record stays "running", with a checkpoint: the next run of the study resumes it
        except Diverged as error:
            self._finish(State.DIVERGED, str(error))
        except Exception as error:
            if is_machine_fault(error) or (out_of_memory(error) and not self._run.wanted_memory_before()):
                raise
            # Any other crash is the trial's own: an outcome, recorded with its traceback.
            self._finish(State.FAILED, describe(error))
        return self._run.record

    def _train(self) -> None:
        torch.set_num_threads(self._run.training.threads)
        forget_peak_memory(self._run.device)
        resume_from, rows = self._resume_point()
        writer = metrics.MetricsWriter(self._run.directory.path, rows)
        try:
            self._fit(writer, resume_from)
        finally:
            writer.close()

    def _resume_point(self) -> tuple[str | None, list[metrics.Row]]:
        """The checkpoint to go on from, and the rows up to it.

        A damaged one is deleted before its ``RecordError`` goes on: the trial begins anew when it is tried
        again.
        """
        checkpoint = self._run.directory.checkpoint
        if not checkpoint.exists():
            self._run.begin_anew()
            return None, []
        try:
            return str(checkpoint), self._run.rows_of(load_checkpoint(checkpoint))
        except RecordError:
            checkpoint.unlink()
            raise

    def _fit(self, writer: metrics.MetricsWriter, resume_from: str | None) -> None:
        run = self._run
        self._module = DecoderModule(
            run.model,
            run.training,
            learning_rate=run.learning_rate,
            seed=run.record.seed,
            steps=run.steps,
        )
        self._recorder = Recorder(RunLog(writer, run.accounting, run.steps, self._report), run.steps)
        trainer = self._trainer()
        train, validation = self._loaders(trainer)
        if "start" in run.record.config and resume_from is None:
            begin_from(self._module.decoder, run.study, run.record.config["start"]["sha256"])
            trainer.validate(self._module, validation, verbose=False)  # the row of step 0: the damage
        trainer.fit(self._module, train, validation, ckpt_path=resume_from, weights_only=True)
        run.save_weights(self._module.decoder)

    def _trainer(self) -> lightning.Trainer:
        run, recorder = self._run, self._recorder
        checkpointer = Checkpointer(run.directory.checkpoint, run.interval, self._watcher.should_stop)
        callbacks = [recorder, Probing(self._watcher.probe(run), recorder), checkpointer]
        validation = {
            "val_check_interval": run.interval,
            "check_val_every_n_epoch": None,
            "num_sanity_val_steps": 0,
        }
        return lightning.Trainer(callbacks=callbacks, **validation, **trainer_options(run, run.steps))

    def _loaders(self, trainer: lightning.Trainer) -> tuple[DataLoader, DataLoader]:
        run = self._run
        stream = _Batches(run.training_batches(run.device), run.steps, lambda: trainer.global_step)
        # A loader draws a number for its workers, of which there are none: not from the global generator.
        options = {"batch_size": None, "generator": generator("loader")}
        validation = DataLoader(list(run.evaluation_batches()), pin_memory=run.device == "cuda", **options)
        return DataLoader(stream, **options), validation

    def _report(self, event: dict[str, Any]) -> None:
        if event["event"] == "evaluation":
            self._run.reached(event["step"])
        self._watcher.report({"run_id": self._run.record.run_id, **event})

    def _finish(self, state: State, error: str | None = None) -> None:
        self._run.finish(state, error, self._outcome())

    def _outcome(self) -> Outcome | None:
        if self._recorder is None:
            return None
        return Outcome(
            validation=self._module.validation,
            train_loss=self._recorder.run_log.last_loss,
            seconds=self._recorder.clock.seconds,
            peak_memory=self._recorder.run_log.peak_memory,
            rows=self._recorder.run_log.rows,
        )


def trainer_options(run: Run, steps: int) -> dict[str, Any]:
    """What every trainer of ours is told: ``steps`` on one device, and nothing beside training."""
    return {
        "accelerator": "gpu" if run.device == "cuda" else "cpu",
        "devices": 1,
        "precision": _PRECISION[run.training.precision],
        "max_steps": steps,
        "max_epochs": -1,
        "logger": False,
        "enable_checkpointing": False,
        "enable_progress_bar": False,
        "enable_model_summary": False,
        "default_root_dir": run.directory.path,
    }
