"""Intervals with known answers, their coverage, and every branch of the verdict."""

import numpy as np
import pytest
from scipy import stats

from workbench.analysis.statistics import (
    Verdict,
    bootstrap_disagrees,
    compare_pairs,
    holm,
    judge,
)
from workbench.errors import UserError


def test_known_numbers():
    found = compare_pairs([0.10, 0.20, 0.15])
    # mean 0.15, standard error 0.05/sqrt(3), t(2) at 97.5 % is 4.30265 and at 95 % is 2.91999
    assert found.mean == pytest.approx(0.15)
    assert found.sd == pytest.approx(0.05)
    assert found.interval.low == pytest.approx(0.15 - 4.302653 * 0.05 / 3**0.5, rel=1e-6)
    assert found.interval.high == pytest.approx(0.15 + 4.302653 * 0.05 / 3**0.5, rel=1e-6)
    assert found.equivalence_interval.high == pytest.approx(0.15 + 2.919986 * 0.05 / 3**0.5, rel=1e-6)
    assert found.p == pytest.approx(2 * stats.t.sf(0.15 / (0.05 / 3**0.5), 2))
    assert (found.wins, found.n, found.bootstrap_t) == (0, 3, None)


def test_wilson_interval_of_wins():
    found = compare_pairs([-1.0, -2.0, -1.5, 0.5, 0.0])  # a tie is no win
    assert found.wins == 3
    assert found.wins_interval.low == pytest.approx(0.2307, abs=1e-4)
    assert found.wins_interval.high == pytest.approx(0.8824, abs=1e-4)


def test_agrees_with_the_paired_test_of_scipy():
    generator = np.random.default_rng(3)
    ours, theirs = generator.normal(3.1, 0.1, 8), generator.normal(3.0, 0.1, 8)
    test = stats.ttest_rel(ours, theirs)
    found = compare_pairs(ours - theirs)
    assert found.p == pytest.approx(test.pvalue)
    assert found.interval.low == pytest.approx(test.confidence_interval().low)


@pytest.mark.parametrize(("n", "level"), [(3, 0.95), (5, 0.95), (5, 0.90)])
def test_intervals_cover_what_they_promise(n, level):
    generator = np.random.default_rng(11)
    hits = 0
    for _ in range(600):
        found = compare_pairs(generator.normal(0.3, 0.2, n))
        interval = found.interval if level == 0.95 else found.equivalence_interval
        hits += not interval.excludes(0.3)
    # Binomial standard deviation at 600 is below 0.0125: three of them either way.
    assert hits / 600 == pytest.approx(level, abs=0.0375)


def test_false_verdicts_are_rare():
    """At a true difference on the margin's border, a verdict that denies it comes in at most 5 %."""
    generator = np.random.default_rng(5)
    verdicts = [judge(compare_pairs(generator.normal(0.02, 0.01, 8)), 0.02) for _ in range(600)]
    assert verdicts.count(Verdict.WORSE) / 600 <= 0.025 + 0.012
    assert verdicts.count(Verdict.EQUIVALENT) / 600 <= 0.05 + 0.017
    assert verdicts.count(Verdict.BETTER) == 0


def test_bootstrap_t_from_ten_pairs_on():
    sample = np.random.default_rng(1).normal(0.1, 0.05, 12)
    assert compare_pairs(sample[:9]).bootstrap_t is None
    found = compare_pairs(sample)
    assert found.bootstrap_t == compare_pairs(sample).bootstrap_t  # deterministic
    assert found.bootstrap_t.low < found.bootstrap_equivalence.low < found.mean
    assert found.mean < found.bootstrap_equivalence.high < found.bootstrap_t.high


def test_the_bootstrap_t_covers_too():
    generator = np.random.default_rng(0)
    hits = [not compare_pairs(generator.normal(0.3, 0.2, 10)).bootstrap_t.excludes(0.3) for _ in range(300)]
    assert np.mean(hits) == pytest.approx(0.95, abs=0.04)


def test_a_bootstrap_that_disagrees_is_noticed():
    # Eleven small gains and one outlier: symmetric t reaches above zero by far more than the bootstrap-t.
    sample = np.array([-0.10, -0.11, -0.09, -0.10, -0.12, -0.08, -0.10, -0.11, -0.09, -0.10, -0.10, -0.9])
    found = compare_pairs(sample)
    assert judge(found, 0.05) is Verdict.INCONCLUSIVE
    assert bootstrap_disagrees(found, 0.05)
    assert not bootstrap_disagrees(compare_pairs(sample[:9]), 0.05)


@pytest.mark.parametrize(
    ("differences", "verdict"),
    [
        ([-0.10, -0.11, -0.09], Verdict.BETTER),
        ([0.10, 0.11, 0.09], Verdict.WORSE),
        ([0.001, -0.002, 0.000, 0.001], Verdict.EQUIVALENT),
        ([-0.10, 0.11, 0.09], Verdict.INCONCLUSIVE),
        ([0.5], Verdict.INCONCLUSIVE),
        ([0.0, 0.0, 0.0], Verdict.EQUIVALENT),
        ([0.3, 0.3, 0.3], Verdict.WORSE),
        ([0.02, 0.02], Verdict.INCONCLUSIVE),  # exactly on the border
        ([-0.02, -0.02], Verdict.INCONCLUSIVE),
    ],
)
def test_verdicts(differences, verdict):
    assert judge(compare_pairs(differences), 0.02) is verdict


def test_no_variance_is_no_accident(recwarn):
    same = compare_pairs([0.0, 0.0, 0.0])
    assert (same.sd, same.p, same.interval.low, same.interval.high) == (0.0, 1.0, 0.0, 0.0)
    shifted = compare_pairs([3.1 - 3.0, 3.3 - 3.2, 2.9 - 2.8])  # equal but for rounding
    assert (shifted.sd, shifted.p) == (0.0, 0.0)
    assert compare_pairs([0.1] * 12).bootstrap_t is None
    assert not recwarn.list


def test_one_pair_has_no_interval():
    found = compare_pairs([0.2])
    assert (found.mean, found.sd, found.interval, found.p) == (0.2, None, None, None)


@pytest.mark.parametrize("sample", [[], [0.1, float("nan")], [float("inf")]])
def test_what_is_no_sample_raises(sample):
    with pytest.raises(UserError, match="finite"):
        compare_pairs(sample)


def test_a_margin_below_zero_raises():
    with pytest.raises(UserError, match="margin"):
        judge(compare_pairs([0.1, 0.2]), -0.01)


def test_holm_by_hand():
    # Sorted 0.01, 0.03, 0.04: times 3, 2, 1, made monotone.
    assert holm([0.04, 0.01, 0.03]) == pytest.approx([0.06, 0.03, 0.06])
    assert holm([0.8, 0.9]) == [1.0, 1.0]
    assert holm([]) == []
