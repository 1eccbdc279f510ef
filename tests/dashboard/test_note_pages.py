"""Notes on pages: written by who came with the token, read by all, searched by tag, never text that acts."""

import pytest

from tests.dashboard.dashboard_studies import write_study
from tests.dashboard.test_pages import texts
from workbench.records.index import load_study
from workbench.records.study_notes import NOTES, read_notes, write_remark


@pytest.fixture
def folder(tmp_path):
    write_study(tmp_path, "quickstart", confirm=2)
    return tmp_path


@pytest.fixture
def admitted(monkeypatch):
    """Every reader came with the token."""
    monkeypatch.setattr("workbench.dashboard.access.may_write", lambda: True)


def run_of(folder):
    return str(load_study(folder / "quickstart").runs.iloc[0]["run_id"])


def save(app):
    (button,) = [one for one in app.button if one.label == "Save"]
    return button.click().run()


def test_who_came_with_the_token_writes_a_note_on_a_study(opened, folder, admitted):
    app = opened(folder)
    app.text_area(key="note_quickstart").set_value("![x](http://stranger) *odd*")
    app.text_input(key="tags_quickstart").set_value("todo, <b>")
    save(app)
    assert not app.exception
    assert read_notes(folder / "quickstart").of().tags == ["todo", "<b>"]
    shown = texts(app)
    assert "!\\[x\\]" in shown
    assert ":gray-badge[todo]" in shown
    assert app.sidebar.selectbox[0].options == ["quickstart #todo #<b>"]


def test_without_the_token_notes_are_only_read(opened, folder):
    write_remark(folder / "quickstart", "seen", ["done"])
    app = opened(folder)
    assert "seen" in texts(app)
    assert not [one for one in app.button if one.label == "Save"]


def test_a_run_has_its_note_in_the_table_and_below_it(opened, folder, admitted):
    run = run_of(folder)
    app = opened(folder, "runs", runs=run)
    app.text_area(key=f"note_quickstart_{run}").set_value("spikes at step 40")
    app.text_input(key=f"tags_quickstart_{run}").set_value("odd")
    save(app)
    assert not app.exception
    table = app.dataframe[0].value
    assert table["note"].astype(bool).sum() == 1
    assert table.loc[run, "tags"] == "odd"
    assert "spikes at step 40" in texts(app)


def test_what_is_too_long_is_said_and_not_kept(opened, folder, admitted):
    app = opened(folder)
    app.text_input(key="tags_quickstart").set_value("x" * 60)
    save(app)
    assert "has more than 40 characters" in app.error[0].value
    assert not (folder / "quickstart" / NOTES).exists()


def test_a_published_study_has_no_form(opened, tmp_path, admitted):
    write_study(tmp_path / "published", "quickstart", confirm=2)
    app = opened(tmp_path)
    assert not app.exception
    assert not [one for one in app.button if one.label == "Save"]


@pytest.mark.parametrize("page", ["overview", "runs", "compare"])
def test_damaged_notes_do_not_hide_a_study(opened, folder, page):
    (folder / "quickstart" / NOTES).write_text("{")
    app = opened(folder, page, runs=run_of(folder))
    assert not app.exception
    assert page == "compare" or "notes.json" in app.error[0].value


def test_compare_finds_a_study_by_a_tag_of_one_of_its_runs(opened, folder):
    write_remark(folder / "quickstart", "", ["Spiky"], run_of(folder))
    app = opened(folder, "compare", find="spiky")
    assert "1 of 1 studies found." in texts(app)
