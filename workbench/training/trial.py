"""One trial from its record to its outcome: load, train or resume, and write down what happened."""

from collections.abc import Callable
from typing import Any

import torch

from workbench.data.batches import TokenizedCorpus
from workbench.errors import RecordError
from workbench.records import metrics
from workbench.records.execution import USUAL, Execution
from workbench.records.run import RunDirectory, RunRecord, State
from workbench.training.callbacks import Interrupted, Recorder
from workbench.training.checkpoint_file import LoadedCheckpoint, load_checkpoint
from workbench.training.fitting import Fitting
from workbench.training.hardware import forget_peak_memory, out_of_memory
from workbench.training.leader import RankFailed, followed
from workbench.training.log import Diverged, RunLog
from workbench.training.machine_faults import is_machine_fault
from workbench.training.run import Outcome, Run, Watcher, describe, open_run


def run_trial(
    directory: RunDirectory,
    corpus: Callable[[dict[str, Any]], TokenizedCorpus],
    watcher: Watcher,
    execution: Execution = USUAL,
) -> RunRecord:
    """Run the trial whose record lies in ``directory``, with the corpus that its configuration names.

    On several devices this process is the first of as many, and the others take the corpus from the cache.

    What goes wrong with the trial is recorded. A fault of the machine (``training.faults``) is raised, and
    leaves the trial as it stands at its last checkpoint: run it again.
    """
    return Trial(open_run(directory, corpus, execution), watcher).run()


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
        except RankFailed as error:
            self._finish(State.FAILED, str(error))
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
        with followed(run, resumes=checkpoint is not None) as ranks:
            log = RunLog(writer, run.accounting, run.steps, self._report)
            fitting = Fitting(run, ranks, log, self._watcher)
            self._recorder = fitting.recorder
            fitting.fit(checkpoint)

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
