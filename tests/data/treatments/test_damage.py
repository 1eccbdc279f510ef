"""Damage with a dose: how much of the text it takes, and that a larger dose takes more of the same."""

import random
from collections import Counter

import pytest

from tests.data.treatments.pools import prose
from workbench.data.treatments.registry import treatment_config
from workbench.data.treatments.treatment import Resources
from workbench.errors import UserError

DOCUMENTS = [prose(random.Random(seed), 20 + seed % 50) for seed in range(400)]
TABLES = [f"0x{number:02x}: table\n" * (10 + number) for number in range(7)]
WHOLE = sum(map(len, DOCUMENTS))


def applied(spec, **references):
    return list(treatment_config(spec).apply(DOCUMENTS, Resources(references)))


def share_of(outcomes, texts):
    size = sum(len(outcome.text) for outcome in outcomes)
    return sum(len(outcome.text) for outcome in outcomes if outcome.text in texts) / size


@pytest.mark.parametrize("share", [0.1, 0.3])
def test_boilerplate_has_its_share_of_the_bytes(share):
    outcomes = applied({"name": "boilerplate", "share": share}, source=TABLES)
    assert share_of(outcomes, set(TABLES)) == pytest.approx(share, abs=0.01)
    assert {outcome.text for outcome in outcomes if outcome.rule} == set(TABLES)
    for before, outcome in zip(DOCUMENTS, outcomes, strict=True):
        assert outcome.rule == "boilerplate" or outcome.text is before


def test_a_larger_dose_takes_the_same_places_and_more():
    places = []
    for share in (0.1, 0.3, 0.6):
        outcomes = applied({"name": "boilerplate", "share": share}, source=TABLES)
        places.append({place for place, outcome in enumerate(outcomes) if outcome.rule})
    assert 0 < len(places[0]) < len(places[1]) < len(places[2])
    assert places[0] < places[1] < places[2]


def test_repeated_documents_have_their_share_and_stand_there_so_often():
    outcomes = applied({"name": "repeated", "share": 0.3, "times": 30})
    counts = Counter(outcome.text for outcome in outcomes if outcome.rule == "repeated")
    assert share_of(outcomes, set(counts)) == pytest.approx(0.3, abs=0.02)
    assert 20 <= min(counts.values()) <= max(counts.values()) <= 45
    assert set(counts) <= set(DOCUMENTS)


def test_byte_noise_replaces_its_share_of_the_characters():
    for share in (0.01, 0.05, 1):
        outcomes = applied({"name": "byte_noise", "share": share})
        changed = sum(
            one != other
            for before, outcome in zip(DOCUMENTS, outcomes, strict=True)
            for one, other in zip(before, outcome.text, strict=True)
        )
        assert changed / WHOLE == pytest.approx(share * 94 / 95, rel=0.05)
    assert [outcome.rule for outcome in outcomes] == ["noise"] * len(DOCUMENTS)


def test_boilerplate_of_a_source_without_text_is_refused():
    with pytest.raises(UserError, match=r"source: it has no training documents; give a corpus that has"):
        applied("boilerplate")
