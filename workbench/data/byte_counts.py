"""How many bytes of a text each of its tokens stands for, by where in the text the tokens come from.

A vocabulary does not say it where text is changed before it is cut (to lower case, composed, a space put
before it), where white space is dropped, or where a token stands for whatever is unknown.
"""

import numpy as np


def count_bytes(text: str, offsets: np.ndarray) -> tuple[np.ndarray, int]:
    """UTF-8 bytes ``(N,)`` of the tokens at ``offsets (N, 2)`` in characters; and bytes that no token covers.

    The counts add up to the bytes of ``text`` where there is a token: what lies between two tokens is counted
    with the second, what follows the last with the last, and tokens of the same characters share their bytes.
    White space without a token is no loss, and is not among the uncovered bytes.
    """
    places = _byte_places(text)
    if len(offsets) == 0:
        return np.zeros(0, dtype=np.uint32), _uncovered_bytes(text, offsets)
    reached = places[np.maximum.accumulate(offsets[:, 1])]  # (N,)
    reached[-1] = places[-1]
    # Tokens that end at the same place are a group: it shares what lies between the end before and its own.
    ends, first, sizes = np.unique(reached, return_index=True, return_counts=True)
    group = np.repeat(np.arange(len(ends)), sizes)  # (N,)
    number = np.arange(len(reached)) - first[group]  # within the group, from 0
    amounts = np.diff(ends, prepend=0)[group]
    shares = amounts * (number + 1) // sizes[group] - amounts * number // sizes[group]
    return shares.astype(np.uint32), _uncovered_bytes(text, offsets)


def _byte_places(text: str) -> np.ndarray:
    """Where each character of ``text`` begins in its UTF-8 bytes, and where the last ends: ``(L + 1,)``."""
    points = np.frombuffer(text.encode("utf-32-le"), dtype=np.uint32)  # (L,)
    sizes = 1 + (points > 0x7F) + (points > 0x7FF) + (points > 0xFFFF)
    return np.concatenate([[0], np.cumsum(sizes)])


def _uncovered_bytes(text: str, offsets: np.ndarray) -> int:
    starts = np.bincount(offsets[:, 0], minlength=len(text) + 1)
    ends = np.bincount(offsets[:, 1], minlength=len(text) + 1)
    covered = np.cumsum(starts - ends)[:-1] > 0  # (L,)
    if covered.all():
        return 0
    left = "".join(text[place] for place in np.flatnonzero(~covered))
    return len("".join(left.split()).encode("utf-8"))
