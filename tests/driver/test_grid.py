"""The grid of learning rates: it grows where it was hit, by its own ratio, within the bounds of a study."""

import pytest

from workbench.driver.grid import at_edge, grown


@pytest.mark.parametrize(
    ("chosen", "added"),
    [
        ([0.002, 0.002], []),
        ([0.001, 0.002], [0.0005]),
        ([0.002, 0.004], [0.008]),
        ([0.001, 0.004], [0.0005, 0.008]),
    ],
)
def test_the_grid_grows_on_the_side_that_was_hit(chosen, added):
    assert grown([0.001, 0.002, 0.004], chosen) == added


def test_the_grid_never_grows_out_of_the_bounds_of_a_studys_rates():
    assert grown([4.0, 8.0], [8.0]) == []
    assert grown([2e-9, 8e-9], [2e-9]) == []
    assert grown([2e-9, 4e-9, 8.0], [2e-9, 8.0]) == [1e-9]
    assert at_edge([4.0, 8.0], [8.0])
    assert not at_edge([2.0, 4.0, 8.0], [4.0])


def test_the_grid_grows_by_its_own_ratio():
    assert grown([0.01, 0.003, 0.001], [0.001, 0.01]) == [0.000333, 0.0333]
