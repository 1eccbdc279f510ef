"""Cleaning: a classifier that has learned what good text looks like from a named source of it."""

from collections.abc import Iterator, Sequence
from math import ceil
from typing import Any

import numpy as np
from pydantic import Field

from workbench.data.treatments.treatment import NOTHING_ELSE, Outcome, Resources, Treatment
from workbench.data.words import WORD
from workbench.errors import UserError
from workbench.number_types import Number
from workbench.seeds import stable_hash

_FEATURES = 2**18
_LEARNED = 10_000  # documents, of the positives and of the others, in each half
_BATCH = 256  # documents that are scored at once


class Classifier(Treatment):
    """Keeps the documents that a classifier finds most like a source's, as DCLM does.

    The classifier is a logistic regression on hashed words and pairs of words. It learns from one half of
    both texts, at most 10,000 documents of each, and judges the other: none that it has seen.
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
        kept: set[int] = set()
        for half in (0, 1):
            report = _Half(resources, half)
            good = _features(_sample(positives, theirs[1 - half]))
            model = _learned(good, _features(_sample(documents, ours[1 - half])))
            scores = np.concatenate(list(_scores(model, [documents[place] for place in ours[half]], report)))
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


class _Half:
    """Reports how far a half is, as a part of both."""

    def __init__(self, resources: Resources, half: int) -> None:
        self._report = resources.report
        self._half = half

    def __call__(self, part: float) -> None:
        self._report((self._half + part) / 2)


def _sample(texts: Sequence[str], places: list[int]) -> list[str]:
    """The texts at ``places``, or as many as are learned from, drawn by their content."""
    chosen = [texts[place] for place in places]
    if len(chosen) > _LEARNED:
        chosen = sorted(chosen, key=lambda text: stable_hash("learned", text))[:_LEARNED]
    return chosen


def _learned(good: Any, others: Any) -> Any:
    """A logistic regression on features of both, for which both weigh the same."""
    from scipy.sparse import vstack
    from sklearn.linear_model import LogisticRegression

    labels = np.repeat([True, False], [good.shape[0], others.shape[0]])
    return LogisticRegression(class_weight="balanced", max_iter=200).fit(vstack([good, others]), labels)


def _scores(model: Any, texts: Sequence[str], report: _Half) -> Iterator[np.ndarray]:
    # The features of all texts of a large pool would take several times its size.
    for start in range(0, len(texts), _BATCH):
        yield model.decision_function(_features(texts[start : start + _BATCH]))
        report(min(1.0, (start + _BATCH) / len(texts)))


def _features(texts: Sequence[str]) -> Any:
    """Hashed words and pairs of words of each text, ``(N, 2**18)`` and sparse, each row of length 1."""
    from sklearn.feature_extraction.text import HashingVectorizer

    hashed = HashingVectorizer(
        n_features=_FEATURES, ngram_range=(1, 2), token_pattern=WORD.pattern, alternate_sign=False
    )
    return hashed.transform(texts)
