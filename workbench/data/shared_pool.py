"""The documents of a pool before any treatment: made once, and kept in the cache for all treatments of it.

To read a pool, to leave out what resembles its validation text and what is judged on takes longer than most
treatments, and is the same for all of them. A pool is one file: a line of facts, then each of its texts once,
a line each, then the SHA-256 of all before. It is written and read line by line, so that no second copy of
the text is held; a damaged one is made anew.
"""

import json
from collections.abc import Callable, Iterator
from dataclasses import fields
from hashlib import sha256
from pathlib import Path
from typing import Any

from workbench.data.cache import locked, refuse_want, unwritable
from workbench.data.corpora import identity
from workbench.data.sources.source import CorpusConfig
from workbench.data.split import Documents
from workbench.files import replacing
from workbench.progress import Progress, patient

_FORMAT = 1  # raise it when the same options begin to give other documents
_SIDES = ("train", "validation")
_TUPLES = ("stages", "examples", "sources")


def shared_pool(
    config: CorpusConfig, cache: Path, make: Callable[[], Documents], progress: Progress
) -> Documents:
    """The documents of ``config``, which has no treatment, from ``cache``, or made and put into it.

    Safe when several processes ask at once: one makes them, the others wait. Raises ``UserError`` for a cache
    that cannot be written.
    """
    entry = _entry(config, cache)
    report = patient(progress, "reading the pool from the cache")
    if found := _open(entry, report):
        return found
    with locked(entry):
        # Another process may have made it while this one waited.
        if found := _open(entry, report):
            return found
        made = make()
        try:
            with replacing(entry) as path:
                _write(made, path)
        except OSError as error:
            raise unwritable(entry.parent, error) from error
        return made


def _entry(config: CorpusConfig, cache: Path) -> Path:
    parts = [_FORMAT, type(config).__name__, config.spec(), identity(config)]
    key = sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:24]
    return Path(cache) / f"{key}.pool"


def _write(documents: Documents, path: Path) -> None:
    places: dict[str, int] = {}  # of each text; copies, and what a mixture repeats, stand there once
    sides = {
        side: [places.setdefault(text, len(places)) for text in getattr(documents, side)] for side in _SIDES
    }
    facts = {one.name: getattr(documents, one.name) for one in fields(documents) if one.name not in _SIDES}
    total = sha256()
    with open(path, "wb") as file:
        for value in ({"texts": len(places), "sides": sides, "facts": facts}, *places):
            line = json.dumps(value, ensure_ascii=False).encode() + b"\n"
            total.update(line)
            file.write(line)
        file.write(total.hexdigest().encode())


def _open(entry: Path, report: Callable[[float], None]) -> Documents | None:
    """The pool that lies at ``entry``; None where it is missing or damaged."""
    try:
        with open(entry, "rb") as file:
            lines = _checked(file)
            head = json.loads(next(lines))
            texts: list[str] = []
            for line in lines:
                texts.append(json.loads(line))
                report(len(texts) / head["texts"])
            return _documents(head, texts)
    except OSError as error:
        refuse_want(entry, error)
        return None
    except (ValueError, LookupError, TypeError, StopIteration):  # damaged, or of a later version
        return None


def _checked(file: Iterator[bytes]) -> Iterator[bytes]:
    """Each line but the last; raises ``ValueError`` where that is not the digest of all before it."""
    total = sha256()
    before: bytes | None = None
    for line in file:
        if before is not None:
            total.update(before)
            yield before
        before = line
    if before != total.hexdigest().encode():
        raise ValueError("the pool is damaged")


def _documents(head: dict[str, Any], texts: list[str]) -> Documents:
    values = head["facts"] | {name: tuple(head["facts"][name]) for name in _TUPLES}
    values |= {side: [texts[place] for place in head["sides"][side]] for side in _SIDES}
    return Documents(**values)
