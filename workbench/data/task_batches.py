"""The sequences of generated tasks in batches: a window is one sequence, and its answers are the targets.

A target that is no answer is ``NO_ANSWER``, which the cross-entropy of torch leaves out by itself.
"""

from collections.abc import Iterator
from functools import cached_property, lru_cache
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from workbench.data.batches import (
    Batch,
    EvaluationBatches,
    TextBatches,
    TokenizedCorpus,
    TrainingBatches,
    check_windows,
)
from workbench.data.evaluation_text import EvaluationText
from workbench.data.split import utf8_bytes
from workbench.data.tasks.registry import task_of
from workbench.data.tasks.task import GeneratedTask, from_text
from workbench.data.text_parts import text_parts
from workbench.data.tokenizers import Tokenizer
from workbench.errors import UserError
from workbench.seeds import generator

NO_ANSWER = -100
_MOST_GROUPS = 16  # of distances: more are joined
_AT_ONCE = 2**22  # tokens whose answers are looked for together


class AnswerBatch(NamedTuple):
    """Inputs and targets ``(B, T)``, and the groups that answers and sequences are counted in.

    ``group (B, T)`` and ``length (B,)`` are places in ``along (G,)`` and ``lengths (H,)``, as the task's
    ``Answers`` mean them; of a target that is no answer the group is G. ``answers`` is how many are.
    ``part (B,)`` is a sequence's place in the columns of ``TextParts``: each is a document of its own.
    """

    inputs: Tensor
    targets: Tensor
    answers: int
    group: Tensor
    length: Tensor
    along: Tensor
    lengths: Tensor
    part: Tensor


class TaskTrainingBatches(TrainingBatches):
    """Batches of ``tokens (N,)``, a task's sequences with an end behind each, by step.

    In each epoch every sequence once, in an order of its own; a step has as many as make up the tokens of
    ``batch_size`` windows of ``context``.
    """

    def __init__(
        self,
        task: GeneratedTask,
        tokens: np.ndarray,
        context: int,
        batch_size: int,
        seed: int,
        device: str = "cpu",
    ) -> None:
        """Raises ``UserError`` where the context is no multiple of a sequence's tokens."""
        _require_multiple(task, context)
        self._task = task
        self._stride = task.tokens + 1
        self._batch_size = batch_size * (context // task.tokens)
        self._seed = seed
        self.windows = len(tokens) // self._stride
        self._starts = lru_cache(maxsize=2)(self._draw_starts)
        self._tokens = tokens
        self._device = device

    def batch(self, step: int) -> Batch:
        """Inputs and targets of ``step`` (from 0), both ``(B, T)`` int64."""
        return self.cut(self.starts(step))

    @cached_property
    def cut(self) -> "TaskWindows":
        """What cuts the windows; it holds all sequences, on the device."""
        return TaskWindows(self._task, self._tokens, self._device)

    def _draw_starts(self, epoch: int) -> np.ndarray:
        order = torch.randperm(self.windows, generator=generator(self._seed, "data", epoch)).numpy()
        return order * self._stride


class TaskWindows:
    """Cuts the sequences of ``tokens (N,)`` into inputs and targets, both ``(B, T)`` int64."""

    def __init__(self, task: GeneratedTask, tokens: np.ndarray, device: str) -> None:
        self._length = task.tokens
        self._stride = task.tokens + 1
        self._device = device
        # One row a sequence, the end behind it left out: some bytes a token, on the device as a whole.
        count = len(tokens) // self._stride
        sequences = np.asarray(tokens[: count * self._stride]).reshape(count, self._stride)[:, :-1]
        self._sequences = torch.from_numpy(sequences.astype(np.int32)).to(device)  # (S, L)
        self._trained = torch.from_numpy(_trained_on(task, sequences)).to(device)  # (S, L)

    def __call__(self, starts: np.ndarray) -> tuple[Tensor, Tensor]:
        """Those that begin at ``starts (B,)``."""
        rows = torch.from_numpy(starts // self._stride).to(self._device)
        inputs = self._sequences[rows].long()  # (B, L)
        return inputs, targets_of(inputs, self._trained[rows])


class ReplicatedTaskBatches:
    """The batches of R trials side by side, each in its own order of the same sequences."""

    def __init__(self, trials: list[TaskTrainingBatches]) -> None:
        self._trials = trials
        self._cut = trials[0].cut  # of all: they differ in their order alone

    def batch(self, step: int) -> Batch:
        """Inputs and targets of ``step`` (from 0), both ``(R, B, T)`` int64."""
        starts = np.stack([trial.starts(step) for trial in self._trials])  # (R, B)
        inputs, targets = self._cut(starts.ravel())
        return inputs.unflatten(0, starts.shape), targets.unflatten(0, starts.shape)


class TaskBatches:
    """The held-out sequences of a task that every trial of a study is judged on, in batches.

    Iterating gives ``AnswerBatch``; the last may be smaller. Its groups are few: of many distances neighbours
    are joined, with their mean.
    """

    unspelled = 0.0

    def __init__(self, text: EvaluationText, task: GeneratedTask, context: int, batch_size: int) -> None:
        """Raises ``UserError`` where a sequence is longer than the context."""
        if task.tokens > context:
            raise UserError(
                f"data.evaluation: {task.title}: longer than the context, {context}; raise the context to "
                f"{task.tokens} or more (a step then has as many tokens, in more sequences)"
            )
        self.task = task
        self._text = text
        self._size = max(1, batch_size * context // task.tokens)
        sequences = from_text([passage.text for passage in text.passages])  # (N, L)
        found = task.answers(sequences)
        self._sequences = torch.from_numpy(sequences)
        self._scored = torch.from_numpy(found.scored)
        along, group = _grouped(found.along)
        lengths, length = _grouped(found.length)
        self._group, self._length = torch.from_numpy(group), torch.from_numpy(length)
        self._along, self._lengths = torch.from_numpy(along), torch.from_numpy(lengths)
        numbers = np.arange(len(sequences))
        self.parts, part = text_parts(
            text.fingerprint,
            documents=numbers,
            pieces=numbers,
            targets=found.scored[:, 1:].sum(axis=1),
            sizes=np.array([utf8_bytes(passage.text) for passage in text.passages]),
        )
        self._part = torch.from_numpy(part)

    @property
    def context(self) -> int:
        """Tokens of a sequence."""
        return self.task.tokens

    @property
    def tokens(self) -> int:
        """How many answers there are."""
        return int(self._scored.sum())

    @property
    def sequences(self) -> int:
        """How many sequences there are."""
        return len(self._sequences)

    @property
    def bytes(self) -> int:
        """UTF-8 bytes of the sequences as text."""
        return self._text.bytes

    def require_known(self, vocabulary: int) -> None:
        """Raise ``UserError`` if the task has ids beyond a model's ``vocabulary``."""
        if self.task.ids > vocabulary:
            raise UserError(
                f"data.evaluation: {self.task.title}: has {self.task.ids} ids and the model {vocabulary}; "
                f"give the task fewer, or, where one is trained on, data.tokenizer: {{ids: {self.task.ids}}}"
            )

    def __len__(self) -> int:
        return -(-len(self._sequences) // self._size)

    def __iter__(self) -> Iterator[AnswerBatch]:
        for first in range(0, len(self._sequences), self._size):
            rows = slice(first, first + self._size)
            inputs, scored = self._sequences[rows], self._scored[rows]
            # A target stands a place before its token; those of no answer count into a group of their own.
            none = len(self._along)
            group = torch.where(scored, self._group[rows], none).roll(-1, dims=1)
            group[:, -1] = none
            yield AnswerBatch(
                inputs=inputs,
                targets=targets_of(inputs, scored),
                answers=int(scored[:, 1:].sum()),
                group=group,
                length=self._length[rows],
                along=self._along,
                lengths=self._lengths,
                part=self._part[rows],
            )


JudgingBatches = EvaluationBatches | TextBatches | TaskBatches  # what a trial is judged on


def targets_of(sequences: Tensor, scored: Tensor) -> Tensor:
    """``(B, L)``: the next token where it is ``scored``, else ``NO_ANSWER``; after the last there is none."""
    targets = torch.full_like(sequences, NO_ANSWER)
    targets[:, :-1] = torch.where(scored[:, 1:], sequences[:, 1:], NO_ANSWER)
    return targets


def judging_batches(
    text: EvaluationText, tokenizer: Tokenizer, context: int, batch_size: int
) -> TextBatches | TaskBatches:
    """An evaluation text in batches: as sequences with answers if a task generated it."""
    task = task_of(text.corpus)
    if task is None:
        return TextBatches(text, tokenizer, context, batch_size)
    return TaskBatches(text, task, context, batch_size)


def check_batches(corpus: TokenizedCorpus, context: int, evaluation_tokens: int | None = None) -> None:
    """Raise the ``UserError`` that a trial would meet when its batches do not fit the corpus."""
    if corpus.task is None:
        check_windows(corpus, context, evaluation_tokens)
    else:
        TaskTrainingBatches(corpus.task, corpus.train, context, batch_size=1, seed=0)


def _require_multiple(task: GeneratedTask, context: int) -> None:
    if context % task.tokens:
        least = max(1, round(context / task.tokens)) * task.tokens
        raise UserError(
            f"context: {context} is no multiple of the {task.tokens} tokens of {task.title}, and a step has "
            f"whole sequences; give {least}"
        )


def _trained_on(task: GeneratedTask, sequences: np.ndarray) -> np.ndarray:
    """``(S, L)``: which tokens are trained on."""
    if task.loss == "all":
        return np.ones(sequences.shape, dtype=bool)
    trained = np.empty(sequences.shape, dtype=bool)
    rows = max(1, _AT_ONCE // sequences.shape[1])
    for first in range(0, len(sequences), rows):
        part = slice(first, first + rows)
        trained[part] = task.answers(sequences[part].astype(np.int64)).scored
    return trained


def _grouped(along: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The groups of ``along (N, L)``, by their means, and the group of each token; where it is 0, any.

    Each value has its own where they are few; else neighbours share one, so that groups are about as large.
    """
    values, counts = np.unique(along[along > 0], return_counts=True)
    if len(values) > _MOST_GROUPS:
        before = np.cumsum(counts) - counts
        own = (before * _MOST_GROUPS) // counts.sum()
        _, own = np.unique(own, return_inverse=True)
    else:
        own = np.arange(len(values))
    means = np.bincount(own, weights=values * counts) / np.bincount(own, weights=counts)
    places = np.minimum(np.searchsorted(values, along), len(values) - 1)
    return means, own[places]
