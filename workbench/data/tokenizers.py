"""Text to tokens and back: bytes, byte-level byte-pair encoding, or a tokenizer that came with a model.

All know how many bytes each token of a text stands for, so that losses can be given in bits per byte and
compared across tokenizers. The token that ends a document is no text: no text encodes to it.
Byte-pair encoding: Sennrich et al. 2016 (arXiv 1508.07909), on bytes as in GPT-2, by the ``tokenizers``
library.

What is asked for (``{"bpe": 4096}``, ``{"file": path}``) is a recipe; a tokenizer is known by the SHA-256 of
its ``tokenizer.json``, which its specification names.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator
from hashlib import sha256
from itertools import chain, takewhile
from pathlib import Path
from typing import Any, NamedTuple, TypeGuard

import numpy as np
import tokenizers

from workbench.data.bpe_learning import learn_pairs
from workbench.data.byte_counts import count_bytes
from workbench.data.plain_tokenizer import open_plain, spells_bytes, unknown_id
from workbench.data.token_text import Pieces, readable
from workbench.errors import UserError, suggestion
from workbench.pointers import refuse_pointer_file
from workbench.special_tokens import ENDS_OF_TEXT, KEYS, SpecialTokens, special_tokens
from workbench.user_numbers import read_whole

KEY = "data.tokenizer"
_BYTES = 256
_SMALLEST = _BYTES + 2  # every byte, one merge, the end of a document
_LARGEST = 65_535  # ids of 16 bits; more would double the token files for no use at this scale
_END = ENDS_OF_TEXT[0]  # what learned ones call it
_BATCH = 256  # documents encoded at once
_ODD_BYTE = "<0xFF>"  # what no text has: bytes beside it are no characters any more
_SHOWN = 5  # tokens that an error names
_SHOWN_LETTERS = 40
_MOST_DIGITS = 10
IDS = "ids"
TOKENIZER = "tokenizer.json"

Spec = str | dict[str, Any]


class Counted(NamedTuple):
    """A document's ids and the UTF-8 bytes that each stands for, both ``(N,)``, its end included.

    ``bytes`` is None where ``byte_lengths`` says it; ``unspelled`` bytes are an unknown token's, or none's.
    """

    ids: np.ndarray
    bytes: np.ndarray | None = None
    unspelled: int = 0


class Tokenizer(ABC):
    """Ids ``0 .. vocabulary - 1``; one of them, ``end_of_document``, ends each document.

    ``spec`` is what it is known by; ``content`` is its ``tokenizer.json``, None where it needs none.
    """

    spec: Spec
    vocabulary: int
    content: bytes | None = None

    @property
    def dtype(self) -> type[np.unsignedinteger]:
        """The type of ids in token files."""
        return np.uint16 if self.vocabulary <= _LARGEST + 1 else np.uint32

    @property
    def end_of_document(self) -> int | None:
        """The id that separates documents; None for a model's own tokenizer that has none."""
        return self.vocabulary - 1

    @property
    def special_tokens(self) -> SpecialTokens:
        """Which tokens begin and end a text: here only the end of a document."""
        end = self.end_of_document
        return SpecialTokens(ends_of_text=() if end is None else (end,), end_of_document=end)

    @abstractmethod
    def encode(self, text: str) -> np.ndarray:
        """The ids ``(N,)`` of ``text``, without an end of document."""

    @abstractmethod
    def decode(self, ids: Iterable[int]) -> str:
        """The text of ``ids``; half a character shows as U+FFFD, an end of document as nothing."""

    def settled(self, ids: Iterable[int]) -> str:
        """The beginning of the text of ``ids`` that no further token changes: whole characters."""
        return self.decode(ids).rstrip("\ufffd")

    @abstractmethod
    def byte_lengths(self) -> np.ndarray | None:
        """How many UTF-8 bytes each id stands for: ``(V,)`` int64, 0 for the end of a document.

        None where that depends on the text: ``encode_counted`` says it of a text.
        """

    def encode_documents(self, documents: list[str]) -> Iterator[np.ndarray]:
        """The ids of each document, its end included.

        Raises ``UserError`` for several documents where no token can tell where one ends.
        """
        end = self._end_of_each(documents)
        return (np.concatenate([ids, end]) for ids in self._encode_all(documents))

    def _end_of_each(self, documents: list[str]) -> np.ndarray:
        """What follows each of ``documents``: the one id that ends it, or nothing."""
        if self.end_of_document is not None:
            return np.array([self.end_of_document], dtype=self.dtype)
        if len(documents) > 1:
            raise UserError(
                f"{KEY}: no token of this tokenizer is known to end a document, and there are "
                f"{len(documents)} to keep apart; import the model again with --eos TOKEN and a new "
                f"--name, or, in a study file, add 'end_of_document: TOKEN' to the tokenizer"
            )
        return np.array([], dtype=self.dtype)

    def _encode_all(self, documents: list[str]) -> Iterator[np.ndarray]:
        return map(self.encode, documents)

    def encode_counted(self, documents: list[str]) -> Iterator[Counted]:
        """The ids of each document, and the bytes that they stand for where that depends on the text."""
        end = self._end_of_each(documents)
        for text, item in zip(documents, self.encode_texts(documents), strict=True):
            sizes = item.bytes
            if sizes is not None:
                # A document that leaves no token is not lost: its bytes are counted with its end.
                lost = 0 if len(sizes) else len(text.encode("utf-8"))
                sizes = np.concatenate([sizes, np.full(len(end), lost, dtype=np.uint32)])
            yield Counted(np.concatenate([item.ids, end]), sizes, item.unspelled)

    def encode_texts(self, texts: list[str]) -> Iterator[Counted]:
        """As ``encode_counted``, of texts that end no document: without the ends."""
        return map(Counted, self._encode_all(texts))

    def require_known(self, ids: np.ndarray, vocabulary: int, key: str) -> None:
        """Raise ``UserError`` beginning with ``key`` if any of ``ids`` is beyond a model's ``vocabulary``."""
        beyond = np.unique(ids[ids >= vocabulary])
        if len(beyond) == 0:
            return
        named = ", ".join(f"{self.piece(token)!r} ({token})" for token in beyond[:_SHOWN].tolist())
        more = f" and {len(beyond) - _SHOWN} more" if len(beyond) > _SHOWN else ""
        raise UserError(
            f"{key}: the text has tokens that the model does not know, {named}{more}; its ids end at "
            f"{vocabulary - 1}: give a text without them, or import the model with the tokenizer that it was "
            "trained with (--tokenizer)"
        )

    @abstractmethod
    def piece(self, token: int) -> str:
        """What an id stands for inside a text: the blank before a word too, which alone is not decoded.

        Bytes that are no whole character are written ``\\xe2``, special tokens by their names. Empty for an
        id that stands for nothing.
        """

    def save(self, folder: Path) -> None:
        """Write its ``tokenizer.json`` (Hugging Face's libraries read it too), if any, into ``folder``."""
        if self.content is not None:
            (folder / TOKENIZER).write_bytes(self.content)  # the folder is what takes its place whole


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

    def piece(self, token: int) -> str:
        """The byte's character, or its number."""
        return readable(bytes([token])) if token < _BYTES else ""

    def byte_lengths(self) -> np.ndarray:
        """One byte each, but for the end of a document."""
        return np.array([1] * _BYTES + [0])


class BytePairTokenizer(Tokenizer):
    """Byte-level byte-pair encoding with GPT-2's rule for where words begin, as a study learned it."""

    spec: dict[str, Any]

    def __init__(self, content: bytes) -> None:
        """Raises ``ValueError`` if ``content`` is no tokenizer.json."""
        self._model, settings = open_plain(content, [_END])
        self._pieces = Pieces(self._model, settings)
        self.content = content
        self.vocabulary = max(self._model.get_vocab(with_added_tokens=True).values(), default=-1) + 1
        self.spec = {"bpe": self.vocabulary, "sha256": sha256(content).hexdigest()}

    def encode(self, text: str) -> np.ndarray:
        """The merged pieces of ``text``."""
        return np.array(self._model.encode(text, add_special_tokens=False).ids, dtype=np.uint16)

    def decode(self, ids: Iterable[int]) -> str:
        """The text of ``ids``."""
        return self._model.decode([int(i) for i in ids if i != self.end_of_document])

    def piece(self, token: int) -> str:
        """Its merged bytes."""
        return self._pieces[token]

    def byte_lengths(self) -> np.ndarray:
        """The library writes each byte of a piece as one character."""
        pieces = [self._model.id_to_token(i) or "" for i in range(self.vocabulary - 1)]  # and its end
        return np.array([*map(len, pieces), 0])

    def _encode_all(self, documents: list[str]) -> Iterator[np.ndarray]:
        return _encode_quickly(self._model, documents, np.uint16)


class IdTokenizer(Tokenizer):
    """The tokens of generated tasks: a text is ids, ``17 3 40``, and one more id ends a document."""

    spec: dict[str, Any]

    def __init__(self, ids: int) -> None:
        self.vocabulary = ids + 1
        self.spec = {IDS: ids}

    def encode(self, text: str) -> np.ndarray:
        """The ids of ``text``; raises ``UserError`` for a word that is none of them."""
        words = text.split()
        unknown = next((word for word in words if not self._knows(word)), None)
        if unknown is not None:
            raise UserError(
                f"{KEY}: {unknown[:_SHOWN_LETTERS]!r} is no token: this tokenizer is of a generated task, "
                f"and its tokens are the numbers from 0 to {self.vocabulary - 2}; give these"
            )
        return np.array(words, dtype=self.dtype)

    def decode(self, ids: Iterable[int]) -> str:
        """The ids as numbers, a blank between two of them."""
        return " ".join(str(int(i)) for i in ids if i != self.end_of_document)

    def settled(self, ids: Iterable[int]) -> str:
        """All of it: no further token changes a number."""
        return self.decode(ids)

    def piece(self, token: int) -> str:
        """The number."""
        return str(token) if token < self.vocabulary - 1 else ""

    def byte_lengths(self) -> np.ndarray:
        """Each number, and the blank or the line end behind it."""
        return np.array([*(len(str(token)) + 1 for token in range(self.vocabulary - 1)), 0])

    def _knows(self, word: str) -> bool:
        return (
            word.isascii() and word.isdigit() and len(word) < _MOST_DIGITS and int(word) < self.vocabulary - 1
        )


class FileTokenizer(Tokenizer):
    """A ``tokenizer.json`` of Hugging Face's libraries, as it came with a model.

    No special tokens are added to a text but the end of each document: which token that is says the
    specification (see ``workbench.special_tokens``). Bytes per token are the vocabulary's own for exactly
    byte-level ones (GPT-2, LLaMA 3), and otherwise those that each token covers in its text.
    """

    spec: dict[str, Any]

    def __init__(self, path: Path, spec: dict[str, Any]) -> None:
        """Raises ``UserError`` for a file that is no tokenizer, or has no token of the specification."""
        try:
            self.content = Path(path).read_bytes()
            self._model, settings = open_plain(self.content, ENDS_OF_TEXT)
            self._special_tokens = special_tokens(spec, self._model, KEY)
            self._end = self._special_tokens.end_of_document
            pieces = map(self._model.id_to_token, self._special_tokens.ids())
            named = [piece for piece in pieces if piece is not None]
            if named:  # no text, whatever the file says of them
                self._model, settings = open_plain(self.content, ENDS_OF_TEXT, named)
        except (OSError, ValueError) as error:
            if isinstance(error, UserError):
                raise
            raise UserError(f"{KEY}.file: {path} is no tokenizer.json ({error}); give one") from error
        self._pieces = Pieces(self._model, settings)
        falls_back = settings["model"].get("byte_fallback")
        self._odd_byte = self._model.token_to_id(_ODD_BYTE) if falls_back else None
        self._exact = spells_bytes(settings)
        self._unknown = unknown_id(self._model, settings)
        # Known by its content: where it lay is no part of a run's identity.
        digest = sha256(self.content).hexdigest()
        self.spec = spec | {"file": kept_name(digest), "sha256": digest}
        self.vocabulary = max(self._model.get_vocab(with_added_tokens=True).values(), default=-1) + 1

    @property
    def end_of_document(self) -> int | None:
        """The id that the model's own training put between documents, as far as that is known."""
        return self._end

    @property
    def special_tokens(self) -> SpecialTokens:
        """What the files beside the tokenizer said, or the names of well-known vocabularies."""
        return self._special_tokens

    def encode(self, text: str) -> np.ndarray:
        """The pieces of ``text``."""
        return np.array(self._model.encode(text, add_special_tokens=False).ids, dtype=self.dtype)

    def decode(self, ids: Iterable[int]) -> str:
        """The text of ``ids``."""
        return self._model.decode([int(i) for i in ids if i != self._end], skip_special_tokens=False)

    def piece(self, token: int) -> str:
        """As the file's decoder writes it between two others; an added token by its name."""
        return self._pieces[token]

    def settled(self, ids: Iterable[int]) -> str:
        """Whole characters; of bytes that were spelt one by one, none before the last of them is there.

        The decoder makes characters of a row of bytes only if it is sound to its end.
        """
        ids = list(ids)
        text = super().settled(ids)
        if self._odd_byte is None:
            return text
        pairs = zip(text, self.decode([*ids, self._odd_byte]), strict=False)
        return "".join(letter for letter, _ in takewhile(lambda pair: pair[0] == pair[1], pairs))

    def byte_lengths(self) -> np.ndarray | None:
        """By the vocabulary's own spelling of bytes; 0 for special tokens. None where that is not exact."""
        if not self._exact:
            return None
        added = self._model.get_added_tokens_decoder()
        lengths = np.zeros(self.vocabulary, dtype=np.int64)
        for i in range(self.vocabulary):
            if i in added:  # written as it is
                lengths[i] = 0 if added[i].special else len(added[i].content.encode("utf-8"))
            else:  # one character per byte
                lengths[i] = len(self._model.id_to_token(i) or "")
        return lengths

    def encode_texts(self, texts: list[str]) -> Iterator[Counted]:
        """The ids of each text, and the bytes that each token covers where its id does not say it."""
        if self._exact:
            yield from super().encode_texts(texts)
            return
        for text, item in zip(texts, _encode_batches(self._model, texts), strict=True):
            # Twice as fast as an array of the list of pairs.
            offsets = np.fromiter(chain.from_iterable(item.offsets), dtype=np.int64).reshape(-1, 2)
            counts, uncovered = count_bytes(text, offsets)
            ids = np.array(item.ids, dtype=self.dtype)
            unknown = 0 if self._unknown is None else int(counts[ids == self._unknown].sum())
            yield Counted(ids, counts, unknown + uncovered)

    def _encode_all(self, documents: list[str]) -> Iterator[np.ndarray]:
        return _encode_quickly(self._model, documents, self.dtype)


def _encode_quickly(
    model: tokenizers.Tokenizer, documents: list[str], dtype: type[np.unsignedinteger]
) -> Iterator[np.ndarray]:
    """The ids of each document, without where in it they come from."""
    for start in range(0, len(documents), _BATCH):
        batch = documents[start : start + _BATCH]
        encoded = model.encode_batch_fast(batch, add_special_tokens=False)
        yield from (np.array(item.ids, dtype=dtype) for item in encoded)


def _encode_batches(model: tokenizers.Tokenizer, documents: list[str]) -> Iterator[tokenizers.Encoding]:
    for start in range(0, len(documents), _BATCH):
        yield from model.encode_batch(documents[start : start + _BATCH], add_special_tokens=False)


def kept_name(digest: str) -> str:
    """The name of a tokenizer's file in a study's directory."""
    return f"tokenizer-{digest[:12]}.json"


def file_spec(spec: dict[str, Any]) -> dict[str, Any]:
    """``{"file": path, "sha256": digest}``, and the special tokens if ``spec`` names any.

    Raises ``UserError`` if the file is missing or has changed.
    """
    for key in spec:
        if key not in ("file", "sha256", *KEYS):
            raise UserError(f"{KEY}: unknown option {key!r}; {suggestion(key, ['file', *KEYS])}")
    path = Path(str(spec["file"]))
    if not path.is_file():
        raise UserError(f"{KEY}.file: there is no file {path}; give the path of a tokenizer.json")
    refuse_pointer_file(path)
    digest = sha256(path.read_bytes()).hexdigest()
    if spec.get("sha256", digest) != digest:
        raise UserError(f"{KEY}.file: {path} changed since it was first used; run the study again")
    named = {key: spec[key] for key in KEYS if key in spec}
    return {"file": str(path.resolve()), "sha256": digest, **named}


def parse_tokenizer(spec: Any) -> Spec:
    """``spec`` if it is sound: ``"bytes"``, ``{"bpe": number}``, ``{"file": path}`` or ``{"ids": number}``.

    A file's specification comes back with the hash of its content. Keep the vocabulary at 16,384 or less for
    small models: the output layer dominates them otherwise. Raises ``UserError`` for anything else.
    """
    if spec == "bytes":
        return spec
    if isinstance(spec, dict) and "file" in spec:
        return file_spec(spec)
    if isinstance(spec, dict) and list(spec) == [IDS]:
        return {IDS: _vocabulary(spec[IDS], IDS, 2, _LARGEST)}
    if not isinstance(spec, dict) or list(spec) != ["bpe"]:
        raise UserError(
            f"{KEY}: unknown tokenizer {spec!r}; give bytes, {{bpe: 4096}}, or {{file: tokenizer.json}}"
        )
    return {"bpe": _vocabulary(spec["bpe"], "bpe", _SMALLEST, _LARGEST, "; 4096 suits small models")}


def _vocabulary(given: Any, key: str, smallest: int, largest: int, hint: str = "") -> int:
    try:
        size = read_whole(given)
    except ValueError as error:
        raise UserError(f"{KEY}.{key}: {error}") from None
    if not isinstance(size, int) or isinstance(size, bool) or not smallest <= size <= largest:
        raise UserError(
            f"{KEY}.{key}: the vocabulary {size!r} is not a whole number from {smallest} to {largest} "
            f"(ids have 16 bits){hint}"
        )
    return size


def train_tokenizer(
    spec: dict[str, Any], documents: list[str], progress: Callable[[float], None] = lambda part: None
) -> BytePairTokenizer:
    """The tokenizer of a parsed ``{"bpe": vocabulary}``, learned from ``documents``.

    Raises ``UserError`` where they are too few for the vocabulary.

    ``progress`` hears every few seconds which part is done, as far as that can be foreseen.
    """
    tokenizer = BytePairTokenizer(learn_pairs(spec["bpe"] - 1, documents, _END, progress))
    if tokenizer.vocabulary < spec["bpe"]:
        raise UserError(
            f"{KEY}.bpe: the corpus has pairs for a vocabulary of {tokenizer.vocabulary} only, "
            f"{spec['bpe']} was asked for; give {{bpe: {tokenizer.vocabulary}}} or less, or a larger corpus"
        )
    return tokenizer


def learned(spec: Spec | None) -> TypeGuard[dict[str, Any]]:
    """Whether ``spec`` is of a tokenizer that is learned from a text."""
    return isinstance(spec, dict) and "bpe" in spec


def given_tokenizer(spec: Spec) -> Tokenizer:
    """The tokenizer of a parsed ``spec`` that nothing has to be learned for."""
    if isinstance(spec, str):
        return ByteTokenizer()
    if IDS in spec:
        return IdTokenizer(spec[IDS])
    return FileTokenizer(Path(spec["file"]), spec)


def of_ids(spec: Spec) -> TypeGuard[dict[str, Any]]:
    """Whether ``spec`` is of the tokenizer of a generated task."""
    return isinstance(spec, dict) and IDS in spec
