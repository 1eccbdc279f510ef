"""The table of levels: known values, the simulation that made it, and looks that are not in it."""

import inspect
from itertools import pairwise

import numpy as np
import pytest
from scipy.special import stdtr

from workbench.analysis.deciding import nominal_levels
from workbench.analysis.deciding.level_simulation import (
    ALPHAS,
    FIRST_LOOKS,
    NUMBERS_OF_PAIRS,
    as_source,
    p_of_paths,
    simulated_levels,
)
from workbench.analysis.deciding.looks import Rule, looks_between
from workbench.analysis.deciding.nominal_levels import LEVELS, nominal_level
from workbench.errors import UserError


@pytest.mark.parametrize(
    ("at_least", "comparisons", "level"),
    [(4, 1, 0.0121), (4, 3, 0.0038), (4, 10, 0.0011), (8, 1, 0.0155), (8, 3, 0.0048), (8, 10, 0.0015)],
)
def test_known_levels(at_least, comparisons, level):
    rule = Rule.until(at_least, 64, comparisons)
    # The known values come from 60,000 studies, 3,000 / comparisons of which are in the tail.
    error = (comparisons / 3_000) ** 0.5
    assert rule.difference_level(comparisons) == pytest.approx(level, rel=2 * error)


@pytest.fixture(scope="module")
def paths():
    return p_of_paths(150_000, np.random.default_rng(7))  # (10, 300,000)


@pytest.mark.parametrize("alpha", [0.05, 0.025, 0.0125, 0.025 / 3])
@pytest.mark.parametrize(("first", "last"), [(2, 64), (4, 64), (8, 64), (4, 1024), (16, 32)])
def test_the_table_is_what_its_simulation_says(paths, first, last, alpha):
    """Another seed, and alphas between those of the table."""
    looks = looks_between(first, last)
    places = [NUMBERS_OF_PAIRS.index(look) for look in (looks if first > 2 else (2, *looks[1:]))]
    error = (paths[places].min(axis=0) < nominal_level(alpha, looks)).mean()
    assert error == pytest.approx(alpha, abs=4 * np.sqrt(alpha / 300_000))


@pytest.mark.parametrize("looks", [(5, 8, 16, 20), (3, 4, 8, 16, 32, 40), (6, 8, 12), (12, 16, 32, 64, 100)])
def test_other_looks_err_less_than_they_may(looks):
    assert looks == looks_between(looks[0], looks[-1]) or looks == (6, 8, 12)
    generator = np.random.default_rng(3)
    pairs = generator.standard_normal((30_000, looks[-1])).astype(np.float32)
    smallest = np.ones((2, len(pairs)))
    for look in looks:
        t = pairs[:, :look].mean(axis=1) / pairs[:, :look].std(axis=1, ddof=1) * look**0.5
        smallest = np.minimum(smallest, [stdtr(look - 1, t), stdtr(look - 1, -t)])
    error = (smallest < nominal_level(0.05, looks)).mean()
    assert error < 0.05 + 3 * np.sqrt(0.05 / 60_000)
    assert error > 0.75 * 0.05  # and it is no waste


def test_levels_rise_with_alpha_and_fall_with_looks():
    for first, rows in LEVELS.items():
        for count, row in enumerate(rows, start=2):
            assert all(larger > smaller for larger, smaller in pairwise(row))
            # Between an equal part of alpha for each look, and all of it.
            assert all(alpha / count * 0.99 < level < alpha for alpha, level in zip(ALPHAS, row, strict=True))
        assert (np.diff(np.array(rows), axis=0) < 0).all(), first
    assert tuple(LEVELS) == FIRST_LOOKS
    tiny = [nominal_level(alpha, (4, 8, 16, 32, 64)) for alpha in np.geomspace(1e-6, 0.05, 200)]
    assert (np.diff(tiny) > 0).all()  # also where the table ends: Holm's steps need that


def test_the_simulation_makes_the_table():
    made = simulated_levels(paths=60_000, seed=5)
    for first, rows in LEVELS.items():
        found = np.array(made[first])[:, :3]  # alphas of which there are 1,200 draws or more
        assert found == pytest.approx(np.array(rows)[:, :3], rel=0.12)
    assert as_source(LEVELS) in inspect.getsource(nominal_levels)


def test_a_single_look_has_all_of_alpha():
    assert Rule.fixed(8, 3).difference_level(3) == pytest.approx(0.05 / 3)
    assert Rule.until(16, 16, 1).equivalence_level(1) == 0.05


@pytest.mark.parametrize(
    ("at_least", "at_most", "looks"),
    [
        (4, 64, (4, 8, 16, 32, 64)),
        (8, 64, (8, 16, 32, 64)),
        (4, 40, (4, 8, 16, 32, 40)),
        (5, 20, (5, 8, 16, 20)),
        (2, 6, (2, 4, 6)),
        (4, 4, (4,)),
        (3, 4, (3, 4)),
        (100, 1024, (100, 128, 256, 512, 1024)),
    ],
)
def test_looks(at_least, at_most, looks):
    assert looks_between(at_least, at_most) == looks
    assert 0 < nominal_level(0.025, looks) <= 0.025


@pytest.mark.parametrize(
    ("at_least", "at_most", "key"),
    [(1, 64, "at_least"), (0, 0, "at_least"), (8, 4, "at_most"), (4, 2000, "at_most")],
)
def test_looks_that_cannot_be(at_least, at_most, key):
    with pytest.raises(UserError, match=f"seeds.{key}: "):
        looks_between(at_least, at_most)


def test_what_is_promised_reads_as_it_is():
    assert Rule.fixed(8, 3).promise == (
        "verdicts hold jointly for 3 comparisons: any false better or worse in at most 5 % of such studies, "
        "and any false equivalent in at most 5 % (Holm on the margin)"
    )
    assert Rule.until(4, 16, 1).promise == (
        "verdicts hold for looks at 4, 8, 16 pairs: any false better or worse in at most 5 % of such "
        "studies, and any false equivalent in at most 5 % (each look at a level of its own)"
    )
    assert "for 2 comparisons and looks at 8, 16 pairs" in Rule.until(8, 16, 2).promise


def test_a_rule_knows_where_a_number_of_pairs_stands():
    rule = Rule.until(4, 20, 1)
    assert [rule.look_at(pairs) for pairs in (0, 3, 4, 7, 8, 19, 20, 30)] == [0, 0, 1, 1, 2, 3, 4, 4]
    assert [rule.next_look(pairs) for pairs in (0, 4, 5, 16, 20)] == [4, 8, 8, 20, None]
