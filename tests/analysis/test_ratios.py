"""Fieller's interval of a ratio."""

import pytest

from workbench.analysis.ratios import fieller


def test_a_known_ratio():
    """-0.05 ± 0.01 over -0.12 ± 0.01 at t = 2.365."""
    found = fieller(-0.05, -0.12, variances=(1e-4, 1e-4), quantile=2.365, level=0.95)
    assert (found.low, found.high) == (pytest.approx(0.2151, abs=1e-4), pytest.approx(0.6520, abs=1e-4))


def test_a_denominator_that_may_be_zero_has_no_interval():
    assert fieller(0.05, 0.02, variances=(1e-4, 1e-4), quantile=2.365, level=0.95) is None


def test_without_noise_it_is_the_ratio():
    found = fieller(0.3, 1.2, variances=(0.0, 0.0), quantile=2.0, level=0.95)
    assert (found.low, found.high) == pytest.approx((0.25, 0.25))
