"""Error rates of the shipped rule on pools whose answer is known: normal ones, shifted ones, skewed ones."""

import numpy as np
import pytest
from scipy.stats import expon, norm

from workbench.analysis.calibrating.error_rates import (
    ABOVE,
    AT_MARGIN,
    BELOW,
    BOTH,
    NONE,
    TWO_ABOVE,
    TWO_BELOW,
    PairNoise,
    averaged,
    design_rates,
)
from workbench.analysis.calibrating.seeds_needed import needed_seeds
from workbench.analysis.deciding.looks import Rule

SD = 0.03
PLACES = (np.arange(4_000) + 0.5) / 4_000
NORMAL = SD * norm.ppf(PLACES)[:, None]  # as normal as 4,000 values can be
SKEWED = SD * (expon.ppf(PLACES) - 1)[:, None]
STUDIES = 20_000


def rates(differences, rule, margin, studies=STUDIES, each=0, **given):
    noise = PairNoise.measured(differences, **given)
    if not each:
        noise.pools = None
    return design_rates(noise, rule, margin, studies=studies, studies_each=each)


def within(share, expected, errors=3.5):
    return abs(share.value - expected) < errors * np.sqrt(expected * (1 - expected) / STUDIES)


@pytest.mark.parametrize("n", [4, 8, 16])
def test_at_the_margin_of_a_normal_pool_errors_are_what_they_are_declared(n):
    """Half of the two-sided 5 % at each border, and the whole of the one-sided 5 % of equivalence."""
    found = rates(NORMAL, Rule.fixed(n, 1), 4 * SD)
    for border in (ABOVE, BELOW):
        assert within(found.at(border).false_difference, 0.025)
        assert within(found.at(border).false_equivalent, 0.05)
        assert found.at(border).right is None
    for truth in found.truths:
        assert within(truth.covered, 0.95)


def test_where_there_is_no_difference_and_no_margin_a_false_word_is_said_in_5_percent():
    found = rates(NORMAL, Rule.fixed(8, 1), 1e-9)
    assert within(found.at(NONE).false_difference, 0.05)
    assert found.at(NONE).false_equivalent.value == 0


def test_power_is_what_plan_predicts():
    for n, margin in ((4, 1.5 * SD), (8, SD), (16, 0.7 * SD)):
        found = rates(NORMAL, Rule.fixed(n, 1), margin)
        for name in (NONE, TWO_ABOVE, TWO_BELOW):
            truth = found.at(name)
            assert 0.2 < truth.predicted < 0.99
            assert within(truth.right, truth.predicted)
            assert truth.beyond_prediction.value == truth.right.value - truth.predicted


def test_a_small_pool_adds_no_error_of_its_own():
    """That a seed may be drawn twice changes nothing; what a small pool lacks is that it may be odd."""
    sixteen = SD * norm.ppf((np.arange(16) + 0.5) / 16)[:, None]
    found = rates(sixteen, Rule.fixed(4, 1), 4 * SD)
    assert within(found.at(ABOVE).false_equivalent, 0.05)
    assert within(found.at(BELOW).false_difference, 0.025)
    assert within(found.at(NONE).covered, 0.95)


def test_until_decided_keeps_both_promises_and_its_prediction():
    found = rates(NORMAL, Rule.until(4, 64, 1), SD, studies=6_000)
    for border in (ABOVE, BELOW):
        assert found.at(border).false_difference.value < 0.04
        assert found.at(border).false_equivalent.value < 0.06
    assert min(truth.covered.value for truth in found.truths) > 0.94
    assert abs(found.at(TWO_ABOVE).beyond_prediction.value) < 0.05
    assert found.at(NONE).pairs == found.at(NONE).predicted_pairs == 16
    assert found.at(ABOVE).predicted_pairs is None
    assert found.design == "until decided, 4 to 64"


def test_the_mean_of_a_pool_is_taken_out():
    plain = rates(NORMAL, Rule.fixed(8, 1), SD, studies=500)
    shifted = rates(NORMAL + 5.0, Rule.fixed(8, 1), SD, studies=500)
    for truth in (NONE, ABOVE, TWO_BELOW):
        assert shifted.at(truth).right == plain.at(truth).right
        assert shifted.at(truth).false_equivalent.value == plain.at(truth).false_equivalent.value


def test_a_skewed_pool_breaks_what_t_intervals_promise():
    """A long bad tail: equivalent three times too often at the border above."""
    found = rates(SKEWED, Rule.fixed(8, 1), 4 * SD)
    assert 0.11 < found.at(ABOVE).false_equivalent.value < 0.18
    assert found.at(BELOW).false_equivalent.value < 0.03
    assert all(0.87 < truth.covered.value < 0.91 for truth in found.truths)


def test_the_rows_of_a_table_are_judged_together_with_their_common_baseline():
    generator = np.random.default_rng(1)
    runs = generator.standard_normal((3_000, 4))
    pool = SD * (runs[:, 1:] - runs[:, :1]) / np.sqrt(2)
    found = rates(pool, Rule.fixed(8, 3), 4 * SD)
    assert found.comparisons == 3
    assert [truth.truth for truth in found.truths] == [NONE, ABOVE, BELOW, BOTH]
    for name in AT_MARGIN:
        assert 0.03 < found.at(name).false_equivalent.value < 0.055
        assert 0.015 < found.at(name).false_difference.value < 0.05
        assert found.at(name).predicted is None
    # Three rows that are one: any false word is that of one of them, at a third of the level.
    copies = rates(np.repeat(NORMAL, 3, axis=1), Rule.fixed(8, 3), 4 * SD)
    assert within(copies.at(ABOVE).false_equivalent, 0.05 / 3)


def test_fewer_seeds_in_the_pool_are_a_larger_uncertainty():
    generator = np.random.default_rng(2)
    errors = []
    for seeds in (32, 512):
        pool = SD * generator.standard_normal((seeds, 1))
        found = rates(pool, Rule.fixed(4, 1), SD, studies=200, each=600)
        errors.append(found.at(TWO_ABOVE).right.seeds)
        # What the sd of the pool explains of it, the prediction has too.
        assert found.at(TWO_ABOVE).beyond_prediction.seeds < 0.85 * errors[-1]
    assert errors[0] > 2 * errors[1] > 0


def test_monte_carlo_and_seeds_are_different_uncertainties():
    found = rates(NORMAL[::40], Rule.fixed(8, 1), SD, studies=2_000, each=100).at(TWO_ABOVE).right
    assert found.monte_carlo == pytest.approx(np.sqrt(found.value * (1 - found.value) / 2_000))
    assert found.error == pytest.approx(np.hypot(found.monte_carlo, found.seeds))
    both = averaged([found, found])
    assert both.seeds == pytest.approx(found.seeds)
    assert both.monte_carlo == pytest.approx(found.monte_carlo / np.sqrt(2))


def test_seeds_needed_are_observed_as_predicted():
    noise = PairNoise.measured(NORMAL)
    noise.pools = None
    different, equivalent = needed_seeds(noise, SD, most=128, studies=8_000)
    assert (different.word, different.difference, different.predicted) == ("better or worse", 2 * SD, 10)
    assert (equivalent.word, equivalent.difference, equivalent.predicted) == ("equivalent", 0.0, 11)
    for one in (different, equivalent):
        assert abs(one.observed - one.predicted) <= 1
        assert abs(one.beyond_prediction.value) < 0.02
    assert needed_seeds(noise, 0.1 * SD, most=128, studies=100) == []
