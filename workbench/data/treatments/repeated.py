"""Damage with a dose: a part of the text is a few documents over and over."""

from collections.abc import Iterator, Sequence

from pydantic import Field

from workbench.data.treatments.replacement import by_hash, replaced
from workbench.data.treatments.treatment import NOTHING_ELSE, Outcome, Resources, Treatment
from workbench.number_types import Number, Whole


class Repeated(Treatment):
    """Replaces a share of the text by a few of its documents, each of them many times."""

    name = "repeated"
    formula = "share of the bytes := documents of share / times of the bytes, one after the other"
    paper = "Hernandez et al. 2022, arXiv 2205.10487"

    share: Number = Field(
        0.1, gt=0, lt=1, description="Share of the training text that is repeated documents."
    )
    times: Whole = Field(
        100,
        ge=2,
        description="How often each of them stands there, about: there are as few of them as give that.",
    )

    def apply(self, documents: Sequence[str], resources: Resources = NOTHING_ELSE) -> Iterator[Outcome]:
        """The documents, some replaced by those that are repeated."""
        return replaced(documents, self._chosen(documents), self.share, "repeated")

    def _chosen(self, documents: Sequence[str]) -> list[str]:
        """Documents of the share's size over ``times``, drawn by content; the shortest where none fits."""
        sizes = {text: len(text.encode("utf-8")) for text in documents}
        room = self.share * sum(sizes.values()) / self.times
        chosen = []
        for text in by_hash(list(sizes), "repeated document"):
            if sizes[text] <= room:
                chosen.append(text)
                room -= sizes[text]
        return chosen or [min(sizes, key=lambda text: (sizes[text], text))]
