"""What the words are worth: simulated studies of a known truth, decided by the rule as it stands.

The number of studies keeps each test well below a second; tolerances are three standard errors.
"""

import numpy as np
import pytest

from workbench.analysis.deciding.looks import Rule
from workbench.analysis.deciding.simulated_studies import simulate_studies

PROMISED = 0.05


def below(share: float, promised: float, studies: int) -> bool:
    return share <= promised + 3 * np.sqrt(promised * (1 - promised) / studies)


def rules(comparisons: int) -> list[Rule]:
    return [Rule.until(4, 64, comparisons), Rule.fixed(8, comparisons)]


@pytest.mark.parametrize("comparisons", [1, 3, 10])
@pytest.mark.parametrize("margin", [0.0, 0.05, 0.5])
def test_equal_variants_are_rarely_better_or_worse(comparisons, margin):
    studies = 12_000 // comparisons
    for rule in rules(comparisons):
        found = simulate_studies(
            rule, [0.0] * comparisons, margin=margin, studies=studies, stops_at_margin=False
        )
        share = (found.better | found.worse).any(axis=1).mean()
        assert below(share, PROMISED, studies)
        if margin == 0 and comparisons == 1:
            assert share > 0.04  # nor is the promise kept by never saying anything


@pytest.mark.parametrize("comparisons", [1, 3, 10])
@pytest.mark.parametrize("margin", [0.5, 1.0, 2.0])
@pytest.mark.parametrize("mixed", [False, True])
def test_on_the_border_every_word_is_rare(comparisons, margin, mixed):
    """All comparisons at the margin, on one side or on both: worse, better and equivalent are all false."""
    studies = 12_000 // comparisons
    signs = [(-1) ** place if mixed else 1 for place in range(comparisons)]
    for rule in rules(comparisons):
        found = simulate_studies(
            rule,
            [sign * margin for sign in signs],
            margin=margin,
            studies=studies,
            stops_at_margin=False,
            seed=1,
        )
        assert below((found.better | found.worse).any(axis=1).mean(), PROMISED, studies)
        assert below(found.equivalent.any(axis=1).mean(), PROMISED, studies)


@pytest.mark.parametrize(
    "truths", [[1, 5], [1, 1, 3, 3], [1, 1.05], [1, 1.3], [1, -1, 6], [1] * 5 + [2] * 5, [1, -1]]
)
@pytest.mark.parametrize("shared", [0.0, 0.5, 0.9])
def test_a_share_that_another_family_passes_on_keeps_the_promise(truths, shared):
    """Rows that are worse, and leave their share of equivalence to rows on the border."""
    studies, margin = 15_000 // len(truths), 2.0
    found = simulate_studies(
        Rule.until(4, 64, len(truths)),
        [truth * margin for truth in truths],
        margin=margin,
        studies=studies,
        shared=shared,
        stops_at_margin=False,
        seed=2,
    )
    assert below(found.equivalent.any(axis=1).mean(), PROMISED, studies)
    on_border = np.abs(truths) == 1
    assert below((found.better | found.worse)[:, on_border].any(axis=1).mean(), PROMISED, studies)
    assert not found.better[:, np.array(truths) > 1].any()


def test_opposite_borders_are_what_equivalence_keeps_a_reserve_for():
    """The truth with most false equivalences: two borders, and noise that is nearly all the baseline's."""
    studies = 30_000
    rule = Rule.until(4, 64, 2)
    assert rule.equivalence_level(1) < Rule.until(4, 64, 1).equivalence_level(1)
    found = simulate_studies(
        rule, [2.0, -2.0], margin=2.0, studies=studies, shared=0.9, stops_at_margin=False, seed=11
    )
    assert below(found.equivalent.any(axis=1).mean(), PROMISED, studies)
    assert (found.better | found.worse).any(axis=1).mean() < 0.04


def test_equivalent_rows_pass_on_their_share_of_worse():
    for truths, margin in (([1, 0], 1.0), ([1, 0.8], 0.5), ([1, 1, 0, 0, 0], 2.0), ([0.9] * 3, 0.5)):
        studies = 15_000 // len(truths)
        found = simulate_studies(
            Rule.until(4, 64, len(truths)),
            [truth * margin for truth in truths],
            margin=margin,
            studies=studies,
            stops_at_margin=False,
            seed=3,
        )
        assert below((found.better | found.worse).any(axis=1).mean(), PROMISED / 2, studies)


def test_passing_on_is_worth_it():
    """One equivalent variant beside two that are far worse is decided as soon as if it were alone."""
    truths = [0.0, 3.0, 3.0]
    together = simulate_studies(Rule.until(4, 64, 3), truths, margin=0.75, studies=1_500)
    alone = simulate_studies(Rule.until(4, 64, 1), truths[:1], margin=0.75, studies=1_500)
    assert together.worse[:, 1:].all()
    assert together.pairs[:, 0].mean() == pytest.approx(alone.pairs[:, 0].mean(), rel=0.1)


# A margin of half the sd of a difference, three comparisons: the least and the most of each word, and the
# median number of pairs. What is true and far from the border is found; near it hardly any word is said.
EXPECTED = {
    0.0: {"equivalent": (0.58, 0.75), "worse": (0, 0.01), "at_the_margin": (0.25, 0.42), "pairs": (32, 64)},
    0.5: {"equivalent": (0.17, 0.31), "worse": (0, 0.01), "at_the_margin": (0.69, 0.83), "pairs": (32, 32)},
    0.9: {"equivalent": (0.0, 0.05), "worse": (0, 0.02), "at_the_margin": (0.94, 1.0), "pairs": (16, 32)},
    1.0: {"equivalent": (0.0, 0.03), "worse": (0, 0.02), "at_the_margin": (0.95, 1.0), "pairs": (16, 32)},
    1.1: {"equivalent": (0.0, 0.02), "worse": (0, 0.03), "at_the_margin": (0.95, 1.0), "pairs": (16, 32)},
    2.0: {
        "equivalent": (0.0, 0.005),
        "worse": (0.72, 0.86),
        "at_the_margin": (0.14, 0.28),
        "pairs": (32, 64),
    },
}


@pytest.mark.parametrize("truth", EXPECTED)
def test_words_by_true_difference(truth):
    margin = 0.5
    found = simulate_studies(Rule.until(4, 64, 3), [truth * margin] * 3, margin=margin, studies=400, seed=4)
    shares = {name: getattr(found, name).mean() for name in ("equivalent", "worse", "at_the_margin")}
    shares["pairs"] = np.median(found.pairs)
    for name, (least, most) in EXPECTED[truth].items():
        assert least <= shares[name] <= most, (name, shares)
    assert found.better.mean() < 0.01
    words = found.better | found.worse | found.equivalent | found.at_the_margin
    assert words.all()  # none is left inconclusive


def test_a_wide_margin_is_decided_soon():
    for truth, word in ((0.0, "equivalent"), (2.0, "worse"), (-2.0, "better")):
        found = simulate_studies(Rule.until(4, 64, 3), [truth] * 3, margin=1.0, studies=300, seed=5)
        assert getattr(found, word).mean() > 0.97
        assert np.median(found.pairs) == 16


def test_stopping_at_the_margin_costs_few_words_and_saves_pairs():
    truth = {"margin": 0.5, "studies": 600, "seed": 6}
    for true_difference in (0.0, 1.0):
        stops = simulate_studies(Rule.until(4, 64, 1), [true_difference], **truth)
        goes_on = simulate_studies(Rule.until(4, 64, 1), [true_difference], **truth, stops_at_margin=False)
        decided = [(x.worse | x.better | x.equivalent).mean() for x in (stops, goes_on)]
        assert decided[1] - 0.15 < decided[0] <= decided[1]  # at 20 % it gives up some that were near
        assert stops.pairs.mean() < goes_on.pairs.mean()


def test_each_comparison_may_have_its_own_margin_and_noise():
    found = simulate_studies(
        Rule.until(4, 64, 2), [0.3, 0.3], margin=[0.1, 0.6], sd=[0.1, 0.2], studies=200, seed=7
    )
    assert found.worse[:, 0].mean() > 0.97
    assert found.equivalent[:, 1].mean() > 0.9
    scaled = simulate_studies(Rule.until(4, 64, 2), [3, 3], margin=[1, 6], sd=[1, 2], studies=200, seed=7)
    assert (found.pairs == scaled.pairs).all()


def test_the_same_seed_gives_the_same_studies():
    first, second = (
        simulate_studies(Rule.until(4, 16, 2), [0.3, 0], margin=0.5, studies=50) for _ in range(2)
    )
    assert (first.pairs == second.pairs).all()
    assert (first.equivalent == second.equivalent).all()
