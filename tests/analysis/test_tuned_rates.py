"""The learning rate that is chosen, and whether all variants had the same chance."""

import math

import pytest

from tests.analysis.synthetic_studies import RATES, TOKENS, Study, manifest
from workbench.analysis.tuned_rates import choose_learning_rates, unequal_tuning

METRIC = "validation/loss"


@pytest.fixture
def study(tmp_path):
    return Study(tmp_path, manifest())


def choose(study, variant="baseline"):
    return choose_learning_rates(study.load().runs, [variant], METRIC)[variant]


def test_the_lowest_mean_wins(study):
    rate = choose(study.tune(best=0.006))
    assert (rate.learning_rate, rate.interior, rate.trials) == (0.006, True, 6)
    assert list(rate.means) == RATES
    assert rate.means[0.006] == pytest.approx(3.0005)
    assert rate.losses[0.003] == pytest.approx([3.101, 3.1])
    assert rate.tokens == 6 * TOKENS
    assert rate.flops == 6 * TOKENS * 800_000


@pytest.mark.parametrize("best", [0.003, 0.012])
def test_an_edge_is_not_interior(study, best):
    rate = choose(study.tune(best=best))
    assert (rate.learning_rate, rate.interior) == (best, False)


def test_divergence_counts_as_infinitely_bad(study):
    study.tune(best=0.012)
    study.run("baseline", 101, None, "tune", rate=0.012)
    rate = choose(study)
    assert rate.learning_rate == 0.006
    assert rate.interior  # at the other seed the neighbour trained
    assert math.inf in rate.losses[0.012]
    assert rate.trials == 6
    assert rate.tokens == 6 * TOKENS  # it had its whole budget to use


def test_a_rate_that_was_stopped_early_is_not_chosen(study):
    """Its loss is of a shorter training, at a higher rate: no competitor."""
    study.tune(best=0.012)
    for seed in (101, 102):
        study.run("baseline", seed, 1.0, "tune", rate=0.003, state="pruned")
    assert choose(study).learning_rate == 0.012


def test_ties_go_to_the_smaller_rate(study):
    for rate in RATES:
        study.run("baseline", 101, 3.0, "tune", rate=rate)
    assert choose(study).learning_rate == 0.003


def test_all_diverged_still_has_an_answer(study):
    for rate in RATES:
        study.run("baseline", 101, None, "tune", rate=rate)
    assert choose(study).learning_rate == 0.003


def test_a_rate_with_fewer_seeds_waits(study):
    study.tune()
    study.run("baseline", 101, 1.0, "tune", rate=0.024)
    assert choose(study).learning_rate == 0.006


def test_nothing_finished_is_none(study):
    assert choose(study) is None
    study.run("baseline", 101, None, "tune", state="running")
    study.run("baseline", 201, 3.0, "confirm")
    study.run("norm=layernorm", 101, 3.0, "tune")
    assert choose(study) is None


def test_unequal_tuning_is_refused(study):
    study.tune(variants=["baseline", "norm=layernorm"])
    study.tune(variants=["positions=learned"], rates=[*RATES, 0.024])
    baseline, equal, more = (choose(study, n) for n in ("baseline", "norm=layernorm", "positions=learned"))
    assert unequal_tuning(equal, baseline) is None
    assert "8 trials, the baseline on 6" in unequal_tuning(more, baseline)
    assert unequal_tuning(None, None) is None
    assert "0 trials" in unequal_tuning(None, baseline)


# Two variants, four rates, three seeds: what a curve around 0.0028 gives with a little noise.
GRID = [0.001, 0.002, 0.004, 0.008]
NOISE = [[3, -2, -1], [-1, 2, -1], [2, -1, -1], [-3, 1, 2]]  # (rate, seed), thousandths


def noisy(study, best, curvature, scale=1.0, variant="baseline", seeds=(101, 102, 103)):
    for rate, row in zip(GRID, NOISE, strict=True):
        for seed, noise in zip(seeds, row, strict=True):
            loss = 3 + curvature * math.log2(rate / best) ** 2 + 0.001 * scale * noise
            study.run(variant, seed, loss, "tune", rate=rate)
    return study


def test_the_optimum_of_the_curve_is_chosen_between_two_rates(study):
    rate = choose(noisy(study, best=0.0028, curvature=0.1))
    assert (rate.learning_rate, rate.by_rule, rate.kept) == (0.0028, 0.0028, False)
    assert rate.hyperparameters == {"learning_rate": 0.0028}
    assert (rate.place, rate.interior, rate.flat_throughout) == ("interior", True, False)
    assert rate.curve.curvature == pytest.approx(0.1, abs=0.002)
    assert rate.chosen_loss == pytest.approx(3, abs=0.002)
    low, high = rate.curve.interval
    assert 0.0027 < low < 0.0028 < high < 0.0029


def test_one_seed_and_two_rates_take_the_lowest_mean(study):
    for rate in GRID:
        study.run("baseline", 101, 3 + 0.1 * math.log2(rate / 0.0028) ** 2, "tune", rate=rate)
    found = choose(study)
    assert (found.learning_rate, found.place) == (0.002, "noise not known")
    study.tune(best=0.0028, variants=["norm=layernorm"], seeds=(101, 102, 103), rates=[0.002, 0.004])
    assert choose(study, "norm=layernorm").learning_rate == 0.002


def test_the_noise_of_confirm_runs_says_what_one_tuning_seed_can_tell(study):
    """The published study of positions: none was "interior" by 0.002 nats, with runs that scatter by 0.04."""
    for variant, losses in {
        "norm=layernorm": [2.732, 2.730, 2.820, 2.799],
        "positions=learned": [2.932, 2.730, 2.920, 2.999],
    }.items():
        for rate, loss in zip(GRID, losses, strict=True):
            study.run(variant, 101, loss, "tune", rate=rate)
        for seed, loss in zip((201, 202, 203, 204), (2.70, 2.78, 2.72, 2.76), strict=True):
            study.run(variant, seed, loss, rate=0.002)
    assert choose(study, "norm=layernorm").place == "flat"
    assert choose(study, "positions=learned").place == "interior"


def test_flat_is_a_curve_whose_neighbours_are_within_noise(study):
    rate = choose(noisy(study, best=0.0028, curvature=0.002, scale=20))
    assert (rate.place, rate.interior, rate.flat_throughout) == ("flat", False, True)
    # Three times the curvature at a third of the noise: no longer.
    rate = choose(
        noisy(study, best=0.0028, curvature=0.02, scale=1, variant="norm=layernorm"), "norm=layernorm"
    )
    assert rate.curve.noise.variance == pytest.approx(choose(study).curve.noise.variance)  # pooled over all


def test_a_rate_that_lost_a_run_is_no_part_of_the_curve(study):
    noisy(study, best=0.0056, curvature=0.1)
    study.run("baseline", 102, None, "tune", rate=0.008)
    rate = choose(study)
    assert rate.curve.rates == (0.001, 0.002, 0.004)
    assert (rate.learning_rate, rate.place) == (0.004, "interior")  # at the other seeds 0.008 gave a result


def test_all_variants_are_chosen_for_at_once(study):
    noisy(study, best=0.0028, curvature=0.1)
    noisy(study, best=0.002, curvature=0.05, variant="norm=layernorm")
    found = choose_learning_rates(
        study.load().runs, ["baseline", "norm=layernorm", "feedforward=relu"], METRIC
    )
    assert [one and one.learning_rate for one in found.values()] == [0.0028, 0.002, None]
    assert found["baseline"].learning_rate == choose(study).learning_rate


# What an older rule chose, or one tuning seed less, is the identity of confirm runs.


def test_a_confirmed_rate_stays_while_the_tuning_runs_do_not_contradict_it(study):
    noisy(study, best=0.0023, curvature=0.1, scale=10)
    assert choose(study).learning_rate == 0.0023
    study.run("baseline", 201, 3.0, rate=0.002).run("baseline", 202, 3.0, rate=0.002)
    rate = choose(study)
    assert (rate.learning_rate, rate.by_rule, rate.kept) == (0.002, 0.0023, True)
    assert rate.hyperparameters == {"learning_rate": 0.002}


def test_a_confirmed_rate_that_they_contradict_does_not(study):
    noisy(study, best=0.0023, curvature=0.1)
    study.run("baseline", 201, 3.0, rate=0.004).run("baseline", 201, 3.0, rate=0.016)
    rate = choose(study)
    assert (rate.learning_rate, rate.kept) == (0.0023, False)


def test_one_tuning_seed_more_moves_no_confirmed_rate(study):
    noisy(study, best=0.0028, curvature=0.1, scale=10)
    study.run("baseline", 201, 3.0, rate=0.0028)
    for rate, noise in zip(GRID, (-40, -20, 10, 40), strict=True):
        loss = 3 + 0.1 * math.log2(rate / 0.0028) ** 2 + 0.001 * noise
        study.run("baseline", 104, loss, "tune", rate=rate)
    rate = choose(study)
    assert rate.by_rule != 0.0028
    assert (rate.learning_rate, rate.kept) == (0.0028, True)
    # One that its curve rules out goes.
    for rate in GRID:
        for seed in (105, 106, 107, 108, 109, 110):
            study.run("baseline", seed, 3 + 0.1 * math.log2(rate / 0.0056) ** 2, "tune", rate=rate)
    assert not choose(study).kept


def test_a_confirm_run_that_has_not_begun_keeps_no_rate(study):
    noisy(study, best=0.0023, curvature=0.1, scale=10)
    study.run("baseline", 201, None, rate=0.002, state="queued")
    assert choose(study).learning_rate == 0.0023


@pytest.mark.parametrize("others", [0.1, 100.0])
def test_the_rate_of_a_variant_is_its_own_whenever_the_others_are_tuned(study, others):
    """A quadratic misses one rate by what is little for its noise; for a pooled noise it would be much."""
    losses = {0.001: 3.2, 0.002: 3.05, 0.004: 3.0, 0.008: 3.35}
    for (rate, loss), row in zip(losses.items(), NOISE, strict=True):
        for seed, noise in zip((101, 102, 103), row, strict=True):
            study.run("baseline", seed, loss + 0.02 * noise, "tune", rate=rate)
    alone = choose(study)
    assert len(alone.curve.rates) == 4
    for name in ("norm=layernorm", "positions=learned"):
        noisy(study, best=0.0028, curvature=0.1, scale=others, variant=name)
    together = choose(study)
    assert (together.learning_rate, together.curve.rates) == (alone.learning_rate, alone.curve.rates)
    assert together.curve.noise.df == 3 * alone.curve.noise.df
    assert (together.curve.noise.variance < alone.curve.noise.variance) == (others < 1)
