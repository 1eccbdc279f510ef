"""How long a training step of each of a study's variants takes: measured in turns with the baseline's.

A step is what a trial does between two batches: cut a batch, forward, backward, clipping, optimizer and
schedule, at the study's own batch size and context, on its own text. What Lightning and the log add, the same
for all variants, is left out.
"""

import gc
from collections.abc import Mapping
from pathlib import Path

import torch

from workbench.data.batches import TokenizedCorpus, TrainingBatches
from workbench.data.task_batches import TaskTrainingBatches
from workbench.errors import UserError
from workbench.progress import Progress, progress_on
from workbench.records.manifest import MANIFEST
from workbench.records.provenance import git_state, hardware, versions
from workbench.records.run import now
from workbench.records.step_times import (
    BLOCK_SECONDS,
    BLOCKS,
    Cell,
    StepPair,
    StepTimes,
    step_digest,
    write_step_times,
)
from workbench.study.paths import refuse_published
from workbench.study.plan import freeze
from workbench.study.preparation import make_plan
from workbench.study.recipe import Recipe
from workbench.study.texts import Texts
from workbench.terminal import Terminal
from workbench.training.hardware import default_device
from workbench.training.step_blocks import OtherWork, measure_blocks
from workbench.training.step_loop import StepLoop

_STEPS = 100_000  # of the schedule: no training here comes to its end
_SEED = 1


def measure_study(
    path: Path,
    overrides: list[str],
    cell: Cell,
    *,
    out: Path,
    console: Terminal,
    command: str,
    blocks: int = BLOCKS,
    block_seconds: float = BLOCK_SECONDS,
) -> tuple[Path, StepTimes]:
    """Measure the step times of a study file's variants, and keep them in its folder of results.

    Its manifest is frozen there if none is. Returns the folder with what was measured. Raises ``UserError``
    where this machine has not the cell's device, and for a study whose variants are not compared as one.
    """
    require_device(cell)
    device = None if cell.device == default_device() else cell.device
    plan = make_plan(path, overrides, console, out, device)
    name = plan.study.name
    directory = out / name
    refuse_published(directory)
    if plan.search is not None or plan.rungs:
        kind = "a search" if plan.search is not None else "a ladder"
        raise UserError(f"{name}: is {kind}; step times are of variants that are compared with one baseline")
    if len(plan.variants) < 2:
        raise UserError(f"{name}: has no variant beside its baseline, and nothing takes turns with it")
    recipes = {variant.name: variant.recipe for variant in plan.variants}
    with progress_on(console, "step times", announce=True) as progress:
        measured = measure_recipes(
            recipes, plan.texts, cell, blocks=blocks, block_seconds=block_seconds, progress=progress
        )
    directory.mkdir(parents=True, exist_ok=True)
    if not (directory / MANIFEST).exists():
        freeze(plan.manifest(command), directory)
    write_step_times(directory, measured)
    return directory, measured


def require_device(cell: Cell) -> None:
    """Raise ``UserError`` where this machine has no GPU and the cell asks for one."""
    if cell.device == "cuda" and default_device() != "cuda":
        raise UserError(
            f"cell: {cell.words} is measured on a GPU, and torch finds none here; run it on a machine with "
            "one, or measure the cell cpu"
        )


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
                StepPair(
                    variant=name,
                    step=_digest(recipe),
                    baseline_step=_digest(baseline),
                    batch_size=recipe.training.batch_size,
                    context=recipe.model.context,
                    baseline_batch_size=baseline.training.batch_size,
                    baseline_context=baseline.model.context,
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


def _loop(recipe: Recipe, texts: Texts, cell: Cell) -> StepLoop:
    training = recipe.training.model_copy(update={"precision": cell.precision, "compile": cell.compiled})
    batches = _batches(texts.of(recipe.data), recipe, cell.device)
    return StepLoop(recipe.model, training, batches, device=cell.device, steps=_STEPS, seed=_SEED)


def _batches(corpus: TokenizedCorpus, recipe: Recipe, device: str) -> TrainingBatches:
    context, size = recipe.model.context, recipe.training.batch_size
    if corpus.task is not None:
        return TaskTrainingBatches(corpus.task, corpus.train, context, size, _SEED, device)
    return TrainingBatches(corpus.train, context, size, _SEED, device)


def _digest(recipe: Recipe) -> str:
    return step_digest(recipe.model.to_dict(), recipe.training.model_dump(mode="json"))


def _clear(device: str) -> None:
    """Give back what the last pair held: models, compiled code, the GPU's cached memory."""
    gc.collect()
    torch.compiler.reset()
    if device == "cuda":
        torch.cuda.empty_cache()
