"""Cleaning: of documents that are nearly the same the longest is left, as MinHash finds them."""

from collections.abc import Iterator, Sequence

import numpy as np
from pydantic import Field

from workbench.data.near_copies import BANDS, ROWS, WORDS, clusters, signatures
from workbench.data.treatments.treatment import NOTHING_ELSE, Outcome, Resources, Treatment
from workbench.number_types import Whole


class NearDedup(Treatment):
    """Keeps the longest of documents that share most of their runs of words, as FineWeb does."""

    name = "near_dedup"
    formula = "two documents of similarity J match with probability 1 - (1 - J^rows)^bands"
    paper = "Penedo et al. 2024, arXiv 2406.17557; Broder 1997"

    bands: Whole = Field(
        BANDS,
        ge=1,
        le=1_000,
        description="Parts of a document's signature. Two documents are near copies where they have one of "
        "them in common, and so is whatever such pairs connect.",
    )
    rows: Whole = Field(
        ROWS,
        ge=1,
        le=100,
        description="Numbers in each part. More of them ask for more similarity: 14 bands of 8 find three "
        "quarters of the pairs that share 75 % of their runs of words, and one in twenty of those at 50 %.",
    )
    words: Whole = Field(
        WORDS,
        ge=1,
        le=100,
        description="Words in a run, in small letters; a mark of punctuation is a word.",
    )

    def apply(self, documents: Sequence[str], resources: Resources = NOTHING_ELSE) -> Iterator[Outcome]:
        """The longest of each cluster, the first of several that are as long."""
        found = signatures(
            documents, numbers=self.bands * self.rows, words=self.words, report=resources.report
        )
        cluster_of = clusters(found, self.bands, self.rows)
        lengths = np.array([len(text) for text in documents])
        longest_first = np.lexsort((-lengths, cluster_of))  # stable, so that the first of equals leads
        leads = np.diff(cluster_of[longest_first], prepend=-1) > 0
        kept = set(longest_first[leads].tolist())
        for place, text in enumerate(documents):
            yield Outcome(text) if place in kept else Outcome("", "near_copy")
