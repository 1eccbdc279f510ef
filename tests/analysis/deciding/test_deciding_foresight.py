"""Chances of a verdict and pairs needed, against studies that are simulated on."""

import numpy as np
import pytest
from scipy.stats.qmc import Sobol

from workbench.analysis.deciding.foresight import (
    _points,
    chance_of_verdict,
    pairs_for_fixed,
    pairs_until_decided,
    power_at,
)
from workbench.analysis.deciding.looks import Rule
from workbench.analysis.deciding.nominal_levels import MOST_PAIRS
from workbench.analysis.deciding.steps import p_values, step_down


def summaries(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return values.mean(axis=1), values.std(axis=1, ddof=1)


def decided(values: np.ndarray, margin: float, rule: Rule) -> np.ndarray:
    """Whether each study of one comparison (studies, pairs) is decided by all of its pairs."""
    mean, sd = summaries(values)
    n = np.full((len(values), 1), values.shape[1])
    return step_down(*p_values(n, mean[:, None], sd[:, None], margin), rule).decided[:, 0]


@pytest.mark.parametrize(
    ("difference", "margin", "n"),
    [
        (0, 1, 11),
        (0, 2, 5),
        (0, 0.5, 36),
        (1, 0.5, 34),
        (2, 1, 10),
        (-2, 0.5, 6),
        (0.5, 0.5, 20),
        (0.3, 0, 60),
    ],
)
def test_power_is_what_simulated_studies_decide(difference, margin, n):
    values = np.random.default_rng(n).normal(difference, 1.0, (4_000, n))
    share = decided(values, margin, Rule.fixed(n, 1)).mean()
    assert power_at(n, difference, 1.0, margin, 0.05, 0.05) == pytest.approx(share, abs=0.025)


@pytest.mark.parametrize(("n", "margin", "power"), [(11, 1, 0.851), (5, 2, 0.951), (36, 0.5, 0.804)])
def test_known_powers_of_equivalence(n, margin, power):
    assert power_at(n, 0.0, 1.0, margin, 0.05, 0.05) == pytest.approx(power, abs=0.006)


@pytest.mark.parametrize("only_undecided", [False, True])
def test_the_assurance_of_a_fixed_number_is_kept(only_undecided):
    """From eight pairs of a truth d ~ N(0, (2 margin)²): the chance that is told comes true."""
    generator = np.random.default_rng(1)
    misses = []
    for margin in (0.25, 0.5, 1.0):
        truths = generator.normal(0, 2 * margin, 1_000)
        values = generator.normal(truths[:, None], 1.0, (1_000, 8))
        if only_undecided:
            keep = ~decided(values, margin, Rule.fixed(8, 1))
            truths, values = truths[keep], values[keep]
        cases = zip(truths[:150], *summaries(values[:150]), strict=True)
        told = [(truth, pairs_for_fixed(8, mean, sd, margin, 1)) for truth, mean, sd in cases]
        # Power at the truth is the share that is decided, without the luck of drawing it.
        came_true = [power_at(needed.at, truth, 1.0, margin, 0.05, 0.05) for truth, needed in told]
        misses.append(np.mean([needed.chance for _, needed in told]) - np.mean(came_true))
    assert np.mean(misses) == pytest.approx(0, abs=0.03)
    assert misses == pytest.approx([0, 0, 0], abs=0.09)  # .029 is the standard error of each


@pytest.mark.parametrize("comparisons", [1, 3])
def test_the_chance_of_a_verdict_comes_true(comparisons):
    """Studies that eight pairs left undecided, simulated on to 64 at the same levels."""
    rule = Rule.until(4, 64, comparisons)
    generator = np.random.default_rng(3)
    misses = []
    for margin in (0.25, 0.5, 1.0):
        truths = generator.normal(0, 2 * margin, 10_000)
        values = generator.normal(truths[:, None], 1.0, (10_000, 64)).astype(np.float32)
        by_look = np.array([decided(values[:, :n], margin, rule) for n in rule.looks])
        going_on = ~(by_look[0] | by_look[1])
        mean, sd = summaries(values[going_on][:2_000, :8])
        levels = {
            "difference_level": np.full(len(mean), rule.difference_level(comparisons)),
            "equivalence_level": np.full(len(mean), rule.equivalence_level(comparisons)),
        }
        told = chance_of_verdict(8, mean, sd, margin, rule=rule, look=2, **levels)
        came_true = by_look[2:, going_on].any(axis=0)[:2_000]
        misses.append(told.mean() - came_true.mean())
        assert came_true[told > 0.5].mean() > came_true[told < 0.5].mean() + 0.15
    assert np.mean(misses) == pytest.approx(0, abs=0.03)
    assert misses == pytest.approx([0, 0, 0], abs=0.06)


def test_pairs_until_decided_are_those_that_it_takes():
    """Over truths d ~ N(0, (2 margin)²), as many as promised are decided by the pairs that are told."""
    rule = Rule.until(4, 64, 1)
    generator = np.random.default_rng(4)
    levels = rule.difference_level(1), rule.equivalence_level(1)
    truths = generator.normal(0, 1.5, 6_000)
    values = generator.normal(truths[:, None], 1.0, (6_000, 64))
    by_look = np.array([decided(values[:, :n], 0.75, rule) for n in rule.looks])
    cases = values[~(by_look[0] | by_look[1])][:2_000]
    later = by_look[:, ~(by_look[0] | by_look[1])][:, :2_000]
    first = np.where(later.any(axis=0), np.array(rule.looks)[later.argmax(axis=0)], 65)
    told = [
        pairs_until_decided(8, mean, sd, 0.75, rule=rule, look=2, levels=levels)
        for mean, sd in zip(*summaries(cases[:, :8]), strict=True)
    ]
    assert all(needed.low in (16, 32, 64, 65) and needed.at == needed.limit == 64 for needed in told)
    assert np.mean([needed.chance for needed in told]) == pytest.approx(
        (first <= 64).mean(), abs=0.05
    )  # .03, and 2 errors
    # Numbers of pairs are steps: at least 20, 50 and 80 % lie at or below them.
    for quantile, share in (("low", 0.2), ("likely", 0.5), ("high", 0.8)):
        reached = first <= [getattr(needed, quantile) for needed in told]
        assert reached.mean() > share - 0.06


def test_ranges_and_how_they_read():
    clear = pairs_for_fixed(8, 0.0471, 0.0281, 0.02, 1)
    at_border = pairs_for_fixed(8, 0.0201, 0.06, 0.02, 1)
    assert clear.low <= clear.likely <= clear.high < 100
    assert 20 < at_border.low < at_border.likely
    assert at_border.high == at_border.limit + 1
    assert str(at_border) == (
        f"{at_border.likely} ({at_border.low} to >1000); with {at_border.at} the chance of a verdict is "
        f"{100 * at_border.chance:.0f} %"
    )
    # More comparisons need more pairs, and less noise fewer.
    assert pairs_for_fixed(8, 0.0471, 0.0281, 0.02, 10).likely > clear.likely
    assert pairs_for_fixed(8, 0.0471, 0.014, 0.02, 1).likely < clear.likely


def test_a_far_effect_stays_far_whatever_the_margin():
    """A margin much finer than the pairs can see says nothing of how large effects are."""
    for margin in (0.0, 1e-6, 0.01):
        needed = pairs_for_fixed(8, 1.0, 1.0, margin, 1)
        assert needed.likely < 40
        rule = Rule.until(4, 64, 1)
        chance = chance_of_verdict(
            8,
            np.array([1.0]),
            np.array([1.0]),
            margin,
            rule=rule,
            look=2,
            difference_level=np.array([rule.difference_level(1)]),
            equivalence_level=np.array([rule.equivalence_level(1)]),
        )
        assert chance[0] > 0.6


def test_before_the_first_look_there_is_nothing_to_look_ahead_from():
    with pytest.raises(ValueError, match="look: 0"):
        pairs_until_decided(3, 0.1, 1.0, 0.5, rule=Rule.until(4, 64, 1), look=0, levels=(0.01, 0.01))


@pytest.mark.parametrize("dimensions", range(2, 21, 2))
def test_the_stored_points_are_those_of_scipy(dimensions):
    scipys = Sobol(dimensions, seed=0).random(256)
    np.testing.assert_array_equal(_points(dimensions), scipys.clip(1e-9, 1 - 1e-9))


def test_there_are_points_for_as_many_looks_as_a_study_may_have():
    most = Rule.until(2, MOST_PAIRS, comparisons=1)
    found = pairs_until_decided(2, 0.0, 1.0, 1.0, rule=most, look=1, levels=(0.05, 0.05))
    assert found.limit == MOST_PAIRS
