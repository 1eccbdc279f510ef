"""Damage with a dose: a part of the text is what machines write."""

from collections.abc import Iterator, Sequence
from typing import Any

from pydantic import Field

from workbench.data.treatments.replacement import by_hash, replaced
from workbench.data.treatments.treatment import NOTHING_ELSE, Outcome, Resources, Treatment
from workbench.errors import UserError
from workbench.number_types import Number


class Boilerplate(Treatment):
    """Replaces a share of the text by boilerplate: tables that a program wrote, or what ``source`` has."""

    name = "boilerplate"
    formula = "share of the bytes := documents of source, one after the other"
    paper = "the positive control of data questions: it must come out worse"

    share: Number = Field(0.3, gt=0, lt=1, description="Share of the training text that is boilerplate.")
    source: str | dict[str, Any] = Field(
        {"name": "python-stdlib", "generated_files": "only"},
        description="The corpus whose training documents are the boilerplate, such as a folder of licences. "
        "Left out: the generated tables of the standard library's character codecs.",
        examples=[{"path": "licences/"}],
    )

    def references(self) -> dict[str, Any]:
        """The boilerplate."""
        return {"source": self.source}

    def apply(self, documents: Sequence[str], resources: Resources = NOTHING_ELSE) -> Iterator[Outcome]:
        """The documents, some replaced by boilerplate."""
        others = by_hash(resources.references.get("source", ()), "boilerplate")
        if not others:
            raise UserError("source: it has no training documents; give a corpus that has")
        return replaced(documents, others, self.share, "boilerplate")
