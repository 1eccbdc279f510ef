"""Bytes and learned pairs: exact round trips, exact byte counts, and the same vocabulary each time."""

import json
import os
import random
import subprocess
import sys
import time
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest
import tokenizers

from workbench.data import bpe_learning
from workbench.data.pretokenization import LONGEST, has_long_piece
from workbench.data.tokenizers import (
    BytePairTokenizer,
    ByteTokenizer,
    FileTokenizer,
    parse_tokenizer,
    train_tokenizer,
)
from workbench.errors import UserError

TRAINING = [f"the cat number {i} sat on the mat; le café était fermé, {i * i} fois\n" for i in range(300)]


@pytest.fixture(scope="module", params=["bytes", {"bpe": 400}], ids=["bytes", "bpe"])
def tokenizer(request):
    return ByteTokenizer() if request.param == "bytes" else train_tokenizer(request.param, TRAINING)


def test_round_trip_is_exact(tokenizer, unicode_texts):
    for text in unicode_texts + TRAINING[:5]:
        assert tokenizer.decode(tokenizer.encode(text)) == text


def test_byte_lengths_sum_to_the_texts_length(tokenizer, unicode_texts):
    lengths = tokenizer.byte_lengths()
    assert lengths.shape == (tokenizer.vocabulary,)
    assert lengths[tokenizer.end_of_document] == 0
    assert (np.delete(lengths, tokenizer.end_of_document) > 0).all()
    for text in unicode_texts + TRAINING[:5]:
        assert lengths[tokenizer.encode(text)].sum() == len(text.encode("utf-8"))


def test_ids_are_in_the_vocabulary_and_no_text_ends_a_document(tokenizer, unicode_texts):
    for text in unicode_texts:
        ids = tokenizer.encode(text)
        assert ids.dtype == np.uint16
        assert (ids < tokenizer.end_of_document).all()


def test_documents_end_with_the_end_of_document(tokenizer):
    encoded = list(tokenizer.encode_documents(TRAINING))
    assert len(encoded) == len(TRAINING)
    for ids, text in zip(encoded, TRAINING, strict=True):
        assert ids[-1] == tokenizer.end_of_document
        assert np.array_equal(ids[:-1], tokenizer.encode(text))
        assert tokenizer.decode(ids) == text


def test_half_a_character_decodes_to_a_replacement(tokenizer):
    ids = ByteTokenizer().encode("é")
    assert ByteTokenizer().decode(ids[:1]) == "\ufffd"
    assert tokenizer.decode([]) == ""


def test_bytes_are_the_bytes():
    tokenizer = ByteTokenizer()
    assert (tokenizer.vocabulary, tokenizer.end_of_document) == (257, 256)
    assert tokenizer.encode("aé").tolist() == [97, 0xC3, 0xA9]


def test_pairs_merge_what_the_training_text_repeats():
    tokenizer = train_tokenizer({"bpe": 400}, TRAINING)
    assert tokenizer.vocabulary == 400
    assert tokenizer.spec == {"bpe": 400, "sha256": sha256(tokenizer.content).hexdigest()}
    assert len(tokenizer.encode(TRAINING[0])) < len(TRAINING[0].encode()) / 2


def test_training_gives_the_same_vocabulary_in_another_process(tmp_path):
    train_tokenizer({"bpe": 400}, TRAINING).save(tmp_path)
    code = (
        "import sys, pathlib; from workbench.data.tokenizers import train_tokenizer\n"
        f"train_tokenizer({{'bpe': 400}}, {TRAINING!r}).save(pathlib.Path(sys.argv[1]))"
    )
    (tmp_path / "again").mkdir()
    environment = {
        **os.environ,
        "PYTHONPATH": str(Path(__file__).parents[2]),
        "TOKENIZERS_PARALLELISM": "false",
        "PYTHONHASHSEED": "7",
    }
    subprocess.run([sys.executable, "-c", code, str(tmp_path / "again")], env=environment, check=True)
    assert (tmp_path / "again" / "tokenizer.json").read_bytes() == (tmp_path / "tokenizer.json").read_bytes()


def test_a_saved_tokenizer_is_the_same(tmp_path, unicode_texts):
    tokenizer = train_tokenizer({"bpe": 400}, TRAINING)
    tokenizer.save(tmp_path)
    again = BytePairTokenizer((tmp_path / "tokenizer.json").read_bytes())
    assert again.spec == tokenizer.spec
    assert all(np.array_equal(again.encode(text), tokenizer.encode(text)) for text in unicode_texts)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"{}", b'{"model": 3}', b'{"model": {}}', b"\xff"])
def test_what_is_no_tokenizer_is_refused(content):
    with pytest.raises(ValueError, match=r"."):
        BytePairTokenizer(content)


@pytest.mark.parametrize("spec", ["words", "byte", {"bpe": 400, "x": 1}, {"bpee": 400}, None, 400])
def test_an_unknown_tokenizer_names_the_known_ones(spec):
    with pytest.raises(
        UserError, match=r"data\.tokenizer: unknown tokenizer .*bytes, \{bpe: 4096\}, or \{file: "
    ):
        parse_tokenizer(spec)


@pytest.mark.parametrize("size", [65_536, 257, 0, 4096.5, "many"])
def test_an_impossible_vocabulary_names_the_range(size):
    with pytest.raises(UserError, match=r"data\.tokenizer\.bpe: .*from 258 to 65535"):
        parse_tokenizer({"bpe": size})


def test_a_corpus_too_small_for_its_vocabulary_says_which_one_fits():
    with pytest.raises(UserError, match=r"give \{bpe: (\d+)\} or less") as error:
        train_tokenizer({"bpe": 4000}, ["abc abd " * 4])
    fitting = int(str(error.value).split("{bpe: ")[1].split("}")[0])
    assert train_tokenizer({"bpe": fitting}, ["abc abd " * 4]).vocabulary == fitting


def _without_blanks(kind, size):
    random.seed(0)
    letters = {
        "dna": "ACGT",
        "digits": "0123456789",
        "chinese": "的一是不了人我在有他这中大来上",
        "signs": "-=+*#",
        "blanks": " \t\n",
    }
    return "".join(random.choices(letters[kind], k=size))


@pytest.mark.parametrize("kind", ["dna", "digits", "chinese", "signs", "blanks"])
def test_learning_from_text_without_blanks_takes_time_in_proportion(kind):
    spent = []
    for size in (20_000, 160_000):
        text = _without_blanks(kind, size)
        began = time.process_time()
        tokenizer = train_tokenizer({"bpe": 290}, [text])
        spent.append(time.process_time() - began)
    assert spent[1] < 24 * max(spent[0], 0.02)  # eight times the text; its square would be sixty-four
    assert tokenizer.decode(tokenizer.encode(text)) == text
    assert tokenizer.byte_lengths()[tokenizer.encode(text)].sum() == len(text.encode())
    assert len(tokenizer.encode(text)) < len(text.encode()) / 1.2


def test_only_text_with_pieces_without_end_is_cut_otherwise():
    ordinary = [*TRAINING, "-" * LONGEST, "a" * LONGEST + " " + "7" * LONGEST + "b" * LONGEST]
    assert not any(map(has_long_piece, ordinary))
    assert has_long_piece("word " * 1000 + "a" * (LONGEST + 1))
    assert has_long_piece("\n" * (LONGEST + 1) + "word")
    for texts in (ordinary, [*ordinary, "x" * (LONGEST + 1)]):
        settings = json.loads(train_tokenizer({"bpe": 300}, texts).content)
        assert settings["pre_tokenizer"]["type"] == ("ByteLevel" if texts is ordinary else "Sequence")


def test_ordinary_text_gives_what_the_library_gives_without_more_ado():
    """A damaged file of an earlier study is remade only if what is learned again is the same, to the byte."""
    model = tokenizers.Tokenizer(tokenizers.models.BPE())
    model.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    model.decoder = tokenizers.decoders.ByteLevel()
    alphabet = tokenizers.pre_tokenizers.ByteLevel.alphabet()
    trainer = tokenizers.trainers.BpeTrainer(vocab_size=399, initial_alphabet=alphabet, show_progress=False)
    model.train_from_iterator(TRAINING, trainer)
    model.add_special_tokens(["<|endoftext|>"])
    assert train_tokenizer({"bpe": 400}, TRAINING).content == model.to_str(pretty=True).encode()


def test_a_tokenizer_that_cuts_long_pieces_is_read_back_and_knows_its_bytes(tmp_path):
    text = _without_blanks("dna", 5000)
    learned = train_tokenizer({"bpe": 300}, [text])
    learned.save(tmp_path)
    again = FileTokenizer(tmp_path / "tokenizer.json", {})
    assert np.array_equal(again.encode(text), learned.encode(text))
    assert again.byte_lengths()[again.encode(text)].sum() == len(text)


def test_a_long_text_is_learned_with_progress(monkeypatch):
    monkeypatch.setattr(bpe_learning, "_SILENT", 100)
    monkeypatch.setattr(bpe_learning, "_REPORT_SECONDS", 0.001)
    parts = []
    tokenizer = train_tokenizer({"bpe": 400}, TRAINING, parts.append)
    assert tokenizer.spec == train_tokenizer({"bpe": 400}, TRAINING).spec
    assert parts == sorted(parts)
    assert parts[0] > 0
    assert parts[-1] < 1
