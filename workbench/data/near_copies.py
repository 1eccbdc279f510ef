"""Near copies: which documents share most of their runs of words, by MinHash (Broder 1997) and bands of it.

A document's signature is the least hash of its runs of words under each of some permutations: two signatures
agree in a number with the probability that is the share of runs that both documents have (Jaccard's J). Cut
into bands of rows, two signatures have a band in common with probability 1 - (1 - J^rows)^bands.
"""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from itertools import islice

import numpy as np

from workbench.data.hashes import mixed
from workbench.data.words import WORD

BANDS = 14  # FineWeb's: Penedo et al. 2024, arXiv 2406.17557
ROWS = 8
WORDS = 5
_BATCH = 2**13  # runs that are hashed at once


def signatures(
    documents: Sequence[str],
    *,
    numbers: int = BANDS * ROWS,
    words: int = WORDS,
    report: Callable[[float], None] = lambda part: None,
) -> np.ndarray:
    """The signature of each document, ``(N, numbers)`` of 32 bits; of one with fewer words all are a run."""
    from datasketch import MinHash

    empty = MinHash(num_perm=numbers, seed=1, scheme="affine32")
    found = np.empty((len(documents), numbers), dtype=np.uint32)
    for place, text in enumerate(documents):
        signature = empty.copy()
        runs = _runs(text.lower(), words)
        # A few at a time: of all runs of a long document there would be hundreds of numbers each.
        while batch := list(islice(runs, _BATCH)):
            signature.update_batch(batch)
        found[place] = signature.hashvalues
        report((place + 1) / len(documents))
    return found


def clusters(found: np.ndarray, bands: int = BANDS, rows: int = ROWS) -> np.ndarray:
    """The number of the cluster that each signature of ``(N, bands * rows)`` belongs to, ``(N,)``.

    Signatures with a band in common are in one cluster, and so is all that such pairs connect.
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    edges = []
    for band in _bands(found, bands, rows):
        _, first, group = np.unique(band, return_index=True, return_inverse=True)
        partner = first[group.ravel()]
        places = np.flatnonzero(partner != np.arange(len(found)))
        edges.append(np.stack([places, partner[places]]))
    start, end = np.concatenate(edges, axis=1)
    graph = coo_array((np.ones(len(start), dtype=bool), (start, end)), shape=(len(found), len(found)))
    return connected_components(graph, directed=False)[1]


def near_any(found: np.ndarray, others: np.ndarray, bands: int = BANDS, rows: int = ROWS) -> np.ndarray:
    """Which signatures of ``found`` have a band in common with any of ``others``: ``(N,)`` of booleans."""
    near = np.zeros(len(found), dtype=bool)
    for band, other in zip(_bands(found, bands, rows), _bands(others, bands, rows), strict=True):
        near |= np.isin(band, other)
    return near


def _bands(found: np.ndarray, bands: int, rows: int) -> Iterator[np.ndarray]:
    """Each band's rows as one number, ``(N,)``.

    datasketch's own index keeps sets of keys in dictionaries, several kilobytes for a document; this takes
    eight bytes, a band at a time.
    """
    for band in range(bands):
        keys = np.zeros(len(found), dtype=np.uint64)
        for row in range(band * rows, (band + 1) * rows):
            keys = mixed(keys ^ found[:, row].astype(np.uint64))
        yield keys


def _runs(text: str, words: int) -> Iterator[bytes]:
    """Each run of so many words, without keeping more of a long text than one."""
    window: deque[str] = deque(maxlen=words)
    for match in WORD.finditer(text):
        window.append(match[0])
        if len(window) == words:
            yield " ".join(window).encode("utf-8")
    if len(window) < words:
        yield " ".join(window).encode("utf-8")
