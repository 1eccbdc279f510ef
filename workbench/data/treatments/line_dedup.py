"""Cleaning: lines that a pool has again and again are left out, as CCNet does with paragraphs."""

from collections import Counter
from collections.abc import Iterator, Sequence

from pydantic import Field

from workbench.data.treatments.treatment import Treatment
from workbench.user_numbers import Whole


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

    def apply(self, documents: Sequence[str]) -> Iterator[str]:
        """Each document without the lines that are repeated."""
        counts = Counter(line for text in documents for line in map(str.strip, text.splitlines()))
        for text in documents:
            kept = (line for line in text.splitlines(keepends=True) if not self._repeats(line, counts))
            yield "".join(kept)

    def _repeats(self, line: str, counts: Counter[str]) -> bool:
        bare = line.strip()
        return len(bare) >= self.shortest and counts[bare] >= self.times
