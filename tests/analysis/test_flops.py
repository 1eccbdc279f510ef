"""Comparing at equal FLOPs: a known curve read at a known place."""

import math

import pytest

from tests.analysis.synthetic_studies import BASELINE_LOSSES, TOKENS, Study, manifest, shifted, variant
from workbench.analysis.effects import study_report
from workbench.analysis.flops import flops_differ, loss_at_flops
from workbench.analysis.report import to_json
from workbench.analysis.report_tables import flops_table
from workbench.analysis.statistics import Verdict

DEAR = 1_600_000


@pytest.fixture
def study(tmp_path):
    """A variant that is better by 0.1 at equal tokens, but costs twice the FLOPs per token."""
    variants = [variant("baseline"), variant("positions=learned", DEAR, positions="learned")]
    study = Study(tmp_path, manifest(variants)).tune()
    study.confirm("baseline", BASELINE_LOSSES, curve=True)
    return study.confirm("positions=learned", shifted(-0.1), curve=True)


def test_both_readings_are_shown_and_neither_is_a_verdict(study):
    report = study_report(study.load())
    assert report.rows[1].verdict is Verdict.BETTER
    equal = report.equal_flops
    assert equal.flops == TOKENS * 800_000
    row = equal.rows[1]
    # Half the tokens on a curve of 0.5 nats per e-fold: 0.1 lower and 0.5 ln 2 higher.
    assert row.comparison.mean == pytest.approx(-0.1 + 0.0002 + 0.5 * math.log(2), abs=1e-3)
    assert row.at_the_end.mean == report.rows[1].difference
    assert [row.share for row in equal.rows] == [1.0, 0.5]
    assert equal.rows[0].mean == pytest.approx(3.002)
    assert not hasattr(row, "verdict")
    columns = to_json(report)["equal_flops"]["rows"][1]
    assert "verdict" not in columns
    assert columns["at_the_end_difference"] == row.at_the_end.mean


def test_the_table_says_that_reading_early_may_go_either_way(study):
    table = flops_table(study_report(study.load()))
    assert "may be lower or higher than a run of that length" in table.title
    assert "budget: flops" in table.title
    assert not any("verdict" in heading or "wins" in heading for heading in table.headings)
    assert [row[2] for row in table.rows] == ["100 %", "50 %"]
    words = {"better", "worse", "equivalent", "inconclusive"}
    assert not words & {cell for row in table.rows for cell in row}


def test_at_a_chosen_number_of_flops(study):
    equal = loss_at_flops(study.load(), flops=TOKENS * 400_000)
    assert equal.rows[0].mean == pytest.approx(3.002 + 0.5 * math.log(2), abs=1e-3)


def test_between_two_evaluations_the_loss_is_linear_in_log_flops(study):
    """Which these curves are: 0.5 nats for each e-fold."""
    equal = loss_at_flops(study.load(), flops=TOKENS * 800_000 * 0.15)
    assert equal.rows[0].mean == pytest.approx(3.002 - 0.5 * math.log(0.15), abs=1e-3)


@pytest.mark.parametrize(("dearer", "differ"), [(1.005, False), (1.02, True)])
def test_a_hundredth_of_the_flops_is_a_difference(tmp_path, dearer, differ):
    variants = [variant("baseline"), variant("b", int(800_000 * dearer), positions="learned")]
    assert flops_differ(Study(tmp_path, manifest(variants)).load()) == differ


def test_nothing_is_extrapolated(study):
    equal = loss_at_flops(study.load(), flops=TOKENS * DEAR * 2)
    assert [row.mean for row in equal.rows] == [None, None]


def test_a_damaged_curve_is_named(study):
    loaded = study.load()
    bad = loaded.runs[(loaded.runs["variant"] == "baseline") & (loaded.runs["seed"] == 201)].iloc[0]
    (study.path / "runs" / bad["run_id"] / "metrics.parquet").write_text("no parquet")
    report = study_report(loaded)
    assert any("baseline seed 201" in note for note in report.notes)
    assert report.equal_flops.rows[1].comparison.n == 4


def test_equal_costs_need_no_second_table(tmp_path):
    study = Study(tmp_path, manifest()).load()
    assert not flops_differ(study)
    assert loss_at_flops(study) is None
