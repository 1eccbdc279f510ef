"""Rows of all runs of a study in one file: what is read of a run is what was written of it."""

import os

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from workbench.errors import RecordError
from workbench.records.metrics import AXES, metrics_version, read_evaluations, read_metrics, save_frame
from workbench.records.probes import (
    COLUMNS,
    KEY,
    append_probes,
    empty_probes,
    measurements_in,
    probed,
    probes_version,
    read_probes,
    write_probes,
)
from workbench.records.published_tables import distinct_rows, joint_path, read_joint, write_joint

LOSS = "validation/loss"
FRAMES = {
    # Whole numbers where no row lacks one, as numbers with a point elsewhere; other columns in another order.
    "b": pd.DataFrame({"step": [1, 2], LOSS: [2.5, 0.1], "memory_bytes": [7, 8]}),
    "a": pd.DataFrame({"step": [1, 2, 3], "memory_bytes": [7.0, None, 2**40], LOSS: [None, None, 1 / 3]}),
    "c": pd.DataFrame({LOSS: [None, 2.0], "step": [1, 2], "tokens": [2**53 + 1, 5]}),
    "never": pd.DataFrame({"step": [1], LOSS: [float("nan")]}),
    "empty": pd.DataFrame({"step": pd.Series(dtype="int64"), "tokens": pd.Series(dtype="int64")}),
}


@pytest.fixture
def study(tmp_path):
    """A study of which metrics are in a joint file, and its runs' directories."""
    for name in FRAMES:
        (tmp_path / "runs" / name).mkdir(parents=True)
    tables = {name: pa.Table.from_pandas(frame, preserve_index=False) for name, frame in FRAMES.items()}
    write_joint(tmp_path / "metrics.parquet", tables)
    return tmp_path


def probes(value, step=1):
    row = {"step": step, "table": "heads", "layer": 0, "head": None, "x": None, "metric": "entropy"}
    return pd.DataFrame([row | {"value": value, "n": 3, "probe_hash": "p"}]).astype(COLUMNS)


@pytest.mark.parametrize("name", FRAMES)
def test_a_run_has_its_columns_their_types_and_its_rows_in_their_order(study, name):
    pd.testing.assert_frame_equal(read_metrics(study / "runs" / name), FRAMES[name], check_exact=True)


def test_evaluations_are_read_of_it(study):
    found = read_evaluations(study / "runs" / "a", LOSS)
    assert found.to_dict("records") == [{"step": 3, LOSS: 1 / 3}]
    assert read_evaluations(study / "runs" / "a", "validation/other").empty
    assert read_joint(study / "runs" / "c", "metrics.parquet", ["tokens"]).column_names == ["tokens"]


def test_it_is_one_table_to_whoever_opens_it(study):
    table = pd.read_parquet(study / "metrics.parquet")
    assert table["run_id"].tolist() == ["a"] * 3 + ["b"] * 2 + ["c"] * 2 + ["never"]
    assert set(table.columns) == {"run_id", "step", "tokens", "memory_bytes", LOSS}
    part = pq.ParquetFile(study / "metrics.parquet").metadata.row_group(0)
    assert {part.column(place).compression for place in range(part.num_columns)} == {"ZSTD"}


def test_rows_of_its_own_come_first_then_lines_then_those_of_the_study(study):
    run = study / "runs" / "a"
    seen = [metrics_version(run)]
    (run / "metrics.jsonl").write_text('{"step": 9}\n')
    assert read_metrics(run)["step"].tolist() == [9]
    seen.append(metrics_version(run))
    save_frame(run, pd.DataFrame({"step": [10, 11]}))
    assert read_metrics(run)["step"].tolist() == [10, 11]
    seen.append(metrics_version(run))
    assert len(set(seen)) == 3


def test_a_run_that_no_file_speaks_of_has_logged_nothing(study):
    (study / "runs" / "new").mkdir()
    assert list(read_metrics(study / "runs" / "new").columns) == list(AXES)
    assert read_joint(study / "runs" / "new", "metrics.parquet") is None
    assert read_probes(study / "runs" / "new").empty


def test_a_file_beside_other_folders_is_none_of_a_study(study):
    (study / "elsewhere" / "a").mkdir(parents=True)
    assert read_joint(study / "elsewhere" / "a", "metrics.parquet") is None


def test_another_file_in_its_place_is_read_anew(study):
    run = study / "runs" / "b"
    before = metrics_version(run)
    assert len(read_metrics(run)) == 2
    write_joint(study / "metrics.parquet", {"b": pa.table({"step": [5]})})
    os.utime(study / "metrics.parquet", (1, 1))
    assert metrics_version(run) != before
    assert read_metrics(run)["step"].tolist() == [5]


def _cut(path):
    path.write_bytes(path.read_bytes()[:-30])


def _scattered(path):
    pq.write_table(pa.table({"run_id": pa.array(["a", "b", "a"]).dictionary_encode()}), path)


def _without_ids(path):
    pq.write_table(pa.table({"step": [1]}), path)


@pytest.mark.parametrize("damage", [_cut, _scattered, _without_ids])
def test_a_damaged_file_is_named_with_the_remedy(study, damage):
    path = joint_path(study / "runs" / "a", "metrics.parquet")
    damage(path)
    with pytest.raises(RecordError, match=rf"^{path}: cannot be read .*; restore it from a copy, or publish"):
        read_metrics(study / "runs" / "a")


def test_probes_of_a_run_are_its_own_or_those_of_the_study(tmp_path):
    run, other = tmp_path / "runs" / "r", tmp_path / "runs" / "other"
    for path, value in ((run, 0.25), (other, 1 / 3)):
        write_probes(path, probes(value))
    tables = {path.name: pq.read_table(path / "probes.parquet") for path in (run, other)}
    write_joint(tmp_path / "probes.parquet", tables)
    (run / "probes.parquet").unlink()
    pd.testing.assert_frame_equal(read_probes(run), probes(0.25), check_exact=True)
    before = probes_version(run)
    append_probes(run, probes(0.5, step=2))  # a copy that is no longer among the published ones
    assert read_probes(run)["value"].tolist() == [0.25, 0.5]
    assert probes_version(run) != before


def test_what_is_measured_of_a_run_goes_beside_a_damaged_joint_file(tmp_path):
    run = tmp_path / "runs" / "r"
    run.mkdir(parents=True)
    (tmp_path / "probes.parquet").write_bytes(b"half a file")
    with pytest.raises(RecordError, match=r"probes\.parquet: cannot be read"):
        read_probes(run)
    append_probes(run, probes(0.5))
    assert read_probes(run)["value"].tolist() == [0.5]
    assert (tmp_path / "probes.parquet").read_bytes() == b"half a file"


def test_a_run_without_probes_beside_others_has_none(tmp_path):
    run = tmp_path / "runs" / "r"
    run.mkdir(parents=True)
    write_joint(
        tmp_path / "probes.parquet", {"other": pa.Table.from_pandas(probes(1.0), preserve_index=False)}
    )
    pd.testing.assert_frame_equal(read_probes(run), empty_probes())


def test_the_few_values_of_columns_are_read_without_the_rest(tmp_path):
    again = pd.concat([probes(1.0)] * 4, ignore_index=True)
    again = again.assign(step=[2, 1, 1, 2], table=["heads", "heads", "loss", "heads"])
    frames = {"a": again, "b": probes(5.0), "none": again.iloc[:0]}
    for name in (*frames, "other"):
        (tmp_path / "runs" / name).mkdir(parents=True)
    tables = {name: pa.Table.from_pandas(frame, preserve_index=False) for name, frame in frames.items()}
    write_joint(tmp_path / "probes.parquet", tables)
    found = {
        name: distinct_rows(tmp_path / "runs" / name, "probes.parquet", KEY) for name in (*frames, "other")
    }
    assert found == {
        "a": ((2, "heads", "p"), (1, "heads", "p"), (1, "loss", "p")),
        "b": ((1, "heads", "p"),),
        "none": (),
        "other": (),
    }
    assert probed(tmp_path / "runs" / "a") == found["a"] == measurements_in(again)
    write_probes(tmp_path / "runs" / "a", probes(6.0, step=7))
    assert probed(tmp_path / "runs" / "a") == ((7, "heads", "p"),)
    (tmp_path / "probes.parquet").write_bytes(b"no table")
    with pytest.raises(RecordError, match=r"probes\.parquet: cannot be read"):
        probed(tmp_path / "runs" / "b")
