"""The documents that a validation is summed by, whatever windows, batches and tokens it is read in."""

import numpy as np
import pytest
import torch

from tests.data.test_evaluation_text import made
from tests.data.test_tokenizer_files import KINDS
from workbench.data.batches import EvaluationBatches, TextBatches
from workbench.data.evaluation_text import EvaluationText, Passage, evaluation_text
from workbench.data.task_batches import judging_batches
from workbench.data.text_parts import MOST_PARTS
from workbench.data.tokenized import TokenizedCorpus
from workbench.data.tokenizers import ByteTokenizer, FileTokenizer, IdTokenizer, train_tokenizer

TEXTS = ["The first one.", "A second, somewhat longer document: é.", "Three"]


def corpus_of(texts, tokenizer=None):
    tokenizer = tokenizer or ByteTokenizer()
    tokens = np.concatenate(list(tokenizer.encode_documents(texts)))
    return TokenizedCorpus(tokens, tokens, tokenizer=tokenizer, meta={})


def parts_of(batches):
    return torch.cat([batch.part.flatten() for batch in batches]).tolist()


@pytest.mark.parametrize(("context", "size"), [(8, 1), (8, 3), (5, 2), (56, 4)])
def test_a_document_that_windows_cut_is_one(context, size):
    corpus = corpus_of(TEXTS)
    batches = EvaluationBatches(corpus, context, size)
    # Each text's bytes and its end; the first token is no target, and what fills no window is none.
    expected = [0] * (14 + 1 - 1) + [1] * (39 + 1) + [2] * (5 + 1)
    expected = expected[: batches.tokens]
    assert parts_of(batches) == expected
    parts = batches.parts
    assert parts.documents == len(parts.targets) == len(set(expected))
    assert parts.targets == np.bincount(expected).tolist()
    assert sum(parts.bytes) == sum(batch.target_bytes for batch in batches) == batches.bytes
    assert parts.bytes[:2] == [13, 39]


def test_batches_do_not_matter_and_windows_do():
    corpus = corpus_of(TEXTS)
    cuts = {EvaluationBatches(corpus, 8, size).parts.cut for size in (1, 2, 50)}
    assert len(cuts) == 1
    others = {EvaluationBatches(corpus, context, 1).parts.cut for context in (5, 8, 9)}
    assert len(others) == 3
    changed = corpus_of([TEXTS[0], TEXTS[1].replace("A", "B"), TEXTS[2]])
    assert EvaluationBatches(changed, 8, 1).parts.cut not in cuts


def test_a_document_in_several_windows_of_a_sample_is_one():
    texts = [f"{number} " * 40 for number in range(10)]
    corpus = corpus_of(texts)
    batches = EvaluationBatches(corpus, 8, 4, max_tokens=320)
    ends = np.flatnonzero(corpus.validation == corpus.tokenizer.end_of_document)
    starts = [int(start) for start in batches._starts]
    of_targets = [int((ends < place).sum()) for start in starts for place in range(start + 1, start + 9)]
    touched = sorted(set(of_targets))
    assert parts_of(batches) == [touched.index(number) for number in of_targets]
    assert batches.parts.documents == len(touched) < len(starts)


def test_of_many_documents_neighbours_are_joined_as_a_whole():
    texts = [f"document {number}" for number in range(MOST_PARTS * 2 + 5)]
    batches = EvaluationBatches(corpus_of(texts), 16, 4)
    assert batches.parts.documents == MOST_PARTS * 2 + 5
    assert len(batches.parts.targets) == MOST_PARTS
    found = np.array(parts_of(batches))
    assert (np.diff(found) >= 0).all()
    targets = torch.cat([batch.targets.flatten() for batch in batches]).numpy()
    changes = np.flatnonzero(np.diff(found))
    assert (targets[changes] == batches._corpus.tokenizer.end_of_document).all()
    assert np.bincount(found).tolist() == batches.parts.targets


def test_a_single_document_is_cut_where_its_windows_are():
    batches = EvaluationBatches(corpus_of(["a line\n" * 200]), 8, 4)
    assert batches.parts.documents == 1
    assert len(batches.parts.targets) == MOST_PARTS
    assert sum(batches.parts.targets) == batches.tokens
    assert {count % 8 for count in batches.parts.targets} == {0}
    text = made("one passage\n", "another\n", "and a third")
    text = EvaluationText(corpus={}, passages=text.passages, documents=(4, 4, 4), source="s")
    assert TextBatches(text, ByteTokenizer(), 8, 2).parts.documents == 1
    assert TextBatches(text, ByteTokenizer(), 8, 2).parts.bytes == [12, 8, 11]


def test_passages_of_a_document_are_one_for_every_tokenizer_context_and_batch(tmp_path):
    passages = tuple(Passage(text, False) for text in ("the cat\n", "sat on\n", "a mat\n", "é\n"))
    text = EvaluationText(corpus={}, passages=passages, documents=(0, 0, 3, 5), source="s")
    (tmp_path / "tokenizer.json").write_text(KINDS["byte-level"][0]().to_str(), encoding="utf-8")
    found = []
    for tokenizer in (
        ByteTokenizer(),
        train_tokenizer({"bpe": 265}, ["the cat sat on a mat é\n" * 20]),
        FileTokenizer(tmp_path / "tokenizer.json", {}),
    ):
        for context, size in ((1, 1), (4, 2), (100, 1)):
            batches = TextBatches(text, tokenizer, context, size)
            assert np.bincount(parts_of(batches)).tolist() == batches.parts.targets
            found.append((batches.parts.documents, batches.parts.bytes, batches.parts.cut))
    assert {str(one) for one in found} == {str((3, [15, 6, 3], found[0][2]))}


def test_passages_know_the_document_that_they_are_drawn_from(tmp_path, cache):
    """Also where a passage between two was not drawn, and from the cache."""
    for number in range(6):
        lines = "".join(f"document {number} line {line}\n" for line in range(700))
        (tmp_path / f"{number}.txt").write_text(lines, encoding="utf-8")
    spec = {"path": str(tmp_path), "validation_fraction": 1}
    for _ in range(2):
        text = evaluation_text(spec, 60_000, cache)
        said = [int(passage.text.partition("document ")[2].split()[0]) for passage in text.passages]
        assert len(said) > len(set(said)) > 3
        names = dict(zip(text.documents, said, strict=True))
        assert [names[number] for number in text.documents] == said
        assert list(text.documents) == sorted(text.documents)


def test_each_sequence_of_a_task_is_a_document(cache):
    text = evaluation_text({"generated": "recall", "length": 8, "pairs": 2, "vocabulary": 12}, 240, cache)
    batches = judging_batches(text, IdTokenizer(12), 16, 2)
    assert parts_of(batches) == list(range(batches.sequences))
    assert batches.parts.documents == batches.sequences
    assert sum(batches.parts.targets) == batches.tokens
