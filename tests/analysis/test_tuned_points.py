"""Points compete, not learning rates: which is chosen, which lie at an edge, how sensitive the loss is."""

import math

import pytest

from workbench.analysis.tuned_points import TriedPoint, choose_point, edges, leading, means_on_all_seeds
from workbench.analysis.tuning_report import sensitivity
from workbench.records.manifest import PlannedTuning
from workbench.records.space import Range

SPACE = {"learning_rate": Range(low=0.001, high=0.01, log=True), "weight_decay": [0.0, 0.1, 0.3]}
PLAN = PlannedTuning(space=SPACE, sampler="tpe", trials=4, again=3, fresh=[7, 8, 9])


def point(rate, decay, losses, fresh=()):
    return TriedPoint(
        hyperparameters={"learning_rate": rate, "weight_decay": decay},
        losses=dict(enumerate(losses, start=1)),
        fresh=dict(zip(PLAN.fresh, fresh, strict=False)),
    )


TRIED = [
    point(0.002, 0.0, [3.0], [2.5, 2.5, 2.5]),
    point(0.002, 0.3, [2.0], [2.4, 2.4, 2.4]),  # the lowest by luck
    point(0.004, 0.1, [2.1], [2.2, 2.2, 2.2]),
    point(0.008, 0.1, [math.inf]),
]


def test_points_of_one_rate_are_not_averaged():
    best = leading(TRIED, [1], 3)
    assert [one.mean for one in best] == [2.0, 2.1, 3.0]


def test_the_fresh_seeds_alone_decide():
    found = choose_point(TRIED, PLAN, [1])
    assert found.chosen == TRIED[2]
    assert found.loss == pytest.approx(2.2)
    assert found.again[0] == TRIED[2]


def test_before_they_have_run_the_lowest_mean_stands():
    bare = [point(one.hyperparameters["learning_rate"], 0.1, one.losses.values()) for one in TRIED[1:]]
    found = choose_point(bare, PLAN, [1])
    assert found.again == ()
    assert found.loss == 2.0


def test_edges_are_of_what_was_tried_and_zero_is_none():
    names = ("learning_rate", "weight_decay")
    assert edges(TRIED, {"learning_rate": 0.008, "weight_decay": 0.3}, names) == {
        "learning_rate": "0.008 is the largest tried",
        "weight_decay": "0.3 is the largest tried",
    }
    assert edges(TRIED, {"learning_rate": 0.002, "weight_decay": 0.0}, names) == {
        "learning_rate": "0.002 is the smallest tried"
    }


def test_sensitivity_is_of_the_best_point_at_other_values():
    groups = sensitivity(TRIED, "weight_decay")
    assert [(one.values, one.excess) for one in groups] == [
        ((0.0,), pytest.approx(1.0)),
        ((0.1,), pytest.approx(0.1)),
        ((0.3,), 0.0),
    ]


def test_a_stopped_point_is_as_far_behind_as_at_its_own_seeds():
    whole, stopped = point(0.002, 0.1, [2.0, 3.0]), point(0.004, 0.1, [2.1])
    assert means_on_all_seeds([whole, stopped])[stopped.key] == pytest.approx(2.6)
