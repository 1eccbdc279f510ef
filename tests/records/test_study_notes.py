"""Notes and tags beside the records: what is kept, what is refused, and where they never go."""

import pytest

from workbench.errors import RecordError, UserError
from workbench.records.study_notes import MOST_LETTERS, MOST_TAGS, NOTES, Remark, read_notes, write_remark


def test_what_is_written_is_read_again(tmp_path):
    write_remark(tmp_path, " Looks *odd*.\nSee <b> ", ["todo", " todo", "", "norm é"])
    write_remark(tmp_path, "spike at 40", [], "abc123")
    notes = read_notes(tmp_path)
    assert notes.of() == Remark(note="Looks *odd*.\nSee <b>", tags=["todo", "norm é"])
    assert notes.of("abc123").note == "spike at 40"
    assert notes.of("another").is_empty
    assert notes.tags == ["todo", "norm é"]


def test_an_empty_note_of_a_run_is_forgotten_and_others_stay(tmp_path):
    write_remark(tmp_path, "one", [], "a")
    write_remark(tmp_path, "two", [], "b")
    write_remark(tmp_path, "", [], "a")
    assert list(read_notes(tmp_path).runs) == ["b"]


def test_nothing_written_is_nothing(tmp_path):
    assert read_notes(tmp_path).of().is_empty
    assert not (tmp_path / NOTES).exists()


@pytest.mark.parametrize(
    ("note", "tags", "why"),
    [
        ("x" * (MOST_LETTERS + 1), [], "note: has 10,001 characters"),
        ("", ["x" * 41], "tags: 'x+' has more than 40 characters"),
        ("", [str(number) for number in range(MOST_TAGS + 1)], "tags: there are 21; keep at most 20"),
    ],
)
def test_too_much_is_refused_with_its_key(tmp_path, note, tags, why):
    with pytest.raises(UserError, match=why):
        write_remark(tmp_path, note, tags)
    assert not (tmp_path / NOTES).exists()


def test_a_published_study_has_no_notes_written(tmp_path):
    study = tmp_path / "published" / "study"
    study.mkdir(parents=True)
    with pytest.raises(UserError, match="is published and stays as it is"):
        write_remark(study, "a note", [])
    assert not list(study.iterdir())


@pytest.mark.parametrize("content", ["{", '{"study": {"note": 3}}', "[]"])
def test_a_damaged_file_is_named_and_stays(tmp_path, content):
    (tmp_path / NOTES).write_text(content)
    with pytest.raises(RecordError, match=r"notes\.json.*delete it"):
        write_remark(tmp_path, "a note", [])
    assert (tmp_path / NOTES).read_text() == content
