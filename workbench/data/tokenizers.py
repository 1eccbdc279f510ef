"""Text to tokens and back: bytes, byte-level byte-pair encoding, or a tokenizer that came with a model.

All know how many bytes each token stands for, so that losses can be given in bits per byte and compared
across tokenizers. The token that ends a document is no text: in the first two, no text encodes to it.
Byte-pair encoding: Sennrich et al. 2016 (arXiv 1508.07909), on bytes as in GPT-2, by the ``tokenizers``
library.
"""

import os
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import tokenizers
from tokenizers import decoders, models, pre_tokenizers, trainers

from workbench.errors import UserError, suggestion
from workbench.pointers import refuse_pointer_file

KEY = "data.tokenizer"
_BYTES = 256
_SMALLEST = _BYTES + 2  # every byte, one merge, the end of a document
_LARGEST = 65_535  # ids of 16 bits; more would double the token files for no use at this scale
# How well-known vocabularies call the token that ends a document.
ENDS_OF_TEXT = ("<|endoftext|>", "<|end_of_text|>", "</s>", "<eos>")
_BATCH = 256  # documents encoded at once


Spec = str | dict[str, Any]


class Tokenizer(ABC):
    """Ids ``0 .. vocabulary - 1``; the last one, ``end_of_document``, ends each document."""

    spec: Spec
    vocabulary: int

    @property
    def dtype(self) -> type[np.unsignedinteger]:
        """The type of ids in token files."""
        return np.uint16 if self.vocabulary <= _LARGEST + 1 else np.uint32

    @property
    def end_of_document(self) -> int:
        """The id that separates documents."""
        return self.vocabulary - 1

    @abstractmethod
    def encode(self, text: str) -> np.ndarray:
        """The ids ``(N,)`` of ``text``, without an end of document."""

    @abstractmethod
    def decode(self, ids: Iterable[int]) -> str:
        """The text of ``ids``; half a character shows as U+FFFD, an end of document as nothing."""

    @abstractmethod
    def byte_lengths(self) -> np.ndarray:
        """How many UTF-8 bytes each id stands for: ``(V,)`` int64, 0 for the end of a document."""

    def encode_documents(self, documents: list[str]) -> Iterator[np.ndarray]:
        """The ids of each document, its end included."""
        end = np.array([self.end_of_document], dtype=self.dtype)
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


class FileTokenizer(Tokenizer):
    """A ``tokenizer.json`` of Hugging Face's libraries, as it came with a model.

    No special tokens are added to a text but the end of each document. Bytes per token are exact for
    byte-level vocabularies (GPT-2, LLaMA 3); in vocabularies with a mark for the space (LLaMA 1 and 2), the
    space that is put before a document counts as one byte.
    """

    def __init__(self, path: Path, spec: dict[str, str]) -> None:
        """Raises ``UserError`` for a file that is no tokenizer, or has no token that ends a document."""
        try:
            self._model = tokenizers.Tokenizer.from_file(os.fspath(path))
        except Exception as error:  # the library raises bare Exception
            raise UserError(f"{KEY}.file: {path} is no tokenizer.json ({error}); give one") from error
        self.spec, self.vocabulary = spec, self._model.get_vocab_size(with_added_tokens=True)
        ends = [self._model.token_to_id(token) for token in ENDS_OF_TEXT]
        self._end = next((end for end in ends if end is not None), None)
        if self._end is None:
            raise UserError(
                f"{KEY}.file: {path} has no token that ends a document; add one of {', '.join(ENDS_OF_TEXT)}"
            )

    @property
    def end_of_document(self) -> int:
        """The id that the model's own training put between documents."""
        return self._end

    def encode(self, text: str) -> np.ndarray:
        """The pieces of ``text``."""
        return np.array(self._model.encode(text, add_special_tokens=False).ids, dtype=self.dtype)

    def decode(self, ids: Iterable[int]) -> str:
        """The text of ``ids``."""
        return self._model.decode([int(i) for i in ids if i != self._end], skip_special_tokens=False)

    def byte_lengths(self) -> np.ndarray:
        """By the vocabulary's own spelling of bytes and spaces; 0 for special tokens."""
        special = {i for i, token in self._model.get_added_tokens_decoder().items() if token.special}
        by_byte = '"ByteLevel"' in self._model.to_str()
        pieces = [self._model.id_to_token(i) for i in range(self.vocabulary)]
        return np.array(
            [0 if i in special or p is None else _bytes_of(p, by_byte) for i, p in enumerate(pieces)]
        )

    def save(self, folder: Path) -> None:
        """Copy it."""
        self._model.save(str(folder / "tokenizer.json"))


def _bytes_of(piece: str, by_byte: bool) -> int:
    if by_byte:
        return len(piece)  # one character per byte
    if len(piece) == 6 and piece.startswith("<0x"):
        return 1
    return len(piece.replace("\u2581", " ").encode())


def file_spec(spec: dict[str, Any]) -> dict[str, str]:
    """``{"file": path, "sha256": digest}``; raises ``UserError`` if the file is missing or has changed."""
    for key in spec:
        if key not in ("file", "sha256"):
            raise UserError(f"{KEY}: unknown option {key!r}; {suggestion(key, ['file'])}")
    path = Path(str(spec["file"]))
    if not path.is_file():
        raise UserError(f"{KEY}.file: there is no file {path}; give the path of a tokenizer.json")
    refuse_pointer_file(path)
    digest = sha256(path.read_bytes()).hexdigest()
    if spec.get("sha256", digest) != digest:
        raise UserError(f"{KEY}.file: {path} changed since it was first used; run the study again")
    return {"file": str(path.resolve()), "sha256": digest}


def parse_tokenizer(spec: Any) -> Spec:
    """``spec`` if it is sound: ``"bytes"``, ``{"bpe": vocabulary}`` or ``{"file": path}``.

    A file's specification comes back with the hash of its content. Keep the vocabulary at 16,384 or less for
    small models: the output layer dominates them otherwise. Raises ``UserError`` for anything else.
    """
    if spec == "bytes":
        return spec
    if isinstance(spec, dict) and "file" in spec:
        return file_spec(spec)
    if not isinstance(spec, dict) or list(spec) != ["bpe"]:
        raise UserError(
            f"{KEY}: unknown tokenizer {spec!r}; give bytes, {{bpe: 4096}}, or {{file: tokenizer.json}}"
        )
    size = spec["bpe"]
    if not isinstance(size, int) or isinstance(size, bool) or not _SMALLEST <= size <= _LARGEST:
        raise UserError(
            f"{KEY}.bpe: the vocabulary {size!r} is not a whole number from {_SMALLEST} to {_LARGEST} "
            "(ids have 16 bits); 4096 suits small models"
        )
    return {"bpe": size}


def train_tokenizer(spec: Any, documents: list[str]) -> Tokenizer:
    """The tokenizer of ``spec``, trained on ``documents``; raises ``UserError`` when they are too few."""
    spec = parse_tokenizer(spec)
    if spec == "bytes":
        return ByteTokenizer()
    if "file" in spec:
        return FileTokenizer(Path(spec["file"]), spec)
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
    if "file" in spec:
        return FileTokenizer(folder / "tokenizer.json", spec)
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
