"""Dropout that draws from a generator of its own, never from the global one."""

from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from workbench.errors import UserError


class Rows(NamedTuple):
    """Which rows of a step's batch are at hand: those from ``first`` on of ``whole``."""

    first: int
    whole: int


class Dropout(nn.Module):
    """Zeroes each element with ``probability`` in training, and scales the others to keep the mean.

    Srivastava et al. 2014. ``generator`` must be set before training, on the device of the input; where
    ``torch.func.vmap`` runs several models at once, a tuple with one for each. Where a batch is computed in
    pieces, ``rows`` are those at hand: they are masked as they would be in the whole batch, whose masks are
    drawn for that.
    """

    def __init__(self, probability: float) -> None:
        super().__init__()
        self.probability = probability
        self.generator: torch.Generator | tuple[torch.Generator, ...] | None = None
        self.rows: Rows | None = None

    def forward(self, x: Tensor) -> Tensor:
        """Same shape; in evaluation, or with probability 0, ``x`` itself."""
        if not self.training or self.probability == 0:
            return x
        if self.generator is None:
            raise UserError(
                f"dropout is {self.probability} but has no generator; set decoder.dropout_generator = "
                f"workbench.seeds.generator(seed, 'dropout', device=...) before training, or dropout to 0"
            )
        return x * (self._uniform(x) >= self.probability) / (1 - self.probability)

    def _uniform(self, x: Tensor) -> Tensor:
        if isinstance(self.generator, tuple):
            return _UniformOfEach.apply(x.detach(), self.generator)
        if self.rows is not None:
            whole = torch.rand(self.rows.whole, *x.shape[1:], generator=self.generator, device=x.device)
            return whole[self.rows.first : self.rows.first + len(x)]
        return torch.rand(x.shape, generator=self.generator, device=x.device)


class _UniformOfEach(torch.autograd.Function):
    """Uniform numbers in the shape of ``x``; the batching rule draws each model's from its own generator."""

    @staticmethod
    def forward(x: Tensor, generators: tuple[torch.Generator, ...]) -> Tensor:
        raise RuntimeError("several generators of dropout, but one model; set one generator")

    @staticmethod
    def setup_context(context: Any, inputs: tuple, output: Tensor) -> None:
        context.mark_non_differentiable(output)

    @staticmethod
    def backward(context: Any, *gradients: Tensor) -> tuple[None, None]:
        return None, None

    @staticmethod
    def vmap(
        info: Any, in_dims: tuple, x: Tensor, generators: tuple[torch.Generator, ...]
    ) -> tuple[Tensor, int]:
        shape = x.movedim(in_dims[0], 0).shape[1:]
        draws = [torch.rand(shape, generator=generator, device=x.device) for generator in generators]
        return torch.stack(draws), 0
