"""What other learning rates say to a row's word, and what of the tuning a reader should know."""

import pytest

from tests.analysis.synthetic_studies import (
    BASELINE_LOSSES,
    STEPS,
    TOKENS,
    Study,
    learning_curve,
    manifest,
    one_at_a_time,
    shifted,
)
from workbench.analysis.effects import study_report
from workbench.analysis.rate_robustness import at_other_rates
from workbench.analysis.report_tables import report_tables
from workbench.analysis.statistics import Verdict
from workbench.analysis.tuned_rates import choose_learning_rates
from workbench.records.run import RunDirectory

LEARNED = "positions=learned"
GRID = [0.001, 0.002, 0.004, 0.008]
SEEDS = {"pilot": [], "tune": [101, 102, 103], "confirm": [201, 202, 203, 204, 205]}
NOISE = {101: 0.004, 102: -0.003, 103: -0.001}


def tuned(study, variant, means, rates=GRID, seeds=(101, 102, 103)):
    """Tuning runs whose ``means`` (by rate) are met but for a little noise of each run."""
    for place, (rate, mean) in enumerate(zip(rates, means, strict=True)):
        for seed in seeds:
            study.run(variant, seed, mean + NOISE[seed] * (-1) ** place, "tune", rate=rate)
    return study


@pytest.fixture
def study(tmp_path):
    return Study(tmp_path, manifest(one_at_a_time()[:2], seeds=SEEDS, phases=["tune", "confirm"]))


def confirmed(study, by, spread=1.0):
    runs = study.load().runs
    for name, losses in {"baseline": BASELINE_LOSSES, LEARNED: shifted(by, spread)}.items():
        rate = choose_learning_rates(runs, [name], "validation/loss")[name].learning_rate
        study.confirm(name, losses, rate=rate)
    return study_report(study.load())


BASELINE = [3.10, 3.00, 3.10, 3.40]


@pytest.mark.parametrize(
    ("means", "by", "verdict", "note"),
    [
        # As far apart at every rate as at the best.
        ([3.30, 3.20, 3.30, 3.60], 0.2, Verdict.WORSE, "worse: not contradicted at other rates (n = 3)"),
        # Its own curve is so flat that it is the better one at most rates.
        ([3.06, 3.04, 3.03, 3.05], 0.2, Verdict.WORSE, "depends on the learning rate: worse at the chosen"),
        (
            [3.20, 3.10, 3.20, 3.50],
            -0.1,
            Verdict.BETTER,
            "depends on the learning rate: better at the chosen",
        ),
        ([3.30, 3.20, 3.30, 3.60], 0.0, Verdict.EQUIVALENT, "depends on the learning rate: equivalent at"),
        ([3.11, 3.01, 3.11, 3.41], 0.0, Verdict.EQUIVALENT, "equivalent: not contradicted at other rates"),
    ],
)
def test_a_word_that_hangs_on_the_rate_says_so(study, means, by, verdict, note):
    tuned(tuned(study, "baseline", BASELINE), LEARNED, means)
    row = confirmed(study, by).rows[1]
    assert row.verdict is verdict
    assert len([text for text in row.notes if note in text]) == 1


def test_the_average_is_of_three_rates_around_both_optima_and_of_the_seeds(study):
    tuned(tuned(study, "baseline", BASELINE), LEARNED, [3.30, 3.22, 3.30, 9.0 / 3 + 1])
    found = choose_learning_rates(study.load().runs, ["baseline", LEARNED], "validation/loss")
    other = at_other_rates(found[LEARNED], found["baseline"], by_place=False)
    assert other.rates == (0.001, 0.002, 0.004)
    assert other.differences == pytest.approx([0.62 / 3] * 3)


def test_noise_and_undecided_rows_have_no_such_note(study):
    tuned(tuned(study, "baseline", BASELINE), LEARNED, [3.06, 3.04, 3.03, 3.05])
    row = confirmed(study, 0.02, spread=10).rows[1]
    assert row.verdict is Verdict.INCONCLUSIVE
    assert not any("rate" in text for text in row.notes)


def test_grids_of_their_own_are_compared_by_place(tmp_path):
    own = {"rope": GRID, "learned": [rate / 10 for rate in GRID]}
    body = manifest(one_at_a_time()[:2], seeds=SEEDS, phases=["tune", "confirm"], learning_rates=own)
    study = tuned(Study(tmp_path, body), "baseline", BASELINE)
    tuned(study, LEARNED, [3.30, 3.20, 3.30, 3.60], own["learned"])
    found = choose_learning_rates(study.load().runs, ["baseline", LEARNED], "validation/loss")
    assert at_other_rates(found[LEARNED], found["baseline"], by_place=False) is None
    other = at_other_rates(found[LEARNED], found["baseline"], by_place=True)
    assert other.rates == pytest.approx((0.0001, 0.0002, 0.0004))
    assert other.differences == pytest.approx([0.2] * 3)
    assert "worse: not contradicted at other rates (n = 3)" in confirmed(study, 0.2).rows[1].notes


def test_a_rate_at_which_one_of_them_lost_a_run_is_left_out(study):
    tuned(tuned(study, "baseline", BASELINE), LEARNED, [3.30, 3.20, 3.30, 3.60])
    study.run(LEARNED, 102, None, "tune", rate=0.004)
    found = choose_learning_rates(study.load().runs, ["baseline", LEARNED], "validation/loss")
    assert at_other_rates(found[LEARNED], found["baseline"], by_place=False).rates == (0.001, 0.002, 0.008)


def test_with_fewer_rates_the_order_would_have_been_another(study):
    """The baseline is best at its own rate alone; of three rates the variant's best is expected lower."""
    tuned(tuned(study, "baseline", [3.6, 3.0, 3.6, 3.6]), LEARNED, [3.12, 3.1, 3.1, 3.12])
    row = confirmed(study, 0.1).rows[1]
    assert "with only 3 learning rates tried, the order would be expected the other way round" in row.notes


def test_a_grid_too_coarse_for_the_margin_and_a_single_seed_are_said_once(study):
    tuned(study, "baseline", BASELINE, seeds=(101,))
    tuned(study, LEARNED, BASELINE, seeds=(101,))
    notes = study_report(study.load()).notes
    assert len([text for text in notes if "were chosen by one tuning seed" in text]) == 1
    (coarse,) = [text for text in notes if "too coarse for the margin of 0.02" in text]
    assert "may lose up to 0.0270 nats/token" in coarse  # (0.1 + 0.008) / 4
    assert "(baseline, and 1 more: 0.11 per octave squared)" in coarse


def test_a_flat_curve_is_no_reason_for_either(study):
    tuned(tuned(study, "baseline", [3.05, 3.0, 3.05, 3.2]), LEARNED, [3.05, 3.0, 3.05, 3.2])
    notes = study_report(study.load()).notes
    assert not any("coarse" in text or "one tuning seed" in text for text in notes)


def test_the_table_has_the_optimum_its_interval_and_the_curvature(study):
    tuned(tuned(study, "baseline", BASELINE), LEARNED, [3.00, 3.004, 3.003, 3.001])
    report = confirmed(study, 0.2)
    table = report_tables(report)[-1]
    start = table.headings.index("learning\nrate")
    assert table.headings[start + 1 : start + 4] == ("optimum\n[95 % CI]", "curvature", "interior")
    (rate, optimum, curvature, interior), flat = (row[start : start + 4] for row in table.rows)
    assert (rate, interior) == ("0.002", "yes")
    assert optimum == "0.002 [0.002, 0.002]"
    assert curvature == "0.100"
    assert flat[1:] == ("—", "—", "no, at the edge")
    assert report.baseline.rate_curvature == pytest.approx(0.1, abs=0.001)
    assert "where no rate is worse beyond noise" in " ".join(report.rows[1].notes)


def test_a_rate_that_stays_is_said(study):
    tuned(study, "baseline", [3.08, 3.0, 3.13, 3.4])
    tuned(study, LEARNED, BASELINE)
    study.confirm("baseline", BASELINE_LOSSES, rate=0.002).confirm(LEARNED, shifted(0.2), rate=0.002)
    row = study_report(study.load()).baseline
    assert (row.learning_rate, row.seeds_done) == (0.002, 5)
    assert any(
        "learning rate 0.002 stays, as it was confirmed at; the tuning runs now point" in x for x in row.notes
    )


def halved(study, variant, rate, loss, at=STEPS // 2):
    """Three runs that halving stopped, at ``loss``."""
    for seed in (101, 102, 103):
        study.run(variant, seed, loss, "tune", rate=rate, state="pruned", tokens=TOKENS)
    for path in (study.path / "runs").iterdir():
        record = RunDirectory(path).read()
        if record.state == "pruned" and record.progress["step"] != at:
            record.progress["step"] = at
            RunDirectory(path).write(record)


@pytest.mark.parametrize(
    ("loss", "said"),
    [
        # From the middle on, a curve falls by 0.5 · ln 2 = 0.347 nats.
        (3.2, "could have ended up to 0.1466 nats/token lower at the rate 0.004"),
        (3.5, "none of them could have ended below the chosen one"),
    ],
)
def test_halving_says_what_it_could_have_cost(study, loss, said):
    for rate, mean in zip(GRID[:3], [3.1, 3.0, 3.1], strict=True):
        for seed in (101, 102, 103):
            study.run("baseline", seed, mean, "tune", rate=rate, curve=True)
    halved(study, "baseline", 0.004, loss)
    (note,) = [text for text in study_report(study.load()).notes if text.startswith("halving")]
    assert note.startswith("halving stopped 1 of 3 learning rates at step 120 of 240: ")
    assert said in note


def test_without_curves_the_cost_of_halving_is_not_known(study):
    tuned(study, "baseline", BASELINE)
    halved(study, "baseline", 0.016, 3.0)
    (note,) = [text for text in study_report(study.load()).notes if text.startswith("halving")]
    assert note.endswith("what that could have cost is not known")
    assert learning_curve(3.0, 1.0)["step"].isin([STEPS // 2]).any()  # where the runs above were stopped
