"""Damage and recovery, from curves with known answers."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from tests.analysis.synthetic_studies import BASELINE_LOSSES, Study, manifest, one_at_a_time, shifted
from workbench.analysis.effects import study_report
from workbench.analysis.recovery import recovery, recovery_row
from workbench.records.metrics import read_metrics, save_frame


def curve(*values):
    """A loss at 0, 100, 200 ... tokens."""
    return pd.Series(values, index=[100 * place for place in range(len(values))])


BASELINE = {1: curve(2.0, 1.9, 1.8), 2: curve(2.0, 1.8, 1.7), 3: curve(2.0, 2.0, 1.9)}


def test_damage_remaining_and_share_are_means_of_pairs():
    """Damage 1.0 at every seed; what remains is 0.1, 0.2, 0.3: 80 % came back."""
    mine = {1: curve(3.0, 2.0, 1.9), 2: curve(3.0, 2.0, 1.9), 3: curve(3.0, 2.4, 2.2)}
    row = recovery_row("swap", mine, BASELINE, margin=0.05)
    assert row.pairs == 3
    assert row.damage == pytest.approx(1.0)
    assert (row.damage_interval.low, row.damage_interval.high) == pytest.approx((1.0, 1.0))
    assert row.remaining == pytest.approx(0.2)
    # t(0.975, 2) = 4.3027, standard error 0.1 / sqrt(3)
    assert row.remaining_interval.high == pytest.approx(0.2 + 4.3027 * 0.1 / 3**0.5, abs=1e-4)
    assert row.share == pytest.approx(0.8)
    assert row.tokens is None


def test_the_share_has_the_interval_of_a_ratio_of_paired_means():
    """A ratio is within it where a paired t test does not contradict it: checked at both ends."""
    mine = {1: curve(3.0, 2.0, 1.9), 2: curve(3.3, 2.0, 1.95), 3: curve(2.9, 2.4, 2.2)}
    row = recovery_row("swap", mine, BASELINE, margin=0.05)
    damage, remaining = np.array([1.0, 1.3, 0.9]), np.array([0.1, 0.25, 0.3])
    assert row.share == pytest.approx(1 - remaining.mean() / damage.mean())
    assert row.share_interval.low < row.share < row.share_interval.high
    for end in (row.share_interval.low, row.share_interval.high):
        assert stats.ttest_1samp(remaining - (1 - end) * damage, 0).pvalue == pytest.approx(0.05)


def test_the_interval_of_the_share_covers_the_true_share():
    generator = np.random.default_rng(2)
    covered = 0
    for _ in range(300):
        damage, noise = generator.normal(1.0, 0.2, 5), generator.normal(0, 0.05, 5)
        mine = {
            seed: curve(2 + d, 2 + 0.3 * d + e) for seed, (d, e) in enumerate(zip(damage, noise, strict=True))
        }
        row = recovery_row("swap", mine, dict.fromkeys(range(5), curve(2.0, 2.0)), margin=0.05)
        covered += not row.share_interval.excludes(0.7)
    assert covered / 300 == pytest.approx(0.95, abs=0.035)


def test_tokens_are_read_off_the_mean_curve_between_its_evaluations():
    """Above the baseline's end and the margin by 0.95 at 0 tokens, 0.15 at 100, -0.05 at 200."""
    mine = {seed: values.iloc[-1] + curve(1.0, 0.2, 0.0) for seed, values in BASELINE.items()}
    row = recovery_row("swap", mine, BASELINE, margin=0.05)
    assert row.tokens == pytest.approx(100 + 100 * 0.15 / 0.2)
    at_once = {seed: values.iloc[-1] + curve(0.01, 0.2, 0.0) for seed, values in BASELINE.items()}
    assert recovery_row("swap", at_once, BASELINE, margin=0.05).tokens == 0


def test_a_seed_that_dips_early_does_not_set_the_tokens():
    """Its own first passage is at 100 tokens, that of the mean at 200."""
    excess = {1: curve(1.0, -0.1, 0.0), 2: curve(1.0, 0.4, 0.0), 3: curve(1.0, 0.6, 0.0)}
    mine = {seed: BASELINE[seed].iloc[-1] + values for seed, values in excess.items()}
    row = recovery_row("swap", mine, BASELINE, margin=0.05)
    assert row.tokens == pytest.approx(100 + 100 * 0.25 / 0.3)


def test_a_mean_that_never_gets_there_has_no_tokens():
    """Though two of three seeds do: nothing is averaged over those that arrive."""
    mine = {1: curve(3.0, 1.84, 1.8), 2: curve(3.0, 1.9, 1.72), 3: curve(3.0, 3.0, 3.0)}
    assert recovery_row("swap", mine, BASELINE, margin=0.05).tokens is None


def test_evaluations_at_other_tokens_are_read_in_between():
    sparse = {1: pd.Series([3.0, 1.8], index=[0, 200]), 2: curve(3.0, 2.3, 1.7)}
    row = recovery_row("swap", sparse, BASELINE, margin=0.1)
    # The mean excess is 1.15 at 0 tokens, 0.5 at 100 (half way for the first seed), -0.1 at 200.
    assert row.tokens == pytest.approx(100 + 100 * 0.5 / 0.6)


def test_a_run_that_was_not_validated_before_its_first_step_says_nothing_of_damage(tmp_path):
    study = Study(tmp_path, manifest(one_at_a_time()[:2], start={"run": "abc"})).tune()
    study.confirm("baseline", BASELINE_LOSSES, curve=True)
    (row,) = recovery(study.confirm("positions=learned", shifted(0.2), curve=True).load())
    assert (row.pairs, row.damage) == (0, None)


def test_starting_weights_that_know_nothing_of_the_text_are_told(tmp_path):
    """A guess over 257 tokens loses 5.55 nats; the curves below begin at 0 tokens."""
    study = Study(tmp_path, manifest(one_at_a_time()[:2], start={"run": "abc"})).tune()
    study.confirm("baseline", BASELINE_LOSSES, curve=True)
    study.confirm("positions=learned", shifted(0.2), curve=True)
    begin(study, {"baseline": 5.0, "positions=learned": 28.98})
    notes = study_report(study.load()).notes
    assert not any("weights that the study starts from" in note for note in notes)
    assert notes[0] == (
        "positions=learned: loses 28.98 nats/token, where a uniform guess loses 5.55, before the first step: "
        "the swap leaves nothing of what the weights knew"
    )
    begin(study, {"baseline": 12.5})
    assert study_report(study.load()).notes[0] == (
        "the weights that the study starts from lose 12.50 nats/token, where a uniform guess loses 5.55, "
        "before the first step: they know nothing of this text: is its tokenizer the one that they were "
        "trained with?"
    )


def begin(study, losses):
    """Give the confirm runs of some variants a validation of ``losses`` before their first step."""
    for run in study.load().runs.to_dict("records"):
        if run["phase"] == "confirm" and run["variant"] in losses:
            rows = read_metrics(Path(run["path"]))
            first = rows.iloc[:1].assign(step=0, tokens=0, flops=0.0, seconds=0.0)
            first["validation/loss"] = losses[run["variant"]]
            save_frame(Path(run["path"]), pd.concat([first, rows[rows["step"] > 0]], ignore_index=True))


def test_no_share_where_the_damage_is_within_noise():
    mine = {1: curve(2.1, 1.9, 1.8), 2: curve(1.9, 1.8, 1.7), 3: curve(2.0, 2.0, 1.9)}
    assert recovery_row("swap", mine, BASELINE, margin=0.05).share is None


def test_a_swap_that_helps_at_once_has_nothing_to_recover():
    mine = {seed: values - 0.5 for seed, values in BASELINE.items()}
    row = recovery_row("swap", mine, BASELINE, margin=0.05)
    assert (row.damage, row.share) == (pytest.approx(-0.5), None)


def test_only_seeds_that_both_have_count():
    row = recovery_row("swap", {2: curve(3.0, 2.0, 1.7), 9: curve(9.0, 9.0, 9.0)}, BASELINE, margin=0.05)
    assert (row.pairs, row.damage, row.damage_interval) == (1, pytest.approx(1.0), None)


def test_without_pairs_nothing_is_known():
    row = recovery_row("swap", {}, BASELINE, margin=0.05)
    assert (row.pairs, row.damage, row.remaining, row.share, row.tokens) == (0, None, None, None, None)
