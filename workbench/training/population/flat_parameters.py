"""The parameters of R decoders of one shape as one matrix: a row for each decoder."""

import math

import torch
from torch import Tensor

from workbench.model.decoder import Decoder


class Rows:
    """Where each parameter of a decoder lies in a row of ``(R, P)``, and how to get from one to the other.

    One matrix instead of one tensor per parameter makes clipping, the optimizer and the choice of replicas a
    few operations each, however many layers there are.
    """

    def __init__(self, decoder: Decoder) -> None:
        self._shapes = {name: parameter.shape for name, parameter in decoder.named_parameters()}
        self._fixed = {name for name, parameter in decoder.named_parameters() if not parameter.requires_grad}
        self._sizes = [math.prod(shape) for shape in self._shapes.values()]
        self.width = sum(self._sizes)

    def row(self, decoder: Decoder) -> Tensor:
        """The parameters of ``decoder``: ``(P,)``."""
        return torch.cat([parameter.detach().flatten() for parameter in decoder.parameters()])

    def tensors(self, rows: Tensor) -> dict[str, Tensor]:
        """Views of ``rows (..., P)`` by name, each ``(..., *shape)``; no gradient flows into fixed ones."""
        parts = rows.split(self._sizes, dim=-1)
        named = zip(self._shapes.items(), parts, strict=True)
        tensors = {name: part.reshape((*part.shape[:-1], *shape)) for (name, shape), part in named}
        return {name: part.detach() if name in self._fixed else part for name, part in tensors.items()}

    def load(self, decoder: Decoder, row: Tensor) -> None:
        """Put the parameters in ``row (P,)`` into ``decoder``."""
        with torch.no_grad():
            for parameter, value in zip(decoder.parameters(), self.tensors(row).values(), strict=True):
                parameter.copy_(value)

    def decayed(self, decoder: Decoder) -> Tensor:
        """``(P,)``: 1 where weight decay reaches (trained tensors of two or more dimensions), else 0."""
        marks = [
            torch.full((part.numel(),), float(part.ndim >= 2 and part.requires_grad))
            for part in decoder.parameters()
        ]
        return torch.cat(marks)
