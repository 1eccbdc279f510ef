"""The learning rate that is chosen, and whether all variants had the same chance."""

import math

import pytest

from tests.analysis.synthetic_studies import RATES, TOKENS, Study, manifest
from workbench.analysis.tuned_rates import choose_learning_rate, unequal_tuning

METRIC = "validation/loss"


@pytest.fixture
def study(tmp_path):
    return Study(tmp_path, manifest())


def choose(study, variant="baseline"):
    return choose_learning_rate(study.load().runs, variant, METRIC)


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
