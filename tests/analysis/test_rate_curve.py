"""The quadratic through tuning losses: known answers, its interval, and what it leaves out."""

import numpy as np
import pytest

from workbench.analysis.rate_curve import (
    RunNoise,
    best_of,
    coarseness,
    crossing,
    fit_curve,
    pooled_noise,
)

GRID = [0.001, 0.002, 0.004, 0.008]
NOISE = RunNoise(variance=0.041**2, df=12)


def quadratic(best, curvature, rates=GRID, seeds=3):
    """Losses without noise: seeds differ by what they have in common at all rates."""
    return {
        rate: [2 + 0.1 * seed + curvature * np.log2(rate / best) ** 2 for seed in range(seeds)]
        for rate in rates
    }


@pytest.mark.parametrize("best", [0.0021, 0.0028, 0.004])
def test_a_quadratic_is_found_again(best):
    curve = fit_curve(quadratic(best, 0.095), NOISE)
    assert (curve.optimum, curve.rates, curve.seeds) == (best, tuple(GRID), 3)
    assert curve.curvature == pytest.approx(0.095)
    assert curve.loss(best) == pytest.approx(2.1)
    assert curve.grid_regret == pytest.approx(0.095 / 4)  # of a factor 2
    # The squares' sum around their mean is 4 for four rates an octave apart.
    assert curve.curvature_error == pytest.approx(0.041 / np.sqrt(3) / 2)
    worse, error = curve.excess(0.008, best)
    assert worse == pytest.approx(0.095 * np.log2(0.008 / best) ** 2)
    assert worse > 2 * error


@pytest.mark.parametrize(("best", "chosen"), [(0.0005, 0.001), (0.03, 0.008)])
def test_the_optimum_stays_within_what_was_tried(best, chosen):
    assert fit_curve(quadratic(best, 0.03), NOISE).optimum == chosen


def test_an_end_of_the_grid_is_not_rounded_out_of_it():
    rates = [0.00333, 0.00666, 0.0133]
    assert fit_curve(quadratic(0.00334, 0.1, rates), NOISE).optimum == 0.00333


def test_a_curve_that_bends_down_has_no_optimum():
    curve = fit_curve(
        {rate: [loss] * 3 for rate, loss in zip(GRID, [2.7, 2.8, 2.8, 2.7], strict=True)}, NOISE
    )
    assert curve.curvature < 0
    assert (curve.optimum, curve.interval, curve.grid_regret) == (None, None, None)


def test_only_rates_within_two_octaves_count():
    assert fit_curve(quadratic(0.002, 0.1, [0.0001, 0.002, 0.04]), NOISE) is None
    wide = fit_curve(quadratic(0.002, 0.1, [0.0001, 0.001, 0.002, 0.004, 0.02]), NOISE)
    assert wide.rates == (0.001, 0.002, 0.004)
    # Rates that a grid grew by are rounded to three digits.
    assert len(fit_curve(quadratic(0.01, 0.1, [0.0025, 0.01, 0.0401]), NOISE).rates) == 3


def test_a_rate_at_which_training_nearly_breaks_is_left_out():
    losses = quadratic(0.0028, 0.03)
    losses[0.016] = [4.0, 4.1, 4.2]
    curve = fit_curve(losses, NOISE)
    assert (curve.rates, curve.optimum) == (tuple(GRID), 0.0028)
    del losses[0.016]
    losses[0.008] = [4.0, 4.1, 4.2]
    assert fit_curve(losses, NOISE).rates == (0.001, 0.002, 0.004)


def test_the_published_curve_of_learned_positions_is_no_quadratic():
    """2.761, 2.689, 2.850, 2.777 (one seed): its last rate is left out where three seeds say the same."""
    losses = {rate: [loss] * 3 for rate, loss in zip(GRID, [2.761, 2.689, 2.850, 2.777], strict=True)}
    curve = fit_curve(losses, NOISE)
    assert (curve.rates, curve.optimum) == ((0.001, 0.002, 0.004), 0.0018)


def test_one_seed_has_a_curve_and_no_interval():
    curve = fit_curve(quadratic(0.0028, 0.095, seeds=1), None)
    assert (len(curve.rates), curve.optimum, curve.interval) == (3, 0.0028, None)
    assert curve.excess(0.008, 0.002)[1] is None


def test_an_interval_that_is_open_says_where_it_ends():
    low, high = fit_curve(quadratic(0.0028, 0.095), NOISE).interval
    assert 0.0022 < low < 0.0028 < high < 0.0036
    assert fit_curve(quadratic(0.0028, 0.001), NOISE).interval == (None, None)
    low, high = fit_curve(quadratic(0.008, 0.02), NOISE).interval
    assert low > 0.003
    assert high is None


def test_the_interval_holds_the_optimum_as_often_as_it_says():
    """Fieller's, in 1,000 studies of four rates and three seeds whose optimum is known."""
    generator = np.random.default_rng(7)
    held = []
    for _ in range(1000):
        shape = 0.095 * np.array([-1.25, -0.25, 0.75, 1.75]) ** 2  # at 0.002 · 2^0.25
        tables = [shape[:, None] + generator.normal(0, 0.041, (4, 3)) for _ in range(2)]
        losses = dict(zip(GRID, tables[0], strict=True))
        low, high = fit_curve(losses, pooled_noise(tables)).interval or (None, None)
        truth = 0.002 * 2**0.25
        held.append((low or 0) <= truth <= (high or 1))
    assert 0.93 <= np.mean(held) <= 0.97


def test_the_noise_is_what_rates_and_seeds_do_not_explain():
    generator = np.random.default_rng(3)
    tables = [
        generator.normal(0, 0.04, (4, 3)) + generator.normal(0, 1, (4, 1)) + generator.normal(0, 1, (1, 3))
        for _ in range(200)
    ]
    noise = pooled_noise(tables)
    assert noise.df == 200 * 3 * 2
    assert noise.variance == pytest.approx(0.04**2, rel=0.1)
    assert pooled_noise([np.ones((3, 1))]) is None
    assert pooled_noise([]) is None
    assert pooled_noise([np.ones((3, 2))]).variance > 0  # so that nothing is divided by zero


def test_the_expected_best_of_k_rates():
    assert best_of([2.131, 2.056, 2.179, 2.10]) == pytest.approx([2.1165, 2.0832, 2.0670, 2.0560], abs=5e-5)
    assert best_of([]) == []


def test_where_two_such_curves_cross():
    peaked, flat = [2.0, 2.6, 2.6, 2.6], [2.1, 2.1, 2.1, 2.1]
    assert crossing(peaked, flat) == crossing(flat, peaked) == 3
    assert crossing(peaked, [loss + 1 for loss in peaked]) is None
    assert crossing(peaked, peaked) is None
    assert crossing([], flat) is None


def test_the_regret_of_a_grid_is_of_its_widest_step():
    assert coarseness(0.095, [0.001, 0.002, 0.004]) == pytest.approx(0.095 / 4)
    assert coarseness(0.095, [0.001, 0.001 * 2**0.5]) == pytest.approx(0.095 / 16)
    assert coarseness(0.095, [0.001, 0.002, 0.008]) == pytest.approx(0.095)
    assert coarseness(0.095, [0.001]) == 0
