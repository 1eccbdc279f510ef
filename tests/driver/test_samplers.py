"""Samplers: the same proposals from the same seed and history, all of them new and within the space."""

import warnings

import pytest

from workbench.driver.samplers import Told, distributions, parameters, propose, seed_of
from workbench.errors import UserError
from workbench.records.space import Range, contains
from workbench.study.sampling import CMAES, GP, GRID, QMC, RANDOM, ROUND, TPE

SPACE = {"learning_rate": Range(low=1e-3, high=1e-2, log=True), "weight_decay": [0, 0.1, 0.3]}
RANGES = {"learning_rate": Range(low=1e-3, high=1e-2, log=True), "warmup": Range(low=0.0, high=0.3)}
GRIDS = {"learning_rate": [0.001, 0.002], "weight_decay": [0, 0.1]}


def told(points, loss=lambda point: point["learning_rate"]):
    return [Told(point=point, values=[loss(point)]) for point in points]


def rounds(space, sampler, loss, count, whose="llama"):
    """``count`` rounds, each told before the next; and all points in their order."""
    history = []
    for number in range(count):
        seed = seed_of("study", whose, number)
        new = propose(space, sampler, seed=seed, history=history, count=ROUND, startup=ROUND)
        history += told(new, loss)
    return [one.point for one in history]


def test_a_grid_is_all_points_in_order():
    found = propose(GRIDS, GRID, seed=1, history=[], count=4)
    assert found == [
        {"learning_rate": rate, "weight_decay": decay} for rate in (0.001, 0.002) for decay in (0, 0.1)
    ]
    assert propose(GRIDS, GRID, seed=1, history=told(found[:3]), count=4) == found[3:]


@pytest.mark.parametrize("sampler", [QMC, RANDOM, TPE])
def test_proposals_follow_from_seed_and_history(sampler):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = rounds(SPACE, sampler, lambda point: point["learning_rate"], 3)
        assert rounds(SPACE, sampler, lambda point: point["learning_rate"], 3) == found
        assert rounds(SPACE, sampler, lambda point: point["learning_rate"], 3, "other") != found
    assert all(contains(SPACE, point) for point in found)
    assert all(point not in found[:place] for place, point in enumerate(found))


def test_qmc_is_more_even_than_chance():
    found = propose(SPACE, QMC, seed=3, history=[], count=8)
    shares = sorted(SPACE["learning_rate"].share(point["learning_rate"]) for point in found)
    assert all(place / 8 <= share + 0.01 <= (place + 1) / 8 + 0.02 for place, share in enumerate(shares))


@pytest.mark.parametrize(("sampler", "space"), [(TPE, SPACE), (CMAES, RANGES)])
def test_a_sampler_that_learns_comes_closer(sampler, space):
    """Of ten rounds the last three lie closer to the best rate than the first three."""
    goal = space["learning_rate"].share(0.008)

    def away(point):
        return abs(space["learning_rate"].share(point["learning_rate"]) - goal)

    found = [away(point) for point in rounds(space, sampler, away, 10)]
    assert sum(found[-12:]) < 0.7 * sum(found[:12])


def test_gp_proposes_new_points_and_the_same_again():
    history = told(propose(SPACE, RANDOM, seed=1, history=[], count=4))
    found = [propose(SPACE, GP, seed=2, history=history, count=2, startup=4) for _ in range(2)]
    assert found[0] == found[1]
    assert all(contains(SPACE, point) for point in found[0])


def test_a_space_that_has_an_end_gives_each_point_once():
    found = propose(GRIDS, TPE, seed=1, history=[], count=9)
    assert len(found) == 4
    assert propose(GRIDS, TPE, seed=1, history=told(found), count=1) == []


def test_a_point_without_a_result_is_told_as_the_worst():
    """A sampler that heard nothing of it would propose the upper rates again."""
    first = propose(SPACE, RANDOM, seed=5, history=[], count=16)
    lost = [
        Told(point=one, values=None if one["learning_rate"] > 0.003 else [one["learning_rate"]])
        for one in first
    ]
    found = propose(SPACE, TPE, seed=6, history=lost, count=8, startup=4)
    assert sum(point["learning_rate"] > 0.003 for point in found) <= 2


@pytest.mark.parametrize("directions", [["minimize"], ["minimize", "minimize"]])
def test_points_that_stopped_are_learned_from_by_their_last_rung_and_never_beat_others(directions):
    """Rates near 0.009 did best of those that stopped, and none has the whole budget yet."""
    points = propose(SPACE, QMC, seed=3, history=[], count=24)
    stopped = [(300, abs(point["learning_rate"] - 0.009)) for point in points]
    history = [
        Told(point=point, values=None, stopped=one) for point, one in zip(points, stopped, strict=True)
    ]
    history.sort(key=lambda one: one.stopped[1])  # of several objectives the order says it
    # What has no result at all, at other rates, is behind those that stopped.
    lost = [{"learning_rate": 0.001 + 0.0001 * place, "weight_decay": 0.3} for place in range(4)]
    history += [Told(point=point, values=None) for point in lost]
    found = propose(SPACE, TPE, seed=7, history=history, count=8, directions=directions)
    assert sum(point["learning_rate"] > 0.006 for point in found) >= 6
    # A few that had the whole budget, at low rates, come before all that stopped.
    low = [{"learning_rate": 0.001 + 0.0001 * place, "weight_decay": 0} for place in range(4)]
    history += [Told(point=point, values=[9.0] * len(directions)) for point in low]
    found = propose(SPACE, TPE, seed=7, history=history, count=8, directions=directions)
    assert sum(point["learning_rate"] < 0.003 for point in found) >= 6


def test_nothing_but_lost_points_is_no_history():
    lost = [Told(point={"learning_rate": 0.002, "weight_decay": 0}, values=None)]
    assert len(propose(SPACE, TPE, seed=1, history=lost, count=2)) == 2


def test_what_lies_outside_of_a_changed_space_is_left_out():
    outside = told([{"learning_rate": 0.5, "weight_decay": 0}, {"learning_rate": 0.002}])
    found = propose(SPACE, TPE, seed=1, history=outside, count=2)
    assert found == propose(SPACE, TPE, seed=1, history=[], count=2)


def test_levels_with_options_come_back_as_they_are():
    level = {"name": "rope", "base": 500_000}
    space = {"positions": ["learned", level], "heads": Range(low=2, high=8, step=2)}
    found = propose(space, TPE, seed=1, history=[], count=8)
    assert level in [point["positions"] for point in found]
    assert set(distributions(space)) == {"positions", "heads"}
    assert parameters(space, found[0])["heads"] in (2, 4, 6, 8)


def test_several_objectives_and_constraints():
    points = propose(SPACE, RANDOM, seed=1, history=[], count=12)
    history = [
        Told(
            point=point,
            values=None if place == 3 else [point["learning_rate"], -point["learning_rate"]],
            constraints={"parameters": point["learning_rate"] - 0.005},
        )
        for place, point in enumerate(points)
    ]
    directions = ("minimize", "maximize")
    found = propose(SPACE, TPE, seed=2, history=history, count=4, directions=directions)
    assert len(found) == 4


@pytest.mark.parametrize(
    ("space", "sampler", "says"),
    [
        (SPACE, GRID, "learning_rate: the sampler grid tries every value"),
        (SPACE, CMAES, "weight_decay: the sampler cmaes goes by distances"),
        ({"learning_rate": SPACE["learning_rate"]}, CMAES, "needs two ranges or more"),
        (SPACE, "hill", "'hill' is none; take grid, qmc, tpe, gp, cmaes, random"),
    ],
)
def test_a_space_that_a_sampler_cannot_have_is_refused(space, sampler, says):
    with pytest.raises(UserError, match=says):
        propose(space, sampler, seed=1, history=[], count=1)
    with pytest.raises(UserError, match="has one objective"):
        propose(RANGES, CMAES, seed=1, history=[], count=1, directions=("minimize", "minimize"))
