"""Every kind of corpus on small files, and what is said when one cannot be read."""

import gzip
import json
import os

import pandas as pd
import pyarrow.parquet
import pytest

from workbench.data.corpora import SOURCES, corpus_config, list_corpora
from workbench.data.documents import load_documents
from workbench.errors import UserError

ROWS = [{"text": f"document {i}: {'word ' * i}", "title": str(i), "number": i} for i in range(20)]


def load(spec):
    return load_documents(corpus_config(spec))


def texts_of(documents):
    return sorted(documents.train + documents.validation)


def message(spec):
    with pytest.raises(UserError) as error:
        load(spec)
    return str(error.value)


def write_rows(path, rows=ROWS):
    if path.suffix.lower() == ".parquet":
        pd.DataFrame(rows).to_parquet(path)
        return {"path": str(path)}
    content = "\n".join(json.dumps(row) for row in rows).encode()
    path.write_bytes(gzip.compress(content, mtime=0) if path.suffix.lower() == ".gz" else content)
    return {"path": str(path)}


def test_standard_library_holds_its_source_and_neither_tests_nor_packages():
    config = corpus_config("python-stdlib")
    documents = load(config)
    names = [name for name, *_ in config.identity()[1]]
    assert "json/decoder.py" in names
    assert not [name for name in names if {"test", "tests", "site-packages"} & set(name.split("/"))]
    assert any("class JSONDecoder" in text for text in documents.train + documents.validation)
    size = sum(map(len, texts_of(documents)))
    assert 5e6 < size < 30e6
    assert documents.description.startswith("Python 3.")
    assert 0.02 < sum(map(len, documents.validation)) / size < 0.3


def test_standard_library_is_the_same_twice_and_by_mapping():
    spec = {"name": "python-stdlib", "max_bytes": 200_000}
    assert load(spec) == load(spec)
    assert corpus_config("python-stdlib") == corpus_config({"name": "python-stdlib"})


def test_folder_reads_what_the_glob_matches(folder):
    (folder / "notes.md").write_text("a note")
    (folder / "inner").mkdir()
    (folder / "inner" / "deep.txt").write_text("deep down")
    assert len(texts_of(load({"path": str(folder)}))) == 31
    assert "deep down" in texts_of(load({"path": str(folder)}))
    assert len(texts_of(load({"path": str(folder), "glob": "*.txt"}))) == 30
    assert "31 documents" in load({"path": str(folder)}).description


ROW_FILES = [
    "rows.jsonl",
    "rows.jsonl.gz",
    "rows.ndjson",
    "rows.jsonlines",
    "rows.jsonlines.gz",
    "ROWS.JSONL",
    "Rows.NDJSON.GZ",
    "rows.parquet",
    "ROWS.Parquet",
]


@pytest.mark.parametrize("name", ROW_FILES)
def test_each_row_is_a_document(tmp_path, name):
    documents = load(write_rows(tmp_path / name))
    assert texts_of(documents) == sorted(row["text"] for row in ROWS)
    assert "20 documents" in documents.description


@pytest.mark.parametrize("name", ["rows.jsonl", "rows.parquet"])
def test_another_field_can_hold_the_text(tmp_path, name):
    spec = write_rows(tmp_path / name) | {"field": "title"}
    assert texts_of(load(spec)) == sorted(row["title"] for row in ROWS)


def test_all_kinds_of_file_give_the_same_split_of_the_same_rows(tmp_path):
    by_kind = [load(write_rows(tmp_path / f"rows.{kind}")) for kind in ("jsonl", "parquet", "jsonl.gz")]
    assert len({documents.fingerprint for documents in by_kind}) == 1


def test_empty_cells_and_empty_lines_are_no_documents(tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_text('{"text": "one"}\n\n{"text": null}\n{"text": "  "}\n{"text": "two"}\n')
    assert texts_of(load({"path": str(path)})) == ["one", "two"]


def test_half_a_surrogate_pair_becomes_a_replacement_character(tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_text('{"text": "broken \\ud800 here"}\n{"text": "whole \\ud83d\\ude00"}\n')
    assert texts_of(load({"path": str(path)})) == ["broken \ufffd here", "whole 😀"]


@pytest.mark.parametrize("task", ["copy", "recall"])
def test_tasks_are_drawn_from_their_seed(task):
    first = load({"task": task, "documents": 200})
    assert first == load({"task": task, "documents": 200})
    assert first.fingerprint != load({"task": task, "documents": 200, "seed": 1}).fingerprint
    assert len(texts_of(first)) + first.dropped_duplicates == 200


def test_copy_repeats_and_recall_answers_each_key():
    for text in texts_of(load({"task": "copy", "documents": 50})):
        words, again = text.split(" | ")
        assert words == again
    for text in texts_of(load({"task": "recall", "documents": 50})):
        pairs, again = (part.split(", ") for part in text.split("; "))
        assert sorted(pairs) == sorted(again)


def test_max_bytes_takes_whole_documents_and_cuts_the_last_at_a_line(tmp_path):
    lines = "".join(f"line {i}\n" for i in range(100))
    for name in ("a.txt", "b.txt"):
        (tmp_path / name).write_text(name + "\n" + lines)
    documents = load({"path": str(tmp_path), "max_bytes": 1000})
    size = sum(len(text.encode()) for text in texts_of(documents))
    assert 990 <= size <= 1000
    assert all(text.endswith("\n") for text in texts_of(documents))


def test_max_bytes_never_cuts_a_character(tmp_path):
    (tmp_path / "one.txt").write_text("é" * 50, encoding="utf-8")
    assert "".join(texts_of(load({"path": str(tmp_path), "max_bytes": 33}))) == "é" * 16


def test_catalogue_examples_are_sound():
    import yaml

    rows = list_corpora()
    assert {"python-stdlib", "Hugging Face", "copy"} <= {row["name"] for row in rows}
    for row in rows:
        corpus_config(yaml.safe_load(row["example"]))


@pytest.mark.parametrize("kind", SOURCES, ids=lambda kind: kind.__name__)
def test_each_kind_is_known_by_a_key_of_its_own_and_shows_an_example(kind):
    import yaml

    if kind.key == "name":  # those are known by their name
        assert list_corpora()[SOURCES.index(kind)]["name"] == kind().name
        assert type(corpus_config(kind().name)) is kind
    else:
        assert [other for other in SOURCES if kind.key in other.model_fields] == [kind]
    assert kind.examples
    assert all(corpus_config(yaml.safe_load(one.example)).key == kind.key for one in kind.examples)


@pytest.mark.parametrize(
    ("spec", "parts"),
    [
        ("python-stdlb", ["data.corpus", "did you mean 'python-stdlib'"]),
        ({"pth": "x"}, ["pth", "did you mean 'path'"]),
        ({}, ["Known: name, path, huggingface, task, generated, mixture"]),
        ({"path": "x", "task": "copy"}, ["path and task", "keep one"]),
        ({"path": "x", "feild": "text"}, ["data.corpus.feild: unknown key", "did you mean 'field'"]),
        ({"path": "x", "max_bytes": 0}, ["data.corpus.max_bytes", "greater than 0", "got 0"]),
        ({"path": "x", "max_bytes": "5,000"}, ["data.corpus.max_bytes", "write 5_000"]),
        ({"path": "x", "max_bytes": "2.5"}, ["data.corpus.max_bytes", "got 2.5"]),
        ({"task": "copy", "documents": 10**12}, ["data.corpus.documents", "10000000"]),
        ({"task": "copy", "documents": True}, ["data.corpus.documents", "true is no number"]),
        ({"task": "copy", "seed": 2**70}, ["data.corpus.seed"]),
        ({"path": "~nobody-of-that-name/x"}, ["data.corpus.path", "no such user"]),
        ({"path": "x" * 5000}, ["data.corpus.path", "too long"]),
        ({"path": "x", "validation_fraction": 1.0}, ["data.corpus.validation_fraction", "less than 1"]),
        ({"path": ""}, ["data.corpus.path"]),
        ({"task": "kopy"}, ["data.corpus.task", "'copy' or 'recall'"]),
        (5, ["data.corpus", "got 5"]),
    ],
)
def test_unsound_specifications_name_the_key_and_the_remedy(spec, parts):
    text = message(spec)
    assert all(part in text for part in parts), text


def test_a_missing_path_shows_what_lies_beside_it(folder):
    text = message({"path": str(folder.parent / "text")})
    assert "data.corpus.path" in text
    assert "did you mean 'texts'" in text
    assert "is missing too" in message({"path": str(folder / "no" / "where.txt")})


def test_a_glob_without_matches_shows_the_endings_there_are(folder):
    text = message({"path": str(folder), "glob": "*.md"})
    assert "'*.md'" in text
    assert "30 of .txt" in text
    assert "data.corpus.glob" in message({"path": str(folder), "glob": "/absolute"})


@pytest.mark.parametrize(
    ("name", "content", "parts"),
    [
        ("a.txt", b"", ["holds no text"]),
        ("a.txt", b"latin \xe9", ["a.txt", "not UTF-8", "byte 6"]),
        ("a.json", b"[]", ["a.json", "JSON lines", "{huggingface: json"]),
        ("a.jsonl", b'{"text": "x"}\n{oops', ["line 2", "not JSON"]),
        ("a.jsonl", b'["x"]', ["line 1", "not a JSON object"]),
        (
            "a.jsonl",
            b'{"txt": "x"}',
            ["data.corpus.field", "line 1", "no field 'text'", "did you mean 'txt'"],
        ),
        ("a.jsonl", b'{"text": 3}', ["line 1", "holds int"]),
        ("a.jsonl.gz", b"not gzip", ["a.jsonl.gz", "not packed with gzip"]),
        ("a.parquet", b"not parquet", ["a.parquet", "cannot be read as Parquet"]),
        ("A.CSV", b"a,b", ["A.CSV", "{huggingface: csv"]),
        ("a.jsonl", b"[" * 100_000, ["line 1", "thousands of levels deep"]),
        ("a.jsonl", b'{"text": "x"}\n{"text": "a", "text": "b"}', ["line 2", "'text' twice"]),
        ("a.jsonl", b'{"id": 1, "text": "a", "id": 2}', ["line 1", "'id' twice"]),
        ("a.jsonl", b'{"text": {"en": "a"}}', ["line 1", "holds dict"]),
        ("a.jsonl", b'[["text", "a"]]', ["line 1", "not a JSON object"]),
        ("a.txt", b"text\0text", ["a.txt", "binary", "byte 4"]),
        ("rows.geojsonl", b'{"text": "a"}\n{"text": "b"}\n', ["rows.geojsonl", "JSON lines", ".jsonl"]),
        ("rows", b'{"a": 1}\n\n{"a": 2}\n{"a": 3}\n{"a"', ["rows looks like JSON lines"]),
        ("a.txt", "text".encode("utf-16"), ["a.txt", "UTF-16", "UTF-8"]),
        ("a.txt.gz", gzip.compress(b"text", mtime=0), ["a.txt.gz", "gunzip"]),
        ("a.zip", b"PK\x03\x04\x00\x00", ["a.zip", "zip archive", "unpack"]),
        ("a.tar", bytes(257) + b"ustar" + bytes(250), ["a.tar", "tar archive", "unpack"]),
        *(
            (f"a.{ending}", b"version https://git-lfs.github.com/spec/v1\nsize 12\n", ["git lfs pull"])
            for ending in ("txt", "md", "jsonl", "jsonl.gz", "parquet", "csv")
        ),
        ("a.txt", b"/annex/objects/SHA256E-s1--4d7a.txt\n", ["git annex get"]),
    ],
)
def test_unreadable_files_are_named(tmp_path, name, content, parts):
    (tmp_path / name).write_bytes(content)
    text = message({"path": str(tmp_path / name)})
    assert all(part in text for part in parts), text


@pytest.mark.parametrize("text", ['{"one": "line"}\n', '{"a": 1}\nprose\n', "{a}\n{b}\n", "[1]\n[2]\n"])
def test_text_that_is_not_rows_is_text(tmp_path, text):
    (tmp_path / "a.txt").write_text(text)
    (tmp_path / "b.txt").write_text("more text")
    assert text in texts_of(load({"path": str(tmp_path)}))


@pytest.mark.parametrize("ending", ["jl", "LDJSON", "jsonlines"])
def test_rows_have_many_endings(tmp_path, ending):
    (tmp_path / f"a.{ending}").write_text('{"text": "one"}\n{"text": "two"}\n')
    assert sorted(texts_of(load({"path": str(tmp_path / f"a.{ending}")}))) == ["one", "two"]


def test_a_parquet_column_with_a_dot_is_no_field_of_another(tmp_path):
    columns = {"a": [{"b": 1}, {"b": 2}], "a.b": ["one", "two"]}
    pyarrow.parquet.write_table(pyarrow.table(columns), tmp_path / "rows.parquet")
    rows = load({"path": str(tmp_path / "rows.parquet"), "field": "a.b"})
    assert sorted(texts_of(rows)) == ["one", "two"]


def test_a_device_is_no_text():
    assert "/dev/null' is no regular file" in message({"path": "/dev/null"})


def test_a_link_whose_content_is_not_here_is_not_left_out_of_a_folder(folder):
    os.symlink("../.git/annex/objects/aa/more.txt", folder / "more.txt")
    assert "git annex get" in message({"path": str(folder)})


def test_keys_inside_a_row_that_nobody_reads_may_stand_twice(tmp_path):
    (tmp_path / "a.jsonl").write_text('{"text": "one", "meta": {"k": 1, "k": 2}}\n{"text": "two"}\n')
    assert texts_of(load({"path": str(tmp_path / "a.jsonl")})) == ["one", "two"]


def test_a_whole_number_of_bytes_may_be_written_2e2(folder):
    assert corpus_config({"path": str(folder), "max_bytes": "2e2"}).max_bytes == 200


def test_a_parquet_column_that_is_there_twice_is_named(tmp_path):
    columns = [pyarrow.array(["a"]), pyarrow.array(["b"])]
    table = pyarrow.Table.from_arrays(columns, names=["text", "text"])
    pyarrow.parquet.write_table(table, tmp_path / "rows.parquet")
    assert "the column 'text' twice" in message({"path": str(tmp_path / "rows.parquet")})


def test_parquet_names_its_columns(tmp_path):
    spec = write_rows(tmp_path / "rows.parquet")
    assert "Known: text, title, number" in message(spec | {"field": "body"})
    assert "'number'" in message(spec | {"field": "number"})


def test_identity_follows_the_files(folder):
    config = corpus_config({"path": str(folder)})
    before = config.identity()
    assert before == config.identity()
    os.utime(folder / "3.txt", (1, 1))
    assert config.identity() != before
