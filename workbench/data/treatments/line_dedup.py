"""Cleaning: lines that a pool has again and again are left out, as CCNet does with paragraphs."""

from array import array
from collections.abc import Iterator, Sequence

import numpy as np
from pydantic import Field

from workbench.data.treatments.treatment import NOTHING_ELSE, Outcome, Resources, Treatment
from workbench.number_types import Whole
from workbench.seeds import stable_hash


class LineDedup(Treatment):
    """Leaves out lines that the training documents have over and over: licences, headers, navigation."""

    name = "line_dedup"
    formula = "a line stays where it has fewer than shortest characters, or stands fewer than times"
    paper = "Wenzek et al. 2019, arXiv 1911.00359"

    times: Whole = Field(
        6, gt=1, description="A line is left out where the training documents have it so often, or more."
    )
    shortest: Whole = Field(
        20,
        gt=0,
        description="Characters of the shortest line that may be left out, without outer white space.",
    )

    def apply(self, documents: Sequence[str], resources: Resources = NOTHING_ELSE) -> Iterator[Outcome]:
        """Each document without the lines that are repeated."""
        repeated = self._repeated(documents)
        for text in documents:
            lines = text.splitlines(keepends=True)
            kept = [line for line in lines if not (self._counts(line) and _hash(line) in repeated)]
            yield Outcome("".join(kept), "repeated_line") if len(kept) < len(lines) else Outcome(text)

    def _repeated(self, documents: Sequence[str]) -> set[int]:
        # Eight bytes for a line: as text, the lines of a large pool would take several times its size.
        hashes = array(
            "Q", (_hash(line) for text in documents for line in text.splitlines() if self._counts(line))
        )
        values, counts = np.unique(np.frombuffer(hashes, dtype=np.uint64), return_counts=True)
        return set(values[counts >= self.times].tolist())

    def _counts(self, line: str) -> bool:
        return len(line.strip()) >= self.shortest


def _hash(line: str) -> int:
    return stable_hash("line", line.strip())
