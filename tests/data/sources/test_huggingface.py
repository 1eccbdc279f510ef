"""The real ``datasets`` library on files that the test writes; no network."""

import errno
import gzip
import json
import socket
import sys
from types import SimpleNamespace

import pandas as pd
import pytest

from workbench.data.corpora import corpus_config
from workbench.data.documents import load_documents
from workbench.errors import UserError

ROWS = [{"text": f"document {i}: {'word ' * i}", "number": i} for i in range(30)]


@pytest.fixture
def library(tmp_path, monkeypatch):
    datasets = pytest.importorskip("datasets", reason="the optional 'datasets' library is not installed")
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "huggingface")
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)
    return datasets


@pytest.fixture
def dataset(tmp_path):
    folder = tmp_path / "stories"
    folder.mkdir()
    (folder / "train.jsonl").write_text("\n".join(map(json.dumps, ROWS[:20])))
    (folder / "test.jsonl").write_text("\n".join(map(json.dumps, ROWS[20:])))
    return folder


def load(spec):
    return load_documents(corpus_config(spec))


def message(spec):
    with pytest.raises(UserError) as error:
        load(spec)
    return str(error.value)


def texts_of(documents):
    return sorted(documents.train + documents.validation)


def test_a_local_folder_by_split(library, dataset):
    assert texts_of(load({"huggingface": str(dataset)})) == sorted(row["text"] for row in ROWS[:20])
    documents = load({"huggingface": str(dataset), "split": "test"})
    assert texts_of(documents) == sorted(row["text"] for row in ROWS[20:])
    assert "stories [test]" in documents.description
    assert list(dataset.parent.rglob("*.arrow"))


def test_a_builder_with_data_files(library, dataset):
    spec = {"huggingface": "json", "data_files": str(dataset / "*.jsonl")}
    assert len(texts_of(load(spec))) == 30
    assert len(corpus_config(spec).identity()) == 2


def test_a_parquet_folder(library, tmp_path):
    (tmp_path / "parquet").mkdir()
    pd.DataFrame(ROWS).to_parquet(tmp_path / "parquet" / "train-00000.parquet")
    assert len(texts_of(load({"huggingface": str(tmp_path / "parquet")}))) == 30


def test_max_bytes_streams_the_first_rows(library, dataset, tmp_path):
    documents = load({"huggingface": str(dataset), "max_bytes": 150})
    assert not list(tmp_path.rglob("*.arrow"))  # the library writes one when it reads a whole split
    texts = set(texts_of(documents))
    assert 1 < len(texts) < 20
    assert len(texts - {row["text"] for row in ROWS}) <= 1  # the last one is cut
    assert sum(map(len, texts)) <= 150


def test_progress_bars_are_quiet_and_restored(library, dataset, capfd):
    library.enable_progress_bars()
    load({"huggingface": str(dataset)})
    assert capfd.readouterr() == ("", "")
    assert not library.are_progress_bars_disabled()


@pytest.mark.parametrize(
    ("change", "parts"),
    [
        ({"field": "txt"}, ["data.corpus.field", "did you mean 'text'", "Known: text, number"]),
        ({"field": "number"}, ["row 0", "holds int"]),
        ({"split": "tain"}, ["data.corpus.huggingface", "tain", "'split'"]),
        ({"huggingface": "nobody/nothing"}, ["nobody/nothing", "cannot be reached", "network", "HF_TOKEN"]),
        ({"data_files": "nowhere.jsonl"}, ["cannot be loaded", "'data_files'"]),
    ],
)
def test_what_is_missing_is_named(library, dataset, change, parts):
    text = message({"huggingface": str(dataset)} | change)
    assert all(part in text for part in parts), text


DAMAGED = {
    "train.jsonl": (b'{"text": "fine"}\n{oops\n', "JSON parse error"),
    "latin.jsonl": (b'{"text": "caf\xe9"}\n', "UnicodeDecodeError"),
    "packed.jsonl.gz": (gzip.compress(b'{"text": "fine"}\n' * 999)[:40], "EOFError"),
    "rows.csv": (b'text\n"fine\n', "ParserError"),
    "rows.parquet": (b"PAR1 and no more", "ArrowInvalid"),
}


@pytest.mark.parametrize("more", [{}, {"max_bytes": 100}], ids=["whole", "streamed"])
@pytest.mark.parametrize("name", DAMAGED)
def test_damaged_rows_are_not_blamed_on_the_network(library, tmp_path, name, more, capfd):
    content, reason = DAMAGED[name]
    (tmp_path / name).write_bytes(content)
    builder = {"gz": "json", "jsonl": "json"}.get(name.rpartition(".")[2], name.rpartition(".")[2])
    text = message({"huggingface": builder, "data_files": str(tmp_path / name)} | more)
    assert all(part in text for part in ["has data that cannot be read", reason, "mend "]), text
    assert not any(part in text for part in ("network", "HF_TOKEN"))
    assert capfd.readouterr() == ("", "")


def test_the_damaged_file_of_a_folder_is_named(library, dataset):
    (dataset / "train.jsonl").write_text('{"text": "fine"}\n{oops\n')
    assert f"mend {dataset / 'train.jsonl'} or" in message({"huggingface": str(dataset)})


@pytest.mark.parametrize(
    ("error", "parts"),
    [
        (ConnectionError("no answer"), ["cannot be reached", "network", "no answer"]),
        (TimeoutError("too slow"), ["cannot be reached", "network"]),
        (socket.gaierror(-2, "Name or service not known"), ["cannot be reached", "network"]),
        (ValueError("row 3 is odd"), ["has data that cannot be read", "row 3 is odd"]),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_goes_wrong_while_rows_are_streamed_is_told_apart(library, dataset, monkeypatch, error, parts):
    class Rows:
        column_names = None
        info = SimpleNamespace(download_checksums=None)

        def __iter__(self):
            yield {"text": "fine"}
            raise RuntimeError("while reading") from error

    monkeypatch.setattr(library, "load_dataset", lambda *_, **__: Rows())
    text = message({"huggingface": "some/set", "max_bytes": 1000})
    assert all(part in text for part in parts), text


def test_a_full_disk_is_no_fault_of_the_data(library, monkeypatch):
    def load_dataset(*_, **__):
        raise library.exceptions.DatasetGenerationError("while writing") from OSError(errno.ENOSPC, "full")

    monkeypatch.setattr(library, "load_dataset", load_dataset)
    with pytest.raises(OSError, match="full"):
        load({"huggingface": "some/set"})


def test_without_the_library_the_error_says_how_to_install_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "datasets", None)
    assert "pip install 'ablation-workbench[datasets]'" in message({"huggingface": "any"})
