"""Studies that are put away, brought back and deleted: their own folders, and nothing else, ever."""

import os
from pathlib import Path

import pytest
from filelock import FileLock

from tests.dashboard.dashboard_studies import write_study
from workbench.errors import UserError
from workbench.records.archive import (
    ARCHIVE,
    archive_study,
    archived_studies,
    delete_study,
    restore_study,
)
from workbench.records.driver_state import LOCK
from workbench.records.index import PUBLISHED, list_studies, load_study
from workbench.study.paths import find_results


@pytest.fixture
def results(tmp_path):
    folder = tmp_path / "results"
    for name in ("first", "second"):
        write_study(folder, name, confirm=1)
    return folder


def contents(folder):
    return {
        path.relative_to(folder): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()
    }


def test_an_archived_study_is_in_no_list_and_comes_back_as_it_was(results):
    before = contents(results / "first")
    target = archive_study(results / "first", results)
    assert target == results / ARCHIVE / "first"
    assert list_studies(results) == [results / "second"]
    assert archived_studies(results) == [target]
    assert find_results("archive/first", results) == target  # read by who asks for it
    assert len(load_study(target).runs)
    assert restore_study(target, results) == results / "first"
    after = contents(results / "first")
    after.pop(Path(LOCK), None)
    assert after == before
    assert archived_studies(results) == []


def test_a_deleted_study_is_gone_and_the_others_are_not(results):
    before = contents(results / "second")
    delete_study(results / "first", results)
    assert sorted(path.name for path in results.iterdir()) == ["second"]
    delete_study(archive_study(results / "second", results), results)
    assert contents(results) == {}
    assert before


def test_what_a_link_leads_to_is_never_touched(results, tmp_path):
    elsewhere = write_study(tmp_path / "elsewhere", "precious", confirm=1)
    kept = contents(elsewhere)
    (results / "linked").symlink_to(elsewhere)
    for change in (archive_study, delete_study):
        with pytest.raises(UserError, match="is a link"):
            change(results / "linked", results)
    (results / "first" / "runs" / "link").symlink_to(elsewhere)
    delete_study(results / "first", results)  # the link in it goes, and not what it leads to
    (results / ARCHIVE).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(UserError, match="lies behind"):
        delete_study(results / ARCHIVE / "precious", results)
    assert contents(elsewhere) == kept


@pytest.mark.parametrize("change", [archive_study, restore_study, delete_study])
def test_only_studies_of_the_results_are_changed(results, tmp_path, change):
    outside = write_study(tmp_path / "other", "outside", confirm=1)
    published = write_study(results / PUBLISHED, "shown", confirm=1)
    (results / "benchmarks").mkdir()
    for path in (
        outside,
        results / PUBLISHED,
        results / "benchmarks",
        results / "gone",
        results / ".." / "other" / "outside",
        results,
        tmp_path,
    ):
        with pytest.raises(UserError, match="is no study of"):
            change(path, results)
    with pytest.raises(UserError, match="is published"):
        change(published, results)
    assert outside.is_dir()
    assert published.is_dir()


@pytest.mark.parametrize("change", [archive_study, delete_study])
def test_a_study_that_is_driven_stays(results, change):
    lock = FileLock(results / "first" / LOCK)
    with lock, pytest.raises(UserError, match="first: is being run; stop it"):
        change(results / "first", results)
    assert list_studies(results)
    change(results / "first", results)


def test_names_that_are_taken_are_said_before_anything_moves(results):
    archived = archive_study(results / "first", results)
    write_study(results, "first", confirm=1)
    with pytest.raises(UserError, match="an archived study has this name"):
        archive_study(results / "first", results)
    with pytest.raises(UserError, match="there is a study of this name again"):
        restore_study(archived, results)
    with pytest.raises(UserError, match="is not archived"):
        restore_study(results / "second", results)
    assert archived.is_dir()


def test_a_study_that_never_began_can_only_be_deleted(results):
    begun = results / "begun"
    begun.mkdir()
    with pytest.raises(UserError, match="has no manifest"):
        archive_study(begun, results)
    delete_study(begun, results)
    assert not begun.exists()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_cannot_be_written_is_said(results):
    results.chmod(0o500)
    try:
        with pytest.raises(UserError, match="cannot be moved or deleted"):
            archive_study(results / "first", results)
    finally:
        results.chmod(0o700)
    assert list_studies(results)
