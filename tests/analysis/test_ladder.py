"""An effect from rung to rung: known answers, and how often a constant effect is called a trend."""

import math

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.meta_analysis import combine_effects

from workbench.analysis.ladder import (
    LadderWord,
    RungEffect,
    extrapolation,
    ladder_word,
    ordered_pairs,
    pooled,
    trend,
)
from workbench.analysis.statistics import Verdict

DECADES = (1e10, 1e11, 1e12, 1e13, 1e14)


def effects(means, errors, compute=DECADES, n=8, verdicts=None):
    words = verdicts or [None] * len(means)
    errors = [errors] * len(means) if isinstance(errors, float) else errors
    return [
        RungEffect(compute=at, mean=mean, error=error, n=n, verdict=word)
        for at, mean, error, word in zip(compute, means, errors, words, strict=False)
    ]


def test_heterogeneity_has_its_known_answer():
    found = pooled(effects([0.050, 0.030, 0.045], [0.010, 0.008, 0.015]))
    assert found.q == pytest.approx(2.635, abs=5e-4)
    assert found.p == pytest.approx(stats.chi2.sf(found.q, 2))
    assert found.tau2 == pytest.approx(3.53e-5, abs=5e-8)
    assert found.mean == pytest.approx(0.03964, abs=5e-6)
    assert found.interval.low == pytest.approx(0.0102, abs=5e-5)
    assert found.interval.high == pytest.approx(0.0691, abs=5e-5)
    assert found.prediction.low == pytest.approx(-0.0756, abs=5e-5)
    assert found.prediction.high == pytest.approx(0.1549, abs=5e-5)


def test_it_is_statsmodels_heterogeneity():
    draws = np.random.default_rng(1)
    for rungs in (2, 3, 5):
        means, errors = draws.normal(0.02, 0.05, rungs), draws.uniform(0.005, 0.02, rungs)
        theirs = combine_effects(means, errors**2, method_re="dl")
        ours = pooled(effects(list(means), list(errors)))
        assert ours.q == pytest.approx(theirs.q)
        assert ours.tau2 == pytest.approx(theirs.tau2)
        assert ours.i2 == pytest.approx(theirs.i2)
        assert ours.mean == pytest.approx(theirs.mean_effect_re)
        assert ours.tau2 > 0


def test_two_rungs_predict_no_third():
    found = pooled(effects([0.05, 0.03], 0.01))
    assert found.prediction is None
    assert found.interval.low < found.mean < found.interval.high


def test_nanochats_gain_shrinks():
    """Its x0-lambda gain at d8, d12, d16 and d20: width, and tokens by parameters, follow the depth."""
    compute = [depth**6 for depth in (8, 12, 16, 20)]
    found = effects([0.0103, 0.0077, 0.0057, 0.0039], 0.0005, compute)
    assert ladder_word(found) is LadderWord.SHRINKS
    line = trend(found)
    assert line.tau2 == 0
    assert line.per_decade == pytest.approx(np.polyfit(np.log10(compute), [one.mean for one in found], 1)[0])
    # It is no smaller at more compute where the sign is the other.
    assert ladder_word(effects([-one.mean for one in found], 0.0005, compute)) is LadderWord.SHRINKS


def test_the_line_is_weighted_least_squares():
    found = effects([0.05, 0.02, 0.03], [0.01, 0.02, 0.005])
    x, d = np.log(DECADES[:3]), np.array([0.05, 0.02, 0.03])
    line = trend(found)
    weights = 1 / (np.array([0.01, 0.02, 0.005]) ** 2 + line.tau2)
    design = np.column_stack([np.ones(3), x])
    covariance = np.linalg.inv(design.T @ (weights[:, None] * design))
    level, slope = covariance @ design.T @ (weights * d)
    assert line.slope == pytest.approx(slope)
    assert line.slope_variance == pytest.approx(covariance[1, 1])
    at = np.array([1.0, math.log(3e11)])
    assert line.at(3e11) == pytest.approx(level + slope * math.log(3e11))
    assert line.variance_at(3e11) == pytest.approx(at @ covariance @ at)


def test_two_rungs_are_compared_by_welchs_test():
    found = trend(effects([0.05, 0.02], [0.01, 0.006]))
    error = math.hypot(0.01, 0.006)
    degrees = error**4 / (0.01**4 / 7 + 0.006**4 / 7)
    assert found.degrees == pytest.approx(degrees)
    half = stats.t.ppf(0.975, degrees) * error
    assert found.per_decade_interval.low == pytest.approx(-0.03 - half)
    assert found.per_decade_interval.high == pytest.approx(-0.03 + half)


WORSE, BETTER, EQUIVALENT = Verdict.WORSE, Verdict.BETTER, Verdict.EQUIVALENT


@pytest.mark.parametrize(
    ("means", "error", "verdicts", "word"),
    [
        ([0.05, 0.06, 0.05], 0.01, [WORSE] * 3, LadderWord.HOLDS),
        ([-0.05, -0.06, -0.05], 0.01, [BETTER] * 3, LadderWord.HOLDS),
        ([0.05, 0.06, 0.04], 0.01, [WORSE, WORSE, Verdict.INCONCLUSIVE], LadderWord.UNCLEAR),
        ([0.001, 0.002, 0.001], 0.001, [EQUIVALENT] * 3, LadderWord.UNCLEAR),
        ([0.30, 0.20, 0.10], 0.01, [WORSE] * 3, LadderWord.SHRINKS),
        ([0.10, 0.20, 0.30], 0.01, [WORSE] * 3, LadderWord.GROWS),
        ([-0.10, -0.20, -0.30], 0.01, [BETTER] * 3, LadderWord.GROWS),
        ([0.002, 0.004, 0.006], 0.0001, [EQUIVALENT] * 3, LadderWord.GROWS),
        ([0.10, 0.00, -0.10], 0.01, [WORSE, EQUIVALENT, BETTER], LadderWord.FLIPS),
        ([0.05, 0.06, 0.05], 0.0, [WORSE] * 3, LadderWord.UNCLEAR),
    ],
)
def test_the_words_follow_from_verdicts_and_slope(means, error, verdicts, word):
    assert ladder_word(effects(means, error, verdicts=verdicts)) is word


def simulated(x, sds, n, tau=0.0, studies=50_000, seed=0):
    """Ladders whose effect is one at all rungs, but for ``tau``: means and standard errors (studies, r)."""
    draws = np.random.default_rng(seed)
    shape = (studies, len(x))
    sds = np.asarray(sds)
    means = 0.05 + tau * draws.standard_normal(shape) + sds / math.sqrt(n) * draws.standard_normal(shape)
    errors = sds / math.sqrt(n) * np.sqrt(draws.chisquare(n - 1, shape) / (n - 1))
    return means, errors


def slopes_exclude_zero(x, means, errors, n):
    """The rule of ``trend`` for many ladders at once (studies,)."""
    x = np.asarray(x, float)
    free = len(x) - 2

    def line(weights):
        whole = weights.sum(1, keepdims=True)
        center = (weights * x).sum(1, keepdims=True) / whole
        level = (weights * means).sum(1, keepdims=True) / whole
        spread = (weights * (x - center) ** 2).sum(1, keepdims=True)
        slope = (weights * (x - center) * means).sum(1, keepdims=True) / spread
        return whole, center, spread, means - level - slope * (x - center)

    weights = 1 / errors**2
    whole, center, spread, residuals = line(weights)
    trace = (weights - weights**2 * (1 / whole + (x - center) ** 2 / spread)).sum(1)
    tau2 = np.zeros(len(means))
    if free:
        tau2 = np.maximum(0.0, ((weights * residuals**2).sum(1) - free) / trace)
    total = errors**2 + tau2[:, None]
    _, center, spread, _ = line(1 / total)
    shares = (x - center) / total / spread
    variance = (shares**2 * total).sum(1)
    lost = ((shares * errors) ** 4).sum(1) / (n - 1) + ((shares**2).sum(1) * tau2) ** 2 / max(free, 1)
    t = np.abs((shares * means).sum(1)) / np.sqrt(variance)
    return t > stats.t.ppf(0.975, variance**2 / lost)


# Rungs a decade apart or less evenly, whose noise falls with size; pairs; how often a trend is found.
LADDERS = [
    ([0, 1.2, 2.5], [0.04, 0.03, 0.03], 8, 0.042),
    ([0, 1, 2], [0.03, 0.03, 0.03], 8, 0.039),
    ([0, 1.2, 2.5], [0.04, 0.03, 0.03], 4, 0.044),
    ([0, 1], [0.03, 0.03], 8, 0.048),
    ([0, 1, 2, 3], [0.05, 0.04, 0.03, 0.02], 8, 0.045),
    ([0, 1, 2, 3, 4], [0.03] * 5, 4, 0.0595),
]


@pytest.mark.parametrize(("x", "sds", "n", "share"), LADDERS)
def test_a_constant_effect_is_seldom_called_a_trend(x, sds, n, share):
    means, errors = simulated(x, sds, n)
    found = float(slopes_exclude_zero(x, means, errors, n).mean())
    assert found == pytest.approx(share, abs=0.004)
    assert found < 0.065


def test_scatter_between_three_rungs_passes_for_a_trend_more_often():
    x, sds, n, _ = LADDERS[0]
    means, errors = simulated(x, sds, n, tau=0.01)  # about a standard error
    assert 0.07 < float(slopes_exclude_zero(x, means, errors, n).mean()) < 0.10


def test_the_simulated_rule_is_the_products():
    for x, sds, n, _ in LADDERS:
        means, errors = simulated(x, sds, n, tau=0.02, studies=40, seed=2)
        simulated_words = slopes_exclude_zero(x, means, errors, n)
        for mean, error, expected in zip(means, errors, simulated_words, strict=True):
            found = trend(effects(list(mean), list(error), list(np.exp(x)), n))
            assert found.interval.excludes(0.0) == expected


def test_a_line_is_followed_with_four_rungs_over_enough_compute_only():
    means = [0.05, 0.04, 0.03, 0.02]
    assert extrapolation(effects(means[:3], 0.001)) is None
    assert extrapolation(effects(means, 0.001, [1e10, 2e10, 4e10, 1e11])) is None
    found = extrapolation(effects(means, 0.001))
    assert found.compute == pytest.approx(1e14)
    assert found.mean == pytest.approx(0.01)
    line = trend(effects(means, 0.001))
    half = stats.t.ppf(0.975, 2) * math.sqrt(line.variance_at(1e14))
    assert found.interval.high == pytest.approx(0.01 + half)
    with pytest.raises(ValueError, match="one decade at most"):
        extrapolation(effects(means, 0.001), decades=2)


def test_the_backtest_says_whether_the_top_rung_was_predicted():
    held = extrapolation(effects([0.05, 0.04, 0.03, 0.02], 0.0001)).backtest
    assert held.predicted == pytest.approx(0.02)
    assert held.measured == 0.02
    assert held.inside
    failed = extrapolation(effects([0.05, 0.04, 0.03, 0.09], 0.0001)).backtest
    assert failed.predicted == pytest.approx(0.02)
    assert not failed.inside


def test_pairs_are_ordered_as_at_the_top():
    top = {"baseline": 0.0, "a": 0.3, "b": 0.1, "c": -0.1}
    assert ordered_pairs(top, top).same == 6
    found = ordered_pairs({"baseline": 0.0, "a": 0.2, "b": 0.25, "c": -0.1}, top)
    assert (found.same, found.pairs) == (5, 6)
    assert found.share == pytest.approx(5 / 6)
    assert found.interval.low == pytest.approx(0.4365, abs=1e-3)
    assert ordered_pairs({"a": 1.0}, top) is None
