"""How long a training step of each of several recipes takes, measured in turns with the first one's.

A step is what a trial does between two batches: cut a batch, forward, backward, clipping, optimizer and
schedule, at its own batch size and context, on its own text. What Lightning and the log add, the same for all
variants, is left out.
"""

import gc
from collections.abc import Mapping
from typing import TYPE_CHECKING

import torch

from workbench.data.batches import TokenizedCorpus, TrainingBatches
from workbench.data.task_batches import TaskTrainingBatches
from workbench.errors import UserError
from workbench.progress import Progress
from workbench.records.cells import BLOCK_SECONDS, BLOCKS, Cell
from workbench.records.provenance import git_state, hardware, versions
from workbench.records.run import now
from workbench.records.step_times import StepPair, StepTimes, step_digest
from workbench.study.recipe import Recipe
from workbench.study.texts import Texts
from workbench.training.step_blocks import OtherWork, measure_blocks

if TYPE_CHECKING:
    from workbench.training.step_loop import StepLoop

_STEPS = 100_000  # of the schedule: no training here comes to its end
_SEED = 1


def measure_recipes(
    recipes: Mapping[str, Recipe],
    texts: Texts,
    cell: Cell,
    *,
    blocks: int = BLOCKS,
    block_seconds: float = BLOCK_SECONDS,
    progress: Progress = lambda text, part: None,
) -> StepTimes:
    """The step times of ``recipes``, by variant, the baseline first, each in turn with the baseline.

    Only two are at work at a time: compiled code is found by trying what is there.
    """
    (first, baseline), *variants = recipes.items()
    for name, recipe in recipes.items():
        if not recipe.training.execution.is_usual:
            raise UserError(
                f"training: step times are of a trial on one device, and {name} is computed on "
                f"{recipe.training.execution.words()}; leave devices, gradient_accumulation and "
                "activation_checkpointing out"
            )
    threads = torch.get_num_threads()
    others = OtherWork()
    pairs = []
    try:
        torch.set_num_threads(baseline.training.threads)
        for number, (name, recipe) in enumerate(variants):
            progress(name, number / len(variants))

            def at(part: float, name: str = name, number: int = number) -> None:
                progress(name, (number + part) / len(variants))

            found = measure_blocks(
                _loop(baseline, texts, cell).step,
                _loop(recipe, texts, cell).step,
                cell.device,
                blocks=blocks,
                block_seconds=block_seconds,
                progress=at,
            )
            pairs.append(
                step_pair(
                    name,
                    recipe,
                    baseline,
                    steps=found.steps,
                    blocks=[[ours, theirs] for theirs, ours in found.seconds],
                )
            )
            _clear(cell.device)
    finally:
        torch.set_num_threads(threads)
    return StepTimes(
        device=cell.device,
        hardware=hardware(cell.device),
        precision=cell.precision,
        compiled=cell.compiled,
        threads=baseline.training.threads,
        baseline=first,
        date=now(),
        load_average=others.load_average,
        others=others.share(),
        versions=versions(),
        pairs=pairs,
        **git_state(),
    )


def step_pair(
    name: str, recipe: Recipe, baseline: Recipe, *, steps: int, blocks: list[list[float]]
) -> StepPair:
    """What blocks of ``steps`` steps took of the variant ``name`` and of the baseline, in seconds a step."""
    return StepPair(
        variant=name,
        step=recipe_digest(recipe),
        baseline_step=recipe_digest(baseline),
        batch_size=recipe.training.batch_size,
        context=recipe.model.context,
        baseline_batch_size=baseline.training.batch_size,
        baseline_context=baseline.model.context,
        steps=steps,
        blocks=blocks,
    )


def _loop(recipe: Recipe, texts: Texts, cell: Cell) -> "StepLoop":
    from workbench.training.step_loop import StepLoop  # with Lightning: seconds, for studies of equal seconds

    training = recipe.training.model_copy(update={"precision": cell.precision, "compile": cell.compiled})
    batches = _batches(texts.of(recipe.data), recipe, cell.device)
    return StepLoop(recipe.model, training, batches, device=cell.device, steps=_STEPS, seed=_SEED)


def _batches(corpus: TokenizedCorpus, recipe: Recipe, device: str) -> TrainingBatches:
    context, size = recipe.model.context, recipe.training.batch_size
    if corpus.task is not None:
        return TaskTrainingBatches(corpus.task, corpus.train, context, size, _SEED, device)
    return TrainingBatches(corpus.train, context, size, _SEED, device)


def cell_of(recipe: Recipe, device: str) -> Cell:
    """Where a trial of ``recipe``, whose training is resolved, trains on ``device``."""
    return Cell(device, recipe.training.precision, recipe.training.compile)


def recipe_digest(recipe: Recipe) -> str:
    """What decides how long a step of ``recipe`` takes, as in a manifest."""
    return step_digest(recipe.model.to_dict(), recipe.training.model_dump(mode="json"))


def _clear(device: str) -> None:
    """Give back what the last pair held: models, compiled code, the GPU's cached memory."""
    gc.collect()
    torch.compiler.reset()
    if device == "cuda":
        torch.cuda.empty_cache()
