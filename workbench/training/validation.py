"""What a validation says: the loss over the same tokens for every trial, in two units.

A trial alone, each replica of a population, and ``workbench evaluate`` sum their batches here, in one way, so
that their numbers are the same to the last bit where the losses of the batches are.
"""

import math

import torch
from torch import Tensor


class ValidationSums:
    """Sums over validation batches: nats in fp64, targets, and the UTF-8 bytes that the targets stand for.

    The losses are those of one decoder, ``()``, or of a population, ``(R,)``.
    """

    def __init__(self) -> None:
        self._nats = torch.zeros((), dtype=torch.double)  # takes shape and device of the losses
        self.targets = 0
        self._bytes = 0

    def add(self, loss: Tensor, targets: Tensor, target_bytes: int) -> None:
        """Add a batch by the mean ``loss`` of its ``targets``, in nats; does not wait for the device."""
        self._nats = self._nats + loss.double() * targets.numel()
        self.targets += targets.numel()
        self._bytes += target_bytes

    def metrics(self) -> dict[str, float]:
        """Of one decoder: nats per token, and bits per byte of the text, which compares across tokenizers."""
        return self._metrics(self._nats.item())

    def metrics_of_each(self) -> list[dict[str, float]]:
        """The same of each replica."""
        return [self._metrics(nats) for nats in self._nats.tolist()]

    def _metrics(self, nats: float) -> dict[str, float]:
        return {
            "validation/loss": nats / self.targets,
            "validation/bits_per_byte": nats / math.log(2) / max(1, self._bytes),
        }
