import pytest

from workbench.analysis.search_rungs import Entrant, Standing, agreements, standings

RUNGS = [1, 3, 9]


def entrant(number, *losses, begun=()):
    """A point with these losses at the rungs in order; None is a training without a result."""
    outcomes = dict(zip(RUNGS, ([loss] if loss is not None else None for loss in losses), strict=False))
    return Entrant(number=number, begun=frozenset([*outcomes, *begun]), outcomes=outcomes)


def tokens_of(found):
    return {number: (one.tokens, one.stopped) for number, one in found.items()}


def test_nobody_goes_on_before_all_of_a_rung_have_ended():
    waiting = [entrant(0, 2.0), entrant(1, 1.0), entrant(2)]
    assert tokens_of(standings(waiting, RUNGS)) == {0: (1, False), 1: (1, False), 2: (1, False)}


def test_the_best_third_goes_on_to_the_next_rung():
    losses = [2.0, 1.0, 3.0, 1.5, 2.5, 1.2, 4.0]
    found = standings([entrant(number, loss) for number, loss in enumerate(losses)], RUNGS)
    assert {number for number, one in found.items() if one.tokens == 3} == {1, 5}
    assert {number for number, one in found.items() if one.stopped} == {0, 2, 3, 4, 6}
    assert found[0].values == {1: [2.0]}
    assert found[0].reached == 1


def test_the_whole_budget_stops_nobody():
    found = standings([entrant(0, 1.0, 0.9, 0.5), entrant(1, 2.0), entrant(2, 3.0)], RUNGS)
    assert tokens_of(found) == {0: (9, False), 1: (1, True), 2: (1, True)}
    assert found[0].values == {1: [1.0], 3: [0.9], 9: [0.5]}


def test_what_has_no_result_takes_no_place_and_is_not_stopped():
    found = standings([entrant(0, None), entrant(1, 2.0), entrant(2, None)], RUNGS)
    assert tokens_of(found) == {0: (1, False), 1: (3, False), 2: (1, False)}
    none = standings([entrant(0, None), entrant(1, None)], RUNGS)
    assert tokens_of(none) == {0: (1, False), 1: (1, False)}


def test_who_has_begun_the_next_rung_stays_whatever_a_failed_run_gives_when_tried_again():
    found = standings([entrant(0, 1.0), entrant(1, 2.0, begun=[3]), entrant(2, 3.0)], RUNGS)
    assert tokens_of(found) == {0: (1, True), 1: (3, False), 2: (1, True)}
    # A record that was damaged is trained again: nobody else loses its place meanwhile.
    found = standings([entrant(0), entrant(1, 2.0, 1.5, 1.2), entrant(2, 3.0)], RUNGS)
    assert tokens_of(found) == {0: (1, False), 1: (9, False), 2: (1, False)}


def test_of_several_objectives_the_front_goes_on_before_what_it_beats():
    values = {0: [1.0, 9.0], 1: [1.1, 9.5], 2: [5.0, 1.0], 3: [1.2, 9.6], 4: [6.0, 2.0], 5: [7.0, 3.0]}
    entrants = [
        Entrant(number=number, begun=frozenset([1]), outcomes={1: own}) for number, own in values.items()
    ]
    found = standings(entrants, RUNGS)
    assert {number for number, one in found.items() if one.tokens == 3} == {0, 2}


def test_rungs_are_compared_over_the_points_that_are_at_both():
    found = [
        Standing(tokens=9, stopped=False, values={1: [1.0], 3: [1.0], 9: [0.3]}),
        Standing(tokens=9, stopped=False, values={1: [2.0], 3: [2.0], 9: [0.2]}),
        Standing(tokens=3, stopped=True, values={1: [3.0], 3: [3.0]}),
        Standing(tokens=1, stopped=True, values={1: [4.0]}),
    ]
    first, second, whole = agreements(found, RUNGS)
    assert (first.fewer, first.more, first.points) == (1, 3, 3)
    assert first.rho == pytest.approx(1.0)
    assert (second.points, second.rho) == (2, None)  # of two points an order says nothing
    assert (whole.fewer, whole.more) == (1, 9)
