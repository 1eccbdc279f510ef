"""A decoder's parameters as one flat vector ``(P,)``, and those of R decoders as a matrix ``(R, P)``."""

import math
from collections.abc import Iterable
from itertools import accumulate

import torch
from torch import Tensor, nn


class FlatLayout:
    """Where each parameter of a decoder lies among ``P`` numbers, and how to get from one to the other.

    One matrix instead of one tensor per parameter makes clipping, the optimizer and the choice of replicas a
    few operations each, however many layers there are. ``shapes`` are the parameters' own, by name.
    """

    def __init__(self, decoder: nn.Module) -> None:
        self.shapes = {name: parameter.shape for name, parameter in decoder.named_parameters()}
        self._fixed = {name for name, parameter in decoder.named_parameters() if not parameter.requires_grad}
        self._sizes = [math.prod(shape) for shape in self.shapes.values()]
        self.width = sum(self._sizes)

    def flatten(self, decoder: nn.Module) -> Tensor:
        """The parameters of ``decoder``: ``(P,)``."""
        return torch.cat([parameter.detach().flatten() for parameter in decoder.parameters()])

    def unflatten(self, flat: Tensor) -> dict[str, Tensor]:
        """Views of ``flat (..., P)`` by name, each ``(..., *shape)``; no gradient flows into fixed ones."""
        parts = flat.split(self._sizes, dim=-1)
        named = zip(self.shapes.items(), parts, strict=True)
        tensors = {name: part.reshape((*part.shape[:-1], *shape)) for (name, shape), part in named}
        return {name: part.detach() if name in self._fixed else part for name, part in tensors.items()}

    def load(self, decoder: nn.Module, flat: Tensor) -> None:
        """Put the parameters in ``flat (P,)`` into ``decoder``."""
        with torch.no_grad():
            for parameter, value in zip(decoder.parameters(), self.unflatten(flat).values(), strict=True):
                parameter.copy_(value)

    def decayed(self) -> Tensor:
        """``(P,)``: 1 where weight decay reaches (trained tensors of two or more dimensions), else 0."""
        marks = [
            torch.full((math.prod(shape),), float(self.is_trained(name) and len(shape) >= 2))
            for name, shape in self.shapes.items()
        ]
        return torch.cat(marks)

    def places(self, names: Iterable[str]) -> Tensor:
        """Where the parameters ``names`` lie, one after the other: indices ``(n,)`` into ``P``."""
        starts = dict(zip(self.shapes, accumulate(self._sizes, initial=0), strict=False))
        found = [torch.arange(starts[name], starts[name] + math.prod(self.shapes[name])) for name in names]
        return torch.cat(found) if found else torch.arange(0)

    def is_trained(self, name: str) -> bool:
        """Whether the parameter ``name`` is trained at all."""
        return name not in self._fixed
