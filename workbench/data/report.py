"""What a corpus and its treatment give: documents and bytes, and what each rule kept and dropped.

It takes as long as reading and treating the text, so it is kept in the cache beside the tokens.
"""

import json
from hashlib import sha256
from pathlib import Path
from typing import Any

from workbench.data.cache import locked, unwritable
from workbench.data.corpora import identity
from workbench.data.documents import load_documents
from workbench.data.sources.source import CorpusConfig
from workbench.data.split import Documents, utf8_bytes
from workbench.errors import RecordError
from workbench.files import read_json, write_json
from workbench.progress import Progress

_FORMAT = 1  # raise it when the same options begin to give another report


def corpus_report(
    config: CorpusConfig, cache: Path, progress: Progress = lambda text, part: None
) -> dict[str, Any]:
    """The report, from ``cache`` or put into it.

    ``train`` and ``validation`` have ``documents`` and ``bytes``. ``stages`` are what was done to the
    training side, in turn: documents and bytes before and after, and by rule how many documents it dropped
    or changed and the bytes that went (of text that was added they are negative). ``examples`` are, of each
    stage, up to twenty documents that were kept, changed and dropped, each with its beginning.
    """
    entry = Path(cache) / f"{_key(config)}.report.json"
    if found := _open(entry):
        return found
    with locked(entry):
        # Another process may have made it while this one waited.
        if found := _open(entry):
            return found
        progress("reading the corpus", 0.0)
        report = _report(config, load_documents(config, progress))
        try:
            write_json(entry, {"report": report, "sha256": _checksum(report)})
        except OSError as error:
            raise unwritable(entry.parent, error) from error
    return report


def _report(config: CorpusConfig, documents: Documents) -> dict[str, Any]:
    sides = {"train": documents.train, "validation": documents.validation}
    return {
        "corpus": config.spec(),
        "description": documents.description,
        "fingerprint": documents.fingerprint,
        "dropped_duplicates": documents.dropped_duplicates,
        **{
            side: {"documents": len(texts), "bytes": sum(map(utf8_bytes, texts))}
            for side, texts in sides.items()
        },
        "stages": list(documents.stages),
        "examples": list(documents.examples),
    }


def _key(config: CorpusConfig) -> str:
    parts = [_FORMAT, type(config).__name__, config.spec(), identity(config)]
    return sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:24]


def _open(entry: Path) -> dict[str, Any] | None:
    """The entry, or None where it is missing or damaged."""
    try:
        values = read_json(entry)
        return values["report"] if values["sha256"] == _checksum(values["report"]) else None
    except (RecordError, KeyError, TypeError, ValueError):
        return None


def _checksum(report: dict[str, Any]) -> str:
    return sha256(json.dumps(report, sort_keys=True).encode()).hexdigest()
