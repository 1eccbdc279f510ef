"""A pool before any treatment: made once for all treatments, and the same with the cache as without."""

import json
import os
import random
from pathlib import Path

import pytest

from tests.data.treatments.pools import prose, replaced_words
from workbench.data import documents as making
from workbench.data.corpora import corpus_config
from workbench.data.documents import load_documents
from workbench.data.report import corpus_report
from workbench.data.sources.local_files import LocalFiles
from workbench.data.tokenized import prepare
from workbench.errors import UserError

TREATMENTS = (None, "exact_dedup", {"name": "shuffled_words", "share": 0.3}, {"name": "half", "side": "a"})


@pytest.fixture(scope="module")
def pool(tmp_path_factory):
    """Sixty documents, near copies and copies of some, and some with a piece of a judged text."""
    folder, judged = tmp_path_factory.mktemp("pool"), tmp_path_factory.mktemp("judged")
    draw = random.Random(3)
    for number in range(20):
        (judged / f"{number}.txt").write_text(prose(draw, 40))
    for number in range(60):
        text = f'{prose(draw, 60)} \u2028\u0085 "quoted\\" é {number}\n'
        (folder / f"{number:02}.txt").write_text(text)
        if number % 4 == 0:
            (folder / f"{number:02}-near.txt").write_text(replaced_words(text, 0.01, draw))
        if number % 6 == 0:
            (folder / f"{number:02}-copy.txt").write_text(text)
        if number % 9 == 0:
            piece = (judged / f"{number % 20}.txt").read_text()
            (folder / f"{number:02}-judged.txt").write_text(text + piece)
    spec = {"path": str(folder), "copies": "keep", "near_copies": "drop", "validation_fraction": 0.2}
    return spec | {"decontaminate": [{"path": str(judged), "validation_fraction": 0.5}]}


@pytest.fixture
def reads(monkeypatch):
    """The folders that were read, in order."""
    found = []

    def counting(self):
        found.append(Path(self.path).name)
        return real(self)

    real = LocalFiles.open
    monkeypatch.setattr(LocalFiles, "open", counting)
    return found


def configs(pool):
    return [corpus_config(pool | ({} if one is None else {"treatment": one})) for one in TREATMENTS]


def test_treatments_of_a_pool_read_it_once(pool, tmp_path, reads):
    alone = [load_documents(config) for config in configs(pool)]
    assert len(reads) == 2 * len(TREATMENTS)  # the pool, and what is judged on
    reads.clear()
    shared = [load_documents(config, cache=tmp_path) for config in configs(pool)]
    assert len(reads) == 2
    assert shared == alone
    assert [type(one.stages) for one in shared] == [tuple] * len(TREATMENTS)
    assert [stage["name"] for stage in shared[1].stages] == ["near_copies", "decontaminate", "exact_dedup"]
    assert all(stage["documents"] > stage["documents_left"] for stage in shared[1].stages)


def test_tokens_and_reports_are_the_same_bit_for_bit(pool, tmp_path, monkeypatch):
    """Those of a cache in which a pool was made, in which it was found, and of one that keeps none."""

    def files(folder):
        return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if kept(path)}

    def kept(path):
        return path.is_file() and path.suffix not in (".pool", ".lock")

    for config in configs(pool):
        prepare(config, "bytes", tmp_path / "shared")
    assert len(list((tmp_path / "shared").glob("*.pool"))) == 1
    monkeypatch.setattr(making, "_is_shared", lambda config: False)
    for config in configs(pool):
        prepare(config, "bytes", tmp_path / "alone")
    found = files(tmp_path / "shared")
    assert found == files(tmp_path / "alone")
    assert len(found) == 6 * len(TREATMENTS)  # two splits, documents, facts, checksums; and a report
    assert len(list((tmp_path / "alone").glob("*.pool"))) == 0


def test_a_plain_corpus_is_not_kept_twice(pool, tmp_path):
    prepare({"path": pool["path"]}, "bytes", tmp_path)
    assert not list(tmp_path.glob("*.pool"))


def test_what_a_mixture_repeats_is_kept_once(pool, tmp_path):
    mixture = {"mixture": {"a": {"path": pool["path"]}}, "weights": {"a": 1}, "passes": 3}
    config = corpus_config(mixture | {"treatment": {"name": "half", "side": "a"}})
    first = load_documents(config, cache=tmp_path)
    assert load_documents(config, cache=tmp_path) == first == load_documents(config)
    [entry] = tmp_path.glob("*.pool")
    with open(entry, "rb") as file:
        head = json.loads(next(file))
    assert len(head["sides"]["train"]) == 3 * len(set(head["sides"]["train"]))
    assert len({place for side in head["sides"].values() for place in side}) == head["texts"]


def cut(content):
    return content[: len(content) // 2]


def changed(content):
    place = content.rindex(b"quoted")
    return content[:place] + b"Q" + content[place + 1 :]


@pytest.mark.parametrize("harm", [cut, changed, lambda content: b"", lambda content: b"\0\n\n"])
def test_a_damaged_pool_is_made_anew(pool, tmp_path, reads, harm):
    config = configs(pool)[1]
    first = load_documents(config, cache=tmp_path)
    [entry] = tmp_path.glob("*.pool")
    whole = entry.read_bytes()
    entry.write_bytes(harm(whole))
    reads.clear()
    assert load_documents(config, cache=tmp_path) == first
    assert len(reads) == 2
    assert entry.read_bytes() == whole


def test_a_pool_whose_files_changed_is_another(pool, tmp_path):
    folder = tmp_path / "texts"
    folder.mkdir()
    for number in range(8):
        (folder / f"{number}.txt").write_text(f"text {number}\n")
    config = corpus_config({"path": str(folder), "treatment": "exact_dedup"})
    before = load_documents(config, cache=tmp_path / "cache")
    (folder / "9.txt").write_text("one more\n")
    after = load_documents(config, cache=tmp_path / "cache")
    assert len(after.train) + len(after.validation) == len(before.train) + len(before.validation) + 1


def test_processes_that_ask_at_once_make_it_once(pool, tmp_path, monkeypatch):
    read, write = os.pipe()
    real = making._untreated

    def announcing(*given):
        os.write(write, b"m")
        return real(*given)

    monkeypatch.setattr(making, "_untreated", announcing)
    pids = []
    for config in configs(pool):
        if (pid := os.fork()) == 0:
            code = 1
            try:
                code = 0 if prepare(config, "bytes", tmp_path).fingerprint else 1
            finally:
                os._exit(code)
        pids.append(pid)
    assert [os.waitpid(pid, 0)[1] for pid in pids] == [0] * len(TREATMENTS)
    os.close(write)
    assert os.read(read, 100) == b"m"
    os.close(read)


def test_a_report_without_tokens_shares_the_pool(pool, tmp_path, reads):
    plain, treated = (corpus_report(config, tmp_path) for config in configs(pool)[:2])
    assert len(reads) == 2
    assert treated.stages[:2] == plain.stages


def test_a_cache_that_cannot_be_written_is_named(pool, tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(UserError, match=r"cache cannot be written .*WORKBENCH_CACHE"):
        load_documents(configs(pool)[1], cache=tmp_path / "file" / "cache")
