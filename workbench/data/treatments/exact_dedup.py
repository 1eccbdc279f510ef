"""Cleaning: of equal documents one is left."""

from collections.abc import Iterator, Sequence
from hashlib import sha256

from workbench.data.treatments.treatment import NOTHING_ELSE, Outcome, Resources, Treatment


class ExactDedup(Treatment):
    """Keeps the first of equal documents. A corpus drops copies itself, unless it has ``copies: keep``."""

    name = "exact_dedup"
    formula = "one document for each SHA-256 of the text without outer white space"
    paper = "Lee et al. 2021, arXiv 2107.06499"

    def apply(self, documents: Sequence[str], resources: Resources = NOTHING_ELSE) -> Iterator[Outcome]:
        """The first of each."""
        seen: set[bytes] = set()
        for text in documents:
            digest = sha256(text.strip().encode("utf-8")).digest()
            yield Outcome("", "copy") if digest in seen else Outcome(text)
            seen.add(digest)
