"""Sobol's points are scipy's, in as many dimensions as are written out and in more."""

import numpy as np
import pytest
from scipy.stats import qmc

from workbench.analysis.deciding.sobol import sobol_points


@pytest.mark.parametrize("dimensions", range(1, 23))
def test_they_are_scipys_to_the_last_digit(dimensions):
    expected = qmc.Sobol(dimensions, seed=0).random(256)
    assert np.array_equal(sobol_points(dimensions, 256), expected)


def test_each_half_quarter_and_eighth_has_its_share():
    counts, _ = np.histogram(sobol_points(1, 256)[:, 0], bins=8, range=(0, 1))
    assert set(counts) == {32}
