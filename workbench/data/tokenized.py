"""A tokenised corpus on disk: two memory-mapped files of tokens, built once and shared.

An entry of the cache is a folder named by a hash of all that decides its content. It is built beside its
place and renamed into it under a lock, so that no process sees half of one; each opening checks sizes and
checksums, and a damaged entry is built anew.
"""

import errno
import json
import os
import shutil
import tempfile
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock

from workbench.data.corpora import corpus_config, load_documents
from workbench.data.source import CorpusConfig
from workbench.data.split import Documents
from workbench.data.tokenizers import Spec, Tokenizer, load_tokenizer, parse_tokenizer, train_tokenizer
from workbench.errors import UserError

Progress = Callable[[str, float], None]
_FORMAT = 2  # raise it when the same options begin to give other files
_META, _CHECKSUMS = "meta.json", "checksums.json"
_SPLITS = ("train", "validation")
_COUNTS = tuple(f"{split}_{what}" for split in _SPLITS for what in ("tokens", "documents"))
# What every entry's meta.json says; one that lacks any of it is built anew.
_META_KEYS = {
    "corpus",
    "description",
    "tokenizer",
    "vocabulary",
    "fingerprint",
    "dropped_duplicates",
    *_COUNTS,
}
_REPORT_SECONDS = 2.0


@dataclass(frozen=True)
class TokenizedCorpus:
    """Both splits as tokens ``(N,)`` of 16 or 32 bits, documents ended by ``tokenizer.end_of_document``."""

    train: np.memmap
    validation: np.memmap
    tokenizer: Tokenizer
    meta: dict[str, Any]

    @property
    def vocabulary(self) -> int:
        """How many ids the tokenizer has."""
        return self.tokenizer.vocabulary

    @property
    def fingerprint(self) -> str:
        """SHA-256 of both splits' text: equal for equal text, whatever the tokenizer."""
        return self.meta["fingerprint"]

    @cached_property
    def byte_lengths(self) -> np.ndarray:
        """How many UTF-8 bytes each id stands for, ``(V,)``."""
        return self.tokenizer.byte_lengths()

    def describe(self) -> dict[str, Any]:
        """What a study's manifest says of its data."""
        return dict(self.meta)


def prepare(
    corpus: str | dict[str, Any] | CorpusConfig,
    tokenizer: Spec,
    cache: Path,
    progress: Progress = lambda text, part: None,
) -> TokenizedCorpus:
    """The corpus in tokens, from ``cache`` or built into it; safe when several processes ask at once.

    ``progress`` hears what is being done and the part of it that is done, 0 to 1, every few seconds.
    Raises ``UserError`` for options that cannot be, and for a cache that cannot be written.
    """
    config, spec = corpus_config(corpus), parse_tokenizer(tokenizer)
    entry = Path(cache) / _cache_key(config, spec)
    if found := _open(entry):
        return found
    with _lock(entry):
        # Another process may have built it while this one waited.
        return _open(entry) or _build(config, spec, entry, progress)


def _cache_key(config: CorpusConfig, tokenizer: Spec) -> str:
    parts = [_FORMAT, type(config).__name__, config.spec(), config.identity(), tokenizer]
    return sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:24]


@contextmanager
def _lock(entry: Path) -> Iterator[None]:
    lock = FileLock(f"{entry}.lock")
    try:
        entry.parent.mkdir(parents=True, exist_ok=True)
        lock.acquire()
    except OSError as error:
        raise _unwritable(entry.parent, error) from error
    try:
        yield
    finally:
        lock.release()


def _unwritable(cache: Path, error: OSError) -> UserError:
    _refuse_want(cache, error)
    return UserError(
        f"{cache}: the cache cannot be written ({error.strerror or error}); "
        "point WORKBENCH_CACHE at a folder with room"
    )


def _refuse_want(entry: Path, error: OSError) -> None:
    """Raise what is the machine's fault and says nothing of the entry."""
    if error.errno == errno.ENOMEM:
        raise MemoryError(f"{entry}: no memory is left to map the tokens of the corpus") from error
    if error.errno in (errno.EMFILE, errno.ENFILE):
        raise error


def _open(entry: Path) -> TokenizedCorpus | None:
    """The entry, or None where it is missing or damaged.

    Raises ``MemoryError`` where it is whole and cannot be mapped for want of memory.
    """
    try:
        checksums = json.loads((entry / _CHECKSUMS).read_text(encoding="utf-8"))
        if checksums != _checksums(entry):
            return None
        meta = json.loads((entry / _META).read_text(encoding="utf-8"))
        if not isinstance(meta, dict) or not meta.keys() >= _META_KEYS:
            return None
        tokenizer = load_tokenizer(meta["tokenizer"], entry)
        tokens = [np.memmap(entry / f"{name}.bin", dtype=tokenizer.dtype, mode="r") for name in _SPLITS]
    except OSError as error:
        _refuse_want(entry, error)
        return None
    except (ValueError, TypeError):
        return None
    return TokenizedCorpus(*tokens, tokenizer=tokenizer, meta=meta)


def _checksums(folder: Path) -> dict[str, int]:
    """The CRC-32 of each file but the list of checksums itself."""
    checksums = {}
    for path in sorted(folder.iterdir()):
        if path.name != _CHECKSUMS:
            checksums[path.name] = zlib.crc32(np.memmap(path, dtype=np.uint8, mode="r"))
    return checksums


def _build(config: CorpusConfig, spec: Spec, entry: Path, progress: Progress) -> TokenizedCorpus:
    progress("reading the corpus", 0.0)
    documents = load_documents(config)
    if "bpe" in spec:
        progress(f"training the tokenizer (bpe {spec['bpe']})", 0.0)
    tokenizer = train_tokenizer(spec, documents.train)
    try:
        _write_entry(config, documents, tokenizer, entry, progress)
    except OSError as error:
        raise _unwritable(entry.parent, error) from error
    built = _open(entry)
    if built is None:
        raise UserError(f"{entry}: what was written cannot be read back; check the disk of the cache")
    return built


def _write_entry(
    config: CorpusConfig, documents: Documents, tokenizer: Tokenizer, entry: Path, progress: Progress
) -> None:
    temporary = Path(tempfile.mkdtemp(prefix=f".{entry.name}.", dir=entry.parent))
    try:
        _write_files(config, documents, tokenizer, temporary, progress)
        if entry.exists():  # damaged, or it would have been opened
            shutil.rmtree(entry)
        os.replace(temporary, entry)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _write_files(
    config: CorpusConfig, documents: Documents, tokenizer: Tokenizer, folder: Path, progress: Progress
) -> None:
    counts = {}
    for name in _SPLITS:
        report = _patient(progress, f"encoding the {name} split")
        counts[name] = _write_tokens(getattr(documents, name), tokenizer, folder / f"{name}.bin", report)
    tokenizer.save(folder)
    meta = {
        "corpus": config.spec(),
        "description": documents.description,
        "tokenizer": tokenizer.spec,
        "vocabulary": tokenizer.vocabulary,
        "fingerprint": documents.fingerprint,
        **{f"{name}_tokens": counts[name] for name in _SPLITS},
        **{f"{name}_documents": len(getattr(documents, name)) for name in _SPLITS},
        "dropped_duplicates": documents.dropped_duplicates,
    }
    _write_json(folder / _META, meta)
    _write_json(folder / _CHECKSUMS, _checksums(folder))


def _write_json(path: Path, value: dict[str, Any]) -> None:
    path.write_text(json.dumps(value, indent=2) + "\n", encoding="utf-8")


def _write_tokens(
    documents: list[str], tokenizer: Tokenizer, path: Path, progress: Callable[[float], None]
) -> int:
    """Write the tokens of ``documents`` to ``path`` and count them."""
    count = 0
    with open(path, "wb") as file:
        for done, ids in enumerate(tokenizer.encode_documents(documents), start=1):
            file.write(ids)
            count += len(ids)
            progress(done / len(documents))
    return count


def _patient(progress: Progress, text: str) -> Callable[[float], None]:
    """Report at most every few seconds: a short stage stays silent."""
    last = time.monotonic()

    def report(part: float) -> None:
        nonlocal last
        if time.monotonic() - last >= _REPORT_SECONDS:
            last = time.monotonic()
            progress(text, part)

    return report
