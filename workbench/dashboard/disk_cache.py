"""What was made of studies, kept from one server to the next and read again where nothing has changed since.

The words of the claims take seconds to work out, and milliseconds to read.
"""

import hashlib
import os
import pickle
import stat
import sys
import time
from collections.abc import Callable, Hashable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any, TypeVar

import workbench
from workbench.files import replacing

Value = TypeVar("Value")
FOLDER = "dashboard"  # of the cache
# What values are computed with, and what they are of: another version may give, or have, others.
_LIBRARIES = ("numpy", "pandas", "pyarrow", "scipy", "scikit-learn", "optuna", "torch", "pydantic")
_QUIET = 30.0  # seconds without a change, after which nobody is taken to write any more
_MONTH = 30 * 24 * 3600.0  # seconds
_DIGEST = hashlib.sha256().digest_size


@dataclass(frozen=True)
class FolderState:
    """What a folder holds: a digest of all names, times and sizes, and its latest change (s since 1970)."""

    digest: str
    changed: float

    @property
    def is_quiet(self) -> bool:
        """Whether nothing was written there for a while."""
        return time.time() - self.changed > _QUIET


class DiskCache:
    """Values in a folder, a file for each key; safe to delete at any time.

    A file is a pickle, and reading one runs what it says: it must belong to the user who runs the server, and
    nobody else may be able to write it. One that does not, that is damaged, or that was made of other files
    or by other code counts as absent.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def kept(
        self, key: Hashable, made_of: Hashable, folders: Iterable[FolderState], make: Callable[[], Value]
    ) -> Value:
        """The value for ``key``, by ``make`` where it is not there of the same ``made_of`` and ``folders``.

        ``key`` and ``made_of`` count by their ``repr``. While a folder is being written to, nothing is kept.
        """
        states = tuple(folders)
        path = self._folder / f"{_digest(key).hex()}.pickle"
        made = _digest((_code(), made_of, [state.digest for state in states]))
        content = _own_content(path)
        head, value = content[: 2 * _DIGEST], content[2 * _DIGEST :]
        if head == made + hashlib.sha256(value).digest():
            found: Value = pickle.loads(value)
            with suppress(OSError):  # it is asked for still, as ``tidy`` counts
                os.utime(path)
            return found
        new = make()
        if all(state.is_quiet for state in states):
            _write(path, made, pickle.dumps(new, pickle.HIGHEST_PROTOCOL))
        return new

    def tidy(self) -> None:
        """Delete what nobody asked for within a month: of studies that are gone, of other choices."""
        for path in self._folder.glob("*"):
            with suppress(OSError):  # gone meanwhile
                if time.time() - path.stat().st_mtime > _MONTH:
                    path.unlink()


def folder_state(folder: Path) -> FolderState:
    """What ``folder`` holds now, with all that is below it."""
    files = sorted(_files(os.fspath(folder), set()))
    latest = max((modified for _, modified, _ in files), default=0)
    return FolderState(_digest((os.path.abspath(folder), files)).hex(), latest / 1e9)


def _files(folder: str, seen: set[tuple[int, int]]) -> Iterator[tuple[str, int, int]]:
    """Path, modification time (ns) and size of every file; none of compiled ones, which are made by the way.

    Links are followed, but not to a folder that was ``seen`` before. One that cannot be read counts as empty.
    """
    entries: list[os.DirEntry[str]] = []
    with suppress(OSError), os.scandir(folder) as found:
        entries += found
    for entry in entries:
        try:
            status = entry.stat()
        except OSError:  # gone meanwhile, or a link that leads nowhere
            continue
        if not stat.S_ISDIR(status.st_mode):
            yield entry.path, status.st_mtime_ns, status.st_size
        elif entry.name != "__pycache__" and (place := (status.st_dev, status.st_ino)) not in seen:
            seen.add(place)
            yield from _files(entry.path, seen)


@cache
def _code() -> tuple[Any, ...]:
    """What values are made by."""
    package = Path(workbench.__file__).parent
    return sys.version, *map(version, _LIBRARIES), folder_state(package).digest


def _digest(value: Hashable) -> bytes:
    return hashlib.sha256(repr(value).encode()).digest()


def _own_content(path: Path) -> bytes:
    """What is in ``path``, if nobody but the user can have written it."""
    try:
        with path.open("rb") as file:
            status = os.fstat(file.fileno())
            others = status.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
            return b"" if others or status.st_uid != os.geteuid() else file.read()
    except OSError:
        return b""


def _write(path: Path, made: bytes, value: bytes) -> None:
    # Without room, or the right to write, the next server makes it again.
    with suppress(OSError), replacing(path) as temporary:
        temporary.touch(mode=0o600)
        temporary.write_bytes(made + hashlib.sha256(value).digest() + value)
