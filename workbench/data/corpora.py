"""Corpora by specification: which kinds there are, and from a specification to its documents.

The strings and mappings that a study file may give as ``data.corpus`` are listed by ``list_corpora``.
"""

from typing import Any

from workbench.data.sources.huggingface import HuggingFace
from workbench.data.sources.local_files import LocalFiles
from workbench.data.sources.source import KEY, LISTED, CorpusConfig
from workbench.data.sources.standard_library import StandardLibrary
from workbench.data.sources.tasks import Task
from workbench.data.split import Documents, distinct, fingerprint, split
from workbench.errors import UserError, suggestion
from workbench.user_values import read_as

# The key that tells a kind of corpus from the others.
_KINDS: dict[str, type[CorpusConfig]] = {
    "name": StandardLibrary,
    "path": LocalFiles,
    "huggingface": HuggingFace,
    "task": Task,
}
_NAMES = ["python-stdlib"]

_CATALOGUE = [
    ("python-stdlib", "the standard library's source code on this machine, about 11 MB", "python-stdlib"),
    ("text file", "one document, split by position", "{path: book.txt}"),
    ("text files", "each file is a document", "{path: folder, glob: '**/*.txt'}"),
    ("JSON lines", "each line is a document; .gz as well", "{path: rows.jsonl, field: text}"),
    ("Parquet", "each row is a document", "{path: rows.parquet, field: text}"),
    (
        "Hugging Face",
        "a dataset of the hub or a local folder (extra: datasets)",
        "{huggingface: roneneldan/TinyStories, split: train, field: text, max_bytes: 50_000_000}",
    ),
    ("copy", "generated: random words, then the same words again", "{task: copy, documents: 20_000}"),
    ("recall", "generated: keys and values, then the keys again", "{task: recall, documents: 20_000}"),
]


def list_corpora() -> list[dict[str, str]]:
    """Name, description and an example of each kind of corpus."""
    return [
        {"name": name, "description": description, "example": example}
        for name, description, example in _CATALOGUE
    ]


def corpus_config(spec: str | dict[str, Any] | CorpusConfig) -> CorpusConfig:
    """The config that ``spec`` means; raises ``UserError`` naming the key and the known ones."""
    if isinstance(spec, CorpusConfig):
        return spec
    if isinstance(spec, str):
        spec = {"name": spec}
    if not isinstance(spec, dict):
        raise UserError(f"{KEY}: expected a name or a mapping, got {spec!r}; e.g. {{path: folder}}")
    kinds = [key for key in _KINDS if key in spec]
    if len(kinds) != 1:
        raise UserError(_say_which(spec, kinds))
    if "name" in spec and spec["name"] not in _NAMES:
        raise UserError(
            f"{KEY}: unknown corpus {spec['name']!r}; {suggestion(spec['name'], _NAMES, LISTED)}; "
            "or give {path: ...}, {huggingface: ...} or {task: ...}"
        )
    return read_as(_KINDS[kinds[0]], spec, under=KEY)


def load_documents(config: CorpusConfig) -> Documents:
    """Read, drop copies, and split; raises ``UserError`` for a corpus without enough text."""
    source = config.open()
    documents, dropped = distinct(source.documents, config.max_bytes)
    if sum(map(len, documents)) < 2:
        raise UserError(f"{KEY}: {source.title} holds no text; choose another corpus, or a larger max_bytes")
    train, validation = split(documents, config.validation_fraction)
    return Documents(
        train=train,
        validation=validation,
        fingerprint=fingerprint(train, validation),
        description=_describe(config, source.title, documents),
        dropped_duplicates=dropped,
    )


def _describe(config: CorpusConfig, title: str, documents: list[str]) -> str:
    # It stands in the manifest, which is hashed, so that its numbers stay as they were written once.
    size = _megabytes(sum(len(text.encode("utf-8")) for text in documents))
    if len(documents) == 1:
        return (
            f"{title}, one document, {size}, split by position "
            f"(the last {config.validation_fraction:.0%} validates)"
        )
    return f"{title}, {len(documents):,} {config.unit}, {size}"


def _megabytes(size: int) -> str:
    return f"{size / 1e6:.1f} MB" if size >= 1e5 else f"{size / 1e3:.1f} kB"


def _say_which(spec: dict[str, Any], kinds: list[str]) -> str:
    if len(kinds) > 1:
        return f"{KEY}: the keys {' and '.join(kinds)} name different corpora; keep one of them"
    near = [suggestion(key, _KINDS, LISTED) for key in spec]
    closest = next((text for text in near if text.startswith("did")), f"Known: {', '.join(_KINDS)}")
    return f"{KEY}: no key says which corpus it is, got {', '.join(map(str, spec)) or 'none'}; {closest}"
