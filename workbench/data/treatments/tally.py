"""What a treatment did, in numbers and examples: documents and bytes in and out, and by rule."""

import heapq
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from workbench.data.treatments.treatment import Outcome
from workbench.seeds import stable_hash

_EXAMPLES = 20
_SHOWN = 400  # characters of an example
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
        self._examples: dict[str, list[tuple[int, int, dict[str, str]]]] = {}

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
        """Up to twenty documents each that were kept, changed and dropped: beginning, rule, and result."""
        return {
            kind: [example for _, _, example in sorted(self._examples.get(kind, []), reverse=True)]
            for kind in (KEPT, CHANGED, DROPPED)
        }

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
        """Keep the example if its draw is among the least twenty of its kind."""
        draw = -stable_hash("example", place, before[:_SHOWN])
        found = self._examples.setdefault(kind, [])
        if len(found) == _EXAMPLES and draw <= found[0][0]:
            return
        example = {"text": before[:_SHOWN]}
        if kind is not KEPT:
            example["rule"] = outcome.rule
        if kind is CHANGED:
            example["became"] = outcome.text[:_SHOWN]
        put = heapq.heappushpop if len(found) == _EXAMPLES else heapq.heappush
        put(found, (draw, place, example))
