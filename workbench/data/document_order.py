"""An order of training windows that two treatments of one text share, whatever either has left out.

Of windows that are shuffled by their numbers none is where it was once a document is dropped: the arms of
a comparison would see the same documents at other times. Here a window's place follows from a key: a hash of
the seed, the epoch, the document in which the window begins, and its number in that document. So windows of
documents that both arms have come in the same order in both, and those that one has alone come in between.
"""

import numpy as np

from workbench.data.hashes import mixed
from workbench.seeds import stable_hash

BY_DOCUMENT = "documents"  # how a run's configuration says it


class DocumentOrder:
    """The order of windows of ``context`` tokens of a text whose ``documents`` are ``(D, 2)`` of 64 bits.

    Each document has the place of its first token and what it is known by, as it was before any treatment.
    """

    def __init__(self, documents: np.ndarray, context: int) -> None:
        self._begins = np.asarray(documents[:, 0]).astype(np.int64)  # (D,)
        self._keys = np.asarray(documents[:, 1]).astype(np.uint64)  # (D,)
        self._context = context

    def of(self, starts: np.ndarray, seed: int, epoch: int) -> np.ndarray:
        """The windows that begin at ``starts (W,)`` in their order: places in ``starts``, ``(W,)``."""
        document = np.searchsorted(self._begins, starts, side="right") - 1
        number = (starts - self._begins[document]) // self._context
        draw = np.uint64(stable_hash(seed, "documents", epoch))
        keys = mixed(mixed(self._keys[document] ^ draw) ^ number.astype(np.uint64))
        return np.argsort(keys, kind="stable")
