"""What an sd from few runs says of the true one: factors from tables of chi-squared, and simulation."""

import numpy as np
import pytest

from workbench.analysis.power import seeds_needed
from workbench.analysis.sd_range import safe_sd, sd_range
from workbench.errors import UserError


@pytest.mark.parametrize(("degrees", "factor"), [(2, 2.117), (4, 1.558), (7, 1.353), (15, 1.206)])
def test_the_safe_sd_in_sds(degrees, factor):
    assert safe_sd(1.0, degrees) == pytest.approx(factor, abs=5e-4)
    assert safe_sd(0.02, degrees) == pytest.approx(0.02 * factor, abs=1e-5)


def test_three_runs_leave_a_wide_range():
    found = sd_range(1.0, 2)
    assert (found.low, found.high) == pytest.approx((0.52, 6.28), abs=0.006)


def test_ranges_and_bounds_are_kept():
    samples = np.random.default_rng(1).normal(0, 1, (4_000, 5)).std(axis=1, ddof=1)
    ranges = [sd_range(sd, 4) for sd in samples[:1_000]]
    assert np.mean([one.low <= 1 <= one.high for one in ranges]) == pytest.approx(0.95, abs=0.02)
    assert np.mean([safe_sd(sd, 4) >= 1 for sd in samples[:1_000]]) == pytest.approx(0.8, abs=0.04)


def test_seeds_by_the_safe_sd_keep_the_power_in_four_plans_of_five():
    """Plans from five runs each; by the sd as it was seen, half of them are too small."""
    seen = np.sqrt(np.random.default_rng(5).chisquare(4, 400) / 4)  # true sd 1
    needed = seeds_needed(1.0, 0.8)
    likely = np.mean([seeds_needed(sd, 0.8) >= needed for sd in seen])
    safe = np.mean([seeds_needed(safe_sd(sd, 4), 0.8) >= needed for sd in seen])
    assert likely < 0.55
    assert safe == pytest.approx(0.8, abs=0.05)


@pytest.mark.parametrize(("sd", "degrees"), [(0.1, 0), (float("nan"), 3), (-1.0, 3)])
def test_one_run_has_no_range(sd, degrees):
    with pytest.raises(UserError, match="standard deviation"):
        sd_range(sd, degrees)
    with pytest.raises(UserError, match="standard deviation"):
        safe_sd(sd, degrees)
