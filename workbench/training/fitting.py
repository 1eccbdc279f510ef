"""The training of one run's decoder in this process: all of it, or the part of one rank of several."""

from typing import cast

from torch.utils.data import DataLoader, Dataset

from workbench.data.batches import EvaluationBatch
from workbench.data.task_batches import JudgingBatches
from workbench.seeds import generator
from workbench.training.callbacks import Beating, Checkpointer, Measuring, Recorder
from workbench.training.checkpoint_file import LoadedCheckpoint
from workbench.training.log import RunLog
from workbench.training.module import DecoderModule
from workbench.training.ranks import Ranks
from workbench.training.run import Run, ScheduledMeasuring, Watcher
from workbench.training.starting_weights import load_starting_weights
from workbench.training.trainer import build_trainer, training_loader


class Fitting:
    """A decoder of ``run`` and what it is trained with, on one of ``ranks``; all do the same.

    Each rank is validated on the whole text, so that all have the same numbers. Only rank 0 writes files.
    """

    def __init__(self, run: Run, ranks: Ranks, log: RunLog, watcher: Watcher) -> None:
        self._run = run
        self._ranks = ranks
        self._watcher = watcher
        self._sets = run.evaluation_sets()
        self.module = DecoderModule(
            run.model,
            run.training,
            learning_rate=run.learning_rate,
            seed=run.record.seed,
            steps=run.steps,
            evaluation_sets=tuple(self._sets),
            parts=next(iter(self._sets.values())).parts,
            execution=run.execution,
        )
        self.recorder = Recorder(self.module, log, run.steps, ranks)

    def fit(self, checkpoint: LoadedCheckpoint | None) -> None:
        """Train to the end, from ``checkpoint`` or the beginning; the run's weights are saved."""
        run = self._run
        # Lightning calls them in this order: what is recorded comes before what may end or stop the trial.
        # What measures reads a decoder by itself, and where ranks hold parts of it no one has the whole.
        is_whole = run.execution.strategy != "fsdp"
        measuring = self._watcher.measuring(run) if is_whole else ScheduledMeasuring()
        probing = Measuring(measuring, self.recorder)
        checkpointer = Checkpointer(run.directory, run.interval, self._watcher.should_stop, self._ranks)
        callbacks = [Beating(self._watcher.pulse), self.recorder, probing, checkpointer]
        trainer = build_trainer(run, run.steps, callbacks, checkpoint=checkpoint, ranks=self._ranks)

        train = training_loader(
            run.training_batches(run.device),
            lambda: trainer.global_step,
            run.steps,
            run.execution,
            self._ranks.rank,
        )
        validation = [_validation_loader(batches, run.device) for batches in self._sets.values()]
        if "start" in run.record.config and checkpoint is None:
            load_starting_weights(self.module.decoder, run.study, run.record.config["start"]["sha256"])
            trainer.validate(self.module, validation, verbose=False)  # the row of step 0: the damage
        # The path only says that there is a checkpoint: the trainer has it, and reads no file.
        path = None if checkpoint is None else str(run.directory.checkpoint)
        trainer.fit(self.module, train, validation, ckpt_path=path, weights_only=True)
        decoder = self.module.whole_decoder()
        if self._ranks.rank == 0:
            run.save_weights(decoder)


def _validation_loader(batches: JudgingBatches, device: str) -> DataLoader:
    # A list is a data set to the loader, though not to its types.
    windows = cast(Dataset[EvaluationBatch], list(batches))
    return DataLoader(windows, batch_size=None, pin_memory=device == "cuda", generator=generator("loader"))
