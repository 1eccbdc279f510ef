"""A classifier keeps what is like its positives, by halves that judge each other."""

import random

import pytest

from tests.data.treatments.pools import prose
from workbench.data.treatments.registry import treatment_config
from workbench.data.treatments.treatment import Resources
from workbench.errors import UserError

GOOD = [prose(random.Random(seed), 60) for seed in range(160)]
BAD = [
    " ".join(random.Random(seed).choices(["buy", "cheap", "click", "now", "win"], k=60))
    for seed in range(160)
]


def test_it_keeps_the_share_that_is_most_like_the_positives():
    documents = [text for pair in zip(BAD[:100], GOOD[:100], strict=True) for text in pair]
    treatment = treatment_config({"name": "classifier", "positives": "python-docstrings", "share": 0.5})
    outcomes = list(treatment.apply(documents, Resources({"positives": GOOD[100:]})))
    kept = [outcome.text for outcome in outcomes if outcome.text]
    assert 100 <= len(kept) <= 101  # a half of each half, rounded up
    assert sum(text in GOOD for text in kept) >= 95
    assert {outcome.rule for outcome in outcomes if not outcome.text} == {"low_score"}
    assert outcomes == list(treatment.apply(documents, Resources({"positives": GOOD[100:]})))


def test_it_needs_its_positives_by_name_and_enough_of_them():
    with pytest.raises(UserError, match="positives: this key is needed and missing"):
        treatment_config("classifier")
    with pytest.raises(UserError, match=r"positives: input should be a .*, got 3"):
        treatment_config({"name": "classifier", "positives": 3})
    treatment = treatment_config({"name": "classifier", "positives": {"path": "here"}})
    with pytest.raises(
        UserError, match=r"positives: 1 documents of it and 160 to judge are too few to learn"
    ):
        list(treatment.apply(BAD, Resources({"positives": GOOD[:1]})))
    assert treatment.label == "classifier(positives=here)"
