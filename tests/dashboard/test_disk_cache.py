"""What the next server has without computing it again, and when it computes it after all."""

import os
import pickle
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.dashboard.dashboard_studies import beat, write_study
from tests.dashboard.inspection_pages import texts, to_view
from tests.dashboard.inspection_studies import CHANGED
from workbench.analysis.importances import MAIN_EFFECTS
from workbench.claims.card import SIZES
from workbench.dashboard import disk_cache, state, study_library
from workbench.dashboard.disk_cache import DiskCache, folder_state
from workbench.dashboard.pages import inspect_page
from workbench.dashboard.study_library import Library
from workbench.inspection.views import View

ROOT = Path(__file__).parents[2]
PUBLISHED = ROOT / "results" / "published"
HOUR = 3600.0


def aged(folder, seconds=HOUR):
    """Let everything in ``folder`` have been written so long ago."""
    then = time.time() - seconds
    for path in folder.rglob("*"):
        os.utime(path, (then, then))
    return folder


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "study" / "runs").mkdir(parents=True)
    (tmp_path / "study" / "runs" / "run.json").write_text("{}")
    return aged(tmp_path / "study")


@pytest.fixture
def kept(tmp_path, folder):
    """A function that asks as a server that has just started: what it got, and how often it was made."""
    made = []

    def ask(value=("value",), *, key="key", made_of=1):
        got = DiskCache(tmp_path / "cache").kept(
            key, made_of, [folder_state(folder)], lambda: made.append(value) or value
        )
        return got, len(made)

    return ask


def files(tmp_path):
    return sorted((tmp_path / "cache").glob("*"))


def test_what_was_made_once_is_read_by_every_server_after(kept):
    assert kept() == (("value",), 1)
    assert kept(("another",)) == (("value",), 1)
    assert kept(("another",), key="another key") == (("another",), 2)


def _changed(folder):
    (folder / "runs" / "run.json").write_text("{ }")


def _added(folder):
    (folder / "runs" / "metrics.parquet").write_text("")


def _deleted(folder):
    (folder / "runs" / "run.json").unlink()


def _touched(folder):
    os.utime(folder / "runs" / "run.json", (time.time() - 2 * HOUR,) * 2)


@pytest.mark.parametrize("change", [_changed, _added, _deleted, _touched])
def test_it_is_made_again_when_anything_in_the_folder_changed(kept, folder, change):
    kept()
    change(folder)
    aged(folder, HOUR if change is not _touched else 2 * HOUR)
    assert kept(("new",)) == (("new",), 2)
    assert kept(("newer",)) == (("new",), 2)


def test_it_is_made_again_of_other_than_before(kept):
    kept(made_of=(1, None))
    assert kept(("new",), made_of=(1, 2)) == (("new",), 2)


def test_it_is_made_again_by_other_code(kept, monkeypatch):
    kept()
    monkeypatch.setattr(disk_cache, "_code", lambda: ("other",))
    assert kept(("new",)) == (("new",), 2)


def test_the_code_is_that_of_the_whole_package_and_of_what_computes():
    code = disk_cache._code()
    assert sys.version in code
    assert code[-1] == folder_state(ROOT / "workbench").digest
    assert len(code) == 2 + len(disk_cache._LIBRARIES)


def test_while_a_study_runs_nothing_is_kept(kept, folder, tmp_path):
    aged(folder, 1.0)
    assert kept() == (("value",), 1)
    assert kept() == (("value",), 2)
    assert not (tmp_path / "cache").exists()


@pytest.mark.parametrize("damage", [b"", b"short", "cut", "other"])
def test_a_damaged_file_counts_as_none(kept, tmp_path, damage):
    kept()
    (path,) = files(tmp_path)
    content = path.read_bytes()
    path.write_bytes({"cut": content[:-1], "other": content[:-1] + b"?"}.get(damage, damage))
    assert kept(("new",)) == (("new",), 2)
    assert kept() == (("new",), 2)


@pytest.mark.parametrize("mode", [0o620, 0o602])
def test_a_file_that_others_may_write_is_not_read(kept, tmp_path, mode):
    kept()
    (path,) = files(tmp_path)
    assert path.stat().st_mode & 0o777 == 0o600
    path.chmod(mode)
    assert kept(("new",)) == (("new",), 2)


def test_a_file_of_another_user_is_not_read(kept, monkeypatch):
    kept()
    monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 1)
    assert kept(("new",)) == (("new",), 2)


def test_without_a_folder_to_write_to_everything_is_made(kept, tmp_path):
    (tmp_path / "cache").write_text("a file")
    assert kept() == (("value",), 1)
    assert kept() == (("value",), 2)


def test_what_cannot_be_read_of_a_folder_is_not_in_it(folder):
    (folder / "gone").symlink_to(folder / "nowhere")
    (folder / "loop").symlink_to(folder)
    (folder / "__pycache__").mkdir()
    (folder / "__pycache__" / "code.pyc").write_text("")
    before = folder_state(folder)
    (folder / "loop").unlink()
    (folder / "gone").unlink()
    shutil.rmtree(folder / "__pycache__")
    assert folder_state(folder / "nowhere").changed == 0.0
    names = [path for path, *_ in disk_cache._files(str(folder), set())]
    assert names == [str(folder / "runs" / "run.json")]
    assert before.changed == pytest.approx(folder_state(folder).changed)


def test_what_nobody_asked_for_in_a_month_is_deleted(kept, tmp_path):
    kept(key="asked for")
    aged(tmp_path / "cache", 40 * 24 * HOUR)
    kept(key="asked for")
    kept(key="old")
    (old,) = set(files(tmp_path)) - {max(files(tmp_path), key=lambda path: path.stat().st_mtime)} or {None}
    os.utime(old, (0, 0))
    DiskCache(tmp_path / "cache").tidy()
    assert len(files(tmp_path)) == 1
    DiskCache(tmp_path / "none").tidy()


@pytest.fixture
def disk(tmp_path):
    return DiskCache(tmp_path / "cache")


@pytest.fixture
def quickstart(tmp_path):
    shutil.copytree(PUBLISHED / "quickstart", tmp_path / "published" / "quickstart")
    return aged(tmp_path / "published") / "quickstart"


def _what_is_read(library, path):
    records = library.study(path)
    baseline = records.manifest.baseline
    report = library.report(records, baseline)
    return {
        "records": records.runs.to_json(),
        "report": repr(report.rows),
        "costs": repr(library.costs(records, None)),
        "behaviours": library.behaviours(records),
        "explanation": library.explanation(records, report.paired[0].variant, baseline).sentences(),
    }


def test_a_study_is_read_by_the_next_server_as_by_the_first(quickstart, disk, monkeypatch):
    first = _what_is_read(Library(disk), quickstart)
    for name in ("load_study", "study_report", "cost_points", "read_behaviours"):
        monkeypatch.setattr(study_library, name, lambda *_: pytest.fail("it was read before"))
    again = _what_is_read(Library(disk), quickstart)
    assert pickle.dumps(again["behaviours"]) == pickle.dumps(pickle.loads(pickle.dumps(first["behaviours"])))
    assert {**again, "behaviours": None} == {**first, "behaviours": None}


def test_what_was_made_of_records_from_before_a_change_is_made_again(quickstart, disk, monkeypatch):
    library = Library(disk)
    records = library.study(quickstart)
    then = time.time() - 2 * HOUR
    os.utime(quickstart / "metrics.parquet", (then, then))  # no run's record changes with it
    library.report(records, records.manifest.baseline)
    made = []
    real = study_library.study_report
    monkeypatch.setattr(study_library, "study_report", lambda of: made.append(of.name) or real(of))
    again = Library(disk)
    again.report(again.study(quickstart), records.manifest.baseline)
    assert made == ["quickstart"]


def test_the_heartbeat_is_read_all_the_same(quickstart, disk):
    assert Library(disk).study(quickstart).driver is None
    (quickstart / "driver.json").write_text('{"state": "stopped"}')
    assert Library(disk).study(quickstart).driver.state == "stopped"


def test_ladders_and_searches_are_kept_as_well(disk, monkeypatch):
    library = Library(disk)
    ladder = library.ladder(library.study(PUBLISHED / "ladder"))
    search = library.search(library.study(PUBLISHED / "search"))
    records = library.study(PUBLISHED / "search")
    importances = library.importances(records, search.objectives[0].name, MAIN_EFFECTS)
    for name in ("ladder_report", "searched", "importances_of"):
        monkeypatch.setattr(study_library, name, lambda *_: pytest.fail("it was computed before"))
    again = Library(disk)
    assert repr(again.ladder(again.study(PUBLISHED / "ladder")).rungs) == repr(ladder.rungs)
    assert repr(again.search(records).objectives) == repr(search.objectives)
    assert repr(again.importances(records, search.objectives[0].name, MAIN_EFFECTS)) == repr(importances)


def test_claims_are_worked_out_once_for_all_servers(disk, monkeypatch):
    first = Library(disk).claims(ROOT / "results", SIZES[0])
    monkeypatch.setattr("workbench.claims.results.card_result", lambda *_: pytest.fail("it has its word"))
    again = Library(disk).claims(ROOT / "results", SIZES[0])
    assert [(result.card, result.word, result.why) for result in again] == [
        (result.card, result.word, result.why) for result in first
    ]


def test_a_view_opens_with_what_another_server_computed(opened, inspected, monkeypatch):
    aged(inspected)

    def anew():
        state.library.clear()
        inspect_page._kept.clear()
        return texts(opened(inspected, "position")), texts(opened(inspected, "attention"))

    first = anew()
    monkeypatch.setattr(View, "show", lambda *_: pytest.fail("it was computed before"))
    assert anew() == first
    monkeypatch.undo()


def test_the_same_runs_in_other_roles_are_another_view(opened, inspected, runs):
    aged(inspected)
    state.library.clear()
    for against, beside in ((runs["baseline", 201], []), ("—", ["baseline"])):
        app = opened(inspected, "position", inspect=runs[CHANGED, 201], against=against)
        assert app.multiselect[0].value == beside if beside else not app.multiselect
        assert ("beside inside/baseline" in texts(app)) == bool(beside)


def test_a_view_of_another_text_is_computed(opened, inspected, monkeypatch):
    aged(inspected)
    state.library.clear()
    inspect_page._kept.clear()
    opened(inspected, "attention")
    inspect_page._kept.clear()
    shown = []
    monkeypatch.setattr(inspect_page, "_texts", lambda runs: ["another" for _ in runs])
    real = View.show
    monkeypatch.setattr(View, "show", lambda *given: shown.append(given) or real(*given))
    assert not opened(inspected, "attention").exception
    assert len(shown) == 1


def test_what_a_reader_chose_is_not_kept(opened, inspected, tmp_path, monkeypatch):
    aged(inspected)
    monkeypatch.setenv("WORKBENCH_CACHE", str(tmp_path / "own"))
    state.library.clear()
    app = opened(inspected, "position")
    before = len(list((tmp_path / "own" / "dashboard").iterdir()))
    app.selectbox(key="extrapolation.length").set_value("4").run()
    assert not app.exception
    assert len(list((tmp_path / "own" / "dashboard").iterdir())) == before
    to_view(app, "position_loss")
    assert len(list((tmp_path / "own" / "dashboard").iterdir())) == before + 1
    state.library.clear()


@pytest.mark.parametrize("page", ["attention", "position", "activations"])
def test_a_page_of_views_that_were_computed_needs_no_torch(page, inspected, cache):
    aged(inspected)
    program = f"""
import sys
from streamlit.testing.v1 import AppTest
sys.argv = ["app.py", "--results", {str(inspected)!r}]
app = AppTest.from_file({str(ROOT / "app.py")!r}, default_timeout=120)
app.switch_page("workbench/dashboard/pages/{page}.py").run()
assert not app.exception
print("torch" in sys.modules)
"""
    environment = os.environ | {"WORKBENCH_CACHE": cache}
    command = [sys.executable, "-c", program]
    told = [
        subprocess.run(
            command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True, timeout=240
        ).stdout.split()[-1]
        for _ in range(2)
    ]
    assert told[1] == "False"


def test_of_a_study_that_runs_nothing_is_kept(tmp_path, disk):
    path = write_study(tmp_path, "live", confirm=1, live=True)
    beat(path)
    aged(path)
    assert Library(disk).study(path).is_live
    assert files(tmp_path) == []
    (path / "driver.json").unlink()
    Library(disk).study(path)
    assert len(files(tmp_path)) == 1
