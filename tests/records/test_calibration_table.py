"""The table of a calibration: written, read, and in the place of runs that were not kept."""

import shutil

import pandas as pd
import pytest

from tests.analysis.calibration_studies import TWIN, calibration_study
from workbench.analysis.calibrating.curves import calibration_table
from workbench.analysis.effects import study_report
from workbench.errors import RecordError
from workbench.records.calibration_table import (
    COLUMNS,
    TABLE,
    CalibrationTable,
    read_calibration_table,
    run_id_of,
)
from workbench.records.index import load_study
from workbench.records.metrics import read_evaluations


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    return calibration_study(tmp_path_factory.mktemp("results") / "noise", seeds=9, lost=[(TWIN, 3)]).path


@pytest.fixture(scope="module")
def copy(study, tmp_path_factory):
    """What is left of it where only manifest and table were kept."""
    folder = tmp_path_factory.mktemp("copy") / "noise"
    folder.mkdir()
    shutil.copy(study / "study.yaml", folder)
    calibration_table(load_study(study)).write(folder)
    return folder


def test_a_table_has_every_evaluation_of_every_run_with_a_result(study):
    table = calibration_table(load_study(study))
    assert tuple(table.rows) == COLUMNS
    assert len(table.rows) == 10 * (4 * 9 - 1)
    assert table.metric == "validation/loss"
    curve = table.curves()[run_id_of(TWIN, 4)]
    assert curve["tokens"].tolist()[-1] == 500_000
    assert curve["flops"].iloc[-1] == 500_000 * 800_000


def test_what_is_read_is_what_was_written(study, copy):
    written, read = calibration_table(load_study(study)), read_calibration_table(copy)
    assert read.metric == written.metric
    assert read.flops_per_token == written.flops_per_token
    pd.testing.assert_frame_equal(read.rows, written.rows, check_dtype=False)
    pd.testing.assert_frame_equal(calibration_table(load_study(copy)).rows, read.rows)


def test_a_study_of_which_the_table_is_left_reports_what_it_reported(study, copy):
    whole, left = study_report(load_study(study)), study_report(load_study(copy))
    for ours, theirs in zip(whole.comparisons, left.comparisons, strict=True):
        assert ours.differences == theirs.differences
        assert (ours.verdict, ours.interval, ours.trend) == (theirs.verdict, theirs.interval, theirs.trend)
    assert left.rows[0].seconds in (None, 0) or pd.isna(left.rows[0].seconds)


def test_a_run_of_the_table_has_its_curve(copy):
    records = load_study(copy)
    path = next(iter(records.runs.loc[records.runs["variant"] == TWIN, "path"]))
    curve = read_evaluations(records.path / "runs" / path.rpartition("/")[2], "validation/loss")
    assert list(curve) == ["step", "tokens", "flops", "validation/loss"]
    assert len(curve) == 10
    nobody = read_evaluations(records.path / "runs" / run_id_of("nobody", 1), "validation/loss")
    assert nobody.empty


def test_runs_are_believed_before_the_table(study, tmp_path):
    shutil.copytree(study, tmp_path / "noise")
    table = calibration_table(load_study(study))
    CalibrationTable(table.metric, table.rows[:10]).write(tmp_path / "noise")
    assert len(load_study(tmp_path / "noise").runs) == 36


def test_a_run_that_diverged_stays_one(study, copy):
    assert calibration_table(load_study(study)).lost == ((TWIN, 3, "diverged"),)
    runs = load_study(copy).runs
    assert len(runs) == 36
    assert runs.loc[runs["state"] == "diverged", ["variant", "seed"]].to_numpy().tolist() == [[TWIN, 3]]


def test_a_damaged_table_is_a_problem_with_its_remedy(copy, tmp_path):
    shutil.copytree(copy, tmp_path / "noise")
    (tmp_path / "noise" / TABLE).write_bytes(b"PAR1 no more")
    with pytest.raises(RecordError, match=r"calibration\.parquet: cannot be read .*publish the study again"):
        read_calibration_table(tmp_path / "noise")
    records = load_study(tmp_path / "noise")
    assert records.runs.empty
    assert "calibration.parquet" in records.problems[0].message


def test_a_variant_that_the_manifest_does_not_know_is_named(copy, tmp_path):
    shutil.copytree(copy, tmp_path / "noise")
    table = read_calibration_table(copy)
    table.rows.loc[table.rows["variant"] == TWIN, "variant"] = "stranger"
    table.write(tmp_path / "noise")
    records = load_study(tmp_path / "noise")
    assert "stranger" in records.problems[0].message
    assert len(records.problems) == 1
    complete = records.runs[records.runs["state"] == "complete"]
    assert set(complete["variant"]) == {"baseline", "rate-x1.1", "one-step-wider"}
