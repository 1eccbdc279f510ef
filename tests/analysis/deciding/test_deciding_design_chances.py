"""What a study until all is decided is told to say, against studies that are simulated apart from it."""

import pytest

from workbench.analysis.deciding.design_chances import (
    STUDIES,
    margin_for_equivalent,
    smallest_different,
    word_chances,
)
from workbench.analysis.deciding.looks import Rule
from workbench.analysis.deciding.simulated_studies import simulate_studies

ERROR = 3 * (0.25 / STUDIES + 0.25 / 1_500) ** 0.5  # three standard errors of two shares at 50 %


def fresh(rule, difference, margin):
    return simulate_studies(rule, [difference], margin=margin, studies=1_500, seed=17)


@pytest.mark.parametrize(("margin", "difference"), [(0.5, 0.0), (1.0, 0.5), (0.5, 1.0), (2.0, 2.0)])
def test_words_and_pairs_are_those_of_other_studies(margin, difference):
    rule = Rule.until(4, 64, 3)
    told, found = word_chances(rule, margin, difference), fresh(rule, difference, margin)
    assert told.different == pytest.approx((found.better | found.worse).mean(), abs=ERROR)
    assert told.equivalent == pytest.approx(found.equivalent.mean(), abs=ERROR)
    assert told.at_the_margin == pytest.approx(found.at_the_margin.mean(), abs=ERROR)
    assert told.different + told.equivalent + told.at_the_margin == pytest.approx(1)
    assert (found.pairs <= told.pairs).mean() > 0.5 - ERROR
    assert (found.pairs <= told.most_pairs).mean() > 0.9 - ERROR
    assert told.pairs in rule.looks


@pytest.mark.parametrize("rule", [Rule.until(4, 64, 3), Rule.until(4, 16, 1), Rule.until(4, 4, 10)])
def test_the_smallest_difference_is_found_as_often_as_asked(rule):
    for margin, power in ((0.25, 0.8), (1.0, 0.8), (1.0, 0.5)):
        smallest = smallest_different(rule, margin, power)
        found = fresh(rule, smallest, margin)
        assert smallest > margin
        assert (found.better | found.worse).mean() == pytest.approx(power, abs=ERROR)


def test_a_power_near_certainty_or_none_ends_the_search():
    rule = Rule.until(4, 64, 3)
    assert smallest_different(rule, 0.5, 0.0001) == 0.5
    assert smallest_different(rule, 0.5, 0.9999) > smallest_different(rule, 0.5, 0.8)


def test_the_margin_within_which_equals_are_told_apart_from_nothing():
    rule = Rule.until(4, 32, 2)
    for power in (0.5, 0.8):
        margin = margin_for_equivalent(rule, power)
        assert fresh(rule, 0.0, margin).equivalent.mean() == pytest.approx(power, abs=ERROR)


def test_too_few_pairs_for_the_margin_are_inconclusive():
    found = word_chances(Rule.until(2, 4, 1), 0.1, 0.0)
    assert found.at_the_margin == 0
    assert found.inconclusive == pytest.approx(1 - found.different - found.equivalent)
    assert found.inconclusive > 0.9
