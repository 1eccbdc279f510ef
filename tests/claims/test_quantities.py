"""Quantities with known answers: learning-rate sensitivity, extrapolation, and who cannot read further."""

import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.analysis.gain_studies import gain_of, gain_study
from tests.analysis.synthetic_studies import VOCABULARY, Study, manifest, variant
from tests.claims.claim_studies import card, judged, prediction
from workbench.analysis.effects import study_report
from workbench.claims.evidence import Studies
from workbench.claims.quantities.gradient_spikes import spike_share
from workbench.claims.quantities.quantity import NotMeasurableError, Sides
from workbench.claims.quantities.rate_sweep import Swept, common_grid
from workbench.claims.quantities.registry import QUANTITIES
from workbench.claims.words import CardWord, Word
from workbench.inspection.behaviour_columns import read_behaviours
from workbench.records.index import load_study
from workbench.records.metrics import save_frame

PUBLISHED = Path(__file__).parents[2] / "results"
GRID = [0.003 * 2**step for step in range(-3, 6)]
TUNED = list(range(101, 109))


def of_seed(quantity, losses, uniform):
    rates = GRID[: len(losses)]
    swept = Swept(rates=rates, losses=losses, runs=[Path()] * len(losses), uniform=uniform)
    return QUANTITIES[quantity].of_seed(swept)


def test_sensitivity_is_the_mean_excess_with_lost_runs_at_a_uniform_guess():
    assert of_seed("lr_sensitivity", [3.0, 3.0, 3.0], 5.5) == 0
    assert of_seed("lr_sensitivity", [3.5, 3.0, 3.5, math.inf], 5.0) == pytest.approx((0.5 + 0.5 + 2) / 4)
    assert of_seed("lr_sensitivity", [3.0, 7.0], 5.0) == pytest.approx(1.0)  # no worse than a guess


def test_the_largest_stable_rate_is_where_a_line_crosses_a_tenth_above_the_lowest():
    doubled = math.log(2)
    crossing = math.log(GRID[1]) + doubled * 0.1 / 0.4
    assert of_seed("largest_stable_rate", [3.5, 3.0, 3.4, 3.0], 5.0) == pytest.approx(crossing)
    lost = math.log(GRID[2]) + doubled * (0.1 - 0.05) / (2.0 - 0.05)  # a lost run is a uniform guess
    assert of_seed("largest_stable_rate", [3.5, 3.0, 3.05, math.inf], 5.0) == pytest.approx(lost)
    with pytest.raises(NotMeasurableError, match=r"no learning rate up to 0\.00075 was too large"):
        of_seed("largest_stable_rate", [3.0, 3.05], 5.0)


def test_a_spike_is_ten_times_the_median_of_the_steps_before_it():
    quiet = [1.0] * 40
    assert spike_share(np.array([*quiet, 9.9])) == 0
    assert spike_share(np.array([*quiet, 11.0, *quiet[:9]])) == pytest.approx(1 / 40)
    assert spike_share(np.array([50.0, *quiet, math.nan, math.inf])) == pytest.approx(2 / 33)
    with pytest.raises(NotMeasurableError, match="fewer than 11 recorded steps"):
        spike_share(np.ones(10))


def losses(best, rates=GRID):
    return {rate: {1: 3 + math.log2(rate / best) ** 2 / 10} for rate in rates}


def test_the_grid_is_common_and_reaches_from_an_eighth_to_thirty_two_times_the_best_rate():
    assert common_grid(losses(0.003), losses(0.003)) == GRID
    with pytest.raises(NotMeasurableError, match=r"learning rates from 0\.00075 to 0\.192 in steps of two"):
        common_grid(losses(0.006), losses(0.006))
    with pytest.raises(NotMeasurableError, match="in steps of two are needed"):
        common_grid(losses(0.003, GRID[::2]), losses(0.003, GRID[::2]))


def write_sweep(results, shift):
    """Nine rates on eight seeds: the variant's losses lie above the baseline's by ``shift`` at high rates."""
    seeds = {"pilot": [], "tune": TUNED, "confirm": [201, 202]}
    variants = [variant("baseline"), variant("norm=layernorm", norm="layernorm")]
    study = Study(results / "sweep", manifest(variants, name="sweep", seeds=seeds, learning_rates=GRID))
    for rate in GRID:
        for seed in TUNED:
            base = 3 + 0.05 * math.log2(rate / 0.003) ** 2 + 0.001 * (seed % 3)
            lost = rate == GRID[-1]
            study.run("baseline", seed, None if lost else base, "tune", rate=rate)
            above = shift if rate > 0.01 else 0.0
            study.run("norm=layernorm", seed, None if lost else base + above, "tune", rate=rate)
    return study


def test_sensitivity_of_a_study_is_paired_by_tuning_seed_and_needs_no_rate_of_its_confirm_runs(tmp_path):
    write_sweep(tmp_path, 0.3)
    asked = prediction(study="sweep", variant="norm=layernorm", quantity="lr_sensitivity", margin=0.05)
    found = judged(card(asked), tmp_path)
    one = found.evidence[0]
    assert (one.n, found.word) == (len(TUNED), CardWord.SUPPORTED)
    assert one.estimate == pytest.approx(0.3 * 3 / 9)  # at three of nine rates; the ninth is lost to both
    measured = QUANTITIES["lr_sensitivity"].measure(Studies(tmp_path).open("sweep"), Sides("baseline"))
    assert set(measured.values) == {0.0}
    assert math.log(VOCABULARY) > 3 + 0.05 * 16  # the guess is no better than any run that trained


def test_spikes_and_stable_rates_of_a_study_are_paired_by_tuning_seed(tmp_path):
    write_sweep(tmp_path, 0.3)
    runs = load_study(tmp_path / "sweep").runs
    for run in runs[runs["phase"] == "tune"].to_dict("records"):
        norms = np.ones(40)
        norms[20] = 50.0 if run["variant"] == "norm=layernorm" and run["learning_rate"] > 0.02 else 5.0
        rows = {"step": range(40), "learning_rate": run["learning_rate"], "gradient_norm": norms}
        save_frame(Path(run["path"]), pd.DataFrame(rows))
    sides = Sides("norm=layernorm")
    spikes = QUANTITIES["gradient_spikes"].measure(Studies(tmp_path).open("sweep"), sides)
    assert spikes.values == pytest.approx([100 / 30 * 3 / 9] * len(TUNED))  # at three of nine rates
    stable = QUANTITIES["largest_stable_rate"].measure(Studies(tmp_path).open("sweep"), sides)
    assert len(stable.values) == len(TUNED)
    assert all(value < -0.1 for value in stable.values)
    (tmp_path / "sweep" / "runs" / runs["run_id"].iloc[0] / "metrics.parquet").write_bytes(b"no table")
    with pytest.raises(NotMeasurableError, match=r"metrics\.parquet"):
        QUANTITIES["gradient_spikes"].measure(Studies(tmp_path).open("sweep"), sides)


@pytest.fixture(scope="module")
def positions():
    """The published study of positions, whose runs have the table of extrapolation."""
    return Studies(PUBLISHED).open("positions")


def test_extrapolation_is_that_of_the_columns_of_behaviour(positions):
    baseline = positions.records.runs[positions.records.runs["variant"] == "baseline"]
    known = read_behaviours(baseline[baseline["phase"] == "confirm"])
    for name, column in (("delta_ce_2x", "ΔCE at 2×"), ("delta_ce_4x", "ΔCE at 4×")):
        measured = QUANTITIES[name].measure(positions, Sides("baseline"))
        seeds = positions.outcomes["baseline"].planned
        assert list(measured.values) == [known["baseline", seed][column] for seed in seeds]
        assert (measured.lost, measured.due) == ((), 0)


def test_learned_positions_cannot_read_further_which_fails_by_itself(positions):
    measured = QUANTITIES["delta_ce_2x"].measure(positions, Sides("positions=learned"))
    assert measured.impossible == "positions=learned cannot read 2 times its training length"
    asked = {"study": "positions", "variant": "positions=learned", "quantity": "delta_ce_2x"}
    one = judged(card(prediction(**asked, direction="not_worse", margin=0.02)), PUBLISHED).evidence[0]
    assert (one.word, one.firm, one.estimate) == (Word.FAILS, True, None)


def test_a_gain_is_the_logarithm_of_the_report_s_at_the_level_of_one_prediction(tmp_path):
    gain_study(tmp_path / "gains", name="gains")
    asked = {"study": "gains", "quantity": "ln_gain", "direction": "lower", "margin": 0.05}
    learned = prediction(**asked, variant="positions=learned")
    relu = prediction(**asked, variant="feedforward=relu") | {"id": "relu"}
    one, other = judged(card(learned, relu), tmp_path).evidence
    for found, change in ((one, 0.2), (other, -0.1)):
        assert found.estimate == pytest.approx(math.log(gain_of(change)), rel=0.02)
        assert found.interval.low < found.estimate < found.interval.high
        assert (found.interval.level, found.n, found.sd) == (pytest.approx(0.95), 5, None)
        assert found.equivalence_interval.half_width < found.interval.half_width
    assert (one.word, other.word) == (Word.HOLDS, Word.FAILS)
    assert "5 pairs, and at least 8 are needed" in one.reservations
    reported = {
        gain.variant: gain.tokens for gain in study_report(load_study(tmp_path / "gains")).gains.gains
    }
    wider = reported["positions=learned"]  # of three comparisons, which share the error
    assert one.estimate == pytest.approx(math.log(wider.value))
    assert math.log(wider.interval.low) <= one.interval.low


def test_a_gain_beyond_the_budgets_or_without_them_is_open_and_said(tmp_path):
    study = gain_study(tmp_path / "gains", name="gains")
    study.confirm("positions=learned", [3.9, 3.91, 3.92, 3.9, 3.9])
    write_sweep(tmp_path, 0.3)
    asked = {"quantity": "ln_gain", "direction": "lower", "margin": 0.05}
    far = prediction(**asked, study="gains", variant="positions=learned")
    without = prediction(**asked, study="sweep", variant="norm=layernorm") | {"id": "two"}
    of_another = far | {"id": "three", "against": "norm=layernorm"}
    found = judged(card(far, without, of_another), tmp_path).evidence
    assert [one.word for one in found] == [Word.OPEN] * 3
    assert "beyond what the study's budgets reach" in found[0].missing
    assert "sweep trains its baseline at no other budgets; give it the key gain" in found[1].missing
    assert "a gain is of the study's baseline" in found[2].missing


def test_every_quantity_says_what_it_is():
    for name, one in QUANTITIES.items():
        assert one.name == name
        assert one.about.endswith(".")
        assert len(one.about.split()) > 10 or "As delta" in one.about
        assert one.page in ("effects", "position", "runs", "curves", None)
