"""What a treatment did, in numbers and examples: documents and bytes in and out, and by rule."""

import heapq
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from workbench.data.treatments.treatment import Outcome
from workbench.seeds import stable_hash

_EXAMPLES = 20
_SHOWN = 400  # characters of an example
_BEFORE = 80  # of them, those in front of what was changed
_AT_ONCE = 4096  # characters that are compared at once
KEPT, CHANGED, DROPPED = "kept", "changed", "dropped"


class Tally:
    """Counts while outcomes pass through: what came in is what is left and what each rule took.

    A rule that adds text has taken a negative number of bytes. Examples are a sample that depends on the
    documents alone, the same from whichever process.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.texts: list[str] = []  # what is left, in order
        self._documents = 0
        self._bytes = 0
        self._bytes_left = 0
        self._rules: dict[str, dict[str, int]] = {}
        self._examples: dict[tuple[str, str], list[tuple[int, int, dict[str, str]]]] = {}

    def keep(self, documents: Sequence[str], outcomes: Iterable[Outcome]) -> list[int]:
        """The places of the documents that are left, whose texts are then in ``texts``."""
        return list(self._counted(documents, outcomes))

    def to_dict(self) -> dict[str, Any]:
        """The counts, as the manifest has them; rules with the most bytes first."""
        rules = sorted(self._rules.items(), key=lambda item: (-item[1]["bytes"], item[0]))
        return {
            "name": self.name,
            "documents": self._documents,
            "bytes": self._bytes,
            "documents_left": len(self.texts),
            "bytes_left": self._bytes_left,
            "rules": dict(rules),
        }

    @property
    def examples(self) -> dict[str, list[dict[str, str]]]:
        """Up to twenty documents that were kept, and for each rule that it changed and that it dropped.

        Each with its beginning, the rule, and what became of it; of a long text the place that was changed.
        """
        shown: dict[str, list[dict[str, str]]] = {kind: [] for kind in (KEPT, CHANGED, DROPPED)}
        for kind, rule in sorted(self._examples):
            found = sorted(self._examples[kind, rule], reverse=True)
            shown[kind] += [example for _, _, example in found]
        return shown

    def _counted(self, documents: Sequence[str], outcomes: Iterable[Outcome]) -> Iterator[int]:
        for place, (before, outcome) in enumerate(zip(documents, outcomes, strict=True)):
            left = outcome.text if outcome.text.strip() else ""
            size = len(before.encode("utf-8"))
            size_left = size if left is before else len(left.encode("utf-8"))
            self._documents += 1
            self._bytes += size
            self._bytes_left += size_left
            kind = DROPPED
            if left:
                kind = CHANGED if outcome.rule else KEPT
            if kind is not KEPT:
                counts = self._rules.setdefault(outcome.rule, {DROPPED: 0, CHANGED: 0, "bytes": 0})
                counts[kind] += 1
                counts["bytes"] += size - size_left
            self._remember(kind, place, before, outcome)
            if left:
                self.texts.append(left)
                yield place

    def _remember(self, kind: str, place: int, before: str, outcome: Outcome) -> None:
        """Keep the example if its draw is among the least twenty of its kind and rule."""
        draw = -_draw(place, before)
        found = self._examples.setdefault((kind, outcome.rule), [])
        if len(found) == _EXAMPLES and draw <= found[0][0]:
            return
        example = {"text": before[:_SHOWN]}
        if kind is CHANGED:
            example = _changed(before, outcome.text)
        if kind is not KEPT:
            example["rule"] = outcome.rule
        put = heapq.heappushpop if len(found) == _EXAMPLES else heapq.heappush
        put(found, (draw, place, example))


def beginnings(documents: Sequence[str]) -> list[str]:
    """How up to twenty documents begin: a sample that depends on the documents alone, in their order."""
    places = heapq.nsmallest(_EXAMPLES, range(len(documents)), key=lambda at: _draw(at, documents[at]))
    return [documents[place][:_SHOWN] for place in sorted(places)]


def _draw(place: int, text: str) -> int:
    return stable_hash("example", place, text[:_SHOWN])


def _changed(before: str, after: str) -> dict[str, str]:
    """Both texts from shortly before their first difference, which may be far from their beginning."""
    same = _same(before, after)
    start = same - _BEFORE if same > _SHOWN // 2 else 0
    mark = "… " if start else ""
    return {key: mark + text[start : start + _SHOWN] for key, text in (("text", before), ("became", after))}


def _same(first: str, second: str) -> int:
    """How many characters both begin with."""
    shorter = min(len(first), len(second))
    for start in range(0, shorter, _AT_ONCE):
        pair = first[start : start + _AT_ONCE], second[start : start + _AT_ONCE]
        if pair[0] != pair[1]:
            places = (
                start + place for place, (one, other) in enumerate(zip(*pair, strict=False)) if one != other
            )
            return next(places, shorter)
    return shorter
