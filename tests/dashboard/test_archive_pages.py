"""Archiving and deleting from the sidebar: with a question, by who may write; and the search of studies."""

import pytest

from tests.dashboard.dashboard_studies import beat, write_study
from tests.dashboard.hostile_studies import poison
from tests.dashboard.test_literal_text import HOST, acting
from tests.dashboard.test_pages import texts
from workbench.records.archive import ARCHIVE, archive_study, archived_studies
from workbench.records.driver_state import DRIVER
from workbench.records.index import PUBLISHED, list_studies
from workbench.records.study_notes import write_remark

NAMES = ("alpha", "beta", "gamma", "delta")


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    folder = tmp_path_factory.mktemp("searched")
    for name in NAMES:
        write_study(folder, name, confirm=1)
    write_remark(folder / "beta", "look at the ZEBRA", [])
    write_remark(folder / "gamma", "", ["striped"])
    return folder


@pytest.fixture
def folder(tmp_path):
    for name in NAMES[:2]:
        write_study(tmp_path, name, confirm=1)
    return tmp_path


@pytest.fixture
def admitted(monkeypatch):
    """Every reader came with the token."""
    monkeypatch.setattr("workbench.dashboard.access.may_write", lambda: True)


def picker(app):
    return app.sidebar.selectbox(key="study_choice")


def read_as_markdown(app):
    """What would act of the page; ids, in which keys of widgets are, are no text."""
    return {field: text for field, text in acting(app).items() if not field.endswith("id")}


def said(app):
    return " ".join(message.value for message in app.success)


def keys(app):
    return {button.key for button in app.sidebar.button}


def test_studies_are_searched_by_name_question_tag_and_note(opened, shared):
    app = opened(shared, study="alpha")
    for asked, found in [
        ("zebra", ["beta"]),
        ("STRIPED", ["gamma #striped"]),
        ("delt", ["delta"]),
        ("nothing has this", []),
        ("", None),
    ]:
        app.sidebar.text_input(key="study_search").set_value(asked).run()
        assert not app.exception
        assert picker(app).value == "alpha"  # what is open stays open while one types
        if found is None:
            assert len(picker(app).options) == len(NAMES)
        else:
            assert picker(app).options == ["alpha", *found]
            assert f"{len(found)} of 4 studies" in texts(app)
    app.sidebar.text_input(key="study_search").set_value("zebra").run()
    picker(app).set_value("beta").run()
    assert app.query_params["study"] in ("beta", ["beta"])


def test_few_studies_need_no_search(opened, folder):
    assert not [one for one in opened(folder).sidebar.text_input if one.key == "study_search"]


def test_an_archived_study_leaves_the_list_and_comes_back(opened, folder, admitted):
    app = opened(folder, study="alpha")
    assert "**Archive alpha?**" in texts(app)
    app.sidebar.button(key="archive_study").click().run()
    assert not app.exception
    assert said(app) == "alpha is archived."
    assert picker(app).options == ["beta"]
    assert not app.warning  # the link to what was archived is forgotten
    assert archived_studies(folder) == [folder / ARCHIVE / "alpha"]
    app.sidebar.button(key="restore_study").click().run()
    assert not app.exception
    assert said(app) == "alpha is back."
    assert sorted(picker(app).options) == ["alpha", "beta"]


def test_when_all_are_archived_they_can_still_be_brought_back(opened, folder, admitted):
    for name in NAMES[:2]:
        archive_study(folder / name, folder)
    app = opened(folder)
    assert app.title[0].value == "No studies yet"
    app.sidebar.selectbox(key="archived_study").set_value("beta").run()
    app.sidebar.button(key="restore_study").click().run()
    assert list_studies(folder) == [folder / "beta"]
    assert picker(app).value == "beta"


def test_deleting_asks_for_the_name(opened, folder, admitted):
    app = opened(folder, study="alpha")
    assert app.sidebar.button(key="delete_open").disabled
    app.sidebar.text_input(key="delete_open_name").set_value("alph").run()
    assert app.sidebar.button(key="delete_open").disabled
    app.sidebar.text_input(key="delete_open_name").set_value("alpha").run()
    app.sidebar.button(key="delete_open").click().run()
    assert not app.exception
    assert said(app) == "alpha is deleted."
    assert not (folder / "alpha").exists()
    assert picker(app).options == ["beta"]
    assert app.sidebar.text_input(key="delete_open_name").value == ""


def test_who_only_reads_and_what_is_published_or_runs_changes_nothing(opened, folder, monkeypatch):
    app = opened(folder, study="alpha")
    assert not keys(app) & {"archive_study", "delete_open"}
    monkeypatch.setattr("workbench.dashboard.access.may_write", lambda: True)
    write_study(folder / PUBLISHED, "shown", confirm=1)
    app = opened(folder, study="published/shown")
    assert not keys(app) & {"archive_study", "delete_open"}
    write_study(folder, "running", confirm=1, live=True)
    sign = (folder / "running" / DRIVER).rename(folder / "sign")
    app = opened(folder, study="running")
    sign.rename(folder / "running" / DRIVER)  # a driver begins while the menu is open
    beat(folder / "running")
    app.sidebar.button(key="archive_study").click().run()
    assert "running: is being run" in " ".join(error.value for error in app.error)
    assert (folder / "running").is_dir()
    assert "running is being run: stop it first" in texts(app)
    assert not keys(app) & {"archive_study", "delete_open"}


def test_names_of_folders_are_text(opened, tmp_path, admitted):
    name = poison(HOST).replace("/", "").replace("\x1b", "").strip()[:100]
    write_study(tmp_path, name, confirm=1)
    write_study(tmp_path, "plain", confirm=1)
    app = opened(tmp_path, study=name)
    assert not app.exception
    assert read_as_markdown(app) == {}
    app.sidebar.button(key="archive_study").click().run()
    assert not app.exception
    assert read_as_markdown(app) == {}
    assert archived_studies(tmp_path) == [tmp_path / ARCHIVE / name]
