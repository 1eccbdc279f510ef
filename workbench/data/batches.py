"""Windows of a tokenised corpus: what a trial trains on at each step, and what every trial is judged on.

A window is ``context + 1`` tokens: its first ``context`` are the input, its last ``context`` the targets.
Neighbouring windows share one token, so each token is a target once. A batch depends on seed and step
alone: two variants of a seed see the same batches, and a resumed trial goes on with the batch that it
would have had.
"""

from collections.abc import Iterator
from functools import cached_property, lru_cache
from hashlib import sha256
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from workbench.data.document_order import DocumentOrder
from workbench.data.evaluation_text import EvaluationText
from workbench.data.split import utf8_bytes
from workbench.data.text_parts import TextParts, text_parts
from workbench.data.tokenized import TokenizedCorpus, prepare
from workbench.data.tokenizers import Tokenizer
from workbench.data.windows import Windows
from workbench.errors import UserError
from workbench.seeds import generator

__all__ = [
    "Batch",
    "EvaluationBatch",
    "EvaluationBatches",
    "ReplicatedBatches",
    "TextBatches",
    "TokenizedCorpus",
    "TrainingBatches",
    "prepare",
]


Batch = tuple[Tensor, Tensor]  # inputs and targets, both (B, T) or, of R trials, (R, B, T)


class EvaluationBatch(NamedTuple):
    """Inputs and targets ``(B, T)``, the UTF-8 bytes of text that the targets stand for, and the part of the
    text that each target is in, ``(B, T)``: a place in the columns of ``TextParts``.
    """

    inputs: Tensor
    targets: Tensor
    target_bytes: int
    part: Tensor


class TrainingBatches:
    """Batches of ``tokens`` ``(N,)`` by step: in each epoch, every window once, in an order of its own.

    Each epoch also shifts where its windows begin, so that a token is not always at the same position. On a
    GPU the batches are cut there. With ``documents`` (``TokenizedCorpus.train_documents``) the order is
    ``DocumentOrder``'s, which treatments of one text share.
    """

    def __init__(
        self,
        tokens: np.ndarray,
        context: int,
        batch_size: int,
        seed: int,
        device: str = "cpu",
        documents: np.ndarray | None = None,
    ) -> None:
        _require_positive(context=context, batch_size=batch_size)
        _require_window(tokens, context, "train")
        self._cut = Windows(tokens, context).on(device)
        self._context = context
        self._batch_size = batch_size
        self._seed = seed
        self._order = None if documents is None else DocumentOrder(documents, context)
        # One window fewer than fits, where there are several, leaves room to shift them.
        self.windows = max(1, len(tokens) // context - 1)
        self._shifts = min(context, len(tokens) - self.windows * context)
        self._starts = lru_cache(maxsize=2)(self._draw_starts)

    def batch(self, step: int) -> Batch:
        """Inputs and targets of ``step`` (from 0), both ``(B, T)`` int64."""
        return self._cut(self.starts(step))

    def starts(self, step: int) -> np.ndarray:
        """Where the windows of ``step`` begin: ``(B,)``."""
        if step < 0:
            raise ValueError(f"step {step} is negative; steps count from 0")
        numbers = np.arange(step * self._batch_size, (step + 1) * self._batch_size)  # (B,)
        epochs, places = np.divmod(numbers, self.windows)
        return np.concatenate(
            [self._starts(int(epoch))[places[epochs == epoch]] for epoch in np.unique(epochs)]
        )

    def epochs(self, steps: int) -> float:
        """How many passes over the windows ``steps`` steps make."""
        return steps * self._batch_size / self.windows

    def iterate(self, first_step: int = 0, steps: int | None = None) -> Iterator[Batch]:
        """The batches from ``first_step`` on: to ``steps``, or without end."""
        step = first_step
        while steps is None or step < steps:
            yield self.batch(step)
            step += 1

    def __iter__(self) -> Iterator[Batch]:
        return self.iterate()

    def _draw_starts(self, epoch: int) -> np.ndarray:
        """Where the windows of ``epoch`` begin, in their order: ``(W,)``."""
        random = generator(self._seed, "data", epoch)
        shift = int(torch.randint(self._shifts, (), generator=random))
        if self._order is not None:
            starts = shift + np.arange(self.windows) * self._context
            return starts[self._order.of(starts, self._seed, epoch)]
        order = torch.randperm(self.windows, generator=random).numpy()
        return shift + order * self._context


class ReplicatedBatches:
    """The batches of R trials side by side, each in its own order of the same tokens."""

    def __init__(self, tokens: np.ndarray, trials: list[TrainingBatches], context: int, device: str) -> None:
        self._cut = Windows(tokens, context).on(device)
        self._trials = trials

    def batch(self, step: int) -> Batch:
        """Inputs and targets of ``step`` (from 0), both ``(R, B, T)`` int64."""
        starts = np.stack([trial.starts(step) for trial in self._trials])  # (R, B)
        inputs, targets = self._cut(starts.ravel())
        return inputs.unflatten(0, starts.shape), targets.unflatten(0, starts.shape)


class EvaluationBatches:
    """The validation windows that every trial of a study is judged on, in batches.

    At most ``max_tokens`` targets, spread over the whole split, drawn with a generator that knows neither
    the trial nor its seed. Iterating gives ``EvaluationBatch``; the last may be smaller. Bits per byte are
    then ``nats / (ln 2 * bytes)`` over all batches; an end of document costs nats and stands for no byte.
    A document that windows cut, or that lies in several, is one document.
    """

    def __init__(
        self, corpus: TokenizedCorpus, context: int, batch_size: int, max_tokens: int | None = None
    ) -> None:
        _require_positive(context=context, batch_size=batch_size)
        _require_window(corpus.validation, context, "validation")
        if max_tokens is not None and max_tokens < context:
            raise UserError(
                f"evaluation_tokens: {max_tokens} is less than one window of the context ({context}); "
                "raise evaluation_tokens or lower the context"
            )
        self._cut = Windows(corpus.validation, context)
        self._corpus = corpus
        self._context = context
        self._batch_size = batch_size
        self._starts = _spread((len(corpus.validation) - 1) // context, context, max_tokens)

    @property
    def context(self) -> int:
        """Tokens of a window that are read."""
        return self._context

    @property
    def tokens(self) -> int:
        """How many targets there are."""
        return len(self._starts) * self._context

    @property
    def bytes(self) -> int:
        """How many UTF-8 bytes the targets stand for."""
        return sum(self.parts.bytes)

    @property
    def parts(self) -> TextParts:
        """The documents that the targets are of, as a validation is summed by them."""
        return self._parted[0]

    def require_known(self, vocabulary: int) -> None:
        """Raise ``UserError`` if a token is beyond a model's ``vocabulary``."""
        tokenizer = self._corpus.tokenizer
        for batch in self if tokenizer.vocabulary > vocabulary else ():
            for ids in (batch.inputs, batch.targets):
                tokenizer.require_known(ids.numpy(), vocabulary, "data.corpus")

    def __len__(self) -> int:
        return -(-len(self._starts) // self._batch_size)

    def __iter__(self) -> Iterator[EvaluationBatch]:
        for first in range(0, len(self._starts), self._batch_size):
            rows = slice(first, first + self._batch_size)
            starts = self._starts[rows]
            inputs, targets = self._cut(starts)
            target_bytes = int(self._corpus.byte_counts(starts + 1, self._context).sum())
            yield EvaluationBatch(inputs, targets, target_bytes, _as_numbers(self._parted[1][rows]))

    @cached_property
    def _parted(self) -> tuple[TextParts, np.ndarray]:
        """The parts, and the one that each target is in, ``(W, T)``."""
        places = self._starts[:, None] + np.arange(1, self._context + 1)  # (W, T), of the targets
        targets = np.asarray(self._corpus.validation)[places].astype(np.int64)
        parts, part = text_parts(
            sha256(targets.data).hexdigest(),
            # An end belongs to the document that it ends.
            documents=np.searchsorted(self._corpus.validation_ends, places.ravel()),
            pieces=np.repeat(np.arange(len(places)), self._context),
            targets=np.ones(places.size),
            sizes=self._corpus.byte_counts(self._starts + 1, self._context).ravel(),
        )
        return parts, part.reshape(places.shape)


class TextBatches:
    """All tokens of an evaluation text in the windows of one model, each of them a target exactly once.

    The targets stand for exactly the text's UTF-8 bytes, whatever tokenizer, context and batch size are. In
    front stands one token that is not scored, a line end, since that is what passages begin after. Each
    passage is encoded by itself, and ended where its document ends if the tokenizer has a token for that.
    Iterating gives ``EvaluationBatch``; a last window that is shorter than ``context`` is a batch of its own.
    ``parts`` are the documents that the passages are from.
    """

    def __init__(self, text: EvaluationText, tokenizer: Tokenizer, context: int, batch_size: int) -> None:
        """Raises ``UserError`` where the tokenizer has no token for any of the text."""
        _require_positive(context=context, batch_size=batch_size)
        self._tokenizer = tokenizer
        self._context = context
        self._batch_size = batch_size
        encoded = _encode(text, tokenizer)
        self._ids = encoded.ids
        self._sizes = encoded.sizes
        self.unspelled = encoded.unspelled / text.bytes  # share of its bytes, as in ``TokenizedCorpus``
        self.parts, self._part = text_parts(
            text.fingerprint,
            documents=np.array(text.documents)[encoded.passages],
            pieces=encoded.passages,
            targets=np.ones(len(encoded.sizes)),
            sizes=encoded.sizes,
        )

    @property
    def context(self) -> int:
        """Tokens of a window that are read; of the last they may be fewer."""
        return self._context

    @property
    def tokens(self) -> int:
        """How many targets there are."""
        return len(self._sizes)

    @property
    def bytes(self) -> int:
        """How many UTF-8 bytes the targets stand for: those of the text."""
        return int(self._sizes.sum())

    def require_known(self, vocabulary: int) -> None:
        """Raise ``UserError`` if a token is beyond a model's ``vocabulary``."""
        self._tokenizer.require_known(self._ids, vocabulary, "data.evaluation")

    def __len__(self) -> int:
        windows, rest = divmod(self.tokens, self._context)
        return -(-windows // self._batch_size) + (rest > 0)

    def __iter__(self) -> Iterator[EvaluationBatch]:
        windows, rest = divmod(self.tokens, self._context)
        for first in range(0, windows, self._batch_size):
            last = min(first + self._batch_size, windows)
            yield self._batch(np.arange(first, last) * self._context, self._context)
        if rest:
            yield self._batch(np.array([windows * self._context]), rest)

    def _batch(self, starts: np.ndarray, length: int) -> EvaluationBatch:
        inputs, targets = Windows(self._ids, length)(starts)
        # Sizes and parts are those of the targets: the first is of the second id.
        scored = slice(starts[0], starts[-1] + length)
        part = _as_numbers(self._part[scored].reshape(targets.shape))
        return EvaluationBatch(inputs, targets, int(self._sizes[scored].sum()), part)


class _Encoded(NamedTuple):
    """The ids ``(N + 1,)``, of all but the first the bytes ``(N,)`` and the number of the passage ``(N,)``,
    and how many bytes are unspelled.
    """

    ids: np.ndarray
    sizes: np.ndarray
    passages: np.ndarray
    unspelled: int


def _encode(text: EvaluationText, tokenizer: Tokenizer) -> _Encoded:
    lengths = tokenizer.byte_lengths()
    end = tokenizer.end_of_document
    ids = [np.array([_line_end(tokenizer)], dtype=np.int64)]
    sizes: list[np.ndarray] = []
    passages: list[np.ndarray] = []
    unspelled = 0
    waiting = 0  # bytes of passages that left no token, such as white space to tokenizers that drop it
    encoded = tokenizer.encode_texts([passage.text for passage in text.passages])
    for number, (passage, item) in enumerate(zip(text.passages, encoded, strict=True)):
        own = item.ids.astype(np.int64)
        counts = lengths[own] if item.bytes is None and lengths is not None else item.bytes
        assert counts is not None, "encode_texts gives them where ids do not say it"
        counts = counts.astype(np.int64)
        unspelled += item.unspelled
        waiting += utf8_bytes(passage.text) - int(counts.sum())
        if passage.ends_document and end is not None:
            own = np.append(own, end)
            counts = np.append(counts, 0)
        if len(own):
            counts[-1] += waiting
            waiting = 0
            ids.append(own)
            sizes.append(counts)
            passages.append(np.full(len(own), number))
    if not sizes:
        raise UserError(
            "data.tokenizer: it has no token for any of the evaluation text; choose another tokenizer or text"
        )
    sizes[-1][-1] += waiting
    return _Encoded(np.concatenate(ids), np.concatenate(sizes), np.concatenate(passages), unspelled)


def _line_end(tokenizer: Tokenizer) -> int:
    """What stands in front of a text: a line end, or what comes next to it where a tokenizer drops those."""
    line_end = tokenizer.encode("\n")
    if len(line_end):
        return int(line_end[-1])
    special = tokenizer.special_tokens
    known = [tokenizer.end_of_document, special.beginning_of_text, 0]
    return next(token for token in known if token is not None)


def check_windows(corpus: TokenizedCorpus, context: int, evaluation_tokens: int | None = None) -> None:
    """Raise the ``UserError`` that a trial would meet when its batches do not fit the corpus."""
    TrainingBatches(corpus.train, context, batch_size=1, seed=0)
    EvaluationBatches(corpus, context, batch_size=1, max_tokens=evaluation_tokens)


def _spread(available: int, context: int, max_tokens: int | None) -> np.ndarray:
    """Where the chosen windows begin, in the order of the text."""
    wanted = available if max_tokens is None else min(available, max_tokens // context)
    order = torch.randperm(available, generator=generator("evaluation"))
    return order[:wanted].sort().values.numpy() * context


def _as_numbers(part: np.ndarray) -> Tensor:
    return torch.from_numpy(part.astype(np.int64))


def _require_positive(**numbers: int) -> None:
    for name, number in numbers.items():
        if number < 1:
            raise UserError(f"{name}: {number} is less than 1; give at least 1")


def _require_window(tokens: np.ndarray, context: int, split: str) -> None:
    if len(tokens) <= context:
        remedy = "; or raise validation_fraction" if split == "validation" else ""
        raise UserError(
            f"context: {context} does not fit the {split} split, which has {len(tokens)} tokens and needs "
            f"context + 1; lower the context, or take a larger corpus{remedy}"
        )
