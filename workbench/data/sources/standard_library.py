"""The source code of the running Python's standard library: a real corpus that every machine already has.

About 11 MB for Python 3.11. Left out are packages that some distributions do not install (the tests),
files that are generated (``pydoc_data``), and files that describe one build of Python (``_sysconfigdata``),
so that two complete installations of the same version give the same corpus.

Still there are some seventy tables of character codecs (``encodings/``) that a program wrote: an eighth of
the text of Python 3.11, nearly the same from table to table, on both sides of the split. ``generated_files:
drop`` leaves them out; studies from before that option keep them.
"""

import os
import platform
import sysconfig
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar, Literal

from pydantic import Field

from workbench.data.generated_files import says_generated
from workbench.data.sources.source import KEY, CorpusConfig, Example, Source
from workbench.errors import UserError
from workbench.seeds import stable_hash

_LEFT_OUT = {"site-packages", "dist-packages", "__pycache__", "test", "tests", "idle_test", "pydoc_data"}
_OF_ONE_BUILD = ("config-", "_sysconfigdata")


class StandardLibrary(CorpusConfig):
    """Every UTF-8 ``.py`` file of the standard library, without tests and installed packages."""

    key: ClassVar[str] = "name"
    examples: ClassVar[tuple[Example, ...]] = (
        Example(
            "python-stdlib",
            "the standard library's source code on this machine, about 11 MB",
            "python-stdlib",
        ),
    )
    unit: ClassVar[str] = "files"
    later: ClassVar[frozenset[str]] = CorpusConfig.later | {"generated_files"}
    name: Literal["python-stdlib"] = Field(
        "python-stdlib",
        description="The source code of Python's standard library on this machine, about 11 MB: nothing to "
        "download. The name alone means the same as {name: python-stdlib}.",
    )
    generated_files: Literal["keep", "drop", "only"] = Field(
        "keep",
        description='What becomes of files that a program wrote, whose first five lines say "generated": '
        "some seventy tables of character codecs that resemble each other, an eighth of the text, on both "
        "sides of the split. drop: without them, which is sounder; keep: as studies from before this option "
        "have it; only: nothing else.",
    )

    def open(self) -> Source:
        """Open the library; raises ``UserError`` where Python was installed without its source."""
        files = _files()
        if not files:
            raise UserError(
                f"{KEY}: no Python source under {_root()}; give a corpus of your own: {{path: folder}}"
            )
        return Source(self._title(), self._chosen(files))

    def identity(self) -> Any:
        """Python's version, and names, sizes and times of the files."""
        stats = [(name, path.stat()) for name, path in _files()]
        return platform.python_version(), [(name, stat.st_size, stat.st_mtime_ns) for name, stat in stats]

    def _title(self) -> str:
        title = f"Python {platform.python_version()} standard library"
        which = {"keep": "", "drop": " without generated files", "only": ", generated files"}
        return title + which[self.generated_files]

    def _chosen(self, files: list[tuple[str, Path]]) -> Iterator[str]:
        for text in _read(files):
            if self.generated_files == "keep" or says_generated(text) == (self.generated_files == "only"):
                yield text


def _root() -> Path:
    return Path(sysconfig.get_path("stdlib"))


def _files() -> list[tuple[str, Path]]:
    """Name and path of each file, in an order drawn from the names: any prefix is a fair sample."""
    root = _root()
    files = []
    for folder, inner, names in os.walk(root):
        inner[:] = [name for name in inner if name not in _LEFT_OUT and not name.startswith(_OF_ONE_BUILD)]
        paths = [Path(folder) / name for name in names if name.endswith(".py")]
        files += [path for path in paths if not path.name.startswith(_OF_ONE_BUILD)]
    named = [(path.relative_to(root).as_posix(), path) for path in files]
    return sorted(named, key=lambda item: (stable_hash("file", item[0]), item[0]))


def _read(files: list[tuple[str, Path]]) -> Iterator[str]:
    for _, path in files:
        try:
            yield path.read_bytes().decode("utf-8")
        except UnicodeDecodeError:
            continue  # a few modules declare another encoding to test it; they are not text to learn from
