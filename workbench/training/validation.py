"""What a validation says: the loss over the same text for every trial, in two units.

A trial alone, each replica of a population, and ``workbench evaluate`` sum their batches here, in one way, so
that their numbers are the same to the last bit where the losses of the batches are.
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

VALIDATION = "validation"  # what the only set of a study without named ones is called
_BITS_PER_BYTE = "bits_per_byte"
MOST_PASSAGES = 64  # kept of a run: about a kilobyte
_DECIMALS = 6  # of a passage's nats: a billionth of a nat per token

# The nats of passages of the validation text, and how many targets each has. A passage is a batch of whole
# windows, or several, in the text's order: the same for every run that reads the text in such batches.
Passages = dict[str, list[float]]


class ValidationSums:
    """Sums over validation batches: nats in fp64, targets, and the UTF-8 bytes that the targets stand for.

    The losses are those of one decoder, ``()``, or of a population, ``(R,)``.
    """

    def __init__(self) -> None:
        self._nats = torch.zeros((), dtype=torch.double)  # takes shape and device of the losses
        self.targets = 0
        self._bytes = 0
        self._of_batches: list[Tensor] = []  # nats, each of the losses' shape
        self._targets_of_batches: list[int] = []

    def add(self, loss: Tensor, targets: Tensor, target_bytes: int) -> None:
        """Add a batch by the mean ``loss`` of its ``targets``, in nats; does not wait for the device."""
        nats = loss.double() * targets.numel()
        self._nats = self._nats + nats
        self._of_batches.append(nats)
        self._targets_of_batches.append(targets.numel())
        self.targets += targets.numel()
        self._bytes += target_bytes

    def metrics(self) -> dict[str, float]:
        """Of one decoder: nats per token, and bits per byte of the text, which compares across tokenizers."""
        return self._metrics(self._nats.item())

    def metrics_of_each(self) -> list[dict[str, float]]:
        """The same of each replica."""
        return [self._metrics(nats) for nats in self._nats.tolist()]

    def passages(self) -> Passages:
        """Of one decoder: its nats in parts of the text."""
        (found,) = self.passages_of_each(1)
        return found

    def passages_of_each(self, replicas: int) -> list[Passages]:
        """The same of each of so many replicas. Batches are joined where they are more than are kept."""
        if not self._of_batches:
            return [{"nats": [], "targets": []} for _ in range(replicas)]
        nats = torch.stack(self._of_batches).reshape(-1, replicas).cpu().numpy()  # (batches, R)
        joined = math.ceil(len(nats) / MOST_PASSAGES)
        starts = range(0, len(nats), joined)
        targets = [float(sum(self._targets_of_batches[start : start + joined])) for start in starts]
        return [
            {
                "nats": [round(float(own[start : start + joined].sum()), _DECIMALS) for start in starts],
                "targets": targets,
            }
            for own in nats.T
        ]

    def _metrics(self, nats: float) -> dict[str, float]:
        return {
            f"{VALIDATION}/loss": nats / self.targets,
            f"{VALIDATION}/{_BITS_PER_BYTE}": nats / math.log(2) / max(1, self._bytes),
        }


class SetSums:
    """Sums over each of several evaluation sets, given by name in their order.

    The first set is the metrics' ``validation/``. Every other gives ``NAME/bits_per_byte`` alone.
    """

    def __init__(self, names: Sequence[str]) -> None:
        self._names = tuple(names)
        self._sums = [ValidationSums() for _ in names]

    def add(self, number: int, loss: Tensor, targets: Tensor, target_bytes: int) -> None:
        """Add a batch of the set with this number, as ``ValidationSums.add`` does."""
        self._sums[number].add(loss, targets, target_bytes)

    def metrics(self) -> dict[str, float]:
        """Of one decoder, on all sets."""
        return self._joined([sums.metrics() for sums in self._sums])

    def metrics_of_each(self) -> list[dict[str, float]]:
        """The same of each replica."""
        by_set = [sums.metrics_of_each() for sums in self._sums]
        return [self._joined(found) for found in zip(*by_set, strict=True)]

    def passages(self) -> Passages:
        """Of one decoder: the first set in parts."""
        return self._sums[0].passages()

    def passages_of_each(self, replicas: int) -> list[Passages]:
        """The same of each replica."""
        return self._sums[0].passages_of_each(replicas)

    def _joined(self, found: Sequence[dict[str, float]]) -> dict[str, float]:
        first, *others = found
        names = self._names[1:]
        more = {
            f"{name}/{_BITS_PER_BYTE}": metrics[f"{VALIDATION}/{_BITS_PER_BYTE}"]
            for name, metrics in zip(names, others, strict=True)
        }
        return first | more
