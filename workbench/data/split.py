"""From documents to a train and a validation split that share nothing.

A document's side is decided by a hash of its content. So the split does not depend on the order of files,
a copy of a document cannot stand on both sides, and a document keeps its side when others are added.
Only exact copies are found (after line ends are made equal and outer white space is cut).
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from workbench.seeds import stable_hash


@dataclass(frozen=True, kw_only=True)
class Documents:
    """Both splits of a corpus, what to call it, and the SHA-256 of its content in order."""

    train: list[str]
    validation: list[str]
    fingerprint: str
    description: str
    dropped_duplicates: int
    train_keys: list[int]  # of 63 bits: what each training document is known by, whatever was done to it
    stages: tuple[dict[str, Any], ...] = ()  # what was left out, or changed, on the training side, in turn
    examples: tuple[dict[str, Any], ...] = ()  # of each stage
    sources: tuple[dict[str, Any], ...] = ()  # of a mixture: what of each corpus is in it


def normalise(text: str) -> str:
    """``text`` with line ends ``\\n``, no byte-order mark, and nothing that UTF-8 cannot write."""
    text = text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:  # half a surrogate pair, as JSON's "\ud800" gives
        text = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text


def distinct(
    texts: Iterable[str], max_bytes: int | None = None, *, keep_copies: bool = False
) -> tuple[list[str], int]:
    """The first of each document, normalised, without empty ones; and how many copies were dropped.

    With ``keep_copies`` they stay. Stops at ``max_bytes`` UTF-8 bytes; the document that crosses the limit is
    cut at a line end.
    """
    seen: set[str] = set()
    documents: list[str] = []
    dropped = 0
    room = max_bytes
    for text in _not_empty(texts):
        digest = _digest(text)
        if digest in seen and not keep_copies:
            dropped += 1
            continue
        seen.add(digest)
        size = utf8_bytes(text)
        if room is not None and size >= room:
            return documents + list(_not_empty([beginning(text, room)])), dropped
        room = None if room is None else room - size
        documents.append(text)
    return documents, dropped


def beginning(text: str, size: int) -> str:
    """At most ``size`` bytes of ``text``, to the last line end in them if there is one."""
    start = text.encode("utf-8")[:size].decode("utf-8", "ignore")
    return start[: start.rfind("\n") + 1] or start


def utf8_bytes(text: str) -> int:
    """How many bytes ``text`` is in UTF-8."""
    return len(text.encode("utf-8"))


def split(documents: list[str], validation_fraction: float) -> tuple[list[str], list[str]]:
    """Train and validation documents, at least one each; a single document is split by position.

    A fraction of 1, for a text that nothing is trained on, puts all of them on the second side.
    """
    if validation_fraction == 1:
        return [], documents
    if len(documents) == 1:
        return _split_by_position(documents[0], validation_fraction)
    places = {text: _place(text) for text in documents}
    # Of few documents, all may fall on one side; the nearest to the border then crosses it.
    border = max(validation_fraction * 2**63, min(places.values()) + 1)
    border = min(border, max(places.values()))
    train = [text for text in documents if places[text] >= border]
    return train, [text for text in documents if places[text] < border]


def document_keys(texts: Sequence[str]) -> list[int]:
    """What each document is known by, 63 bits: its content and how many copies came before."""
    seen: Counter[str] = Counter()
    keys = []
    for text in texts:
        digest = _digest(text)
        keys.append(stable_hash("document", digest, seen[digest]))
        seen[digest] += 1
    return keys


def fingerprint(train: Iterable[str], validation: Iterable[str]) -> str:
    """SHA-256 of both splits' content in order, as hexadecimal text."""
    total = sha256()
    for name, documents in (("train", train), ("validation", validation)):
        total.update(name.encode())
        for text in documents:
            total.update(sha256(text.encode("utf-8")).digest())
    return total.hexdigest()


def _not_empty(texts: Iterable[str]) -> Iterator[str]:
    return (text for text in map(normalise, texts) if text.strip())


def _digest(text: str) -> str:
    return sha256(text.strip().encode("utf-8")).hexdigest()


def _place(text: str) -> int:
    return stable_hash("split", _digest(text))


def _split_by_position(text: str, validation_fraction: float) -> tuple[list[str], list[str]]:
    """The last part for validation, from the line end that is nearest to where it should begin."""
    goal = min(max(1, round(len(text) * (1 - validation_fraction))), len(text) - 1)
    before, after = text.rfind("\n", 0, goal) + 1, text.find("\n", goal) + 1
    borders = [border for border in (before, after) if 0 < border < len(text)] or [goal]
    border = min(borders, key=lambda border: abs(border - goal))
    return [text[:border]], [text[border:]]
