"""The tokenizer and the text of a run, as whatever reads a trained model needs them.

A learned tokenizer is a thing that a study keeps, in a file named by its SHA-256 beside the manifest: learned
again from a text that has changed since, it would give ids that the model does not know.
"""

import json
from contextlib import suppress
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

from workbench.data.cache import cache_directory
from workbench.data.evaluation_text import KEY, EvaluationText, evaluation_text
from workbench.data.tokenized import TokenizedCorpus, prepare
from workbench.data.tokenizers import (
    TOKENIZER,
    BytePairTokenizer,
    FileTokenizer,
    Spec,
    Tokenizer,
    given_tokenizer,
    kept_name,
    learned,
    of_ids,
)
from workbench.errors import UserError
from workbench.files import write_atomically
from workbench.progress import Progress
from workbench.records.index import is_published, study_title
from workbench.records.run import RunDirectory, RunRecord


def keep_tokenizer(tokenizer: Tokenizer, study: Path) -> None:
    """Put the tokenizer's file into the study's directory, unless it lies there, whole."""
    if tokenizer.content is None or isinstance(tokenizer.spec, str):
        return
    path = study / kept_name(tokenizer.spec["sha256"])
    if not path.is_file() or path.read_bytes() != tokenizer.content:
        write_atomically(path, tokenizer.content.decode("utf-8"))


def kept_tokenizer(study: Path, spec: Spec) -> Tokenizer:
    """The tokenizer of ``spec``, which holds a SHA-256, from the study's directory.

    Raises ``UserError`` naming the file where it is missing or is not what it was.
    """
    if isinstance(spec, str) or of_ids(spec):
        return given_tokenizer(spec)
    path = study / kept_name(spec["sha256"])
    _require_whole(path, spec["sha256"])
    if learned(spec):
        return BytePairTokenizer(path.read_bytes())
    return FileTokenizer(path, spec)


def study_corpus(study: Path, data: dict[str, Any]) -> TokenizedCorpus:
    """The corpus of a run's ``config["data"]``, with the tokenizer that its study keeps.

    Kept in memory: a worker trains many runs of it. Raises ``UserError`` where it is another text now.
    """
    corpus = _prepared(study, json.dumps(data["corpus"]), json.dumps(data["tokenizer"]))
    if corpus.fingerprint != data["fingerprint"]:
        raise UserError("data.corpus: the text changed since the study began; run the study again")
    return corpus


@cache
def _prepared(study: Path, corpus: str, tokenizer: str) -> TokenizedCorpus:
    return prepare(json.loads(corpus), kept_tokenizer(study, json.loads(tokenizer)), cache_directory())


def open_tokenizer(directory: RunDirectory) -> Tokenizer:
    """The run's own tokenizer: the study's, or the one that came with an imported model.

    A learned one that is missing or damaged is remade where the run's corpus still gives the same. Raises
    ``UserError`` where there is none, and where its text is another one now.
    """
    study, record = directory.path.parent.parent, directory.read()
    spec = record.config["data"]["tokenizer"]
    if spec is None:
        raise UserError(
            f"run {record.run_id}: came without a tokenizer; import it again with --tokenizer {TOKENIZER}"
        )
    if isinstance(spec, str) or of_ids(spec):
        return given_tokenizer(spec)
    if learned(spec) and "sha256" not in spec:
        return _learn_again(directory, record)
    if learned(spec):
        return _kept_or_remade(study, record.config["data"])
    spec = spec | record.config["data"].get("special_tokens", {})
    if (study / kept_name(spec["sha256"])).exists():
        return kept_tokenizer(study, spec)
    # An imported model's lies beside its weights; that of an early record where the study file said.
    path = directory.path / TOKENIZER if spec["file"] == TOKENIZER else Path(spec["file"])
    _require_whole(path, spec["sha256"])
    return FileTokenizer(path, spec)


def open_corpus(
    directory: RunDirectory, corpus: Any | None = None, progress: Progress = lambda text, part: None
) -> TokenizedCorpus:
    """The run's corpus as it is now, or ``corpus``, in the run's own tokens."""
    record = directory.read()
    chosen = corpus or _from_where_it_ran(record, record.config["data"]["corpus"])
    return prepare(chosen, open_tokenizer(directory), cache_directory(), progress=progress)


def open_evaluation_text(
    record: RunRecord,
    entry: dict[str, Any],
    max_bytes: int | None = None,
    progress: Progress = lambda text, part: None,
) -> EvaluationText:
    """A text that the run is judged on, as it is now; ``entry`` is its own of ``config["data"]``.

    It has ``max_bytes`` at most, by default as many as when the run was trained.
    """
    source = _from_where_it_ran(record, entry["corpus"])
    key = f"{KEY}.{entry['name']}"
    return evaluation_text(source, max_bytes or entry["max_bytes"], cache_directory(), progress, key)


def _from_where_it_ran(record: RunRecord, spec: Any) -> Any:
    """A corpus of the run: a relative path that leads nowhere from here starts where the study was run."""
    place = record.provenance.get("directory")
    if isinstance(spec, dict) and "path" in spec and place and not Path(spec["path"]).exists():
        there = Path(place) / spec["path"]
        if there.exists():
            return spec | {"path": str(there)}
    return spec


def text_changed(record: RunRecord, text: TokenizedCorpus) -> bool:
    """Whether ``text``, the run's corpus as it is now, is another one than the run was trained on."""
    return record.config["data"].get("fingerprint") not in (None, text.fingerprint)


def remade_tokenizer(study: Path, data: dict[str, Any], error: UserError) -> Tokenizer:
    """The study's learned tokenizer, learned again from the corpus in ``data``, if it is the same one.

    Raises ``error``, which says what is wrong with the file, if it is not.
    """
    spec = data["tokenizer"]
    try:
        tokenizer = prepare(data["corpus"], {"bpe": spec["bpe"]}, cache_directory()).tokenizer
    except UserError as no_corpus:
        raise error from no_corpus
    if not learned(tokenizer.spec) or tokenizer.spec["sha256"] != spec["sha256"]:
        raise error
    return tokenizer


def _kept_or_remade(study: Path, data: dict[str, Any]) -> Tokenizer:
    try:
        return kept_tokenizer(study, data["tokenizer"])
    except UserError as error:
        tokenizer = remade_tokenizer(study, data, error)
    if not is_published(study):
        with suppress(OSError):  # results may be read-only; what was remade serves all the same
            keep_tokenizer(tokenizer, study)
    return tokenizer


def _learn_again(directory: RunDirectory, record: RunRecord) -> Tokenizer:
    """The tokenizer of a record from before they were kept: that of its text, as long as it is the same."""
    data = record.config["data"]
    run = f"run {record.run_id} of {study_title(directory.path.parent.parent)}"
    problem = f"{run}: its tokenizer was not kept, and was learned from {data['corpus']}"
    remedy = "put the text back as it was, or run the study again"
    try:
        corpus = prepare(data["corpus"], {"bpe": data["tokenizer"]["bpe"]}, cache_directory())
    except UserError as error:
        raise UserError(f"{problem}, which cannot be had ({error}); {remedy}") from error
    if corpus.fingerprint != data.get("fingerprint"):
        raise UserError(f"{problem}, whose text is another one now; {remedy}")
    return corpus.tokenizer


def _require_whole(path: Path, digest: str) -> None:
    if not path.is_file():
        problem = "is missing"
    elif sha256(path.read_bytes()).hexdigest() != digest:
        problem = f"is damaged (its SHA-256 is not {digest[:12]}…)"
    else:
        return
    raise UserError(
        f"data.tokenizer: {path} {problem}, and its runs cannot be read without it; put it back from a copy, "
        "or the text that it was learned from, or run the study anew under another name"
    )
