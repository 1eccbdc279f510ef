"""Whether a study's trials can be computed as it asks, and what a check says of that."""

from collections.abc import Sequence
from typing import cast

from workbench.errors import UserError
from workbench.records.execution import Execution
from workbench.study.design import Variant
from workbench.training.optimizers import OPTIMIZERS, optimizer_config
from workbench.training.optimizers.optimizer import Optimizer


def require_computable(study: str, execution: Execution, variants: Sequence[Variant], device: str) -> None:
    """Raise ``UserError`` where ``device``, or a variant's optimizer, cannot do what ``execution`` asks."""
    if execution.strategy != "fsdp":
        return
    if device != "cuda":
        raise UserError(
            f"{study}: training.strategy: fsdp needs GPUs, and this machine has none that can be used; write "
            "'strategy: ddp'"
        )
    for variant in variants:
        optimizer = optimizer_config(variant.recipe.training)
        if not optimizer.component.shardable:
            levels = {name: cast(type[Optimizer], OPTIMIZERS.get(name)) for name in OPTIMIZERS.names()}
            able = ", ".join(name for name, level in levels.items() if level.shardable)
            raise UserError(
                f"{study}: {variant.name}: training.optimizer: {optimizer.label} is not for parts of "
                f"matrices, and with fsdp each device has a part; use one of {able}, or 'strategy: ddp'"
            )


def execution_lines(execution: Execution) -> list[str]:
    """How a trial is computed, where that is not the usual way, and what follows from it."""
    if execution.is_usual:
        return []
    lines = [
        f"each trial on {execution.words()}, with the results of one device but for rounding; trials train "
        "one by one, in no population"
    ]
    if execution.strategy == "fsdp":
        lines.append("heads and positions are not measured meanwhile; workbench probe can do it later")
    return lines
