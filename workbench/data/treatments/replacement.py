"""Damage by replacing: a share of a pool's text gives way to other documents, in the places of its own."""

from collections.abc import Iterator, Sequence

from workbench.data.treatments.treatment import Outcome
from workbench.seeds import stable_hash


def replaced(documents: Sequence[str], others: Sequence[str], share: float, rule: str) -> Iterator[Outcome]:
    """``documents``, with ``others`` one after the other in places that give them ``share`` of the bytes.

    The places are drawn by the documents that stand there, so that a larger share takes the same and more.
    """
    places = sorted(range(len(documents)), key=lambda place: stable_hash(rule, documents[place]))
    rest = sum(map(_bytes, documents))
    foreign = 0
    taken: dict[int, str] = {}
    for number, place in enumerate(places):
        if foreign >= share * (foreign + rest):
            break
        taken[place] = others[number % len(others)]
        foreign += _bytes(taken[place])
        rest -= _bytes(documents[place])
    for place, text in enumerate(documents):
        changes = place in taken and taken[place] != text
        yield Outcome(taken[place], rule) if changes else Outcome(text)


def by_hash(documents: Sequence[str], what: str) -> list[str]:
    """The documents in an order that follows from their content, and is another for each ``what``."""
    return sorted(documents, key=lambda text: (stable_hash(what, text), text))


def _bytes(text: str) -> int:
    return len(text.encode("utf-8"))
