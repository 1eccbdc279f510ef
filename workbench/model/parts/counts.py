"""How many parameters a part has: by formula for the workbench's levels, for others by what they build.

A class derived from a level inherits its formula, which says nothing of what the class adds. A formula of the
part's own is checked instead of believed: a wrong one would match sizes that differ.
"""

from functools import lru_cache
from typing import Any

import torch
from torch import nn
from torch.nn.parameter import is_lazy
from torch.utils.flop_counter import FlopCounterMode

from workbench.errors import UserError
from workbench.model.parts.component import ComponentConfig

_TOKENS = 4
_TOLERANCE = 0.01  # of what is measured: a router's choice differs from token to token


def part_parameters(config: ComponentConfig, *args: Any) -> int:
    """Parameters of ``config.build(*args)``; raises ``UserError`` where a part's own formula is wrong."""
    return _counted(config, args)[0] if config.component.foreign else config.num_parameters(*args)


def part_matmul_parameters(config: ComponentConfig, *args: Any) -> int:
    """Those that multiply every token; raises ``UserError`` where a part's own formula is wrong."""
    return _counted(config, args)[1] if config.component.foreign else config.matmul_parameters(*args)


def _counted(config: ComponentConfig, args: tuple[Any, ...]) -> tuple[int, int]:
    try:
        return _cached_counts(config, args)
    except TypeError as error:  # an option that cannot be hashed, such as a mapping
        if "unhashable" not in str(error):
            raise
        return _counts(config, args)


def _counts(config: ComponentConfig, args: tuple[Any, ...]) -> tuple[int, int]:
    part = _built(config, args)
    if any(is_lazy(parameter) for parameter in part.parameters()):
        raise UserError(
            f"{config.component.factor}: {config.name} has parameters without a size until it is called "
            f"(LazyLinear's, for example); give them their sizes in the constructor"
        )
    total = sum(parameter.numel() for parameter in part.parameters())
    matrices = sum(parameter.numel() for parameter in part.parameters() if parameter.ndim >= 2)
    if _own_formula(config, "num_parameters"):
        _require_equal(config, "num_parameters", config.num_parameters(*args), total)
    if _own_formula(config, "matmul_parameters"):
        matrices = _checked_matmul(config, args, matrices)
    elif config.component.factor == "positions":
        matrices = config.matmul_parameters(*args)  # none: tables are looked up
    return total, matrices


_cached_counts = lru_cache(maxsize=1024)(_counts)


def _built(config: ComponentConfig, args: tuple[Any, ...]) -> nn.Module:
    try:
        return config.skeleton(*args)
    except UserError:
        raise
    except Exception as error:
        raise UserError(
            f"{config.component.factor}: {config.name} cannot be built ({type(error).__name__}: {error}); "
            f"mend its constructor"
        ) from error


def _own_formula(config: ComponentConfig, method: str) -> bool:
    """Whether the formula was written outside the workbench; an inherited one is about the parent."""
    defined = next(cls for cls in type(config).__mro__ if method in vars(cls))
    return defined.__module__.partition(".")[0] != "workbench"


def _checked_matmul(config: ComponentConfig, args: tuple[Any, ...], matrices: int) -> int:
    """The formula's number, if matrices or the multiplications of a forward pass agree with it.

    A mixture of experts multiplies a token by few of its matrices, and a shared matrix counts each time.
    """
    stated = config.matmul_parameters(*args)
    if stated == matrices or config.component.factor == "positions":
        return stated
    measured = _multiplied(config, args)
    if measured is not None and abs(stated - measured) <= _TOLERANCE * measured:
        return stated
    _require_equal(config, "matmul_parameters", stated, matrices if measured is None else round(measured))
    return stated


def _multiplied(config: ComponentConfig, args: tuple[Any, ...]) -> float | None:
    """Weights that multiply a token in a forward pass; None where that cannot be measured by itself."""
    part = config.build(*args)
    tokens = torch.randn(1, _TOKENS, args[0], generator=torch.Generator().manual_seed(0))  # (B, T, D)
    counter = FlopCounterMode(display=False)
    try:
        with torch.no_grad(), counter:
            part(tokens)
    except Exception:  # a part that needs more than its input: its matrices are what is known of it
        return None
    return counter.get_total_flops() / 2 / _TOKENS


def _require_equal(config: ComponentConfig, method: str, stated: int, counted: int) -> None:
    if stated != counted:
        raise UserError(
            f"{config.component.factor}: {config.name}.Config.{method} says {stated:,}, but what it builds "
            f"has {counted:,}; mend the formula, or leave it out: without one it is counted"
        )
