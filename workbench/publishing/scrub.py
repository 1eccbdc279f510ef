"""Taking the names of a machine out of what is published: its paths, its host and its user."""

import os
import platform
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from workbench.study.kept_reports import REPORTS, decompressed

# An absolute path of two parts or more, or one below a home; not the path of an address on the web.
_PATH = re.compile(r"(?<![\w/:.)\]~])(?:~|/[^\s/'\"`<>|,;:()\[\]{}=]+)(?:/[^\s/'\"`<>|,;:()\[\]{}=]+)+/?")
_HOME = re.compile(r"(?<![\w.])/(?:home|Users)/[^\s/'\"`,;:()]+|/root\b")


class Scrubber:
    """Shortens paths to what says nothing of the machine, in any text; and more in the text of errors.

    Below the present directory a path becomes relative to it; of any other the last part stays. Errors are
    free text, and may also name the machine (``hosts`` beside this one) or its user.
    """

    def __init__(self, hosts: Iterable[str] = ()) -> None:
        self._places = dict.fromkeys(_both(Path.home()), "~") | dict.fromkeys(_both(Path.cwd()), ".")
        self._place = _any_of(self._places)
        node = platform.node()
        users = (Path.home().name, os.environ.get("USER"), os.environ.get("LOGNAME"))
        names = [name for host in (*hosts, node) for name in (host, host.partition(".")[0])]
        self._names = _any_of(name for name in (*names, *users) if name)

    def left_in(self, content: bytes) -> str | None:
        """A directory of this machine that ``content`` names all the same."""
        found = self._place.search(content.decode("utf-8", "replace"))
        return found[0] if found else None

    def text(self, text: str) -> str:
        """``text`` without absolute paths."""
        text = _HOME.sub("~", self._place.sub(lambda found: self._places[found[0]], text))
        return _PATH.sub(lambda found: found[0].rstrip("/").rpartition("/")[2], text)

    def error(self, text: str) -> str:
        """``text`` without absolute paths, hosts and users."""
        return self._names.sub("…", self.text(text))

    def value(self, value: Any, key: str = "") -> Any:
        """A copy of what JSON or YAML held, all texts in it scrubbed; those called ``error`` as errors."""
        if isinstance(value, dict):
            return {name: self.value(item, name) for name, item in value.items()}
        if isinstance(value, list):
            return [self.value(item, key) for item in value]
        if isinstance(value, str):
            return self.error(value) if key == "error" else self.text(value)
        return value


def legible(path: Path) -> bytes:
    """What a file says: its bytes, and where these hold it compressed its texts."""
    content = path.read_bytes()
    if path.name == REPORTS:
        return decompressed(content)
    if path.suffix != ".parquet":
        return content
    with pq.ParquetFile(path) as file:
        table = file.read()
    numbers = (pa.types.is_integer, pa.types.is_floating)
    columns = [column for column in table.columns if not any(is_kind(column.type) for is_kind in numbers)]
    values = [value for column in columns for value in column.unique().to_pylist()]
    return b"\n".join([content, *(str(text).encode() for text in (*table.column_names, *values))])


def _any_of(texts: Iterable[str]) -> re.Pattern[str]:
    """Finds each of ``texts`` where it stands alone, the longest first; nothing where there are none."""
    longest_first = sorted(texts, key=len, reverse=True)
    return re.compile("|".join(rf"(?<!\w){re.escape(text)}(?!\w)" for text in longest_first) or r"(?!)")


def _both(place: Path) -> list[str]:
    """The directory as it is called and as it is, unless it is the root, which is in every path."""
    return [str(path) for path in (place, place.resolve()) if path != Path("/")]
