"""One trial from its record to its outcome: load, train or resume, and write down what happened."""

from collections.abc import Callable
from typing import Any, cast

import torch
from torch.utils.data import DataLoader, Dataset

from workbench.data.batches import EvaluationBatch, TokenizedCorpus
from workbench.data.task_batches import JudgingBatches
from workbench.errors import RecordError
from workbench.records import metrics
from workbench.records.run import RunDirectory, RunRecord, State
from workbench.seeds import generator
from workbench.training.callbacks import Beating, Checkpointer, Interrupted, Measuring, Recorder
from workbench.training.checkpoint_file import LoadedCheckpoint, load_checkpoint
from workbench.training.hardware import forget_peak_memory, out_of_memory
from workbench.training.log import Diverged, RunLog
from workbench.training.machine_faults import is_machine_fault
from workbench.training.module import DecoderModule
from workbench.training.run import Outcome, Run, Watcher, describe, open_run
from workbench.training.starting_weights import load_starting_weights
from workbench.training.trainer import build_trainer, training_loader


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
        self._run = run
        self._watcher = watcher
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
        checkpoint = self._checkpoint()
        rows = [] if checkpoint is None else self._run.rows_of(checkpoint.content)
        writer = metrics.MetricsWriter(self._run.directory.path, rows)
        try:
            self._fit(writer, checkpoint)
        finally:
            writer.close()

    def _checkpoint(self) -> LoadedCheckpoint | None:
        """What to go on from; None where the trial begins.

        A damaged one is deleted before its ``RecordError`` goes on: the trial begins anew when it is tried
        again.
        """
        path = self._run.directory.checkpoint
        if not path.exists():
            self._run.begin_anew()
            return None
        try:
            return load_checkpoint(path)
        except RecordError:
            path.unlink()
            raise

    def _fit(self, writer: metrics.MetricsWriter, checkpoint: LoadedCheckpoint | None) -> None:
        run = self._run
        sets = run.evaluation_sets()
        module = DecoderModule(
            run.model,
            run.training,
            learning_rate=run.learning_rate,
            seed=run.record.seed,
            steps=run.steps,
            evaluation_sets=tuple(sets),
            parts=next(iter(sets.values())).parts,
        )
        recorder = Recorder(module, RunLog(writer, run.accounting, run.steps, self._report), run.steps)
        self._recorder = recorder
        # Lightning calls them in this order: what is recorded comes before what may end or stop the trial.
        probing = Measuring(self._watcher.measuring(run), recorder)
        checkpointer = Checkpointer(run.directory, run.interval, self._watcher.should_stop)
        callbacks = [Beating(self._watcher.pulse), recorder, probing, checkpointer]
        trainer = build_trainer(run, run.steps, callbacks, checkpoint=checkpoint)

        train = training_loader(run.training_batches(run.device), lambda: trainer.global_step, run.steps)
        validation = [_validation_loader(batches, run.device) for batches in sets.values()]
        if "start" in run.record.config and checkpoint is None:
            load_starting_weights(module.decoder, run.study, run.record.config["start"]["sha256"])
            trainer.validate(module, validation, verbose=False)  # the row of step 0: the damage
        # The path only says that there is a checkpoint: the trainer has it, and reads no file.
        path = None if checkpoint is None else str(run.directory.checkpoint)
        trainer.fit(module, train, validation, ckpt_path=path, weights_only=True)
        run.save_weights(module.decoder)

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
            validation=self._recorder.module.validation,
            text_losses=self._recorder.module.text_losses,
            answers=self._recorder.module.answers,
            train_loss=self._recorder.run_log.last_loss,
            seconds=self._recorder.clock.seconds,
            peak_memory=self._recorder.run_log.peak_memory,
            rows=self._recorder.run_log.rows,
        )


def _validation_loader(batches: JudgingBatches, device: str) -> DataLoader:
    # A list is a data set to the loader, though not to its types.
    windows = cast(Dataset[EvaluationBatch], list(batches))
    return DataLoader(windows, batch_size=None, pin_memory=device == "cuda", generator=generator("loader"))
