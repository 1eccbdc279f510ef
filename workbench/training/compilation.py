"""``torch.compile`` as a study asks for it."""

from collections.abc import Callable
from typing import ParamSpec, TypeVar

import torch

from workbench.training.config import TrainingConfig

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")
_VERSIONS = 1024  # of one function: a worker trains every variant and population size of a study


def compiled(function: Callable[Arguments, Result], training: TrainingConfig) -> Callable[Arguments, Result]:
    """``function``, compiled where ``training.compile`` says so; each new shape or variant compiles anew.

    Beyond its limit of versions torch would go on uncompiled without a word: here it is an error.
    """
    if not training.compile:
        return function
    torch._dynamo.config.recompile_limit = _VERSIONS
    torch._dynamo.config.accumulated_recompile_limit = _VERSIONS
    torch._dynamo.config.fail_on_recompile_limit_hit = True
    mode = "reduce-overhead" if training.compile == "cuda_graphs" else None
    return torch.compile(function, dynamic=False, mode=mode)
