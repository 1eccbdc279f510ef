"""Cleaning: a classifier that has learned what good text looks like from a named source of it."""

from collections.abc import Iterator, Sequence
from math import ceil
from typing import Any

import numpy as np
from pydantic import Field

from workbench.data.treatments.treatment import NOTHING_ELSE, Outcome, Resources, Treatment
from workbench.data.words import WORD
from workbench.errors import UserError
from workbench.seeds import stable_hash
from workbench.user_numbers import Number

_FEATURES = 2**18
_BATCH = 256  # documents between two reports


class Classifier(Treatment):
    """Keeps the documents that a classifier finds most like a source's, as DCLM does.

    The classifier is a logistic regression on hashed words and pairs of words. It learns from one half of
    both texts and judges the other, so that it judges no document that it has seen.
    """

    name = "classifier"
    formula = "keep the share of documents with the largest log-odds of being one of positives"
    paper = "Li et al. 2024 (DCLM), arXiv 2406.11794, section 4.4"

    positives: str | dict[str, Any] = Field(
        description="The corpus whose training documents are what good text looks like.",
        examples=[{"path": "good_texts/"}],
    )
    share: Number = Field(0.1, gt=0, le=1, description="Share of the documents that is kept.")

    def references(self) -> dict[str, Any]:
        """What good text looks like."""
        return {"positives": self.positives}

    def apply(self, documents: Sequence[str], resources: Resources = NOTHING_ELSE) -> Iterator[Outcome]:
        """The documents of each half that the classifier of the other half likes best."""
        positives = resources.references.get("positives", ())
        ours, theirs = (_halves(texts) for texts in (documents, positives))
        if not all((*ours, *theirs)):
            raise UserError(
                f"positives: {len(positives):,} documents of it and {len(documents):,} to judge are too few "
                "to learn from a half of each; give more"
            )
        good = _features(positives, resources, 0)
        judged = _features(documents, resources, 1)
        kept: set[int] = set()
        for half in (0, 1):
            model = _learned(good[theirs[1 - half]], judged[ours[1 - half]])
            scores = model.decision_function(judged[ours[half]])
            best = np.argsort(-scores, kind="stable")[: ceil(self.share * len(scores))]
            kept.update(ours[half][place] for place in best)
        for place, text in enumerate(documents):
            yield Outcome(text) if place in kept else Outcome("", "low_score")


def _halves(texts: Sequence[str]) -> tuple[list[int], list[int]]:
    """Places of the texts of each half: which it is follows from the content, so that copies are in one."""
    halves: tuple[list[int], list[int]] = ([], [])
    for place, text in enumerate(texts):
        halves[stable_hash("half", text.strip()) % 2].append(place)
    return halves


def _learned(good: Any, others: Any) -> Any:
    """A logistic regression on features of both, for which both weigh the same."""
    from scipy.sparse import vstack
    from sklearn.linear_model import LogisticRegression

    labels = np.repeat([True, False], [good.shape[0], others.shape[0]])
    return LogisticRegression(class_weight="balanced", max_iter=200).fit(vstack([good, others]), labels)


def _features(texts: Sequence[str], resources: Resources, stage: int) -> Any:
    """Hashed words and pairs of words of each text, ``(N, 2**18)`` and sparse, each row of length 1."""
    from scipy.sparse import vstack
    from sklearn.feature_extraction.text import HashingVectorizer

    hashed = HashingVectorizer(
        n_features=_FEATURES,
        ngram_range=(1, 2),
        token_pattern=WORD.pattern,
        alternate_sign=False,
        dtype=np.float32,  # what takes the memory
    )
    rows = []
    for start in range(0, len(texts), _BATCH):
        rows.append(hashed.transform(texts[start : start + _BATCH]))
        resources.report((stage + min(1.0, (start + _BATCH) / len(texts))) / 2)
    return vstack(rows, format="csr")
