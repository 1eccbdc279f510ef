"""A tokenised corpus on disk: two memory-mapped files of tokens, built once and shared.

An entry of the cache is a folder named by a hash of all that decides its content. It is built beside its
place and renamed into it under a lock, so that no process sees half of one; each opening checks sizes and
checksums, and a damaged entry is built anew. A tokenizer enters by its own hash: one that was learned serves
for other texts too, and for its own when that has changed. What was learned from which text lies beside.
"""

import json
import zlib
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np

from workbench.data.cache import locked, refuse_want, unwritable
from workbench.data.corpora import corpus_config, identity
from workbench.data.documents import load_documents
from workbench.data.report import keep_report
from workbench.data.sources.source import CorpusConfig
from workbench.data.split import Documents, utf8_bytes
from workbench.data.tasks.registry import task_of
from workbench.data.tasks.task import GeneratedTask
from workbench.data.tokenizers import (
    IDS,
    TOKENIZER,
    BytePairTokenizer,
    Spec,
    Tokenizer,
    given_tokenizer,
    learned,
    parse_tokenizer,
    train_tokenizer,
)
from workbench.data.tokenizers import KEY as TOKENIZER_KEY
from workbench.errors import RecordError, UserError
from workbench.files import read_json, replacing_folder, write_json
from workbench.progress import Progress, patient

_FORMAT = 3  # raise it when the same options begin to give other files
_META, _CHECKSUMS = "meta.json", "checksums.json"
_SPLITS = ("train", "validation")
_BYTES = "validation_bytes.bin"  # where ids alone do not say how many bytes they stand for
_DOCUMENTS = "train_documents.bin"  # (D, 2): each training document's first token, and what it is known by
_TRAIN_BYTES = "train_bytes"  # in meta.json of such an entry
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
_CHECKED = 2**22  # tokens looked at at once


@dataclass(frozen=True)
class TokenizedCorpus:
    """Both splits as tokens ``(N,)`` of 16 or 32 bits, documents ended by ``tokenizer.end_of_document``."""

    train: np.ndarray
    validation: np.ndarray
    tokenizer: Tokenizer
    meta: dict[str, Any]
    validation_bytes: np.ndarray | None = None
    train_documents: np.ndarray | None = None  # (D, 2) of 64 bits: first token, and what it is known by

    @cached_property
    def task(self) -> GeneratedTask | None:
        """The task that generated it; None where it is text, or tokens of no corpus."""
        return task_of(self.meta.get("corpus"))

    @property
    def vocabulary(self) -> int:
        """How many ids the tokenizer has."""
        return self.tokenizer.vocabulary

    @property
    def fingerprint(self) -> str:
        """SHA-256 of both splits' text: equal for equal text, whatever the tokenizer."""
        return self.meta["fingerprint"]

    @cached_property
    def byte_lengths(self) -> np.ndarray | None:
        """How many UTF-8 bytes each id stands for, ``(V,)``; None where ``validation_bytes`` say it."""
        return self.tokenizer.byte_lengths()

    @cached_property
    def train_bytes(self) -> int:
        """How many UTF-8 bytes of text the training split stands for."""
        if self.byte_lengths is None:
            return self.meta[_TRAIN_BYTES]
        parts = range(0, len(self.train), _CHECKED)
        return sum(int(self.byte_lengths[self.train[start : start + _CHECKED]].sum()) for start in parts)

    @cached_property
    def unique_train_tokens(self) -> int:
        """How many tokens the training split has, of documents that are equal those of one alone.

        It is fewer than all where copies were kept, or made by a treatment or by a mixture of several passes.
        """
        if self.train_documents is None:
            return len(self.train)
        begins = self.train_documents[:, 0].astype(np.int64)
        ends = np.append(begins[1:], len(self.train))
        lengths: dict[bytes, int] = {}
        for begin, end in zip(begins.tolist(), ends.tolist(), strict=True):
            lengths[sha256(self.train[begin:end].tobytes()).digest()] = end - begin
        return sum(lengths.values())

    @property
    def unspelled(self) -> float:
        """The share of the text's bytes that the tokenizer has no token for but an unknown one, or none."""
        return self.meta.get("unspelled_share", 0.0)

    @cached_property
    def validation_ends(self) -> np.ndarray:
        """Where the ends of the validation documents stand, ``(D,)``; none for one that no token ends."""
        end = self.tokenizer.end_of_document
        if end is None:
            return np.zeros(0, dtype=np.int64)
        parts = range(0, len(self.validation), _CHECKED)
        found = [start + np.flatnonzero(self.validation[start : start + _CHECKED] == end) for start in parts]
        return np.concatenate(found)

    def byte_counts(self, starts: np.ndarray, length: int) -> np.ndarray:
        """How many UTF-8 bytes each of ``length`` validation tokens from ``starts (B,)`` on stands for.

        ``(B, length)`` int64.
        """
        places = starts[:, None] + np.arange(length)  # (B, T)
        if self.validation_bytes is not None:
            return np.asarray(self.validation_bytes)[places].astype(np.int64)
        assert self.byte_lengths is not None, "where ids do not say it, validation_bytes are kept"
        return self.byte_lengths[np.asarray(self.validation)[places]]

    def require_known(self, vocabulary: int) -> None:
        """Raise ``UserError`` if a token of the text is beyond a model's ``vocabulary``."""
        for tokens in (self.train, self.validation) if self.vocabulary > vocabulary else ():
            for start in range(0, len(tokens), _CHECKED):
                self.tokenizer.require_known(tokens[start : start + _CHECKED], vocabulary, "data.corpus")

    def describe(self) -> dict[str, Any]:
        """What a study's manifest says of its data."""
        return {key: value for key, value in self.meta.items() if key != _TRAIN_BYTES}


def prepare(
    corpus: str | dict[str, Any] | CorpusConfig,
    tokenizer: Spec | Tokenizer,
    cache: Path,
    progress: Progress = lambda text, part: None,
) -> TokenizedCorpus:
    """The corpus in tokens, from ``cache`` or built into it; safe when several processes ask at once.

    ``tokenizer`` is what a study file asks for, learned from this corpus where it is to be learned; or one
    that is there already. ``progress`` hears what is being done and the part of it that is done, 0 to 1,
    every few seconds. Raises ``UserError`` for options that cannot be and for a cache that cannot be written.
    """
    config = corpus_config(corpus)
    if isinstance(tokenizer, Tokenizer):
        given = tokenizer
    else:
        spec = parse_tokenizer(tokenizer)
        if isinstance(config, GeneratedTask):
            _require_ids(config, spec)
        if learned(spec):
            return _prepare_learned(config, spec, Path(cache), progress)
        given = given_tokenizer(spec)
    if isinstance(config, GeneratedTask):
        _require_ids(config, given.spec)
    entry = Path(cache) / _cache_key(config, given.spec)
    if found := _open(entry, given):
        return found
    with locked(entry):
        # Another process may have built it while this one waited.
        return _open(entry, given) or _build(
            config, _read_documents(config, progress, entry.parent), given, entry, progress
        )


def _require_ids(task: GeneratedTask, spec: Spec) -> None:
    """Raise ``UserError`` where a tokenizer would make other tokens of a task's ids, or has too few."""
    if not isinstance(spec, dict) or IDS not in spec:
        raise UserError(
            f"{TOKENIZER_KEY}: {task.title}: tokens are the ids themselves; leave the tokenizer out"
        )
    if spec[IDS] < task.ids:
        raise UserError(
            f"{TOKENIZER_KEY}.{IDS}: {task.title}: has {task.ids} ids, and the tokenizer {spec[IDS]}; give "
            f"{{{IDS}: {task.ids}}}, or the task a smaller vocabulary"
        )


def _prepare_learned(
    config: CorpusConfig, spec: dict[str, Any], cache: Path, progress: Progress
) -> TokenizedCorpus:
    """The corpus in the tokens that are learned from it; which they were is noted in the cache."""
    note = cache / f"{_cache_key(config, spec)}.learned.json"
    if found := _open_learned(note, config, spec):
        return found
    with locked(note):
        if found := _open_learned(note, config, spec):
            return found
        documents = _read_documents(config, progress, cache)
        learning = f"learning the tokenizer (bpe {spec['bpe']})"
        progress(learning, 0.0)
        tokenizer = train_tokenizer(spec, documents.train, patient(progress, learning))
        entry = cache / _cache_key(config, tokenizer.spec)
        with locked(entry):
            built = _open(entry, tokenizer) or _build(config, documents, tokenizer, entry, progress)
        try:
            write_json(note, {"sha256": tokenizer.spec["sha256"]})
        except OSError as error:
            raise unwritable(cache, error) from error
        return built


def _open_learned(note: Path, config: CorpusConfig, spec: dict[str, Any]) -> TokenizedCorpus | None:
    try:
        digest = read_json(note)["sha256"]
        entry = note.parent / _cache_key(config, spec | {"sha256": digest})
        tokenizer = BytePairTokenizer((entry / TOKENIZER).read_bytes())
    except (RecordError, OSError, ValueError, KeyError):
        return None
    return _open(entry, tokenizer) if tokenizer.spec.get("sha256") == digest else None


def _read_documents(config: CorpusConfig, progress: Progress, cache: Path) -> Documents:
    progress("reading the corpus", 0.0)
    return load_documents(config, progress, cache)


def _cache_key(config: CorpusConfig, tokenizer: Spec) -> str:
    parts = [_FORMAT, type(config).__name__, config.spec(), identity(config), tokenizer]
    return sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:24]


def _open(entry: Path, tokenizer: Tokenizer) -> TokenizedCorpus | None:
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
        if _BYTES in checksums and _TRAIN_BYTES not in meta:  # an entry from before it was written
            return None
        train, validation = (
            np.memmap(entry / f"{name}.bin", dtype=tokenizer.dtype, mode="r") for name in _SPLITS
        )
        counts = np.memmap(entry / _BYTES, dtype=np.uint32, mode="r") if _BYTES in checksums else None
        documents = np.memmap(entry / _DOCUMENTS, dtype=np.uint64, mode="r").reshape(-1, 2)
    except OSError as error:
        refuse_want(entry, error)
        return None
    except (ValueError, TypeError):
        return None
    return TokenizedCorpus(
        train, validation, tokenizer, meta, validation_bytes=counts, train_documents=documents
    )


def _checksums(folder: Path) -> dict[str, int]:
    """The CRC-32 of each file but the list of checksums itself."""
    checksums = {}
    for path in sorted(folder.iterdir()):
        if path.name != _CHECKSUMS:
            checksums[path.name] = zlib.crc32(np.memmap(path, dtype=np.uint8, mode="r").data)
    return checksums


def _build(
    config: CorpusConfig, documents: Documents, tokenizer: Tokenizer, entry: Path, progress: Progress
) -> TokenizedCorpus:
    try:
        with replacing_folder(entry) as folder:  # one that is there is damaged, or it would have been opened
            _write_files(config, documents, tokenizer, folder, progress)
    except OSError as error:
        raise unwritable(entry.parent, error) from error
    built = _open(entry, tokenizer)
    if built is None:
        raise UserError(f"{entry}: what was written cannot be read back; check the disk of the cache")
    keep_report(config, documents, entry.parent)  # for which the text would have to be read once more
    return built


def _write_files(
    config: CorpusConfig, documents: Documents, tokenizer: Tokenizer, folder: Path, progress: Progress
) -> None:
    counts: dict[str, int] = {}
    unspelled = 0
    for name in _SPLITS:
        report = patient(progress, f"encoding the {name} split")
        begins, counts[name], lost = _write_tokens(
            getattr(documents, name), tokenizer, folder / f"{name}.bin", report
        )
        unspelled += lost
        if name == "train":
            keys = np.array(documents.train_keys, dtype=np.uint64)
            np.stack([begins, keys], axis=1).tofile(folder / _DOCUMENTS)
    tokenizer.save(folder)
    meta: dict[str, Any] = {
        "corpus": config.spec(),
        "description": documents.description,
        "tokenizer": tokenizer.spec,
        "vocabulary": tokenizer.vocabulary,
        "fingerprint": documents.fingerprint,
        **{f"{name}_tokens": counts[name] for name in _SPLITS},
        **{f"{name}_documents": len(getattr(documents, name)) for name in _SPLITS},
        "dropped_duplicates": documents.dropped_duplicates,
    }
    if documents.stages:
        meta["stages"] = list(documents.stages)
    if unspelled:
        whole = sum(map(utf8_bytes, [*documents.train, *documents.validation]))
        meta["unspelled_share"] = unspelled / whole
    if (folder / _BYTES).exists():
        meta[_TRAIN_BYTES] = sum(map(utf8_bytes, documents.train))
    write_json(folder / _META, meta)
    write_json(folder / _CHECKSUMS, _checksums(folder))


def _write_tokens(
    documents: list[str], tokenizer: Tokenizer, path: Path, progress: Callable[[float], None]
) -> tuple[np.ndarray, int, int]:
    """Write the tokens of ``documents`` to ``path``.

    Returns where each document begins, ``(D,)``, the number of tokens, and the bytes that none spells.
    """
    by_text = tokenizer.byte_lengths() is None
    count = unspelled = 0
    begins = np.empty(len(documents), dtype=np.uint64)
    with ExitStack() as files:
        ids = files.enter_context(open(path, "wb"))
        sizes = None
        if by_text and path.name == "validation.bin":  # what losses are measured on
            sizes = files.enter_context(open(path.with_name(_BYTES), "wb"))
        for done, item in enumerate(tokenizer.encode_counted(documents), start=1):
            ids.write(item.ids.data)
            if sizes is not None:
                assert item.bytes is not None, "encode_counted gives them where ids do not say it"
                sizes.write(item.bytes.data)
            begins[done - 1] = count
            count += len(item.ids)
            unspelled += item.unspelled
            progress(done / len(documents))
    return begins, count, unspelled
