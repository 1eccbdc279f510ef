"""YAML: what stands twice, has no end or means two things is told; what was written comes back."""

import time
from pathlib import Path

import pytest
import yaml

from workbench.errors import RecordError
from workbench.files import read_json, read_yaml, write_yaml
from workbench.yaml_text import MOST_BYTES, parse_yaml

PUBLISHED = sorted((Path(__file__).parents[1] / "results" / "published").glob("*/study.yaml"))
BOMB = "a0: &a0 [x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 8)}]\n" for i in range(1, 12)
)


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("margin: 0.02\nname: s\nmargin: 0.5\n", ["'margin' stands twice", "lines 1 and 3", "keep one"]),
        ("a:\n  b: 1\n  c:\n    d: 1\n    'd': 2\n", ["'d' stands twice", "lines 4 and 5"]),
        ("a: {b: 1, b: 2}", ["'b' stands twice", "in line 1"]),
        ("training: {tokens: 20,000, batch_size: 8}", ["20,000 is two values", "write 20_000"]),
        ("norm: {name: rope, base: 10,000}", ["10,000 is two values", "write 10_000"]),
        ("{margin: 0,5}", ["0,5 is two values", "write 0.5"]),
        ("rates: [0,004]", ["0,004 is two values", "write 0.004"]),
        ("confirm: [2,001]", ["2,001 is two values", "write 2_001"]),
        ("- {a: 1}\n- {a: 1, c: 2, a: 3}", ["'a' stands twice", "line 2"]),
        ("[" * 100_000, ["nested deeper than 64"]),
        ("- " * 100_000 + "a", ["nested deeper than 64"]),
        ("{a: " * 100_000, ["nested deeper than 64"]),
        (BOMB, ["more than 200,000 values"]),
        ("a: &a [*a]", ["*a stands for what it is a part of"]),
        ("a: *b", ["line 1", "undefined alias"]),
        ("a: 1\n---\nb: 2", ["line 2", "second document"]),
        ("a:\n\t- b", ["line 2", "spaces, not tabs"]),
        ("a: b: c", ["line 1 (a: b: c)", "mend that line"]),
        ("a: \x00", ["control characters"]),
        ("a: !!python/object/apply:os.system [x]", ["could not determine a constructor", "mend"]),
        ("a: \udcff", ["not UTF-8"]),
        ("a: !!set {x}", ["could not determine a constructor"]),
        ("a: " + "9" * 5000, ["thousands of digits"]),
        ("a: '" + "x" * MOST_BYTES + "'", ["8,000,000 are the most"]),
    ],
    ids=lambda value: value[:12] if isinstance(value, str) else "",
)
def test_what_cannot_be_meant_is_one_line_at_once(text, parts):
    start = time.process_time()
    with pytest.raises(ValueError, match=" ") as caught:
        parse_yaml(text)
    assert time.process_time() - start < 2
    message = str(caught.value)
    assert all(part in message for part in parts), message
    assert "\n" not in message
    assert len(message) < 300


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1:30", "1:30"),
        ("010", "010"),
        ("2024-01-01", "2024-01-01"),
        ("20,000", "20,000"),
        (
            "2e4",
            "2e4",
        ),  # as every YAML 1.1 reader has it: user_numbers.py makes it a number where one is wanted
        ("20_000", 20_000),
        ("20.000", "20.000"),  # a count asks about it, a number is 20.0
        ("0.000", 0.0),
        ("20.0", 20.0),
        ("20.500", 20.5),
        ("0x" + "f" * 5000, "0x" + "f" * 5000),
        ("0x1f", 31),
        ("-7", -7),
        ("1.5e-3", 0.0015),
        (".5", 0.5),
        ("on", True),
        ("~", None),
        ("=", "="),
    ],
)
def test_a_value_is_what_its_writer_sees(text, value):
    found = parse_yaml(f"key: {text}")["key"]
    assert (found, type(found)) == (value, type(value))


def test_what_a_comma_does_separate_stays_apart():
    text = "{a: [0, 5, 10], b: {c: 1, d}, e: [20, 100], f: {g: 20, '000': }, h: [1, 0]}"
    assert parse_yaml(text) == {
        "a": [0, 5, 10],
        "b": {"c": 1, "d": None},
        "e": [20, 100],
        "f": {"g": 20, "000": None},
        "h": [1, 0],
    }


def test_merged_keys_may_be_overridden_and_aliases_used():
    text = (
        "base: &base {a: 1, b: 2}\nown: &own\n  <<: *base\n  b: 3\n"
        "third: {<<: *own, a: 4}\nlist: [*base, *base]"
    )
    found = parse_yaml(text)
    assert found["own"] == {"a": 1, "b": 3}
    assert found["third"] == {"a": 4, "b": 3}
    assert found["list"] == [{"a": 1, "b": 2}] * 2


def test_text_that_looks_like_something_else_comes_back_as_text(tmp_path):
    texts = [
        "1:30",
        "010",
        "2024-01-01",
        "12345678901e",
        "1234567890e1",
        "yes",
        "=",
        "0x1f",
        "1e5",
        ".inf",
        "1_0",
    ]
    value = {"texts": texts, **dict.fromkeys(texts, 1.0)}
    write_yaml(tmp_path / "study.yaml", value)
    assert read_yaml(tmp_path / "study.yaml") == value


@pytest.mark.parametrize("path", PUBLISHED, ids=lambda path: path.parent.name)
def test_published_manifests_are_read_as_pyyaml_reads_them(path):
    assert read_yaml(path) == yaml.safe_load(path.read_text())


@pytest.mark.parametrize("read", [read_yaml, read_json])
@pytest.mark.parametrize(
    ("content", "remedy"),
    [
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12\n", "git lfs pull"),
        (b"/annex/objects/SHA256E-s1--4d7a.yaml\n", "git annex get"),
        (b"name: caf\xe9", "UTF-8"),
    ],
)
def test_a_file_that_stands_for_another_is_refused_with_the_remedy(tmp_path, read, content, remedy):
    (tmp_path / "file").write_bytes(content)
    with pytest.raises(RecordError, match=remedy):
        read(tmp_path / "file")


def test_a_record_of_endless_depth_is_a_damaged_one(tmp_path):
    (tmp_path / "run.json").write_text("[" * 100_000)
    with pytest.raises(RecordError, match="thousands of levels deep"):
        read_json(tmp_path / "run.json")


def test_a_huge_file_is_not_read_at_all(tmp_path):
    with open(tmp_path / "study.yaml", "wb") as file:
        file.truncate(10**12)  # sparse
    with pytest.raises(RecordError, match="make it smaller"):
        read_yaml(tmp_path / "study.yaml")
