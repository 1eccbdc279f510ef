"""What tuning tries, and by which candidates the grid grows."""

import pytest

from workbench.study.candidates import at_edge, candidates, grown, joined


def added_to(rates, chosen):
    return [one["learning_rate"] for one in grown(candidates(rates), candidates(chosen))]


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
    assert added_to([0.001, 0.002, 0.004], chosen) == added


def test_the_grid_never_grows_out_of_the_bounds_of_a_studys_rates():
    assert added_to([4.0, 8.0], [8.0]) == []
    assert added_to([2e-9, 8e-9], [2e-9]) == []
    assert added_to([2e-9, 4e-9, 8.0], [2e-9, 8.0]) == [1e-9]
    assert at_edge(candidates([4.0, 8.0]), candidates([8.0]))
    assert not at_edge(candidates([2.0, 4.0, 8.0]), candidates([4.0]))


def test_the_grid_grows_by_its_own_ratio():
    assert added_to([0.01, 0.003, 0.001], [0.001, 0.01]) == [0.000333, 0.0333]


def test_what_is_added_takes_its_place_and_nothing_stands_twice():
    both = joined(candidates([0.01, 0.02]), candidates([0.005, 0.02]))
    assert both == candidates([0.005, 0.01, 0.02])
