"""Activation checkpointing (Chen et al. 2016, arXiv 1604.06174): what is not kept is computed again."""

import random
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint


def recomputed(function: Callable[..., Tensor], *inputs: Any, generator: Any, draws_globally: bool) -> Tensor:
    """``function(*inputs)``, of which the backward pass has only the inputs and computes the rest again.

    It draws the same numbers again: from ``generator``, if there is one, and from the global ones of torch,
    NumPy and Python where it ``draws_globally``, as code of the user's may.
    """
    options: dict[str, Any] = {}
    if generator is not None or draws_globally:
        options["context_fn"] = partial(_replayed, generator, draws_globally)
    result = checkpoint(function, *inputs, use_reentrant=False, preserve_rng_state=draws_globally, **options)
    assert isinstance(result, Tensor), "it is the function's"
    return result


def _replayed(
    generator: torch.Generator | None, draws_globally: bool
) -> tuple[AbstractContextManager, AbstractContextManager]:
    """What the first computation is done in, and what the second one is."""
    before = _states(generator, draws_globally)

    @contextmanager
    def again() -> Iterator[None]:
        after = _states(generator, draws_globally)
        _restore(generator, before)
        try:
            yield
        finally:
            _restore(generator, after)

    return nullcontext(), again()


def _states(generator: torch.Generator | None, draws_globally: bool) -> tuple[Any, ...]:
    return (
        None if generator is None else generator.get_state(),
        random.getstate() if draws_globally else None,
        np.random.get_state() if draws_globally else None,
    )


def _restore(generator: torch.Generator | None, states: tuple[Any, ...]) -> None:
    own, pythons, numpys = states
    if generator is not None:
        generator.set_state(own)
    if pythons is not None:
        random.setstate(pythons)
        np.random.set_state(numpys)
