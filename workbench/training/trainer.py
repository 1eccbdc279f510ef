"""Lightning as all training uses it: our batches by their step, and nothing beside training."""

import logging
import warnings
from collections.abc import Callable, Iterator
from functools import wraps
from typing import Literal, ParamSpec, TypeVar

import lightning
from lightning.pytorch.plugins import CheckpointIO, ClusterEnvironment, LayerSync, Precision
from lightning.pytorch.strategies import DDPStrategy, Strategy
from torch.utils.data import DataLoader, IterableDataset

from workbench.data.batches import Batch, ReplicatedBatches, TrainingBatches
from workbench.data.task_batches import ReplicatedTaskBatches
from workbench.records.execution import USUAL, Execution
from workbench.seeds import generator
from workbench.training.checkpoint_file import LoadedCheckpoint
from workbench.training.pieces import Piece, pieces_of
from workbench.training.ranks import ALONE, LocalRanks, Ranks
from workbench.training.run import Run
from workbench.training.sharding import Sharded

_PRECISION: dict[str, Literal["32-true", "bf16-mixed"]] = {"fp32": "32-true", "bf16": "bf16-mixed"}
_Batches = TrainingBatches | ReplicatedBatches | ReplicatedTaskBatches
Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")


class _RemainingBatches(IterableDataset):
    def __init__(
        self,
        batches: _Batches,
        first_step: Callable[[], int],
        steps: int,
        execution: Execution,
        rank: int,
    ) -> None:
        self._batches = batches
        self._first_step = first_step
        self._steps = steps
        self._execution = execution
        self._rank = rank

    def __iter__(self) -> Iterator[Batch | Piece]:
        for step in range(self._first_step(), self._steps):
            batch = self._batches.batch(step)
            if self._execution.pieces == 1:
                yield batch
            else:
                yield from pieces_of(batch, self._execution, self._rank)


def training_loader(
    batches: _Batches,
    first_step: Callable[[], int],
    steps: int,
    execution: Execution = USUAL,
    rank: int = 0,
) -> DataLoader:
    """The batches up to step ``steps``, from the one on that ``first_step`` gives when training begins.

    So a trial that is resumed sees what is left. Where a batch is computed in several pieces, those of
    ``rank``.
    """
    # A loader draws a number for its workers, of which there are none: not from the global generator.
    return DataLoader(
        _RemainingBatches(batches, first_step, steps, execution, rank),
        batch_size=None,
        generator=generator("loader"),
    )


def build_trainer(
    run: Run,
    steps: int,
    callbacks: list[lightning.Callback],
    *,
    validates: bool = True,
    checkpoint: LoadedCheckpoint | None = None,
    ranks: Ranks = ALONE,
) -> lightning.Trainer:
    """A trainer of ``steps`` on the run's device, or on that of one of ``ranks``.

    It can go on from ``checkpoint``, and validates every ``run.interval`` steps, unless the training does
    that by itself.
    """
    plugins: list[Precision | ClusterEnvironment | CheckpointIO | LayerSync] = []
    if checkpoint is not None:
        plugins.append(checkpoint)
    strategy: Strategy | str = "auto"
    if ranks.count > 1:
        plugins.append(LocalRanks(ranks))
        strategy = _strategy(run)
    pieces = run.execution.gradient_accumulation if validates else 1
    return lightning.Trainer(
        accelerator="gpu" if run.device == "cuda" else "cpu",
        devices=ranks.count,
        strategy=strategy,
        use_distributed_sampler=False,  # every rank has its own training batches, and the whole validation
        accumulate_grad_batches=pieces,
        precision=_PRECISION[run.training.precision],
        max_steps=steps,
        max_epochs=-1,
        callbacks=callbacks,
        val_check_interval=run.interval * pieces,  # in batches as Lightning counts them
        check_val_every_n_epoch=None,
        num_sanity_val_steps=0,
        limit_val_batches=None if validates else 0,
        plugins=plugins or None,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        default_root_dir=run.directory.path,
    )


def _strategy(run: Run) -> Strategy:
    """What the devices of a run share."""
    if run.execution.strategy == "fsdp":
        return Sharded(run.execution.devices)
    # A part of the user's own may hold a parameter that has no say in the loss.
    return DDPStrategy(find_unused_parameters=bool(run.model.foreign_parts))


def silence_libraries() -> None:
    """Keep out of the logs what is no news to whoever reads them."""
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)
    # One process per core is the executor's plan; Lightning's advice to add loader workers undoes it.
    warnings.filterwarnings("ignore", message=".*does not have many workers.*")
    warnings.filterwarnings("ignore", message=".*LeafSpec.*")  # inside Lightning
    warnings.filterwarnings("ignore", message=".*GPU available but not used.*")


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
