"""Reading many sequences without holding all of their attention at once."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from workbench.inspection.capture import Captured, capture, uncompiled
from workbench.model.decoder import Decoder

_NUMBERS = 2**24  # of one quantity in memory: 64 MiB in fp32


@dataclass(frozen=True)
class Pass:
    """One forward of some sequences: what ``layers`` computed for the sequences ``rows`` of all.

    ``logits (b, T, V)`` are None but for the first group of layers, so that each sequence counts once.
    """

    seen: Captured
    layers: list[int]
    rows: slice
    logits: Tensor | None


def passes(decoder: Decoder, tokens: Tensor, what: Iterable[str]) -> Iterator[Pass]:
    """Run ``tokens (B, T)`` in batches, and in groups of layers where one sequence is too much by itself."""
    decoder, wanted = uncompiled(decoder), list(what)
    count, length = tokens.shape
    one = decoder.config.heads * length * length  # numbers of one sequence in one layer
    together = _clamp(_NUMBERS // one, decoder.config.layers)
    batch = _clamp(_NUMBERS // (one * together), count)
    for start in range(0, count, batch):
        rows = slice(start, min(start + batch, count))
        for layers in torch.arange(decoder.config.layers).split(together):
            with capture(decoder, wanted, layers.tolist()) as seen:
                logits = decoder(tokens[rows].to(decoder.device))  # (b, T, V)
            yield Pass(seen, layers.tolist(), rows, logits if layers[0] == 0 else None)


def _clamp(number: int, most: int) -> int:
    return max(1, min(number, most))
