"""Importances of a search against tables whose effects are known."""

from itertools import product

import numpy as np
import optuna
import pandas as pd
import pytest

from tests.analysis import search_studies
from workbench.analysis.importances import SEEDS, TRIALS, fanova, main_effects, outcomes_of
from workbench.analysis.search import searched
from workbench.records.space import Range

EFFECTS = {"positions": 0.10, "feedforward": 0.05, "norm": 0.01}
LEVELS = ("ours", "theirs")


SPACE = {name: list(LEVELS) for name in EFFECTS}
RATE = Range(low=1e-3, high=1e-2, log=True)


def balanced(seeds=5, noise=0.005):
    """Two levels each of three dimensions of known effect, with so many seeds, whose luck is shared."""
    generator = np.random.default_rng(0)
    luck = generator.normal(0, 0.05, seeds)
    points = pd.DataFrame([dict(zip(SPACE, one, strict=True)) for one in product(LEVELS, repeat=3)])
    truth = sum(EFFECTS[name] * (points[name] == "theirs") for name in EFFECTS)
    outcomes = 2 + truth.to_numpy()[:, None] + luck + generator.normal(0, noise, (len(points), seeds))
    return points, pd.DataFrame(outcomes, columns=range(1, seeds + 1))


def scattered(count=60, seed=0):
    """Random points: an effect of a level, a curved one of a rate, an interaction, and one of nothing."""
    generator = np.random.default_rng(seed)
    rate = np.exp(generator.uniform(np.log(1e-3), np.log(1e-2), count))
    points = pd.DataFrame(
        {
            "positions": generator.choice(["rope", "learned", "alibi"], count),
            "norm": generator.choice(["rmsnorm", "layernorm"], count),
            "nothing": generator.integers(1, 5, count),
            "learning_rate": rate,
        }
    )
    along = 2 * np.log(rate / 1e-3) / np.log(10) - 1
    learned = points["positions"] == "learned"
    loss = 2 + 0.1 * learned + 0.05 * along**2 + 0.03 * (learned & (points["norm"] == "rmsnorm"))
    space = {
        "positions": ["rope", "learned", "alibi"],
        "norm": ["rmsnorm", "layernorm"],
        "nothing": [1, 2, 3, 4],
        "learning_rate": RATE,
    }
    return points, space, pd.DataFrame({1: loss + generator.normal(0, 0.02, count)})


def by_name(found):
    return {one.dimension: one for one in found.shares}


def test_main_effects_of_a_balanced_table_have_their_order_and_size():
    points, outcomes = balanced()
    found = main_effects(points, SPACE, outcomes)
    assert [one.dimension for one in found.shares] == list(EFFECTS)
    truth = {name: effect**2 for name, effect in EFFECTS.items()}
    for one in found.shares:
        assert one.share == pytest.approx(truth[one.dimension] / sum(truth.values()), abs=0.03)
        assert one.interval.low <= one.share <= one.interval.high
        ours, theirs = one.effects
        assert (ours.level, theirs.level) == ("ours", "theirs")
        assert theirs.change - ours.change == pytest.approx(EFFECTS[one.dimension], abs=0.004)
        assert theirs.interval.low <= EFFECTS[one.dimension] / 2 <= theirs.interval.high
        assert ours.trials == 4
    assert found.rest < 0.02
    assert found.centre == pytest.approx(float(outcomes.to_numpy().mean()))
    assert {one.source for one in found.shares} <= {SEEDS, TRIALS}


def test_fanova_of_the_same_table_has_the_order_too_and_ped_anova_has_not():
    points, outcomes = balanced()
    found = fanova(points, SPACE, outcomes)
    assert [one.dimension for one in found.shares] == list(EFFECTS)
    shares = by_name(found)
    assert shares["positions"].share > 3 * shares["feedforward"].share
    assert shares["norm"].interval.low == 0
    study = optuna.create_study()
    distributions = {name: optuna.distributions.CategoricalDistribution(LEVELS) for name in SPACE}
    for place, row in points.iterrows():
        for value in outcomes.loc[place]:
            study.add_trial(
                optuna.create_trial(params=row.to_dict(), distributions=distributions, value=value)
            )
    misled = optuna.importance.PedAnovaImportanceEvaluator().evaluate(study)
    assert misled["positions"] < 2 * misled["feedforward"]  # four times as large, in truth


def test_a_dimension_without_effect_has_an_interval_that_holds_0():
    points, space, outcomes = scattered()
    model, forest = by_name(main_effects(points, space, outcomes)), by_name(fanova(points, space, outcomes))
    assert model["nothing"].interval.low == 0
    assert forest["nothing"].interval.low == 0
    assert model["positions"].interval.low > 0.2
    assert model["learning_rate"].interval.low > 0
    assert {one.source for one in model.values()} == {TRIALS}
    assert max(forest, key=lambda name: forest[name].share) == "positions"


def test_intervals_hold_the_truth_about_as_often_as_they_promise():
    nothing, half = 0, 0
    for seed in range(40):
        points, space, outcomes = scattered(seed=seed)
        found = by_name(main_effects(points, space, outcomes))
        nothing += found["nothing"].interval.low <= 0
        (effect,) = (one for one in found["positions"].effects if one.level == "learned")
        half += effect.interval.low <= (0.1 + 0.015) * 2 / 3 <= effect.interval.high
    assert nothing >= 36
    assert half >= 35


def test_levels_are_adjusted_for_what_came_with_them():
    # A sampler that takes the better norm mostly with the better position: raw means say that it helps.
    generator = np.random.default_rng(1)
    good = generator.random(80) < 0.5
    norm = np.where(generator.random(80) < np.where(good, 0.85, 0.15), "a", "b")
    points = pd.DataFrame({"positions": np.where(good, "good", "bad"), "norm": norm})
    loss = pd.DataFrame({1: 2 - 0.1 * good + generator.normal(0, 0.01, 80)})
    found = by_name(main_effects(points, {"positions": ["good", "bad"], "norm": ["a", "b"]}, loss))
    raw = loss[1][norm == "a"].mean() - loss[1][norm == "b"].mean()
    a, b = found["norm"].effects
    assert raw < -0.05
    assert abs(a.change - b.change) < 0.01
    assert found["norm"].interval.low == 0


def test_the_effect_along_a_range_is_given_at_its_values():
    points, space, outcomes = scattered(count=200)
    effects = by_name(main_effects(points, space, outcomes))["learning_rate"].effects
    places = [one.level for one in effects]
    assert places[0] == pytest.approx(1e-3)
    assert places[-1] == pytest.approx(1e-2)
    assert effects[0].change - effects[4].change == pytest.approx(0.05, abs=0.012)


def test_trials_without_a_result_are_left_out_and_a_dimension_of_one_value_has_no_share():
    points, outcomes = balanced()
    points["heads"] = 4
    outcomes.loc[0] = np.nan
    found = main_effects(points, {**SPACE, "heads": [4, 8]}, outcomes)
    assert found.trials == 7
    assert by_name(found)["heads"].share == 0
    assert by_name(found)["heads"].interval is None
    assert by_name(fanova(points, {**SPACE, "heads": [4, 8]}, outcomes))["heads"].share == 0


@pytest.mark.parametrize("kind", [main_effects, fanova])
def test_too_few_trials_are_said(kind):
    points, outcomes = balanced()
    found = kind(points[:3], SPACE, outcomes[:3])
    assert found.shares == ()
    assert "3 complete trials are too few" in found.reason


def test_an_objective_that_never_changes_says_so():
    points, outcomes = balanced()
    found = main_effects(points, SPACE, outcomes * 0 + 1.0)
    assert found.reason == "the objective is the same for all trials"


def test_outcomes_of_a_search_are_those_of_its_complete_points(tmp_path):
    search = searched(search_studies.write_search(tmp_path / "search"))
    found = outcomes_of(search, "validation/loss")
    assert list(found.columns) == search_studies.SEEDS
    assert found.loc[1].tolist() == [2.40, 2.44]
    assert found.notna().all(axis=1).tolist() == [True, True, False, True, False, True, False]
    assert outcomes_of(search, "flops_per_token").loc[3].tolist() == [900.0, 900.0]
