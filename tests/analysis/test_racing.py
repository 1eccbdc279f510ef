"""Racing over seeds: what is worse seed by seed stops, what is as good goes on."""

import math

import pytest

from workbench.analysis.racing import is_out

BEST = [2.0, 2.1, 1.9, 2.05, 2.02]


@pytest.mark.parametrize("seeds", [1, 2, 3])
def test_no_test_speaks_before_four_seeds(seeds):
    assert not is_out([9.0] * seeds, [BEST])


def test_what_is_worse_at_every_seed_stops_after_four():
    worse = [loss + 0.01 * place for place, loss in enumerate(BEST[:4], start=1)]
    assert is_out(worse, [BEST])
    assert not is_out(BEST[:4], [worse])


def test_what_is_better_at_some_seeds_goes_on():
    assert not is_out([2.1, 2.0, 2.0, 2.0], [BEST])


def test_a_lost_seed_is_the_end():
    assert is_out([2.0, math.inf], [BEST])
    assert not is_out([2.0, 2.0, 2.0, 2.0], [[1.0, 1.0, math.inf, 1.0], [1.0, 1.0]])
    assert not is_out([2.0], [])
