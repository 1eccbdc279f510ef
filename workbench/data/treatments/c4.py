"""Cleaning: the rules of C4, which keep lines that are sentences."""

import re
from collections.abc import Iterator, Sequence

from pydantic import Field

from workbench.data.treatments.treatment import NOTHING_ELSE, Outcome, Resources, Treatment
from workbench.number_types import Whole

_MARKS = (".", "!", "?", '"')
_SENTENCE_END = re.compile(r"[.!?](?=[\s\"'”’)\]]|$)")


class C4(Treatment):
    """Keeps lines that end as a sentence does, and documents with some sentences. Made for web pages."""

    name = "c4"
    formula = (
        'keep lines that end in . ! ? " and have 3 words; drop documents with < 5 sentences, {, lorem ipsum'
    )
    paper = "Raffel et al. 2020, arXiv 1910.10683, section 2.2"

    words: Whole = Field(3, ge=1, description="The fewest words of a line that is kept.")
    sentences: Whole = Field(5, ge=0, description="The fewest sentences of a document, in the lines kept.")
    ends_of_sentences: bool = Field(
        True,
        description="Whether a line must end in a full stop, an exclamation or question mark, or a "
        "quotation mark. FineWeb leaves this rule out.",
    )

    def apply(self, documents: Sequence[str], resources: Resources = NOTHING_ELSE) -> Iterator[Outcome]:
        """Each document's lines that are kept, or nothing and the rule that drops it."""
        for text in documents:
            yield self._outcome(text)

    def _outcome(self, text: str) -> Outcome:
        if "lorem ipsum" in text.lower():
            return Outcome("", "lorem_ipsum")
        if "{" in text:
            return Outcome("", "curly_bracket")
        lines = text.splitlines(keepends=True)
        kept = [line for line in lines if self._keeps(line.strip())]
        left = "".join(kept)
        if len(_SENTENCE_END.findall(left)) < self.sentences:
            return Outcome("", "few_sentences")
        return Outcome(left, "lines") if len(kept) < len(lines) else Outcome(text)

    def _keeps(self, line: str) -> bool:
        if self.ends_of_sentences and (not line.endswith(_MARKS) or line.endswith("...")):
            return False
        return len(line.split()) >= self.words
