"""Mixing documents of several corpora in shares of their bytes: the same for the same documents."""

import heapq
from collections.abc import Mapping, Sequence

from workbench.data.split import beginning, utf8_bytes
from workbench.seeds import stable_hash


def mixed_documents(
    pools: Mapping[str, Sequence[str]],
    shares: Mapping[str, float],
    *,
    passes: float = 1,
    max_bytes: float | None = None,
) -> list[tuple[str, str]]:
    """Documents of the pools, each with its share of the bytes, in proportion from beginning to end.

    Each behind the name of its pool. There are as many as no pool is used for more than ``passes`` times, and
    at most ``max_bytes``. The last one of each pool is cut at a line's end.
    """
    sizes = {name: sum(map(utf8_bytes, pools[name])) for name in shares}
    whole = min(passes * sizes[name] / share for name, share in shares.items())
    if max_bytes is not None:
        whole = min(whole, max_bytes)
    taken = [
        _taken(pools[name], round(share * whole), name)
        for name, share in shares.items()
        if round(share * whole)
    ]
    return [(name, text) for _, name, text in heapq.merge(*taken, key=lambda item: item[0])]


def _taken(documents: Sequence[str], size: int, name: str) -> list[tuple[float, str, str]]:
    """Documents of ``size`` bytes with their pool's name, each behind the part at which its middle lies."""
    order = sorted(documents, key=lambda text: (stable_hash("mixture", name, text), text))
    taken: list[tuple[float, str, str]] = []
    used = 0
    while used < size and order:
        for text in order:
            own = utf8_bytes(text)
            if used + own > size:
                text = beginning(text, size - used)
                own = size - used
            if text.strip():
                taken.append(((used + own / 2) / size, name, text))
            used += own
            if used >= size:
                break
    return taken
