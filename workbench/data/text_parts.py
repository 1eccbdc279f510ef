"""The parts that a validation is summed by: the documents of its text.

Tokens of one document hang together, so that what varies from text to text is the document, and neither the
token nor the window. More documents than are kept are joined, each as a whole; a text that is one document
is cut where its windows, or its passages, are.
"""

import json
from dataclasses import dataclass
from hashlib import sha256

import numpy as np

MOST_PARTS = 64  # kept of a run: about two kilobytes


@dataclass(frozen=True, kw_only=True)
class TextParts:
    """The parts of a validation text in its order: how many targets, and how many UTF-8 bytes, each has.

    ``documents`` is how many the text has. Where ``cut`` is equal, the same text is cut into the same parts,
    whatever the tokens are.
    """

    targets: list[int]
    bytes: list[int]
    documents: int
    cut: str


def text_parts(
    text: str, *, documents: np.ndarray, pieces: np.ndarray, targets: np.ndarray, sizes: np.ndarray
) -> tuple[TextParts, np.ndarray]:
    """The parts of ``text``, which is known by a digest; and which of them each item is in, ``(N,)``.

    An item is a target, or several together. ``documents (N,)`` and ``pieces (N,)`` never fall and number its
    document, and where a single document would be cut; ``targets (N,)`` and ``sizes (N,)`` are what it has of
    targets and of bytes.
    """
    document = _from_zero(documents)
    count = int(document[-1]) + 1
    part = document if count > 1 else _from_zero(pieces)
    found = int(part[-1]) + 1
    if found > MOST_PARTS:
        part = part * MOST_PARTS // found
    of_parts = [np.bincount(part, weights=item).astype(np.int64).tolist() for item in (targets, sizes)]
    cut = sha256(json.dumps([text, count, of_parts[1]]).encode()).hexdigest()[:16]
    parts = TextParts(targets=of_parts[0], bytes=of_parts[1], documents=count, cut=cut)
    return parts, part


def _from_zero(numbers: np.ndarray) -> np.ndarray:
    """The same groups of neighbours, numbered 0, 1, 2, … where some numbers may be missing."""
    return np.cumsum(np.diff(numbers, prepend=numbers[0]) != 0)
