"""The split: nothing on both sides, nothing that depends on the order of files."""

import random

import pytest

from workbench.data.corpora import corpus_config
from workbench.data.documents import load_documents
from workbench.data.split import distinct, fingerprint, normalise, split

TEXTS = [f"document number {i}" for i in range(400)]


def test_every_document_is_on_one_side_and_keeps_its_order():
    train, validation = split(TEXTS, 0.1)
    assert sorted(train + validation) == sorted(TEXTS)
    assert not set(train) & set(validation)
    assert train == [text for text in TEXTS if text in set(train)]
    assert 20 <= len(validation) <= 60


def test_sides_do_not_depend_on_the_order_nor_on_the_other_documents():
    _, validation = split(TEXTS, 0.1)
    shuffled = random.Random(0).sample(TEXTS, len(TEXTS))
    assert set(split(shuffled, 0.1)[1]) == set(validation)
    assert set(split(TEXTS[:200], 0.1)[1]) == set(validation) & set(TEXTS[:200])


def test_a_larger_fraction_keeps_what_already_validates():
    assert set(split(TEXTS, 0.1)[1]) < set(split(TEXTS, 0.3)[1])


@pytest.mark.parametrize("fraction", [0.0001, 0.5, 0.9999])
@pytest.mark.parametrize("count", [2, 3, 5])
def test_few_documents_leave_one_on_each_side(count, fraction):
    train, validation = split(TEXTS[:count], fraction)
    assert train
    assert validation
    assert len(train) + len(validation) == count


def test_a_single_document_is_split_by_position_at_a_line_end(tmp_path):
    text = "".join(f"line {i}\n" for i in range(100))
    [train], [validation] = split([text], 0.1)
    assert train + validation == text
    assert train.endswith("\n")
    assert len(validation) == pytest.approx(0.1 * len(text), abs=8)
    (tmp_path / "book.txt").write_text(text)
    description = load_documents(corpus_config({"path": str(tmp_path / "book.txt")})).description
    assert "split by position (the last 10% validates)" in description


@pytest.mark.parametrize("text", ["ab", "no line end in here", "one\n" + "long " * 50, "\n\n\n"])
@pytest.mark.parametrize("fraction", [0.001, 0.1, 0.999])
def test_a_single_document_without_a_line_end_in_place_still_has_two_sides(text, fraction):
    [train], [validation] = split([text], fraction)
    assert train + validation == text
    assert train
    assert validation


def test_copies_are_dropped_and_counted_whatever_their_line_ends():
    documents, dropped = distinct(["a\nb\n", "c", "a\r\nb\r\n", "\ufeffa\rb", "c", "  ", ""])
    assert documents == ["a\nb\n", "c"]
    assert dropped == 3


def test_a_copy_never_straddles_the_split(folder):
    for path in sorted(folder.glob("*.txt")):
        (folder / f"copy-of-{path.name}").write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    documents = load_documents(corpus_config({"path": str(folder)}))
    assert documents.dropped_duplicates == 30
    assert not set(documents.train) & set(documents.validation)
    assert len(documents.train) + len(documents.validation) == 30


def test_the_order_of_files_on_disk_does_not_matter(folder, tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    for path in sorted(folder.glob("*.txt"), reverse=True):
        (other / path.name).write_bytes(path.read_bytes())
    first, second = (load_documents(corpus_config({"path": str(root)})) for root in (folder, other))
    assert (first.train, first.validation) == (second.train, second.validation)
    assert first.fingerprint == second.fingerprint


def test_the_fingerprint_sees_content_order_and_side():
    prints = [
        fingerprint(["a", "b"], ["c"]),
        fingerprint(["b", "a"], ["c"]),
        fingerprint(["a"], ["b", "c"]),
        fingerprint(["ab"], ["c"]),
        fingerprint(["a", "b"], ["d"]),
    ]
    assert len(set(prints)) == len(prints)
    assert prints[0] == fingerprint(["a", "b"], ["c"])
    assert len(prints[0]) == 64


def test_normalised_text_can_always_be_written_as_utf8(unicode_texts):
    for text in unicode_texts:
        if not text.startswith("\ufeff"):
            assert normalise(text) == text.replace("\r\n", "\n").replace("\r", "\n")
    assert normalise("\ufeffa\ud800b\r\nc") == "a\ufffdb\nc"
