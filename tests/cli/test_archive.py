"""``workbench archive`` and ``workbench delete``: what moves, what is asked, and what is refused."""

import io
import json
import shutil

import pytest
from filelock import FileLock

from tests.cli.test_main import completed
from tests.dashboard.dashboard_studies import write_study
from tests.in_process import refused, workbench
from workbench.records.driver_state import LOCK
from workbench.records.index import PUBLISHED


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """Results with the studies first and second, and the published study shown."""
    results = tmp_path_factory.mktemp("written") / "results"
    for name in ("first", "second"):
        write_study(results, name, confirm=1)
    write_study(results / PUBLISHED, "shown", confirm=1)
    return results


@pytest.fixture
def folder(written, tmp_path):
    """A folder with a copy of these results."""
    shutil.copytree(written, tmp_path / "results")
    return tmp_path


def answer_with(monkeypatch, typed):
    monkeypatch.setattr("sys.stdin", io.StringIO(typed))


def test_a_study_is_archived_listed_there_and_brought_back(folder):
    moved = workbench(folder, "archive", "first")
    assert moved.returncode == 0, moved.stderr
    assert "workbench archive --back first" in moved.stdout
    assert not (folder / "results" / "first").exists()
    [row] = json.loads(workbench(folder, "list", "archive", "--json").stdout)["archive"]
    assert row["name"] == "first"
    assert int(row["runs"]) > 0
    assert row["about"].endswith("?")
    names = [study["name"] for study in json.loads(workbench(folder, "status", "--json").stdout)["studies"]]
    assert "first" not in names
    assert completed(["workbench", "archive", "--back", ""], folder) == ["first"]
    assert completed(["workbench", "archive", ""], folder) == ["second"]
    assert completed(["workbench", "delete", ""], folder) == ["second", "archive/first"]
    assert workbench(folder, "archive", "--back", "first").returncode == 0
    assert (folder / "results" / "first" / "study.yaml").is_file()
    assert json.loads(workbench(folder, "list", "archive", "--json").stdout)["archive"] == []


def test_deleting_asks_first(folder, monkeypatch):
    first = folder / "results" / "first"
    runs = len(list(first.glob("runs/*")))
    answer_with(monkeypatch, "n\n")
    kept = workbench(folder, "delete", "first")
    assert kept.returncode == 1
    assert f"with {runs} runs, for ever? [y/N]" in kept.stdout
    answer_with(monkeypatch, "")
    refused(workbench(folder, "delete", "first"), "--yes")
    assert first.is_dir()
    answer_with(monkeypatch, "y\n")
    assert workbench(folder, "delete", "first").returncode == 0
    assert not first.exists()
    assert (folder / "results" / "second").is_dir()


def test_an_archived_study_is_deleted_by_its_place_alone(folder):
    workbench(folder, "archive", "first")
    refused(workbench(folder, "delete", "first", "--yes"), "workbench delete archive/first")
    assert workbench(folder, "delete", "archive/first", "--yes").returncode == 0
    assert list((folder / "results" / "archive").iterdir()) == []


def test_what_never_began_can_be_deleted(folder):
    (folder / "results" / "begun").mkdir()
    assert workbench(folder, "delete", "begun", "--yes").returncode == 0
    assert not (folder / "results" / "begun").exists()


@pytest.mark.parametrize("command", [["archive"], ["delete", "--yes"]])
def test_published_and_running_studies_stay(folder, command):
    for name in ("shown", "published/shown"):
        refused(workbench(folder, *command, name), "shown", "is published")
    with FileLock(folder / "results" / "first" / LOCK):
        refused(workbench(folder, *command, "first"), "first", "is being run")
    write_study(folder / "results", "far", confirm=1, live=True)  # on another machine, by its sign of life
    refused(workbench(folder, *command, "far"), "far: is being run, on workstation")
    assert (folder / "results" / PUBLISHED / "shown").is_dir()
    assert (folder / "results" / "first").is_dir()


@pytest.mark.parametrize("command", [["archive"], ["archive", "--back"], ["delete", "--yes"]])
def test_names_that_lead_elsewhere_are_refused(folder, command):
    for own in ("benchmarks", "mine"):  # folders that hold no study
        (folder / "results" / own).mkdir()
        (folder / "results" / own / "notes.txt").touch()
    before = sorted(folder.rglob("*"))
    for name in (
        "",
        ".",
        "..",
        "../results",
        "archive",
        "archive/..",
        "published",
        "benchmarks",
        "mine",
        "gone",
    ):
        refused(workbench(folder, *command, name))
    assert sorted(folder.rglob("*")) == before
