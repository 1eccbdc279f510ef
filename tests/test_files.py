"""Files are replaced whole, synced and in one way; mistakes in YAML are shown with their line."""

import os
import platform
import posix
from pathlib import Path

import pytest

from workbench.errors import RecordError
from workbench.files import (
    read_json,
    read_yaml,
    replacing,
    replacing_folder,
    set_aside,
    write_atomically,
    write_yaml,
)


@pytest.fixture(autouse=True)
def _wait_for_the_disk(monkeypatch):
    """As nowhere else in the suite."""
    monkeypatch.setattr(os, "fsync", posix.fsync)


def test_a_file_is_on_the_disk_before_it_takes_its_place_and_the_new_name_after(tmp_path, monkeypatch):
    """After a power loss a name must never stand for content that was not written."""
    calls = []
    sync, rename = os.fsync, os.replace

    def synced(handle):
        calls.append(("sync", os.readlink(f"/proc/self/fd/{handle}")))
        sync(handle)

    def renamed(source, target):
        calls.append(("rename", str(target)))
        rename(source, target)

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(os, "replace", renamed)
    with replacing(tmp_path / "run.json") as temporary:
        temporary.write_text("new")
    target = str(tmp_path / "run.json")
    assert calls == [("sync", str(temporary)), ("rename", target), ("sync", str(tmp_path))]
    assert (tmp_path / "run.json").read_text() == "new"


def test_writers_on_two_machines_do_not_share_a_temporary_file(tmp_path, monkeypatch):
    """Each counts its processes from 1, and a study's folder may be shared."""
    seen = []
    for host in ("one", "two"):
        monkeypatch.setattr(platform, "node", lambda host=host: host)
        with replacing(tmp_path / "run.json") as temporary, replacing_folder(tmp_path / "out") as folder:
            temporary.write_text("new")
            seen += [temporary, folder]
    assert len({path.name for path in seen}) == 4


def fill(folder, content):
    (folder / "inner").mkdir()
    (folder / "inner" / "part.txt").write_text(content)


def content(folder):
    return {str(path.relative_to(folder)): path.read_text() for path in folder.rglob("*.txt")}


def test_all_of_a_folder_is_on_the_disk_before_it_takes_its_place(tmp_path, monkeypatch):
    synced = []
    sync = os.fsync
    monkeypatch.setattr(
        os, "fsync", lambda handle: (synced.append(os.readlink(f"/proc/self/fd/{handle}")), sync(handle))
    )
    with replacing_folder(tmp_path / "a" / "out") as folder:
        fill(folder, "new")
    names = [str(folder / "inner" / "part.txt"), str(folder / "inner"), str(folder), str(tmp_path / "a")]
    assert sorted(synced) == sorted(names)
    assert synced[-1] == str(tmp_path / "a")
    assert content(tmp_path / "a") == {"out/inner/part.txt": "new"}


@pytest.mark.parametrize("fails", ["block", "fsync", "second rename"])
def test_a_folder_is_replaced_whole_or_stays(tmp_path, monkeypatch, fails):
    with replacing_folder(tmp_path / "out") as folder:
        fill(folder, "old")
    renames = []
    rename = os.replace

    def full(*names):
        renames.append(names)
        if fails != "second rename" or len(renames) == 2:
            raise OSError(28, "No space left on device")
        rename(*names)

    if fails != "block":
        monkeypatch.setattr(os, "fsync" if fails == "fsync" else "replace", full)

    def replace():
        with replacing_folder(tmp_path / "out") as folder:
            fill(folder, "new")
            if fails == "block":
                full()

    with pytest.raises(OSError, match="No space left"):
        replace()
    monkeypatch.undo()
    assert content(tmp_path) == {"out/inner/part.txt": "old"}
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
    with replacing_folder(tmp_path / "out") as folder:
        (folder / "other.txt").write_text("new")
    assert content(tmp_path) == {"out/other.txt": "new"}


def test_json_may_begin_with_a_mark_of_its_encoding(tmp_path):
    (tmp_path / "config.json").write_bytes(b'\xef\xbb\xbf{"a": 1}')
    assert read_json(tmp_path / "config.json") == {"a": 1}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "the file is missing; fetch it again"),
        (b"{", r"cannot be read as JSON \(.*\); fetch it again"),
        (b"[" * 100_000, "levels deep.*; fetch it again"),
        (b"[1]", "holds a list, expected an object; fetch it again"),
        (b"\xe9", "is not UTF-8.*; fetch it again"),
    ],
)
def test_a_damaged_json_file_is_named_with_the_remedy(tmp_path, content, message):
    if content is not None:
        (tmp_path / "config.json").write_bytes(content)
    with pytest.raises(RecordError, match=f"config.json: .*{message}"):
        read_json(tmp_path / "config.json", remedy="fetch it again")


@pytest.mark.parametrize("fails", ["write", "fsync", "replace"])
def test_what_cannot_be_written_leaves_the_old_content_and_nothing_beside_it(tmp_path, monkeypatch, fails):
    write_atomically(tmp_path / "run.json", "old")

    def full(*_):
        raise OSError(28, "No space left on device")

    def write_half(path, content, **_):
        path.write_bytes(content[:2].encode())
        full()

    if fails == "write":
        monkeypatch.setattr(Path, "write_text", write_half)
    else:
        monkeypatch.setattr(os, fails, full)
    with pytest.raises(OSError, match="No space left"):
        write_atomically(tmp_path / "run.json", "new")
    monkeypatch.undo()
    assert [path.name for path in tmp_path.iterdir()] == ["run.json"]
    assert (tmp_path / "run.json").read_text() == "old"


def test_a_damaged_file_is_kept_under_another_name(tmp_path):
    (tmp_path / "optuna.journal").write_text("torn")
    assert set_aside(tmp_path / "optuna.journal").read_text() == "torn"
    assert [path.name for path in tmp_path.iterdir()] == ["optuna.journal.damaged"]


def test_yaml_comes_back_as_it_was_written_and_in_its_order(tmp_path):
    value = {
        "name": "größe",
        "rates": [0.001, 1e-05, 3],
        "margin": 1.0,
        "flags": {"b": True, "a": None},
        "text": "yes: it's 'no' # not a comment\nsecond line",
        "digits": "0123",
    }
    write_yaml(tmp_path / "study.yaml", value)
    assert read_yaml(tmp_path / "study.yaml") == value
    assert list(read_yaml(tmp_path / "study.yaml")) == list(value)


def test_a_mistake_in_yaml_is_shown_with_its_line(tmp_path):
    (tmp_path / "study.yaml").write_text("name: s\nrates: [0.1, 0.2\nmargin: 0.01\n")
    with pytest.raises(RecordError, match=r"(?s)cannot be read as YAML.*line 3.*margin: 0\.01"):
        read_yaml(tmp_path / "study.yaml")


def test_a_list_is_no_study(tmp_path):
    (tmp_path / "study.yaml").write_text("- a\n- b\n")
    with pytest.raises(RecordError, match="holds no mapping"):
        read_yaml(tmp_path / "study.yaml")


@pytest.mark.parametrize(
    ("read", "content"), [(read_json, '{"question": "a\\ud83d b"}'), (read_yaml, 'question: "a\\ud83d b"')]
)
def test_half_a_character_is_damage_for_no_page_or_file_could_hold_it(tmp_path, read, content):
    path = tmp_path / "record"
    path.write_text(content)
    with pytest.raises(RecordError, match="record: cannot be read"):
        read(path)


def test_a_character_in_two_halves_is_whole(tmp_path):
    (tmp_path / "record").write_text('{"question": "\\ud83d\\ude00"}')
    assert read_json(tmp_path / "record") == {"question": "😀"}
