"""Text to tokens and back: bytes, or byte-level byte-pair encoding.

Both cover every text, and both know how many bytes each token stands for, so that losses can be given in
bits per byte and compared across tokenizers. The token that ends a document is no text: no text encodes
to it. Byte-pair encoding: Sennrich et al. 2016 (arXiv 1508.07909), on bytes as in GPT-2, by the
``tokenizers`` library.
"""

import os
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import tokenizers
from tokenizers import decoders, models, pre_tokenizers, trainers

from workbench.errors import UserError

KEY = "data.tokenizer"
_BYTES = 256
_SMALLEST = _BYTES + 2  # every byte, one merge, the end of a document
_LARGEST = 65_535  # token files hold 16-bit numbers
_BATCH = 256  # documents encoded at once


class Tokenizer(ABC):
    """Ids ``0 .. vocabulary - 1``; the last one, ``end_of_document``, ends each document."""

    spec: str | dict[str, int]
    vocabulary: int

    @property
    def end_of_document(self) -> int:
        """The id that separates documents."""
        return self.vocabulary - 1

    @abstractmethod
    def encode(self, text: str) -> np.ndarray:
        """The ids ``(N,)`` uint16 of ``text``, without an end of document."""

    @abstractmethod
    def decode(self, ids: Iterable[int]) -> str:
        """The text of ``ids``; half a character shows as U+FFFD, an end of document as nothing."""

    @abstractmethod
    def byte_lengths(self) -> np.ndarray:
        """How many UTF-8 bytes each id stands for: ``(V,)`` int64, 0 for the end of a document."""

    def encode_documents(self, documents: list[str]) -> Iterator[np.ndarray]:
        """The ids of each document, its end included."""
        end = np.array([self.end_of_document], dtype=np.uint16)
        return (np.concatenate([ids, end]) for ids in self._encode_all(documents))

    def _encode_all(self, documents: list[str]) -> Iterator[np.ndarray]:
        return map(self.encode, documents)

    @abstractmethod
    def save(self, folder: Path) -> None:
        """Write into ``folder`` what ``load_tokenizer`` needs beside the specification."""


class ByteTokenizer(Tokenizer):
    """Each UTF-8 byte is a token: nothing to train, and bits per byte are bits per token."""

    spec = "bytes"
    vocabulary = _BYTES + 1

    def encode(self, text: str) -> np.ndarray:
        """The bytes of ``text``."""
        return np.frombuffer(text.encode("utf-8"), dtype=np.uint8).astype(np.uint16)

    def decode(self, ids: Iterable[int]) -> str:
        """The text of ``ids``."""
        return bytes(int(i) for i in ids if i != self.end_of_document).decode("utf-8", "replace")

    def byte_lengths(self) -> np.ndarray:
        """One byte each, but for the end of a document."""
        return np.array([1] * _BYTES + [0])

    def save(self, folder: Path) -> None:
        """Nothing: the specification says it all."""


class BytePairTokenizer(Tokenizer):
    """Byte-level byte-pair encoding with GPT-2's rule for where words begin."""

    def __init__(self, model: tokenizers.Tokenizer) -> None:
        self._model = model
        self.vocabulary = model.get_vocab_size() + 1
        self.spec = {"bpe": self.vocabulary}

    def encode(self, text: str) -> np.ndarray:
        """The merged pieces of ``text``."""
        return np.array(self._model.encode(text, add_special_tokens=False).ids, dtype=np.uint16)

    def decode(self, ids: Iterable[int]) -> str:
        """The text of ``ids``."""
        return self._model.decode([int(i) for i in ids if i != self.end_of_document])

    def byte_lengths(self) -> np.ndarray:
        """The library writes each byte of a piece as one character."""
        pieces = [self._model.id_to_token(i) for i in range(self.end_of_document)]
        return np.array([*map(len, pieces), 0])

    def save(self, folder: Path) -> None:
        """Write ``tokenizer.json``, which Hugging Face's libraries read too."""
        self._model.save(str(folder / "tokenizer.json"))

    def _encode_all(self, documents: list[str]) -> Iterator[np.ndarray]:
        for start in range(0, len(documents), _BATCH):
            encoded = self._model.encode_batch_fast(
                documents[start : start + _BATCH], add_special_tokens=False
            )
            yield from (np.array(item.ids, dtype=np.uint16) for item in encoded)


def parse_tokenizer(spec: Any) -> str | dict[str, int]:
    """``spec`` if it is sound: ``"bytes"``, or ``{"bpe": vocabulary}``; raises ``UserError`` otherwise.

    Keep the vocabulary at 16,384 or less for small models: the output layer dominates them otherwise.
    """
    if spec == "bytes":
        return spec
    if not isinstance(spec, dict) or list(spec) != ["bpe"]:
        raise UserError(f"{KEY}: unknown tokenizer {spec!r}; give bytes, or {{bpe: 4096}}")
    size = spec["bpe"]
    if not isinstance(size, int) or isinstance(size, bool) or not _SMALLEST <= size <= _LARGEST:
        raise UserError(
            f"{KEY}.bpe: the vocabulary {size!r} is not a whole number from {_SMALLEST} to {_LARGEST} "
            "(token files hold 16-bit numbers); 4096 suits small models"
        )
    return {"bpe": size}


def train_tokenizer(spec: Any, documents: list[str]) -> Tokenizer:
    """The tokenizer of ``spec``, trained on ``documents``; raises ``UserError`` when they are too few."""
    spec = parse_tokenizer(spec)
    if spec == "bytes":
        return ByteTokenizer()
    tokenizer = BytePairTokenizer(_train(spec["bpe"] - 1, documents))
    if tokenizer.vocabulary < spec["bpe"]:
        raise UserError(
            f"{KEY}.bpe: the corpus has pairs for a vocabulary of {tokenizer.vocabulary} only, "
            f"{spec['bpe']} was asked for; give {{bpe: {tokenizer.vocabulary}}} or less, or a larger corpus"
        )
    return tokenizer


def load_tokenizer(spec: Any, folder: Path) -> Tokenizer:
    """The tokenizer of ``spec`` that was saved in ``folder``; raises ``ValueError`` for a damaged file."""
    if spec == "bytes":
        return ByteTokenizer()
    try:
        model = tokenizers.Tokenizer.from_file(os.fspath(folder / "tokenizer.json"))
    except Exception as error:  # the library raises bare Exception
        raise ValueError(f"{folder}: the tokenizer is damaged ({error})") from error
    return BytePairTokenizer(model)


def _train(pieces: int, documents: list[str]) -> tokenizers.Tokenizer:
    model = tokenizers.Tokenizer(models.BPE())
    model.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    model.decoder = decoders.ByteLevel()
    # No special tokens: the library would find one inside a text that happens to spell it.
    trainer = trainers.BpeTrainer(
        vocab_size=pieces, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False
    )
    model.train_from_iterator(documents, trainer, length=len(documents))
    return model
