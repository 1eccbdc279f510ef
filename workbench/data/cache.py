"""Where tokenised corpora and evaluation texts are kept, and how their entries are written."""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock

from workbench.errors import UserError


def cache_directory() -> Path:
    """``$WORKBENCH_CACHE``, else the user's cache directory; safe to delete at any time."""
    if chosen := os.environ.get("WORKBENCH_CACHE"):
        return Path(chosen)
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "ablation-workbench"


@contextmanager
def locked(entry: Path) -> Iterator[None]:
    """Have other processes wait while an entry is built; ``UserError`` where the cache cannot be written."""
    lock = FileLock(f"{entry}.lock")
    try:
        entry.parent.mkdir(parents=True, exist_ok=True)
        lock.acquire()
    except OSError as error:
        raise unwritable(entry.parent, error) from error
    try:
        yield
    finally:
        lock.release()


def unwritable(cache: Path, error: OSError) -> UserError:
    """What to tell the user of a cache that cannot be written."""
    refuse_want(cache, error)
    return UserError(
        f"{cache}: the cache cannot be written ({error.strerror or error}); "
        "point WORKBENCH_CACHE at a folder with room"
    )


def refuse_want(entry: Path, error: OSError) -> None:
    """Raise what is the machine's fault and says nothing of the entry."""
    if error.errno == errno.ENOMEM:
        raise MemoryError(f"{entry}: no memory is left to map the tokens of the corpus") from error
    if error.errno in (errno.EMFILE, errno.ENFILE):
        raise error
