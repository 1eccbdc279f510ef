"""The expected best of k draws, against a small example by hand."""

import math

import pytest

from workbench.analysis.best_of_k import best_of_k, best_so_far


def test_two_values_by_hand():
    """Of 1 and 3: one draw is 2 on average; of two draws both are 3 in one of four cases."""
    one, two = best_of_k([3.0, 1.0])
    assert (one.k, one.mean, one.variance) == (1, 2.0, 1.0)
    assert (two.k, two.mean, two.variance) == (2, 1.5, 0.75)
    assert two.sd == pytest.approx(math.sqrt(0.75))


def test_the_curve_falls_towards_the_lowest():
    found = best_of_k([2.0, 2.5, 2.1, 3.0])
    means = [best.mean for best in found]
    assert means == sorted(means, reverse=True)
    assert means[0] == pytest.approx(2.4)
    assert 2.0 < means[-1] < 2.1


def test_a_point_without_a_result_counts_as_the_worst():
    assert best_of_k([2.0, math.inf, 3.0]) == best_of_k([2.0, 3.0, 3.0])
    assert best_of_k([math.inf]) == []
    assert best_of_k([]) == []


def test_best_so_far_goes_by_the_order():
    assert best_so_far([math.inf, 2.0, 3.0, 1.0]) == [math.inf, 2.0, 2.0, 1.0]
