"""Evaluation texts: the same passages and bytes for every tokenizer, context and batch size."""

import json
import random
import shutil

import numpy as np
import pytest
import torch

from tests.data.test_tokenizer_files import KINDS
from workbench.data import evaluation_text as room
from workbench.data.batches import TextBatches, prepare
from workbench.data.corpora import corpus_config
from workbench.data.documents import load_documents
from workbench.data.evaluation_text import EvaluationText, Passage, evaluation_text
from workbench.data.tokenizers import ByteTokenizer, FileTokenizer, train_tokenizer
from workbench.errors import UserError

SHAPES = [(1, 1), (7, 3), (16, 4), (64, 5), (5000, 2)]  # contexts and batch sizes
LETTERS = ["the cat ", "sat on ", "a mat\n", "é", "日本", "𝄞", "\n", "  \n\n"]


def made(*texts, ends=True):
    passages = tuple(Passage(text, ends) for text in texts)
    numbers = tuple(range(len(passages)))
    return EvaluationText(corpus={"path": "x"}, passages=passages, documents=numbers, source="a source")


def mixed_lines(seed, size):
    draw = random.Random(seed)
    return "".join(draw.choice(LETTERS) for _ in range(size))


@pytest.fixture
def source(tmp_path):
    """Twelve documents of mixed letters, all of them judged on."""
    root = tmp_path / "source"
    root.mkdir()
    for number in range(12):
        (root / f"{number}.txt").write_text(f"{number}: {mixed_lines(number, 900)}", encoding="utf-8")
    return {"path": str(root), "validation_fraction": 1}


@pytest.fixture
def reads(monkeypatch):
    """How often a source was read."""
    calls = []

    def counting(config, *progress):
        calls.append(config)
        return real(config, *progress)

    real = room.held_out
    monkeypatch.setattr(room, "held_out", counting)
    return calls


def opened(kind, folder):
    path = folder / "tokenizer.json"
    path.write_text(KINDS[kind][0]().to_str(), encoding="utf-8")
    return FileTokenizer(path, {})


def tokenizers(folder):
    yield ByteTokenizer()
    yield train_tokenizer({"bpe": 300}, [mixed_lines(99, 4000)])
    for kind in KINDS:
        yield opened(kind, folder)


TINY = [
    made("x"),
    made("\n", "é"),
    made("  ", "\n\n", "the cat sat", ends=False),
    made("a line without an end", "日本語" * 30),
]


def test_every_byte_of_the_text_is_scored_once_whatever_the_tokenizer(source, cache, tmp_path):
    texts = [*TINY, evaluation_text(source, 2000, cache)]
    for text in texts:
        for tokenizer in tokenizers(tmp_path):
            streams = set()
            for context, batch_size in SHAPES:
                batches = TextBatches(text, tokenizer, context, batch_size)
                found = list(batches)
                assert len(found) == len(batches)
                assert sum(count for _, _, count, _ in found) == batches.bytes == text.bytes
                targets = torch.cat([targets.flatten() for _, targets, *_ in found])
                inputs = torch.cat([inputs.flatten() for inputs, *_ in found])
                assert len(targets) == batches.tokens
                assert torch.equal(inputs[1:], targets[:-1])  # each token is a target once, read before it
                assert all(rows.shape == (len(rows), context) for rows, *_ in found[:-1])
                assert max(rows.shape[0] for rows, *_ in found) <= batch_size
                streams.add((int(inputs[0]), *targets.tolist()))
            assert len(streams) == 1


def test_the_tokens_are_those_of_each_passage_and_the_ends_of_documents():
    tokenizer = ByteTokenizer()
    passages = (Passage("ab\n", False), Passage("ç", True))
    text = EvaluationText(corpus={}, passages=passages, documents=(0, 0), source="s")
    [(inputs, targets, count, _)] = TextBatches(text, tokenizer, context=8, batch_size=2)
    assert inputs.tolist() == [[10, 97, 98, 10, 195, 167]]
    assert targets.tolist() == [[97, 98, 10, 195, 167, tokenizer.end_of_document]]
    assert count == 5


def test_bytes_are_counted_with_the_targets_of_their_own_batch():
    text = made("日本語\n", "a\n")
    learned = train_tokenizer({"bpe": 300}, ["日本語\n" * 50 + "".join(map(chr, range(300)))])
    ids = [
        *learned.encode("日本語\n"),
        learned.end_of_document,
        *learned.encode("a\n"),
        learned.end_of_document,
    ]
    lengths = learned.byte_lengths()
    counts = [count for _, _, count, _ in TextBatches(text, learned, context=1, batch_size=1)]
    assert counts == [lengths[i] for i in ids]


def test_a_passage_that_leaves_no_token_is_counted_with_the_next_one_or_the_last(tmp_path):
    tokenizer = opened("words", tmp_path)
    text = made("  \n", "the cat", " \n ", ends=False)
    [(inputs, targets, count, _)] = TextBatches(text, tokenizer, context=8, batch_size=1)
    assert [tokenizer.piece(token) for token in targets[0].tolist()] == ["the", "cat"]
    assert inputs[0, 0] == tokenizer.end_of_document  # it drops line ends
    assert count == text.bytes == 13
    with pytest.raises(UserError, match=r"data\.tokenizer: it has no token for any of the evaluation text"):
        TextBatches(made(" \n", ends=False), tokenizer, context=8, batch_size=1)


def test_bytes_that_no_token_spells_are_known_and_so_are_tokens_beyond_a_model(tmp_path):
    words = opened("words", tmp_path)
    assert TextBatches(made("the cat naïve"), words, 8, 1).unspelled == pytest.approx(7 / 14)
    assert TextBatches(made("the cat naïve"), ByteTokenizer(), 8, 1).unspelled == 0
    with pytest.raises(UserError, match=r"data\.evaluation: the text has tokens that the model"):
        TextBatches(made("the cat"), words, 8, 1).require_known(3)


def test_one_fingerprint_for_every_tokenizer_and_nothing_is_drawn_anew(source, cache, reads):
    first = evaluation_text(source, 9000, cache)
    torch.manual_seed(5)
    assert evaluation_text(source, 9000, cache) == first
    assert len(reads) == 1
    shutil.rmtree(cache)
    again = evaluation_text(source, 9000, cache)
    assert again == first
    assert again.fingerprint == first.fingerprint
    assert evaluation_text(source, 8000, cache).fingerprint != first.fingerprint


def test_the_text_is_of_the_size_and_in_the_order_of_the_validation_split(source, cache):
    whole = "".join(load_documents(corpus_config(source, trained_on=False)).validation)
    text = evaluation_text(source, 9000, cache)
    assert 9000 - 4096 < text.bytes <= 9000
    place = 0
    for passage in text.passages:
        place = whole.index(passage.text, place) + len(passage.text)
    everything = evaluation_text(source, 10**9, cache)
    assert "".join(passage.text for passage in everything.passages) == whole
    assert sum(passage.ends_document for passage in everything.passages) == 12
    assert max(len(passage.text.encode()) for passage in everything.passages) <= 4096
    passages = f"{text.bytes:,} bytes in {len(text.passages)} passages"
    assert text.description == f"{passages} of {source['path']} (**/*.txt), 12 documents, 51.7 kB"


def test_passages_end_with_lines_and_a_long_line_between_two_characters(tmp_path, cache):
    path = tmp_path / "lines.txt"
    path.write_text("日" * 5000 + "\n" + "short line\n" * 1000, encoding="utf-8")
    text = evaluation_text({"path": str(path), "validation_fraction": 1}, 10**6, cache)
    assert "".join(passage.text for passage in text.passages) == path.read_text("utf-8")
    assert [len(passage.text.encode()) for passage in text.passages[:3]] == [4095, 4095, 4095]
    assert all(passage.text.endswith("\n") for passage in text.passages[4:])
    assert [passage.ends_document for passage in text.passages[-2:]] == [False, True]


def test_a_single_document_gives_its_last_part_and_all_of_it_with_a_fraction_of_one(tmp_path, cache):
    path = tmp_path / "book.txt"
    path.write_text("".join(f"line {number}\n" for number in range(400)), encoding="utf-8")
    last = evaluation_text({"path": str(path)}, 10**6, cache)
    assert "".join(passage.text for passage in last.passages).startswith("line 36")
    whole = evaluation_text({"path": str(path), "validation_fraction": 1}, 10**6, cache)
    assert "".join(passage.text for passage in whole.passages) == path.read_text("utf-8")
    assert "split by position" in last.description
    assert whole.description.endswith("book.txt, one document, 3.5 kB")


def test_no_document_of_a_training_split_is_in_the_text_of_the_same_source(folder, cache):
    text = evaluation_text({"path": str(folder)}, 10**6, cache)
    corpus = prepare({"path": str(folder)}, "bytes", cache)
    ends = np.flatnonzero(corpus.train == 256) + 1
    trained = {corpus.tokenizer.decode(part) for part in np.split(corpus.train, ends)}
    assert not trained & {passage.text for passage in text.passages}
    assert "".join(passage.text for passage in text.passages) == corpus.tokenizer.decode(corpus.validation)


def test_a_damaged_entry_is_drawn_anew(source, cache, reads):
    first = evaluation_text(source, 9000, cache)
    [entry] = cache.glob("*.evaluation.json")
    for damage in ("", "[]", "{}", entry.read_text()[:500], entry.read_text().replace("cat", "dog", 1)):
        entry.write_text(damage)
        reads.clear()
        assert evaluation_text(source, 9000, cache) == first
        assert len(reads) == 1
        assert json.loads(entry.read_text())["sha256"]


def test_a_changed_source_gives_another_fingerprint(source, cache, tmp_path):
    first = evaluation_text(source, 9000, cache)
    (tmp_path / "source" / "new.txt").write_text(mixed_lines(50, 900), encoding="utf-8")
    assert evaluation_text(source, 9000, cache).fingerprint != first.fingerprint


@pytest.mark.parametrize(
    ("content", "more", "match"),
    [
        (
            "a line\n" * 40,
            {},
            r"data\.evaluation: the validation split of .* has 28 bytes.*validation_fraction",
        ),
        ("a\n", {"validation_fraction": 1}, r"data\.evaluation: the validation split of .* has 2 bytes"),
        (" \n", {}, r"data\.evaluation: .* holds no text"),
        ("text", {"glob": "*.md"}, r"data\.evaluation\.glob"),
        ("text", {"feild": "x"}, r"data\.evaluation\.feild: unknown key; did you mean 'field'"),
    ],
)
def test_a_source_without_enough_text_is_refused_with_key_and_remedy(tmp_path, cache, content, more, match):
    root = tmp_path / "root"
    root.mkdir()
    (root / "one.txt").write_text(content)
    with pytest.raises(UserError, match=match) as error:
        evaluation_text({"path": str(root)} | more, 65536, cache)
    assert "data.corpus" not in str(error.value)
    assert not list(cache.glob("*.json"))


def test_errors_name_the_set_where_it_is_given(cache):
    with pytest.raises(UserError, match=r"^data\.evaluation\.prose\.path: "):
        evaluation_text({"path": "nowhere"}, 65536, cache, key="data.evaluation.prose")
    with pytest.raises(UserError, match=r"^data\.evaluation\.prose: unknown corpus 'prose'"):
        evaluation_text("prose", 65536, cache, key="data.evaluation.prose")


def test_a_size_that_leaves_too_little_of_a_large_source_is_refused(source, cache):
    with pytest.raises(
        UserError, match=r"training\.evaluation_tokens: 20 bytes of .* are too few to judge by"
    ):
        evaluation_text(source, 20, cache)
    assert evaluation_text(source, 500, cache).bytes > 400


def test_a_fraction_of_one_is_for_what_nothing_is_trained_on(source, cache):
    with pytest.raises(UserError, match=r"data\.corpus\.validation_fraction: 1 leaves nothing to train on"):
        prepare(source, "bytes", cache)
    with pytest.raises(UserError, match=r"data\.corpus\.validation_fraction: 1 leaves nothing to train on"):
        prepare(corpus_config(source, trained_on=False), "bytes", cache)


def test_a_cache_that_cannot_be_written_says_so(source, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="point WORKBENCH_CACHE at a folder with room"):
        evaluation_text(source, 9000, tmp_path / "file" / "cache")
