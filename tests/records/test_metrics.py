"""A run's rows have a version that changes with them, and a damaged file is named."""

import pandas as pd
import pytest

from workbench.errors import RecordError
from workbench.records.metrics import (
    MetricsWriter,
    compact,
    metrics_version,
    read_evaluations,
    read_metrics,
    save_frame,
)


def test_the_version_changes_with_every_row_and_with_the_file_that_holds_them(tmp_path):
    versions = [metrics_version(tmp_path)]
    writer = MetricsWriter(tmp_path)
    for step in (1, 2):
        writer.append({"step": step, "tokens": step, "flops": 1.0, "seconds": 0.1}, flush=True)
        versions.append(metrics_version(tmp_path))
    writer.close()
    assert metrics_version(tmp_path) == versions[-1]
    compact(tmp_path)
    versions.append(metrics_version(tmp_path))
    assert len(set(versions)) == 4


def test_columns_keep_their_types_in_the_compact_file(tmp_path):
    frame = pd.DataFrame({"step": [1, 2], "tokens": [10, 20], "validation/loss": [None, 2.5]})
    save_frame(tmp_path, frame)
    pd.testing.assert_frame_equal(read_metrics(tmp_path), frame)


@pytest.mark.parametrize("compacted", [False, True])
def test_evaluations_are_the_rows_at_which_the_metric_is_known(tmp_path, compacted):
    writer = MetricsWriter(tmp_path)
    for step in (1, 2, 3):
        axes = {"step": step, "tokens": step, "flops": 1.0, "seconds": 0.1}
        writer.append(axes | ({"validation/loss": 2.5} if step % 2 else {"train/loss": 3.0}))
    writer.close()
    if compacted:
        compact(tmp_path)
    found = read_evaluations(tmp_path, "validation/loss")
    assert found["step"].tolist() == [1, 3]
    assert found["validation/loss"].tolist() == [2.5, 2.5]
    assert read_evaluations(tmp_path, "validation/other").empty


@pytest.mark.parametrize("content", [b"", b"PAR1", b"no parquet at all, but long enough to have a footer"])
def test_a_damaged_compact_file_is_named(tmp_path, content):
    (tmp_path / "metrics.parquet").write_bytes(content)
    with pytest.raises(RecordError, match=r"metrics\.parquet: cannot be read"):
        read_metrics(tmp_path)
