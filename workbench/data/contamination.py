"""Contamination: training documents that have a piece of a text that is judged on.

A piece is 50 bytes in a row, as Lee et al. 2021 (arXiv 2107.06499) compare them. Every place of every
training document is looked at. Hashes of 64 bits stand for the pieces, so that no two have the same.
"""

from collections.abc import Callable, Iterator, Sequence

import numpy as np

from workbench.data.hashes import mixed
from workbench.data.treatments.treatment import Outcome

PIECE = 50  # bytes
_FACTOR = np.uint64(0x9E3779B97F4A7C15)  # odd, so that no power of it is even
_AT_ONCE = 2**22  # bytes of a document


class JudgedPieces:
    """The pieces of texts that are judged on."""

    def __init__(self, texts: Sequence[str]) -> None:
        self._texts = texts
        pieces = [_pieces(text) for text in texts]
        self._hashes = np.unique(np.concatenate(pieces)) if pieces else np.empty(0, dtype=np.uint64)
        self._seen = np.zeros(len(self._hashes), dtype=bool)

    def outcomes(
        self, documents: Sequence[str], report: Callable[[float], None] = lambda part: None
    ) -> Iterator[Outcome]:
        """Each document, or nothing where it has a piece of the texts."""
        for place, text in enumerate(documents):
            yield Outcome("", "judged_text") if self._has(text) else Outcome(text)
            report((place + 1) / len(documents))

    @property
    def leaked_share(self) -> float:
        """The share of the texts' bytes that lay in pieces which the documents had."""
        leaked = whole = 0
        for text in self._texts:
            size = len(text.encode("utf-8"))
            places, found = self._places(_pieces(text))
            begins = np.zeros(size + 1, dtype=np.int64)
            hits = np.flatnonzero(found & self._seen[places]) if len(places) else np.empty(0, dtype=np.int64)
            begins[hits] += 1
            np.add.at(begins, np.minimum(hits + PIECE, size), -1)
            leaked += int((np.cumsum(begins)[:size] > 0).sum())
            whole += size
        return leaked / whole if whole else 0.0

    def _has(self, text: str) -> bool:
        content = text.encode("utf-8")
        has = False
        for start in range(0, len(content), _AT_ONCE):
            # Each part goes on into the next, so that no piece is lost between two.
            places, found = self._places(_hashed(content[start : start + _AT_ONCE + PIECE - 1]))
            self._seen[places[found]] = True
            has = has or bool(found.any())
        return has

    def _places(self, hashes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Where each hash would stand among those of the texts, and whether it does: both ``(N,)``."""
        if not len(self._hashes):
            return np.empty(0, dtype=np.int64), np.empty(0, dtype=bool)
        places = np.minimum(np.searchsorted(self._hashes, hashes), len(self._hashes) - 1)
        return places, self._hashes[places] == hashes


def _pieces(text: str) -> np.ndarray:
    return _hashed(text.encode("utf-8"))


def _hashed(content: bytes) -> np.ndarray:
    """The hash of the piece that begins at each byte, ``(max(0, N - 49),)``: a polynomial in its bytes.

    The hash of m + n bytes is that of the first m times a power, plus that of the n behind them; so 50 come
    from 32, 16 and 2.
    """
    if len(content) < PIECE:
        return np.empty(0, dtype=np.uint64)
    with np.errstate(over="ignore"):
        powers = {1: (np.frombuffer(content, dtype=np.uint8).astype(np.uint64) + np.uint64(1), _FACTOR)}
        for length in (1, 2, 4, 8, 16):
            powers[2 * length] = _joined(powers[length], powers[length], length)
        whole = _joined(_joined(powers[32], powers[16], 32), powers[2], 48)
    return mixed(whole[0])


def _joined(
    first: tuple[np.ndarray, np.uint64], second: tuple[np.ndarray, np.uint64], length: int
) -> tuple[np.ndarray, np.uint64]:
    """Hashes, and the factor's power, of pieces of ``length`` bytes and those that follow."""
    number = len(second[0]) - length
    return first[0][:number] * second[1] + second[0][length:], first[1] * second[1]
