"""The negative control of data questions: two halves of a pool, which differ in their documents alone."""

from collections.abc import Iterator, Sequence
from typing import Literal

from pydantic import Field

from workbench.data.treatments.treatment import NOTHING_ELSE, Outcome, Resources, Treatment
from workbench.seeds import stable_hash


class Half(Treatment):
    """Keeps one of two halves that share no document; a document's half follows from its content."""

    name = "half"
    formula = "a: documents whose hash, without outer white space, is even; b: those with an odd one"
    paper = "the negative control of data questions: two halves of a pool must come out equivalent"

    side: Literal["a", "b"] = Field(
        description="Which half is trained on. The other side's documents are left out; copies of a document "
        "are in the same half as it.",
        examples=["a"],
    )

    def apply(self, documents: Sequence[str], resources: Resources = NOTHING_ELSE) -> Iterator[Outcome]:
        """The documents of the one half."""
        for text in documents:
            yield Outcome(text) if _side(text) == self.side else Outcome("", "other_half")


def _side(text: str) -> str:
    is_odd = stable_hash("half", text.strip()) % 2
    return "b" if is_odd else "a"
