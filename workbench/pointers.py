"""Files that stand for others: what Git LFS and git-annex leave where the content was not fetched."""

import os
from pathlib import Path

from workbench.errors import RecordError

POINTER_BYTES = 1024  # Git LFS's own limit: a larger file is no pointer
_LFS = (b"version https://git-lfs.github.com/spec/", b"version https://hawser.github.com/spec/")
_ANNEX = b"/annex/objects/"


def refuse_pointer(path: Path, content: bytes) -> None:
    """Raise ``RecordError`` with the remedy where ``content``, a file's or its beginning, is a pointer."""
    if content.startswith(_LFS):
        raise RecordError(f"{path}: is a Git LFS pointer, the content is not here; run: git lfs pull")
    if content.startswith(_ANNEX) and len(content) < POINTER_BYTES:
        raise RecordError(f"{path}: is a git-annex pointer, the content is not here; run: git annex get")


def refuse_pointer_file(path: Path) -> None:
    """The same for the file ``path``; a link into an annex that leads nowhere is one too."""
    if path.is_symlink() and not path.exists() and "annex/objects" in os.readlink(path):
        raise RecordError(f"{path}: is a git-annex link, the content is not here; run: git annex get")
    if path.is_file():
        with open(path, "rb") as file:
            refuse_pointer(path, file.read(POINTER_BYTES))
