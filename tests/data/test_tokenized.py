"""The cache: built once, shared by processes, never used damaged."""

import errno
import json
import os
import random
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from pathlib import Path
from shutil import rmtree

import numpy as np
import pytest

from tests.data.test_tokenizer_files import words
from workbench.data import tokenized
from workbench.data.batches import prepare
from workbench.data.corpora import corpus_config
from workbench.data.documents import load_documents
from workbench.data.tokenizers import train_tokenizer
from workbench.errors import UserError


@pytest.fixture
def builds(monkeypatch):
    """How often documents were read, which only building does."""
    calls = []

    def counting(config, *progress):
        calls.append(config)
        return real(config, *progress)

    real = tokenized.load_documents
    monkeypatch.setattr(tokenized, "load_documents", counting)
    return calls


def entry_of(cache):
    [entry] = [path for path in cache.iterdir() if path.is_dir()]
    return entry


def test_tokens_decode_to_the_documents(folder, cache):
    corpus = prepare({"path": str(folder)}, "bytes", cache)
    stream = np.concatenate([corpus.train, corpus.validation])
    ends = np.flatnonzero(stream == corpus.tokenizer.end_of_document)
    texts = [corpus.tokenizer.decode(part) for part in np.split(stream, ends + 1)]
    assert sorted(texts) == sorted(["", *(path.read_text("utf-8") for path in folder.iterdir())])
    assert isinstance(corpus.train, np.memmap)
    assert corpus.train.dtype == np.uint16
    assert corpus.vocabulary == 257


def test_the_manifest_says_what_the_data_are(folder, cache):
    corpus = prepare({"path": str(folder)}, {"bpe": 300}, cache)
    facts = corpus.describe()
    assert facts["corpus"] == {
        "path": str(folder),
        "glob": "**/*.txt",
        "field": "text",
        "validation_fraction": 0.1,
    }
    assert facts["tokenizer"] == {"bpe": 300, "sha256": sha256(corpus.tokenizer.content).hexdigest()}
    assert facts["vocabulary"] == 300 == corpus.vocabulary
    assert facts["train_tokens"] == len(corpus.train)
    assert facts["validation_tokens"] == len(corpus.validation)
    assert facts["train_documents"] + facts["validation_documents"] == 30
    assert facts["dropped_duplicates"] == 0
    assert facts["fingerprint"] == corpus.fingerprint
    assert str(folder) in facts["description"]
    assert json.loads(json.dumps(facts)) == facts


def model_of(tokenizer, folder):
    folder.mkdir()
    tokenizer.save(folder)
    return (folder / "tokenizer.json").read_bytes()


def test_pairs_are_learned_from_the_train_split_alone(tmp_path, cache):
    draw, root = random.Random(2), tmp_path / "own words"
    root.mkdir()
    for number in range(30):  # each document has a word that no other has
        word = "".join(draw.choices("abcdefghijklmnopqrstuvwxyz", k=8))
        (root / f"{number}.txt").write_text(f"{word} " * 50)
    corpus = prepare({"path": str(root)}, {"bpe": 350}, cache)
    documents = load_documents(corpus_config({"path": str(root)}))
    alone = train_tokenizer({"bpe": 350}, documents.train)
    both = train_tokenizer({"bpe": 350}, documents.train + documents.validation)
    learned = model_of(corpus.tokenizer, tmp_path / "learned")
    assert learned == model_of(alone, tmp_path / "alone")
    assert learned != model_of(both, tmp_path / "both")


def test_a_second_call_reads_the_cache(folder, cache, builds):
    first = prepare({"path": str(folder)}, {"bpe": 300}, cache)
    second = prepare({"path": str(folder)}, {"bpe": 300}, cache)
    assert len(builds) == 1
    assert np.array_equal(first.train, second.train)
    assert first.describe() == second.describe()
    assert first.tokenizer.encode("alpha beta").tolist() == second.tokenizer.encode("alpha beta").tolist()


def test_other_options_or_other_files_build_anew(folder, cache, builds):
    spec = {"path": str(folder)}
    prints = [prepare(spec, "bytes", cache).fingerprint]
    prints.append(prepare(spec, {"bpe": 300}, cache).fingerprint)
    assert prints[0] == prints[1]
    prepare(spec | {"validation_fraction": 0.3}, "bytes", cache)
    (folder / "3.txt").write_text("another text")
    assert prepare(spec, "bytes", cache).fingerprint != prints[0]
    assert len(builds) == 4


def test_a_tokenizer_that_is_there_serves_for_any_text(folder, cache, builds, tmp_path):
    tokenizer = prepare({"path": str(folder)}, {"bpe": 300}, cache).tokenizer
    prepare({"path": str(folder)}, tokenizer, cache)
    assert len(builds) == 1  # one entry, however it was asked for
    other = tmp_path / "other.txt"
    other.write_text("gamma delta epsilon\n" * 40)
    corpus = prepare({"path": str(other)}, tokenizer, cache)
    assert corpus.describe()["tokenizer"] == tokenizer.spec
    assert tokenizer.decode(corpus.train).startswith("gamma delta epsilon\n")
    assert prepare({"path": str(other)}, {"bpe": 258}, cache).tokenizer.spec != tokenizer.spec


def flip_a_byte(path: Path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def cut(path: Path):
    path.write_bytes(path.read_bytes()[:-2])


@pytest.mark.parametrize("harm", [flip_a_byte, cut, Path.unlink, lambda path: path.write_bytes(b"")])
@pytest.mark.parametrize(
    "name", ["train.bin", "validation.bin", "tokenizer.json", "meta.json", "checksums.json"]
)
def test_a_damaged_entry_is_built_anew(folder, cache, builds, name, harm):
    first = prepare({"path": str(folder)}, {"bpe": 300}, cache)
    facts, train = first.describe(), np.array(first.train)
    harm(entry_of(cache) / name)
    again = prepare({"path": str(folder)}, {"bpe": 300}, cache)
    assert len(builds) == 2
    assert again.describe() == facts
    assert np.array_equal(again.train, train)
    prepare({"path": str(folder)}, {"bpe": 300}, cache)
    assert len(builds) == 2


def test_processes_that_ask_at_once_build_once(folder, cache):
    pids, read, write = [], *os.pipe()
    for _ in range(4):
        if (pid := os.fork()) == 0:
            code = 1
            try:
                real = tokenized.load_documents

                def announcing(config, *progress, real=real):
                    os.write(write, b"b")
                    return real(config, *progress)

                tokenized.load_documents = announcing
                code = 0 if len(prepare({"path": str(folder)}, "bytes", cache).train) > 0 else 1
            finally:
                os._exit(code)
        pids.append(pid)
    assert [os.waitpid(pid, 0)[1] for pid in pids] == [0] * 4
    os.close(write)
    assert os.read(read, 100) == b"b"
    os.close(read)
    assert not [path for path in cache.iterdir() if path.name.startswith(".")]


def test_threads_that_ask_at_once_agree(folder, cache):
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda _: prepare({"path": str(folder)}, "bytes", cache), range(8)))
    assert len({corpus.fingerprint for corpus in found}) == 1


def test_a_failed_build_leaves_nothing_and_holds_no_lock(folder, cache, monkeypatch):
    def fail(*_):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(tokenized, "_write_tokens", fail)
        with pytest.raises(UserError, match=r"No space left.*WORKBENCH_CACHE"):
            prepare({"path": str(folder)}, "bytes", cache)
    assert [path.suffix for path in cache.iterdir()] in ([".lock"], [])
    assert len(prepare({"path": str(folder)}, "bytes", cache).train) > 0


def test_a_cache_that_cannot_be_made_is_named(folder, tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(UserError, match=r"file.*cache cannot be written.*WORKBENCH_CACHE"):
        prepare({"path": str(folder)}, "bytes", tmp_path / "file" / "cache")


def test_progress_is_heard_and_nothing_is_printed(folder, cache, capfd, monkeypatch):
    monkeypatch.setattr("workbench.progress.REPORT_SECONDS", 0.0)
    heard = []
    prepare(
        {"path": str(folder)}, {"bpe": 300}, cache, progress=lambda text, part: heard.append((text, part))
    )
    texts = list(dict.fromkeys(text for text, _ in heard))
    assert texts == [
        "reading the corpus",
        "learning the tokenizer (bpe 300)",
        "encoding the train split",
        "encoding the validation split",
    ]
    assert heard[-1][1] == 1.0
    assert all(0 <= part <= 1 for _, part in heard)
    assert capfd.readouterr() == ("", "")


def test_unsound_options_raise_before_anything_is_written(folder, cache):
    with pytest.raises(UserError, match=r"data\.tokenizer"):
        prepare({"path": str(folder)}, "words", cache)
    with pytest.raises(UserError, match=r"data\.corpus\.path"):
        prepare({"path": "nowhere"}, "bytes", cache)
    assert not cache.exists()


def test_an_entry_whose_facts_lack_a_key_is_built_anew(folder, cache, builds):
    corpus = prepare({"path": str(folder)}, "bytes", cache)
    entry = entry_of(cache)
    for key in corpus.meta:
        facts = {name: value for name, value in corpus.meta.items() if name != key}
        (entry / "meta.json").write_text(json.dumps(facts))
        (entry / "checksums.json").write_text(json.dumps(tokenized._checksums(entry)))
        builds.clear()
        assert prepare({"path": str(folder)}, "bytes", cache).meta == corpus.meta
        assert len(builds) == 1


def test_want_of_memory_is_no_damaged_entry_and_no_full_disk(folder, cache, builds, monkeypatch):
    prepare({"path": str(folder)}, "bytes", cache)
    builds.clear()

    def full(*_, **__):
        raise OSError(errno.ENOMEM, "Cannot allocate memory")

    with monkeypatch.context() as patch:
        patch.setattr(tokenized.np, "memmap", full)
        with pytest.raises(MemoryError, match="no memory is left to map"):
            prepare({"path": str(folder)}, "bytes", cache)
    assert builds == []
    assert prepare({"path": str(folder)}, "bytes", cache).vocabulary == 257
    assert builds == []


def utf8_bytes_of_training(folder):
    documents = load_documents(corpus_config({"path": str(folder)}))
    return sum(len(text.encode()) for text in documents.train)


@pytest.fixture
def words_file(tmp_path):
    """A tokenizer's file whose ids do not say how many bytes they stand for."""
    path = tmp_path / "tokenizer.json"
    path.write_text(words().to_str())
    return {"file": str(path), "end_of_document": "</s>"}


def test_the_bytes_of_the_training_split_are_those_of_its_text(folder, cache, words_file, monkeypatch):
    monkeypatch.setattr(tokenized, "_CHECKED", 1000)
    expected = utf8_bytes_of_training(folder)
    for tokenizer in ("bytes", {"bpe": 300}, words_file):
        corpus = prepare({"path": str(folder)}, tokenizer, cache)
        assert corpus.train_bytes == expected
        assert "train_bytes" not in corpus.describe()


def test_an_entry_from_before_training_bytes_were_written_is_built_anew_where_ids_do_not_say_them(
    folder, cache, words_file, builds
):
    for tokenizer, needs_them in (("bytes", False), (words_file, True)):
        facts = prepare({"path": str(folder)}, tokenizer, cache).describe()
        [entry] = [path for path in cache.iterdir() if path.is_dir()]
        (entry / "meta.json").write_text(json.dumps(facts))
        (entry / "checksums.json").write_text(json.dumps(tokenized._checksums(entry)))
        builds.clear()
        corpus = prepare({"path": str(folder)}, tokenizer, cache)
        assert len(builds) == needs_them
        assert corpus.train_bytes == utf8_bytes_of_training(folder)
        assert corpus.describe() == facts
        rmtree(cache)
