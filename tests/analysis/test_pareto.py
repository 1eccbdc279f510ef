import numpy as np

from workbench.analysis.pareto import best_first, pareto_front


def test_equal_points_are_on_the_front_together():
    values = np.array([[1.0, 2.0], [1.0, 2.0], [2.0, 1.0], [2.0, 2.0]])
    assert pareto_front(values).tolist() == [True, True, True, False]


def test_the_best_come_first_by_rank_and_then_by_the_first_objective():
    # The front is (3, 1) and (1, 3); behind it (2, 4), then (2.5, 5), which both beat.
    values = np.array([[3.0, 1.0], [2.5, 5.0], [1.0, 3.0], [2.0, 4.0]])
    assert best_first(values) == [2, 0, 3, 1]
    assert best_first(np.array([[2.0], [1.0], [2.0], [0.5]])) == [3, 1, 0, 2]
