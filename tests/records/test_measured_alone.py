"""Whether a study was ever trained, or only step times of it were measured."""

from pathlib import Path

import pytest

from workbench.errors import RecordError
from workbench.records.measured_alone import has_runs, is_measured_alone
from workbench.records.step_times import STEP_TIMES

PUBLISHED = Path(__file__).parents[2] / "results" / "published"


@pytest.mark.parametrize(
    ("name", "trained"), [("quickstart", True), ("noise", True), ("claims-norm-cost", False)]
)
def test_of_some_studies_step_times_are_all_that_there_is(name, trained):
    assert has_runs(PUBLISHED / name) == trained
    assert is_measured_alone(PUBLISHED / name) != trained


def test_nothing_was_measured_of_an_empty_folder_and_a_damaged_file_is_said(tmp_path):
    (tmp_path / "runs").mkdir()
    assert not has_runs(tmp_path)
    assert not is_measured_alone(tmp_path)
    (tmp_path / STEP_TIMES).write_text("[")
    with pytest.raises(RecordError, match=STEP_TIMES):
        is_measured_alone(tmp_path)
