"""``workbench steptimes``: the step times of a study file's variants, kept beside its manifest."""

from pathlib import Path

from workbench.errors import UserError
from workbench.progress import progress_on
from workbench.records.cells import BLOCK_SECONDS, BLOCKS, Cell
from workbench.records.manifest import MANIFEST
from workbench.records.step_times import StepTimes, write_step_times
from workbench.study.paths import refuse_published
from workbench.study.plan import freeze
from workbench.study.preparation import make_plan
from workbench.study.step_measuring import measure_recipes
from workbench.terminal import Terminal
from workbench.training.hardware import default_device


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

    Its manifest is frozen there if none is: with it, of a study whose budget is seconds, the times by which
    they are planned. Returns the folder with what was measured. Raises ``UserError``
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
    is_new = not (directory / MANIFEST).exists()
    if is_new and plan.step_times is not None and plan.step_times.cell == cell:
        measured = plan.step_times  # by which its equal seconds are planned
    else:
        with progress_on(console, "step times", announce=True) as progress:
            measured = measure_recipes(
                recipes, plan.texts, cell, blocks=blocks, block_seconds=block_seconds, progress=progress
            )
    directory.mkdir(parents=True, exist_ok=True)
    if is_new:
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
