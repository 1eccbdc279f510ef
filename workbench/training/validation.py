"""What a validation says: the loss over the same text for every trial, in two units, and what share is right.

A trial alone, each replica of a population, and ``workbench evaluate`` sum their batches here, in one way, so
that their numbers are the same to the last bit where the losses of the batches are.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from workbench.data.batches import EvaluationBatch
from workbench.data.task_batches import AnswerBatch
from workbench.data.text_parts import TextParts
from workbench.model.loss import TokenLosses
from workbench.records.text_losses import TextLosses

VALIDATION = "validation"  # what the only set of a study without named ones is called
_BITS_PER_BYTE = "bits_per_byte"
_DECIMALS = 6  # of a document's nats: a billionth of a nat per token


class ValidationSums:
    """Sums over validation batches: nats in fp64, targets, and the UTF-8 bytes that the targets stand for.

    The losses are those of one decoder, ``()``, or of a population, ``(R,)``. Of a text whose ``parts`` are
    given, the nats of each part are summed too.
    """

    def __init__(self, parts: TextParts | None = None) -> None:
        self._nats = torch.zeros((), dtype=torch.double)  # takes shape and device of the losses
        self.targets = 0
        self._bytes = 0
        self._parts = parts
        self._of_parts: Tensor | None = None  # nats in fp64, (G,) or (R, G)

    def add(self, losses: TokenLosses, batch: EvaluationBatch) -> None:
        """Add a batch by the losses of its targets; does not wait for the device."""
        targets = batch.targets.numel()
        # The sum is made of means, which older numbers were made of: their last bits depend on it.
        self._add(losses.mean.double() * targets, targets)
        self._add_to_parts(losses.of_tokens.flatten(-2), batch.part.flatten())
        self._bytes += batch.target_bytes

    def _add(self, nats: Tensor, targets: int) -> None:
        self._nats = self._nats + nats
        self.targets += targets

    def _add_to_parts(self, nats: Tensor, part: Tensor) -> None:
        """Add ``nats (..., N)`` to the parts ``part (N,)`` that they are of."""
        if self._parts is None:
            return
        if self._of_parts is None:
            shape = (*nats.shape[:-1], len(self._parts.targets))
            self._of_parts = torch.zeros(shape, dtype=torch.double, device=nats.device)
        self._of_parts.index_add_(-1, part.to(nats.device), nats.double())

    def metrics(self) -> dict[str, float]:
        """Of one decoder: nats per token, and bits per byte of the text, which compares across tokenizers."""
        return self._metrics(self._nats.item())

    def metrics_of_each(self) -> list[dict[str, float]]:
        """The same of each replica."""
        return [self._metrics(nats) for nats in self._nats.tolist()]

    def text_losses(self, replicas: int) -> list[TextLosses | None]:
        """Of each of so many replicas (1: of the one decoder): its nats by part.

        None where no parts are known, or nothing was added.
        """
        if self._parts is None or self._of_parts is None:
            return [None] * replicas
        return [
            TextLosses(
                nats=[round(nats, _DECIMALS) for nats in own],
                targets=self._parts.targets,
                bytes=self._parts.bytes,
                documents=self._parts.documents,
                cut=self._parts.cut,
            )
            for own in self._of_parts.reshape(replicas, -1).tolist()
        ]

    def _metrics(self, nats: float) -> dict[str, float]:
        return {
            f"{VALIDATION}/loss": nats / self.targets,
            f"{VALIDATION}/{_BITS_PER_BYTE}": nats / math.log(2) / max(1, self._bytes),
        }


class Scored(NamedTuple):
    """How a batch of answers was predicted: nats of all ``()`` and of each sequence ``(B,)``, which answers
    are right ``(B, T)``, and which whole sequences are ``(B,)``. Of a population each has the replicas
    ``(R, ...)`` first.
    """

    nats: Tensor
    of_sequences: Tensor
    right: Tensor
    exact: Tensor


def score_answers(logits: Tensor, targets: Tensor) -> Scored:
    """Of one decoder, from ``logits (B, T, V)``; a target below 0 is no answer."""
    log_probabilities = F.log_softmax(logits.flatten(0, 1).float(), dim=-1)
    nats = F.nll_loss(log_probabilities, targets.flatten(), reduction="sum")
    of_tokens = F.nll_loss(log_probabilities, targets.flatten(), reduction="none").view_as(targets)
    right = logits.argmax(-1) == targets
    return Scored(nats, of_tokens.sum(-1), right, (right | (targets < 0)).all(-1))


# How many answers there were and were right, by what tells them apart (``along``) and by the length of their
# sequence (``length``), of which some were right as a whole: columns of equal length.
AnswerTables = dict[str, dict[str, list[float]]]


class AnswerSums(ValidationSums):
    """Sums over the answers of a generated task: their nats, and how many are right."""

    def __init__(self, parts: TextParts | None = None) -> None:
        super().__init__(parts)
        self._right: list[Tensor] = []  # by group, (G,) or (R, G)
        self._by_length: list[Tensor] = []  # (H,) or (R, H): answers
        self._exact: list[Tensor] = []
        self._counts: list[Tensor] = []  # (G,): answers
        self._answers: list[Tensor] = []  # (H,)
        self._sequences: list[Tensor] = []
        self._batch: AnswerBatch | None = None

    def add_answers(self, scored: Scored, batch: AnswerBatch) -> None:
        """Add a batch; does not wait for the device."""
        self._add(scored.nats.double(), batch.answers)
        self._add_to_parts(scored.of_sequences, batch.part)
        self._batch = batch
        device = scored.right.device
        group = batch.group.to(device).flatten()  # (B T,)
        groups, lengths = len(batch.along), len(batch.lengths)
        # What is no answer counts into a group behind the others, which is left out.
        right = _by_group(scored.right.flatten(-2), group, groups + 1)[..., :groups]
        is_answer = group < groups
        length = batch.length.to(device)  # (B,)
        of_token = length.repeat_interleave(batch.group.shape[1])  # (B T,)
        self._right.append(right)
        self._counts.append(_by_group(is_answer, group, groups + 1)[:groups])
        self._by_length.append(_by_group(scored.right.flatten(-2), of_token, lengths))
        self._answers.append(_by_group(is_answer, of_token, lengths))
        self._exact.append(_by_group(scored.exact, length, lengths))
        self._sequences.append(_by_group(torch.ones_like(length), length, lengths))

    def scores(self, name: str) -> list[dict[str, float]]:
        """Of each replica, or of the one decoder: accuracy, error and exact matches on the set ``name``."""
        right = _whole(self._right).sum(-1).reshape(-1).tolist()
        exact = _whole(self._exact).sum(-1).reshape(-1).tolist()
        sequences = float(_whole(self._sequences).sum())
        nats = self._nats.reshape(-1).tolist()
        return [
            {
                f"{name}/accuracy": own / self.targets,
                f"{name}/error": 1 - own / self.targets,
                f"{name}/exact_match": whole / sequences,
                f"{name}/loss": loss / self.targets,
            }
            for own, whole, loss in zip(right, exact, nats, strict=True)
        ]

    def tables(self) -> list[AnswerTables]:
        """Of each replica, or of the one decoder: how many were right, by group and by length."""
        assert self._batch is not None, "a set has a batch"
        groups, lengths = len(self._batch.along), len(self._batch.lengths)
        right = _whole(self._right).reshape(-1, groups)
        by_length = _whole(self._by_length).reshape(-1, lengths)
        exact = _whole(self._exact).reshape(-1, lengths)
        along = {"x": _rounded(self._batch.along), "answers": _counts(_whole(self._counts))}
        length = {
            "x": _rounded(self._batch.lengths),
            "answers": _counts(_whole(self._answers)),
            "sequences": _counts(_whole(self._sequences)),
        }
        return [
            {
                "along": along | {"right": _counts(right[index])},
                "length": length | {"right": _counts(by_length[index]), "exact": _counts(exact[index])},
            }
            for index in range(len(right))
        ]

    def _metrics(self, nats: float) -> dict[str, float]:
        # No bits per byte: an answer is no text.
        return {f"{VALIDATION}/loss": nats / self.targets}


def _by_group(values: Tensor, group: Tensor, groups: int) -> Tensor:
    """Sums of ``values (..., N)`` by ``group (N,)``: ``(..., groups)``."""
    sums = torch.zeros(*values.shape[:-1], groups, device=values.device)
    return sums.index_add(-1, group, values.float())


def _whole(parts: Sequence[Tensor]) -> Tensor:
    return torch.stack(list(parts)).double().sum(0).cpu()


def _rounded(values: Tensor) -> list[float]:
    return [round(value, 2) for value in values.tolist()]


def _counts(values: Tensor) -> list[float]:
    """Whole numbers, which a record has without decimals."""
    return [round(value) for value in values.tolist()]


class SetSums:
    """Sums over each of several evaluation sets, given by name in their order.

    The first set is the metrics' ``validation/``. Every other gives ``NAME/bits_per_byte`` alone. Of a
    generated task, the first too, there are ``NAME/accuracy``, ``/error``, ``/exact_match``, ``/loss``.
    ``parts`` are those of the first set, the one whose losses are kept by document.
    """

    def __init__(self, names: Sequence[str], parts: TextParts | None = None) -> None:
        self._names = tuple(names)
        self._parts = parts
        self._sums: list[ValidationSums] = [ValidationSums(parts), *(ValidationSums() for _ in names[1:])]

    def add(self, number: int, losses: TokenLosses, batch: EvaluationBatch) -> None:
        """Add a batch of the set with this number, as ``ValidationSums.add`` does."""
        self._sums[number].add(losses, batch)

    def add_answers(self, number: int, scored: Scored, batch: AnswerBatch) -> None:
        """Add a batch of the set with this number, which a task generated."""
        sums = self._sums[number]
        if not isinstance(sums, AnswerSums):
            sums = AnswerSums(None if number else self._parts)
            self._sums[number] = sums
        sums.add_answers(scored, batch)

    def metrics(self) -> dict[str, float]:
        """Of one decoder, on all sets."""
        (found,) = self._joined([[sums.metrics()] for sums in self._sums])
        return found

    def metrics_of_each(self) -> list[dict[str, float]]:
        """The same of each replica."""
        return self._joined([sums.metrics_of_each() for sums in self._sums])

    def text_losses(self, replicas: int) -> list[TextLosses | None]:
        """Of each of so many replicas (1: of the one decoder): the nats of the first set by document."""
        return self._sums[0].text_losses(replicas)

    def answers_of_each(self, replicas: int) -> list[dict[str, AnswerTables]]:
        """Of each replica (1: of the one decoder): the tables of the sets that tasks generated, by name."""
        found: list[dict[str, AnswerTables]] = [{} for _ in range(replicas)]
        for name, sums in zip(self._names, self._sums, strict=True):
            if isinstance(sums, AnswerSums):
                for own, tables in zip(found, sums.tables(), strict=True):
                    own[name] = tables
        return found

    def _joined(self, by_set: list[list[dict[str, float]]]) -> list[dict[str, float]]:
        """The metrics of each replica on all sets, from those of each set."""
        joined = by_set[0]
        for number, (name, sums) in enumerate(zip(self._names, self._sums, strict=True)):
            if isinstance(sums, AnswerSums):
                more = sums.scores(name)
            elif number:
                key = f"{VALIDATION}/{_BITS_PER_BYTE}"
                more = [{f"{name}/{_BITS_PER_BYTE}": metrics[key]} for metrics in by_set[number]]
            else:
                continue
            joined = [first | own for first, own in zip(joined, more, strict=True)]
        return joined
