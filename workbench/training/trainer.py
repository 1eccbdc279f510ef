"""Lightning as all training uses it: one device, our batches by their step, and nothing beside training."""

from collections.abc import Callable, Iterator
from functools import wraps
from typing import Literal, ParamSpec, TypeVar

import lightning
from torch.utils.data import DataLoader, IterableDataset

from workbench.data.batches import Batch, ReplicatedBatches, TrainingBatches
from workbench.data.task_batches import ReplicatedTaskBatches
from workbench.seeds import generator
from workbench.training.checkpoint_file import LoadedCheckpoint
from workbench.training.run import Run

_PRECISION: dict[str, Literal["32-true", "bf16-mixed"]] = {"fp32": "32-true", "bf16": "bf16-mixed"}
_Batches = TrainingBatches | ReplicatedBatches | ReplicatedTaskBatches
Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")


class _RemainingBatches(IterableDataset):
    def __init__(self, batches: _Batches, first_step: Callable[[], int], steps: int) -> None:
        self._batches = batches
        self._first_step = first_step
        self._steps = steps

    def __iter__(self) -> Iterator[Batch]:
        return (self._batches.batch(step) for step in range(self._first_step(), self._steps))


def training_loader(batches: _Batches, first_step: Callable[[], int], steps: int) -> DataLoader:
    """The batches up to step ``steps``, from the one on that ``first_step`` gives when training begins.

    So a trial that is resumed sees what is left.
    """
    # A loader draws a number for its workers, of which there are none: not from the global generator.
    return DataLoader(
        _RemainingBatches(batches, first_step, steps), batch_size=None, generator=generator("loader")
    )


def build_trainer(
    run: Run,
    steps: int,
    callbacks: list[lightning.Callback],
    *,
    validates: bool = True,
    checkpoint: LoadedCheckpoint | None = None,
) -> lightning.Trainer:
    """A trainer of ``steps`` on the run's device, which can go on from ``checkpoint``.

    It validates every ``run.interval`` steps, unless the training does that by itself.
    """
    return lightning.Trainer(
        accelerator="gpu" if run.device == "cuda" else "cpu",
        devices=1,
        precision=_PRECISION[run.training.precision],
        max_steps=steps,
        max_epochs=-1,
        callbacks=callbacks,
        val_check_interval=run.interval,
        check_val_every_n_epoch=None,
        num_sanity_val_steps=0,
        limit_val_batches=None if validates else 0,
        plugins=None if checkpoint is None else [checkpoint],
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        default_root_dir=run.directory.path,
    )


def stop_iteration_is_an_error(step: Callable[Arguments, Result]) -> Callable[Arguments, Result]:
    """A training step whose parts may raise anything.

    Lightning would take a ``StopIteration`` of theirs for the end of the batches, and the trial for complete.
    """

    @wraps(step)
    def checked(*arguments: Arguments.args, **options: Arguments.kwargs) -> Result:
        try:
            return step(*arguments, **options)
        except StopIteration as error:
            raise RuntimeError(f"a part raised StopIteration: {error}") from error

    return checked
