"""What goes wrong while rows are read: one message with the file, the place and the reason, or it is read."""

import gzip
import json
import os
import random
from contextlib import suppress

import pyarrow
import pyarrow.parquet
import pytest

from workbench.data.corpora import corpus_config
from workbench.data.documents import load_documents
from workbench.data.tokenized import prepare
from workbench.errors import UserError

ROWS = [json.dumps({"text": f"document {number}: {'word ' * (number % 9)}"}) for number in range(2000)]
PLAIN = "\n".join(ROWS).encode()
PACKED = gzip.compress(PLAIN, mtime=0)
MIDDLE = len(PACKED) // 2


def load(path, **more):
    return load_documents(corpus_config({"path": str(path)} | more))


def texts_of(documents):
    return sorted(documents.train + documents.validation)


def message(path, **more):
    with pytest.raises(UserError) as error:
        load(path, **more)
    text = str(error.value)
    assert text.startswith("data.corpus")
    assert "\n" not in text
    return text


def overwritten(content, place, new):
    return content[:place] + new + content[place + len(new) :]


@pytest.mark.parametrize(
    ("content", "parts"),
    [
        (overwritten(PACKED, MIDDLE, b"\xa5" * 40), ["damaged or cut short", "gzip"]),
        (overwritten(PACKED, 11, b"\xff" * 8), ["damaged or cut short", "Error -3"]),
        (overwritten(PACKED, len(PACKED) - 8, bytes(4)), ["after line 1999", "CRC"]),
        (overwritten(PACKED, len(PACKED) - 4, bytes(4)), ["damaged or cut short", "length"]),
        (PACKED[:MIDDLE], ["damaged or cut short", "after line"]),
        (PACKED[:5], ["damaged or cut short"]),
        (PACKED + b"garbage", ["damaged or cut short", "after line 1999"]),
        (PLAIN, ["not packed with gzip", "name it without .gz"]),
        (gzip.compress(PACKED, mtime=0), ["compressed with gzip", "gunzip"]),
        (gzip.compress(PLAIN.decode().encode("utf-16"), mtime=0), ["UTF-16"]),
        (gzip.compress(PLAIN + b"\n{oops", mtime=0), ["line 2001 is not JSON"]),
        (gzip.compress(PLAIN + b'\n{"text": "\xff"}', mtime=0), ["not UTF-8 text (line 2001)"]),
    ],
    ids=range(12),
)
def test_damaged_gzip_is_told_from_damaged_rows(tmp_path, content, parts):
    path = tmp_path / "rows.jsonl.gz"
    path.write_bytes(content)
    text = message(path)
    assert all(part in text for part in ["rows.jsonl.gz", *parts]), text


@pytest.mark.parametrize(
    "added", [bytes(100), gzip.compress(b'\n{"text": "more"}\n', mtime=0)], ids=["zeros", "more"]
)
def test_gzip_may_be_padded_or_go_on(tmp_path, added):
    (tmp_path / "rows.jsonl.gz").write_bytes(PACKED + added)
    assert len(texts_of(load(tmp_path / "rows.jsonl.gz"))) >= 2000


@pytest.mark.parametrize(
    ("content", "parts"),
    [
        (PLAIN + b'\n{"text": "\xff"}\n', ["not UTF-8 text (line 2001)"]),
        ('{"text": "a"}\n'.encode("utf-16"), ["UTF-16 text"]),
        ('{"text": "a"}\n'.encode("utf-32"), ["UTF-32 text"]),
        ('{"text": "a"}\n'.encode("utf-16-le"), ["line 1", "NUL"]),
        (PACKED, ["compressed with gzip"]),
        (PLAIN + bytes(50), ["line 2000", "NUL"]),
        (b'{"text": ' + b"1" * 5000 + b"}", ["line 1 holds float, not text"]),
        (b'{"text": 1e999}', ["line 1 holds float, not text"]),
        (b'{"\\ud800": "a"}', ["line 1 has no field 'text'", "Known: \\ud800"]),
        (b"{}", ["line 1 has no field 'text'"]),
        (b"[]\n", ["line 1 is not a JSON object"]),
        (b"\n\nnull\n", ["line 3 is not a JSON object"]),
        (b'{"text": ["a"]}', ["line 1 holds list"]),
        (b'{"text": true}', ["line 1 holds bool"]),
        (b'{"text": "a"}{"text": "b"}', ["line 1 is not JSON", "Extra data"]),
        (b'{"text": "a", "n": ' + b'{"a":' * 50_000 + b"1" + b"}" * 50_001, ["line 1", "nested"]),
    ],
    ids=range(16),
)
def test_a_row_that_cannot_be_read_is_named(tmp_path, content, parts):
    path = tmp_path / "rows.jsonl"
    path.write_bytes(content)
    text = message(path)
    assert all(part in text for part in ["rows.jsonl", *parts]), text


@pytest.mark.parametrize(
    "row",
    [
        b'{"text": "one", "n": 1e999}',
        b'{"text": "one", "n": -Infinity}',
        b'{"text": "one", "n": ' + b"1" * 5000 + b"}",
        b'{"text": "one", "n": ' + b"[" * 500 + b"]" * 500 + b"}",
        b'{"text": "one", "\\ud800": "\\ud800"}',
        b'\xef\xbb\xbf{"text": "one"}\r',
    ],
    ids=range(6),
)
def test_what_nobody_reads_of_a_row_may_be_anything(tmp_path, row):
    path = tmp_path / "rows.jsonl"
    path.write_bytes(row + b'\n{"text": "two"}\r\n')
    assert texts_of(load(path)) == ["one", "two"]


TABLE = pyarrow.table(
    {
        "text": [json.loads(row)["text"] for row in ROWS],
        "number": range(len(ROWS)),
        "inner": [{"text": "x"}] * len(ROWS),
        "bytes": [b"\xff"] * len(ROWS),
    }
)


@pytest.fixture(scope="module", params=["snappy", "none"])
def parquet(request, tmp_path_factory):
    path = tmp_path_factory.mktemp("parquet") / "rows.parquet"
    pyarrow.parquet.write_table(TABLE, path, compression=request.param, use_dictionary=False)
    return path.read_bytes()


@pytest.mark.parametrize("place", [4, 30, 200, 3000, -12, -100, -2000])
def test_a_damaged_parquet_file_is_one_message_or_read(tmp_path, parquet, place):
    path = tmp_path / "rows.parquet"
    random.seed(place)
    path.write_bytes(overwritten(parquet, place % len(parquet), random.randbytes(10)))
    with suppress(UserError):  # anything else is a fault
        load(path)


@pytest.mark.parametrize(
    ("change", "parts"),
    [
        (lambda whole: overwritten(whole, 4, b"\xff" * 60), ["cannot be read as Parquet", "page header"]),
        (lambda whole: whole[: len(whole) // 2], ["cannot be read as Parquet", "fetch it again"]),
        (lambda whole: b"", ["cannot be read as Parquet", "0 bytes"]),
        (lambda whole: b"PAR1", ["cannot be read as Parquet"]),
        (lambda whole: whole[:-4] + b"PARE", ["is encrypted", "decrypt it first"]),
    ],
)
def test_what_is_no_sound_parquet_file_says_why(tmp_path, parquet, change, parts):
    path = tmp_path / "rows.parquet"
    path.write_bytes(change(parquet))
    text = message(path)
    assert all(part in text for part in parts), text


def test_parquet_with_text_that_is_not_utf8_names_the_row(tmp_path):
    path = tmp_path / "rows.parquet"
    pyarrow.parquet.write_table(TABLE, path, compression="none", use_dictionary=False)
    whole = path.read_bytes()
    path.write_bytes(overwritten(whole, whole.index(b"document 7:"), b"\xff\xfe"))
    assert "string index 7" in message(path)


@pytest.mark.parametrize(
    ("field", "part"),
    [("number", "row 0 holds int"), ("inner", "row 0 holds dict"), ("bytes", "row 0 holds bytes")],
)
def test_a_parquet_column_of_another_type_is_named(tmp_path, field, part):
    path = tmp_path / "rows.parquet"
    pyarrow.parquet.write_table(TABLE, path)
    assert part in message(path, field=field)


@pytest.fixture
def old_name(tmp_path):
    """A folder with a file whose name is Latin-1."""
    folder = tmp_path / "names"
    folder.mkdir()
    name = os.path.join(os.fsencode(folder), b"caf\xe9.txt")
    try:
        with open(name, "w") as file:
            file.write("an old name\n" * 9)
    except OSError:
        pytest.skip("this file system has names in UTF-8 only")
    (folder / "b.txt").write_text("a new name\n" * 9)
    return folder


def test_a_file_whose_name_is_not_utf8_is_read_in_a_folder(old_name, tmp_path):
    assert len(texts_of(load(old_name))) == 2
    corpus = prepare({"path": str(old_name)}, "bytes", tmp_path / "cache")
    assert json.loads(json.dumps(corpus.describe())) == corpus.describe()


def test_a_name_that_is_not_utf8_can_be_printed(old_name):
    (old_name / os.fsdecode(b"caf\xe9.txt")).write_bytes(b"\xff")
    assert "caf\\xe9.txt is not UTF-8 text" in message(old_name)
    assert "rename it, or give the folder" in message(old_name / os.fsdecode(b"caf\xe9.txt"))
    assert message(old_name / "cafe.txt").endswith("Known: b.txt, caf\\xe9.txt")


def test_links_that_lead_nowhere_are_not_left_out_in_silence(tmp_path):
    (tmp_path / "a.txt").write_text("text")
    (tmp_path / ".#a.txt").symlink_to("user@host.1234")  # a lock of Emacs
    (tmp_path / "self").symlink_to(".")
    assert texts_of(load(tmp_path, validation_fraction=0.5)) == ["te", "xt"]
    (tmp_path / "b.txt").symlink_to("gone.txt")
    assert "b.txt is a link that leads nowhere" in message(tmp_path)
    (tmp_path / "b.txt").unlink()
    (tmp_path / "b.txt").symlink_to("b.txt")
    assert "b.txt is a link that leads nowhere" in message(tmp_path)
    assert "b.txt is a link that leads nowhere" in message(tmp_path / "b.txt")


def test_pipes_in_a_folder_are_no_text(tmp_path):
    (tmp_path / "a.txt").write_text("text")
    os.mkfifo(tmp_path / "b.txt")
    assert "one document" in load(tmp_path).description
    assert "no regular file" in message(tmp_path / "b.txt")


def test_a_file_that_vanishes_while_a_folder_is_read_is_named(tmp_path, monkeypatch):
    (tmp_path / "a.txt").write_text("text")
    (tmp_path / "b.txt").write_text("more text")
    config = corpus_config({"path": str(tmp_path)})
    gone = [("a.txt", tmp_path / "a.txt"), ("c.txt", tmp_path / "c.txt")]
    monkeypatch.setattr(type(config), "_files", lambda self: gone)
    with pytest.raises(UserError, match=r"c\.txt cannot be read .*put it back"):
        load_documents(config)
    with pytest.raises(UserError, match=r"c\.txt cannot be read .*put it back"):
        config.identity()
