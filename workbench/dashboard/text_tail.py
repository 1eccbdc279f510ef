"""The end of a text file that somebody may still be writing."""

import os
from pathlib import Path

_BYTES = 64 * 1024  # read of a file, from its end


def text_tail(path: Path, lines: int) -> str:
    """The last lines of the file at ``path``; empty where there is none."""
    try:
        with open(path, "rb") as file:
            file.seek(0, os.SEEK_END)
            file.seek(max(0, file.tell() - _BYTES))
            text = file.read().decode("utf-8", errors="replace")
    except OSError:
        return ""
    return "\n".join(text.splitlines()[-lines:])
