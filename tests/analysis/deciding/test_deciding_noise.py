"""Noise that was measured, drawn for simulated studies."""

import numpy as np
import pytest

from workbench.analysis.deciding.looks import Rule
from workbench.analysis.deciding.noise import NormalNoise, PooledNoise
from workbench.analysis.deciding.simulated_studies import simulate_studies

POOL = np.random.default_rng(5).standard_normal((40, 3)) * [1.0, 2.0, 0.5] + [7.0, -3.0, 0.0]


def drawn(noise, studies=4_000, pairs=8, comparisons=3):
    return noise.draw(np.random.default_rng(0), studies, pairs, comparisons)


def test_what_is_drawn_has_no_mean_and_the_sd_of_the_sample():
    noise = drawn(PooledNoise(POOL)).reshape(-1, 3)
    assert np.abs(noise.mean(axis=0)).max() < 0.05
    assert noise.std(axis=0) == pytest.approx(POOL.std(axis=0, ddof=1), rel=0.02)


def test_the_comparisons_of_a_seed_are_drawn_together():
    noise = drawn(PooledNoise(POOL)).reshape(-1, 3)
    centred = (POOL - POOL.mean(axis=0)) * np.sqrt(40 / 39)
    distances = np.abs(noise[:200, None] - centred[None]).max(axis=-1)
    assert distances.min(axis=1).max() < 1e-12  # each row is one of the pool's


def test_a_study_draws_from_its_own_pool():
    pools = np.stack([POOL, 1_000 * POOL])
    noise = np.abs(drawn(PooledNoise(pools), studies=6)).max(axis=(1, 2))
    assert (noise[::2] < 100).all()
    assert (noise[1::2] > 100).all()


def test_one_seed_has_no_spread():
    with pytest.raises(ValueError, match="two seeds"):
        PooledNoise(POOL[:1])


def test_normal_noise_is_what_the_sd_and_the_shared_part_say():
    noise = drawn(NormalNoise(np.array([1.0, 2.0, 3.0]), shared=0.25)).reshape(-1, 3)
    assert noise.std(axis=0) == pytest.approx([1, 2, 3], rel=0.03)
    assert np.corrcoef(noise.T)[0, 1] == pytest.approx(0.25, abs=0.03)


def test_studies_take_their_noise_from_where_they_are_told():
    rule = Rule.fixed(8, 1)
    pool = PooledNoise(POOL[:, :1])
    same = simulate_studies(rule, [0.4], margin=0.1, studies=50, noise=NormalNoise(1.0))
    assert (same.mean == simulate_studies(rule, [0.4], margin=0.1, studies=50).mean).all()
    other = simulate_studies(rule, [0.4], margin=0.1, studies=50, noise=pool)
    assert other.mean.mean() == pytest.approx(0.4, abs=0.2)
    assert not (other.mean == same.mean).any()


@pytest.mark.parametrize("rule", [Rule.fixed(8, 1), Rule.fixed(4, 3), Rule.until(4, 16, 2)])
def test_printed_intervals_hold_the_truth_as_often_as_they_promise(rule):
    truths = np.zeros(rule.comparisons)
    found = simulate_studies(rule, truths.tolist(), margin=0.1, studies=4_000, stops_at_margin=False)
    covered = found.covers(truths)
    assert covered.shape == (4_000, rule.comparisons)
    error = np.sqrt(0.05 * 0.95 / 4_000)
    assert covered.mean() > 0.95 - 3 * error
    if rule.comparisons == 1:
        assert covered.mean() < 0.95 + 3 * error
