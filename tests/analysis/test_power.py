"""Seeds and detectable effects: published values, simulation, and sane directions."""

import numpy as np
import pytest
from scipy import stats

from workbench.analysis.power import (
    BEYOND_LIMIT,
    equivalence_power,
    margin_for_equivalence,
    seeds_for_equivalence,
    seeds_text,
)
from workbench.analysis.statistics import (
    compare_pairs,
    detectable_effect,
    seeds_needed,
)
from workbench.errors import UserError


@pytest.mark.parametrize(
    ("n", "effect"), [(3, 3.26), (4, 2.13), (5, 1.68), (8, 1.16), (16, 0.75), (29, 0.54)]
)
def test_detectable_effect_in_sds(n, effect):
    assert detectable_effect(1.0, n) == pytest.approx(effect, abs=0.006)
    assert detectable_effect(0.02, n) == pytest.approx(0.02 * effect, abs=0.0002)


def test_nothing_is_detectable_from_one_pair():
    assert detectable_effect(0.1, 1) is None


# Cohen's tables for the paired test at 80 % power and 5 %: 0.5 sd 34 pairs, 0.8 sd 15, 0.2 sd 199.
@pytest.mark.parametrize(("effect", "n"), [(0.5, 34), (0.8, 15), (0.2, 199), (-0.5, 34)])
def test_seeds_needed_as_tabled(effect, n):
    assert seeds_needed(1.0, effect) == n


def test_seeds_needed_is_monotone_and_capped():
    by_effect = [seeds_needed(1.0, effect) for effect in np.geomspace(0.05, 1_000, 40)]
    assert by_effect == sorted(by_effect, reverse=True)
    assert by_effect[0] == BEYOND_LIMIT
    assert by_effect[-1] == 2
    by_noise = [seeds_needed(sd, 0.1) for sd in np.geomspace(1e-6, 10, 40)]
    assert by_noise == sorted(by_noise)
    assert seeds_needed(1.0, 0.0) == BEYOND_LIMIT
    assert seeds_needed(0.0, 0.1) == 2


def test_the_number_of_seeds_gives_the_power():
    generator = np.random.default_rng(2)
    n = seeds_needed(0.05, 0.06)

    def power(n):
        samples = (generator.normal(0.06, 0.05, n) for _ in range(600))
        return np.mean([compare_pairs(sample).interval.excludes(0) for sample in samples])

    # The fewest: enough with n, too few with one less (0.05 is three standard errors of the simulation).
    assert power(n) > 0.8 - 0.05
    assert power(n - 1) < 0.8 + 0.05


def test_a_thousand_seeds_are_the_limit():
    """A little more than 80 % power at 1,000 pairs, and a little less."""
    assert 900 < seeds_needed(1.0, 0.09) <= 1000
    assert seeds_needed(1.0, 0.088) == BEYOND_LIMIT


# Margins in sds, and the fewest pairs of equals that are called equivalent in 80 %.
@pytest.mark.parametrize(
    ("margin", "pairs"), [(3, 3), (2, 4), (1.5, 6), (1, 11), (0.75, 17), (0.5, 36), (0.25, 139)]
)
def test_seeds_for_equivalence_of_equals(margin, pairs):
    assert seeds_for_equivalence(margin, 1.0) == pairs
    assert seeds_for_equivalence(0.02 * margin, 0.02) == pairs


@pytest.mark.parametrize(("margin", "pairs"), [(3, 5), (2, 8), (1.5, 13), (1, 27), (0.75, 46), (0.5, 101)])
def test_seeds_for_equivalence_at_half_the_margin(margin, pairs):
    assert seeds_for_equivalence(margin, 1.0, true=margin / 2) == pairs
    assert seeds_for_equivalence(margin, 1.0, true=-margin / 2) == pairs


@pytest.mark.parametrize(
    ("gap", "pairs"), [(3, 4), (2, 5), (1.5, 6), (1, 10), (0.75, 16), (0.5, 34), (0.25, 128)]
)
def test_seeds_that_clear_a_border(gap, pairs):
    assert seeds_needed(1.0, gap) == pairs


@pytest.mark.parametrize(("margin", "n", "power"), [(1, 11, 0.851), (2, 5, 0.951), (0.5, 36, 0.804)])
def test_the_power_of_two_one_sided_tests_is_the_simulated_one(margin, n, power):
    assert equivalence_power(margin, 1.0, n) == pytest.approx(power, abs=0.004)


@pytest.mark.parametrize(("true", "comparisons"), [(0.0, 1), (0.4, 1), (0.0, 4)])
def test_the_chance_to_be_called_equivalent_is_kept(true, comparisons):
    """Over 20,000 studies; each test at its share of 5 %."""
    n, margin = 9, 1.1
    samples = np.random.default_rng(3).normal(true, 1.0, (20_000, n))
    half = stats.t.isf(0.05 / comparisons, n - 1) * samples.std(axis=1, ddof=1) / np.sqrt(n)
    seen = np.mean(np.abs(samples.mean(axis=1)) + half < margin)
    expected = equivalence_power(margin, 1.0, n, true=true, comparisons=comparisons)
    assert expected == pytest.approx(seen, abs=0.012)


def test_a_family_needs_more_seeds_and_detects_less():
    needed = [seeds_for_equivalence(0.5, 1.0, comparisons=family) for family in (1, 3, 10)]
    assert needed == sorted(set(needed))
    assert seeds_needed(1.0, 0.5, comparisons=3) > 34
    alone, three = detectable_effect(1.0, 8), detectable_effect(1.0, 8, comparisons=3)
    assert three > alone
    assert seeds_needed(1.0, three * 1.0001, comparisons=3) == 8


def test_the_margin_that_a_number_of_seeds_can_show():
    margin = margin_for_equivalence(0.024, 8)
    assert equivalence_power(margin, 0.024, 8) == pytest.approx(0.8, abs=1e-3)
    assert margin_for_equivalence(0.024, 8, power=0.5) < margin
    assert margin_for_equivalence(0.024, 1) is None


def test_where_there_is_no_noise_or_no_pair():
    assert (equivalence_power(0.1, 0.0, 8), equivalence_power(0.1, 0.0, 8, true=0.2)) == (1.0, 0.0)
    assert equivalence_power(0.1, 0.01, 1) == 0.0
    assert seeds_for_equivalence(0.001, 1.0) == BEYOND_LIMIT


def test_text_and_errors():
    assert [seeds_text(n) for n in (None, 14, BEYOND_LIMIT)] == ["—", "14", ">1000"]
    with pytest.raises(UserError, match="standard deviation"):
        seeds_needed(float("nan"), 0.1)
