"""What tuning does to verdicts on two equal variants, at the noise of published studies (seeded)."""

import pytest

from tests.analysis.simulated_tuning import argmin, quadratic, simulate

MARGINS = (0.01, 0.02)
SD = 0.041  # of a run in the published study of positions


def truth(rule, curvature, tune_seeds, confirm_seeds, studies=1500):
    return simulate(
        rule,
        curvature=curvature,
        sd=SD,
        tune_seeds=tune_seeds,
        confirm_seeds=confirm_seeds,
        margins=MARGINS,
        studies=studies,
    )


@pytest.mark.parametrize("confirm_seeds", [5, 8])
@pytest.mark.parametrize("curvature", [0.03, 0.095])
def test_equal_variants_are_called_different_less_often_than_by_the_lowest_mean(curvature, confirm_seeds):
    regret_before, false_before = truth(argmin, curvature, 1, confirm_seeds)
    regret, false = truth(quadratic, curvature, 3, confirm_seeds)
    assert regret < regret_before / 3
    assert false_before[0] > 0.05  # at the smaller margin, with one tuning seed
    assert false[0] < 0.05
    assert false[1] < 0.03
    assert all(now < 0.8 * before for now, before in zip(false, false_before, strict=True))


def test_with_as_many_seeds_the_curve_chooses_better_than_the_lowest_mean():
    for curvature in (0.03, 0.095):
        lowest, _ = truth(argmin, curvature, 3, 8)
        curve, _ = truth(quadratic, curvature, 3, 8)
        assert curve < 0.6 * lowest
