"""A step's batch in equal pieces, for devices that share it and for gradients that are added up."""

from collections.abc import Iterator
from typing import NamedTuple

from torch import Tensor

from workbench.data.batches import Batch
from workbench.data.task_batches import NO_ANSWER
from workbench.records.execution import Execution


class Piece(NamedTuple):
    """Some rows of a step's batch: inputs and targets ``(b, T)``.

    ``share ()`` is theirs of the batch's targets: the mean over all of them is what the pieces' means add up
    to, each times its share. They are the rows from ``first`` on of ``rows``.
    """

    inputs: Tensor
    targets: Tensor
    share: Tensor
    first: int
    rows: int


def pieces_of(batch: Batch, execution: Execution, rank: int) -> Iterator[Piece]:
    """What ``rank`` computes of a step's batch, in order; the pieces of a turn lie side by side in it."""
    inputs, targets = batch
    rows = len(inputs)
    size = rows // execution.pieces
    counted = targets != NO_ANSWER
    for turn in range(execution.gradient_accumulation):
        first = (turn * execution.devices + rank) * size
        own = slice(first, first + size)
        share = counted[own].sum() / counted.sum()
        yield Piece(inputs[own], targets[own], share, first, rows)
