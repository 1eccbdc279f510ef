"""``torch.compile`` as a study asks for it."""

from collections.abc import Callable
from typing import Literal, ParamSpec, Protocol, TypeVar

import torch

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")
_VERSIONS = 1024  # of one function: a worker trains every variant and population size of a study


class Compiles(Protocol):
    """What is read here of a ``TrainingConfig``, whose own module reads optimizers, which are compiled."""

    @property
    def compile(self) -> Literal["auto", "cuda_graphs"] | bool:
        """Whether and how."""


def compiled(function: Callable[Arguments, Result], training: Compiles) -> Callable[Arguments, Result]:
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
