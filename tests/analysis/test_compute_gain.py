"""How much more compute the baseline needs for a loss: known ratios, known gains on curves, and coverage."""

import math

import numpy as np
import pytest

from workbench.analysis.compute_gain import (
    UNKNOWN_SLOPE,
    Gain,
    Rung,
    budget_ratio,
    gain_interval,
    token_gain,
)
from workbench.analysis.statistics import Interval

BUDGETS = (0.25, 0.5, 1.0, 2.0, 4.0)


def straight(tokens):
    """A loss that falls by 0.4 nats for each e-fold of tokens."""
    return 2.5 - 0.4 * math.log(tokens)


def bent(tokens):
    """A power law with an irreducible loss, as steep as the straight one at 1."""
    return 1.0 + 1.5 * tokens ** (-0.4 / 1.5)


def ladder(loss, noise=0.0, budgets=BUDGETS):
    """Three runs at each budget, spread by ``noise`` around their mean."""
    return [
        Rung(tokens=budget, losses={seed: loss(budget) + noise * (seed - 1) for seed in range(3)})
        for budget in budgets
    ]


def gain_at(loss, true, noise=1e-4, budgets=BUDGETS):
    """The gain of a variant that is worth ``true`` times the baseline's tokens."""
    d = loss(true) - loss(1.0)
    differences = {seed: d + noise * (seed - 1) for seed in range(3)}
    return token_gain(ladder(loss, noise, budgets), 1.0, differences, 0.95)


def test_the_known_ratio():
    """-0.05 ± 0.01 over -0.12 ± 0.01 at t = 2.365, that of seven degrees of freedom."""
    found = gain_interval(-0.05, -0.12, variances=(1e-4, 1e-4), degrees=lambda ratio: 7, level=0.95)
    assert math.exp(0.05 / 0.12) == pytest.approx(1.517, abs=5e-4)
    assert (found.low, found.high) == (pytest.approx(1.240, abs=5e-4), pytest.approx(1.919, abs=5e-4))


@pytest.mark.parametrize(
    ("mean", "sd", "expected"),
    [
        (0.3642, 0.0376, (2.17, 1.79, 2.91)),  # learned positions instead of RoPE
        (0.0471, 0.0281, (1.10, 1.01, 1.23)),  # ReLU instead of SwiGLU
        (0.0213, 0.0239, (1.05, 0.97, 1.14)),  # LayerNorm instead of RMSNorm
    ],
)
def test_what_the_baseline_saves_by_a_slope_of_nine_runs(mean, sd, expected):
    """Eight pairs, and a slope from three seeds; of a variant that is worse the gain is below 1."""
    slopes = np.array([-0.423, -0.470, -0.518])
    slope, error = slopes.mean(), slopes.std(ddof=1) / math.sqrt(3)
    variances = (sd**2 / 8, error**2)
    interval = gain_interval(mean, slope, variances=variances, degrees=lambda ratio: 2, level=0.95)
    gain = Gain(value=math.exp(mean / slope), interval=interval, reach=(0.25, 4.0))
    assert gain.value < 1
    turned = gain.inverse
    assert (turned.value, turned.interval.low, turned.interval.high) == pytest.approx(expected, abs=0.006)


@pytest.mark.parametrize("true", [0.3, 0.7, 0.99, 1.01, 1.5, 3.5])
def test_on_a_straight_line_the_gain_is_the_true_one(true):
    found = gain_at(straight, true)
    assert found.gain.value == pytest.approx(true, rel=1e-9)
    assert found.gain.interval.low < true < found.gain.interval.high
    assert found.slope.value == pytest.approx(-0.4)


@pytest.mark.parametrize("true", [0.3, 0.6, 1.3, 1.7, 3.0])
def test_a_loss_that_bends_is_followed_within_a_percent(true):
    """The slope of a straight line through the same rungs is up to a tenth off."""
    assert gain_at(bent, true).gain.value == pytest.approx(true, rel=0.012)


def test_three_rungs_are_enough_and_two_are_not():
    budgets = (0.5, 1.0, 2.0)
    assert gain_at(straight, 1.4, budgets=budgets).gain.value == pytest.approx(1.4)
    fewer = gain_at(straight, 1.4, budgets=(1.0, 2.0))
    assert fewer.problem == "fewer than 3 budgets with two runs of the baseline"


def test_a_rung_of_a_single_run_is_left_out():
    rungs = ladder(straight, 1e-3)
    rungs[0] = Rung(tokens=0.25, losses={0: straight(0.25)})
    found = token_gain(rungs, 1.0, {0: 0.5, 1: 0.501, 2: 0.499}, 0.95)
    assert found.gain.beyond == "below"  # what the smallest budget lost is not known well enough to be used
    assert found.gain.text == "<1/2x"


def test_nothing_is_extrapolated():
    above, below = gain_at(straight, 4.5), gain_at(straight, 0.2)
    assert (above.gain.beyond, above.gain.known, above.gain.text) == ("above", None, ">4x")
    assert (below.gain.beyond, below.gain.known, below.gain.text) == ("below", None, "<1/4x")
    assert above.slope is None
    assert below.gain.inverse.text == ">4x"


def test_an_end_beyond_the_ladder_is_only_said_to_be_there():
    gain = Gain(value=3.0, interval=Interval(2.1, 5.2, 0.95), reach=(0.25, 4.0))
    assert gain.text == "3.00x [2.10, >4]"
    assert (gain.known, gain.low, gain.high) == (3.0, 2.1, None)
    turned = gain.inverse
    assert turned.text == "0.33x [<1/4, 0.48]"


def test_a_slope_within_its_noise_gives_no_gain():
    losses = {0.25: (2.9, 2.5), 0.5: (2.8, 2.5), 1.0: (2.7, 2.5), 2.0: (2.9, 2.3), 4.0: (2.7, 2.1)}
    rungs = [Rung(tokens=budget, losses=dict(enumerate(two))) for budget, two in losses.items()]
    found = token_gain(rungs, 1.0, {0: -0.01, 1: -0.02}, 0.95)
    assert (found.gain, found.problem) == (None, UNKNOWN_SLOPE)
    assert found.slope.value < 0 < found.slope.error


def test_a_loss_that_rises_with_tokens_gives_no_gain():
    rungs = [Rung(tokens=x, losses={0: y, 1: y + 0.01}) for x, y in ((1.0, 2.5), (2.0, 2.6), (4.0, 2.4))]
    assert token_gain(rungs, 1.0, {0: -0.05, 1: -0.06}, 0.95).problem == UNKNOWN_SLOPE


@pytest.mark.parametrize("true", [0.9, 0.93, 0.95, 1.04, 1.08, 1.3])
def test_a_gain_is_beyond_noise_where_the_difference_is(true):
    """Of four pairs the quantile is larger than that of the slope, whose runs are more."""
    spread = np.array([-0.03, 0.01, 0.04, -0.02])
    differences = straight(true) - straight(1.0) + spread
    half = 3.182 * spread.std(ddof=1) / 2  # Student's t at 97.5 % with three degrees of freedom
    found = token_gain(ladder(straight, 0.02), 1.0, dict(enumerate(differences)), 0.95)
    assert found.gain.is_settled == (abs(differences.mean()) > half)


def test_one_pair_has_no_gain():
    assert token_gain(ladder(straight, 0.01), 1.0, {0: -0.05}, 0.95).problem == "fewer than two pairs"


def test_flops_go_by_the_cost_of_a_token():
    gain = gain_at(straight, 1.5).gain
    dearer = gain.scaled(100 / 120)  # a token of the variant costs a fifth more
    assert dearer.value == pytest.approx(1.25)
    assert dearer.interval.high / gain.interval.high == pytest.approx(100 / 120)
    assert dearer.reach == (pytest.approx(0.25 / 1.2), pytest.approx(4 / 1.2))


def test_seconds_join_their_noise_to_the_interval():
    gain = Gain(value=2.0, interval=Interval(1.6, 2.6, 0.95), reach=(0.25, 4.0))
    steady = gain.scaled_by_pairs([0.8, 0.8, 0.8])
    assert (steady.value, steady.interval.low, steady.interval.high) == pytest.approx((1.6, 1.28, 2.08))
    noisy = gain.scaled_by_pairs([0.7, 0.8, 0.8 * 0.8 / 0.7])
    assert noisy.value == pytest.approx(1.6)
    assert noisy.interval.low < steady.interval.low < steady.interval.high < noisy.interval.high
    assert gain.scaled_by_pairs([0.8]).interval is None


def test_an_interval_as_good_as_endless_stays_one():
    interval = gain_interval(-0.05, -0.12, variances=(400.0, 1e-6), degrees=lambda ratio: 3, level=0.95)
    gain = Gain(value=1.5, interval=interval, reach=(0.25, 4.0))
    assert gain.text == "1.50x [<1/4, >4]"
    assert gain.scaled_by_pairs([0.9, 1.0, 1.1]).text.endswith("[<0.25, >3.99]")
    assert gain.inverse.inverse.text == gain.text


@pytest.mark.parametrize(
    ("ratio", "text"), [(4, "4"), (0.25, "1/4"), (1, "1"), (3.7, "3.70"), (0.27, "0.27")]
)
def test_a_ratio_of_budgets_is_written_as_it_was_meant(ratio, text):
    assert budget_ratio(ratio) == text


@pytest.mark.parametrize(("true", "share"), [(1.0, 0.5), (2.5, 0.5), (0.6, 0.9)])
def test_95_of_100_intervals_hold_the_true_gain(true, share):
    """``share`` of a run's noise is its seed's, which the variant shares: pairs, and d and slope, have it."""
    draws = np.random.default_rng(7)
    simulated, pairs, seeds, sd = 1_000, 8, 3, 0.03
    own = straight(1.0) + sd * draws.standard_normal((simulated, pairs))
    alone = sd * math.sqrt(1 - share**2) * draws.standard_normal((simulated, pairs))
    variants = straight(true) + share * (own - straight(1.0)) + alone
    others = sd * draws.standard_normal((simulated, len(BUDGETS), seeds))
    held = 0
    for study in range(simulated):
        rungs = [
            Rung(tokens=budget, losses=dict(enumerate(straight(budget) + others[study, place], start=100)))
            for place, budget in enumerate(BUDGETS)
        ]
        rungs[2] = Rung(tokens=1.0, losses=dict(enumerate(own[study])))
        found = token_gain(rungs, 1.0, dict(enumerate(variants[study] - own[study])), 0.95)
        assert found.gain is not None
        held += not found.gain.interval.excludes(true)
    # Three standard errors of a share of a thousand.
    assert held / simulated == pytest.approx(0.95, abs=0.021)
