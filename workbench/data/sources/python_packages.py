"""Text that every installation of the workbench has: the documentation and the source of packages it needs.

They are read from their files with ``ast``, and never imported. Where the pinned versions are installed
(``constraints.txt``) the text is the same on every machine.
"""

import ast
import warnings
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import Any, ClassVar, Literal

from pydantic import Field, field_validator

from workbench.data.sources.source import KEY, CorpusConfig, Example, Source
from workbench.errors import UserError
from workbench.number_types import Whole
from workbench.seeds import stable_hash

# Of the workbench's own dependencies those that are documented at length and are all Python.
_PACKAGES = ("numpy", "pandas", "scikit-learn", "scipy", "statsmodels")
_LEFT_OUT = {"tests", "test", "testing", "_testing", "__pycache__"}
_DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)


class _Packages(CorpusConfig):
    """What both kinds have in common: packages by name, whose files are read in an order of their names."""

    key: ClassVar[str] = "name"

    near_copies: Literal["keep", "drop"] = Field(
        "drop",
        description=CorpusConfig.model_fields["near_copies"].description,
    )
    packages: list[str] = Field(
        list(_PACKAGES),
        min_length=1,
        description="Which installed packages are read, by the names that pip knows; not their tests.",
        examples=[["numpy", "scipy"]],
    )

    @field_validator("packages")
    @classmethod
    def _stands_once(cls, value: list[str]) -> list[str]:
        for name in value:
            if not name.strip() or value.count(name) > 1:
                raise ValueError(f"{name!r} is no name, or stands twice; name each package once")
        return value

    def identity(self) -> Any:
        """Versions of the packages, and names, sizes and times of their files."""
        return [
            (package, _distribution(package).version, _states(_files(package))) for package in self.packages
        ]

    def _versions(self) -> str:
        return ", ".join(f"{package} {_distribution(package).version}" for package in self.packages)

    def _named_files(self) -> Iterator[tuple[str, Path]]:
        """Name and path of each file, in an order drawn from the names: any prefix is a fair sample."""
        named = [(f"{package}/{name}", path) for package in self.packages for name, path in _files(package)]
        return iter(sorted(named, key=lambda item: (stable_hash("file", item[0]), item[0])))


class PythonDocstrings(_Packages):
    """The docstrings of installed packages, one document each: technical English prose, with examples."""

    examples: ClassVar[tuple[Example, ...]] = (
        Example(
            "python-docstrings",
            "documentation of numpy, pandas, scikit-learn, scipy and statsmodels, about 16 MB of English",
            "python-docstrings",
        ),
    )
    unit: ClassVar[str] = "docstrings"
    name: Literal["python-docstrings"] = Field(
        "python-docstrings",
        description="The documentation of packages that are installed with the workbench, about 16 MB of "
        "technical English: nothing to download. Many pieces of it resemble each other.",
    )
    shortest: Whole = Field(200, gt=0, description="Characters of the shortest docstring that is a document.")

    def open(self) -> Source:
        """Open the packages; raises ``UserError`` for one that is not installed."""
        self.identity()
        return Source(f"docstrings of {self._versions()}", self._docstrings())

    def _docstrings(self) -> Iterator[str]:
        # By a hash of its place, so that any prefix is a fair sample; the documents themselves are few bytes.
        found: list[tuple[int, str]] = []
        for name, path in self._named_files():
            for place, docstring in enumerate(_docstrings_of(path)):
                if len(docstring) >= self.shortest:
                    found.append((stable_hash("docstring", name, place), docstring))
        return (docstring for _, docstring in sorted(found))


class PythonPackages(_Packages):
    """The source code of installed packages: every UTF-8 ``.py`` file but their tests."""

    examples: ClassVar[tuple[Example, ...]] = (
        Example(
            "python-packages",
            "source code of numpy, pandas, scikit-learn, scipy and statsmodels, about 42 MB",
            "{name: python-packages, max_bytes: 10_000_000}",
        ),
    )
    unit: ClassVar[str] = "files"
    name: Literal["python-packages"] = Field(
        "python-packages",
        description="The source code of packages that are installed with the workbench, about 42 MB: "
        "nothing to download.",
    )

    def open(self) -> Source:
        """Open the packages; raises ``UserError`` for one that is not installed."""
        self.identity()
        return Source(f"source of {self._versions()}", self._sources())

    def _sources(self) -> Iterator[str]:
        for _, path in self._named_files():
            text = _text(path)
            if text is not None:
                yield text


def _distribution(package: str) -> metadata.Distribution:
    try:
        return metadata.distribution(package)
    except metadata.PackageNotFoundError:
        raise UserError(
            f"{KEY}.packages: {package!r} is not installed here; run: pip install {package}, or leave it out"
        ) from None


def _files(package: str) -> list[tuple[str, Path]]:
    """Name and path of the package's Python files; raises ``UserError`` where there are none."""
    files = [
        (file.as_posix(), Path(str(file.locate())))
        for file in _distribution(package).files or []
        if file.suffix == ".py" and ".." not in file.parts and not _LEFT_OUT.intersection(file.parts)
    ]
    found = [(name, path) for name, path in files if path.is_file()]
    if not found:
        raise UserError(
            f"{KEY}.packages: the installed {package!r} has no Python files that can be read; leave it out"
        )
    return found


def _states(files: list[tuple[str, Path]]) -> list[tuple[str, int, int]]:
    stats = [(name, path.stat()) for name, path in files]
    return [(name, stat.st_size, stat.st_mtime_ns) for name, stat in stats]


def _text(path: Path) -> str | None:
    """The file's text; None of one in another encoding, which is not text to learn from."""
    try:
        return path.read_bytes().decode("utf-8")
    except UnicodeDecodeError:
        return None
    except OSError as error:
        raise UserError(
            f"{KEY}.packages: {path} cannot be read ({error.strerror}); install its package again"
        ) from None


def _docstrings_of(path: Path) -> Iterator[str]:
    """Every docstring of a file in the order of its tree; none where that is no Python of this version."""
    text = _text(path)
    if text is None:
        return
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of backslashes in others' text
            tree = ast.parse(text)
    except (SyntaxError, ValueError):
        return
    for node in ast.walk(tree):
        if isinstance(node, _DOCUMENTED):
            docstring = ast.get_docstring(node)
            if docstring:
                yield docstring
