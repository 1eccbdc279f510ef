"""A decoder's parameters as one flat vector ``(P,)``, and those of R decoders as a matrix ``(R, P)``."""

import math

import torch
from torch import Tensor

from workbench.model.decoder import Decoder


class FlatLayout:
    """Where each parameter of a decoder lies among ``P`` numbers, and how to get from one to the other.

    One matrix instead of one tensor per parameter makes clipping, the optimizer and the choice of replicas a
    few operations each, however many layers there are.
    """

    def __init__(self, decoder: Decoder) -> None:
        self._shapes = {name: parameter.shape for name, parameter in decoder.named_parameters()}
        self._fixed = {name for name, parameter in decoder.named_parameters() if not parameter.requires_grad}
        self._sizes = [math.prod(shape) for shape in self._shapes.values()]
        self.width = sum(self._sizes)

    def flatten(self, decoder: Decoder) -> Tensor:
        """The parameters of ``decoder``: ``(P,)``."""
        return torch.cat([parameter.detach().flatten() for parameter in decoder.parameters()])

    def unflatten(self, flat: Tensor) -> dict[str, Tensor]:
        """Views of ``flat (..., P)`` by name, each ``(..., *shape)``; no gradient flows into fixed ones."""
        parts = flat.split(self._sizes, dim=-1)
        named = zip(self._shapes.items(), parts, strict=True)
        tensors = {name: part.reshape((*part.shape[:-1], *shape)) for (name, shape), part in named}
        return {name: part.detach() if name in self._fixed else part for name, part in tensors.items()}

    def load(self, decoder: Decoder, flat: Tensor) -> None:
        """Put the parameters in ``flat (P,)`` into ``decoder``."""
        with torch.no_grad():
            for parameter, value in zip(decoder.parameters(), self.unflatten(flat).values(), strict=True):
                parameter.copy_(value)

    def decayed(self, decoder: Decoder) -> Tensor:
        """``(P,)``: 1 where weight decay reaches (trained tensors of two or more dimensions), else 0."""
        marks = [
            torch.full((part.numel(),), float(part.ndim >= 2 and part.requires_grad))
            for part in decoder.parameters()
        ]
        return torch.cat(marks)
