"""The library reads each version of a file once, and an exploratory baseline says that it is one."""

import shutil
import time

import pytest

from tests.dashboard.dashboard_studies import write_study
from workbench.dashboard.study_library import (
    Library,
    metrics_version,
    pulse,
    rebased,
    study_version,
)
from workbench.errors import RecordError
from workbench.files import write_json
from workbench.records.index import load_study
from workbench.records.run import RunDirectory

MODULE = "workbench.dashboard.study_library"


@pytest.fixture
def own_study(study, tmp_path):
    return shutil.copytree(study, tmp_path / "quickstart")


def test_a_study_is_read_again_only_when_a_record_changes(own_study, monkeypatch):
    library, reads = Library(), []
    monkeypatch.setattr(f"{MODULE}.load_study", lambda path: reads.append(path) or load_study(path))
    library.study(own_study)
    library.study(own_study)
    assert len(reads) == 1
    directory = RunDirectory(next(iter(sorted((own_study / "runs").iterdir()))))
    record = directory.read()
    record.attempts = 7
    directory.write(record)
    assert 7 in library.study(own_study).runs["attempts"].to_list()
    assert len(reads) == 2


def test_the_heartbeat_is_fresh_without_reading_the_runs_again(own_study, monkeypatch):
    library = Library()
    assert library.study(own_study).driver.state == "done"
    monkeypatch.setattr(f"{MODULE}.load_study", lambda path: pytest.fail("the runs did not change"))
    write_json(own_study / "driver.json", {"state": "running", "updated": "2020-01-01T00:00:00+00:00"})
    assert library.study(own_study).driver.state == "running"


def test_metrics_follow_a_live_file(tmp_path):
    path = write_study(tmp_path, "live", confirm=1, live=True)
    library = Library()
    records = library.study(path)
    before = pulse(records)
    run = records.runs.loc[records.runs["state"] == "running", "path"].iloc[0]
    live = RunDirectory(run).path / "metrics.jsonl"
    assert len(library.metrics(live.parent)) == 90  # the cut last line is not there yet
    live.write_text(live.read_text().rsplit("\n", 1)[0] + '\n{"step": 91, "tokens": 1}\n')
    assert len(library.metrics(live.parent)) == 91
    assert pulse(records) != before
    assert metrics_version(live.parent)[0] == "metrics.jsonl"


def test_a_missing_manifest_is_the_users_error(tmp_path):
    (tmp_path / "runs").mkdir()
    with pytest.raises(RecordError, match=r"study\.yaml"):
        Library().study(tmp_path)


def test_another_baseline_reverses_the_difference_and_is_called_exploratory(study):
    library = Library()
    records = library.study(study)
    declared = library.report(records, "baseline")
    other = library.report(records, "positions=learned")
    forward = next(row for row in declared.rows if row.variant == "positions=learned").difference
    backward = next(row for row in other.rows if row.variant == "baseline")
    assert backward.difference == pytest.approx(-forward)
    assert backward.change == {"positions": ("learned", "rope")}
    assert other.baseline.variant == "positions=learned"
    assert other.baseline.change == {}
    assert "exploratory" in other.study
    assert "declared baseline" in other.notes[0]


def test_rebasing_leaves_the_original_alone(study):
    records = Library().study(study)
    rebased(records, "norm=layernorm")
    assert records.manifest.baseline == "baseline"
    assert records.manifest.variants[1].change == {"positions": ["rope", "learned"]}


def test_looking_at_five_hundred_runs_takes_milliseconds(tmp_path):
    for index in range(500):
        folder = tmp_path / "runs" / f"{index:012x}"
        folder.mkdir(parents=True)
        (folder / "run.json").write_text("{}")
    taken = []
    for _ in range(5):  # whatever else the machine does at the moment
        began = time.perf_counter()
        study_version(tmp_path)
        taken.append(time.perf_counter() - began)
    assert min(taken) < 0.25
