"""``torch.compile`` as a study asks for it."""

from collections.abc import Callable
from typing import TypeVar

import torch

from workbench.training.config import TrainingConfig

Function = TypeVar("Function", bound=Callable)


def compiled(function: Function, training: TrainingConfig) -> Function:
    """``function``, compiled where ``training.compile`` says so; each new shape compiles anew."""
    if not training.compile:
        return function
    mode = "reduce-overhead" if training.compile == "cuda_graphs" else None
    return torch.compile(function, dynamic=False, mode=mode)
