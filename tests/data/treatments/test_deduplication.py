"""Copies and near copies: known pools, known chances of a match, and what is kept."""

import random

import numpy as np
import pytest
from datasketch import MinHash, MinHashLSH

from tests.data.treatments.pools import WORDS, pool_with_copies, prose
from workbench.data.near_copies import BANDS, ROWS, clusters, signatures
from workbench.data.treatments.near_dedup import NearDedup
from workbench.data.treatments.registry import treatment_config


def left(treatment, documents):
    return [outcome.text for outcome in treatment_config(treatment).apply(documents) if outcome.text]


def test_a_known_pool_is_left_without_its_copies():
    documents, exact, near = pool_with_copies()
    pool = documents + exact + near
    assert left("exact_dedup", pool) == documents + near
    found = list(treatment_config("near_dedup").apply(pool))
    assert [outcome.rule for outcome in found].count("near_copy") == 100
    assert sum(bool(outcome.text) for outcome in found) == 100
    # Each cluster's longest: of the exact copies those with more white space around them.
    assert [outcome.text for outcome in found[100:150]] == exact


def test_few_of_the_pairs_with_one_word_in_twenty_replaced_are_near_copies():
    documents, _, near = pool_with_copies(0.05)
    found = list(treatment_config("near_dedup").apply(documents + near))
    dropped = sum(outcome.rule == "near_copy" for outcome in found)
    assert 4 <= dropped <= 25  # similarity about .63: P(match) about a quarter of 50


def test_clusters_are_those_of_datasketch():
    """Its own index of the same signatures finds the same pairs."""
    documents, exact, near = pool_with_copies(0.03)
    pool = [*documents[40:60], *exact[40:], *near[:10]]
    found = signatures(pool)
    index = MinHashLSH(num_perm=BANDS * ROWS, params=(BANDS, ROWS))
    theirs = [
        MinHash(num_perm=BANDS * ROWS, seed=1, scheme="affine32", hashvalues=values) for values in found
    ]
    for place, signature in enumerate(theirs):
        index.insert(place, signature)
    ours = clusters(found)
    # Pairs here connect no third document, so that clusters are the pairs themselves.
    for place, signature in enumerate(theirs):
        assert sorted(index.query(signature)) == np.flatnonzero(ours == ours[place]).tolist()
    assert len(set(ours.tolist())) < len(pool)


@pytest.mark.parametrize(
    ("similarity", "chance"),
    [(0.5, 0.053), (0.6, 0.211), (0.7, 0.565), (0.75, 0.772), (0.8, 0.924), (0.85, 0.988)],
)
def test_the_chance_of_a_match_is_the_formulas(similarity, chance):
    """Of signatures whose numbers agree with the probability that is the similarity."""
    assert 1 - (1 - similarity**ROWS) ** BANDS == pytest.approx(chance, abs=0.001)
    draw = np.random.default_rng(0)
    first = draw.integers(2**32, size=(1_000, BANDS * ROWS), dtype=np.uint32)
    second = np.where(draw.random(first.shape) < similarity, first, ~first)
    cluster_of = clusters(np.concatenate([first, second]))
    matched = cluster_of[:1_000] == cluster_of[1_000:]
    assert np.mean(matched) == pytest.approx(chance, abs=4 * np.sqrt(chance * (1 - chance) / 1_000))


def test_signatures_estimate_the_similarity_of_runs_of_words():
    draw = random.Random(3)
    words = draw.choices(WORDS, k=2_000)
    one, other = " ".join(words), " ".join([*words[:1500], *draw.choices(WORDS, k=500)])
    runs = [{tuple(text.split()[start : start + 5]) for start in range(1_996)} for text in (one, other)]
    similarity = len(runs[0] & runs[1]) / len(runs[0] | runs[1])
    found = signatures([one, other, one.upper()], numbers=1_000)
    assert (found[0] == found[1]).mean() == pytest.approx(similarity, abs=0.05)
    assert (found[0] == found[2]).all()  # small and capital letters are one


def test_what_pairs_connect_is_one_cluster_and_the_longest_of_it_is_kept():
    draw = random.Random(5)
    words = draw.choices(WORDS, k=600)
    chain = [
        " ".join(words[start : start + 500]) + "." * extra for start, extra in ((0, 0), (30, 2), (60, 0))
    ]
    apart = prose(draw, 500)
    strict = NearDedup(bands=60, rows=4)
    assert [outcome.text for outcome in strict.apply([*chain, apart])] == ["", chain[1], "", apart]


def test_short_documents_are_compared_whole():
    assert left("near_dedup", ["a b", "A b", "a c", "?"]) == ["a b", "a c", "?"]
