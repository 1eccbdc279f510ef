"""A text file, a folder of them, or the rows of JSON lines and Parquet files."""

import gzip
import json
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, ClassVar

import pyarrow
import pyarrow.parquet
from pydantic import Field

from workbench.data.source import KEY, LISTED, CorpusConfig, Source
from workbench.errors import UserError, suggestion
from workbench.seeds import stable_hash

_JSON_LINES = (".jsonl", ".ndjson", ".jsonl.gz", ".ndjson.gz")
_PARQUET = (".parquet",)
_NOT_PROSE = (".json", ".csv", ".tsv")


class LocalFiles(CorpusConfig):
    """One file or a folder: a text file is one document, a row of JSON lines or Parquet is one document."""

    unit: ClassVar[str] = "documents"
    path: str = Field(min_length=1, description="a file, or a folder searched with 'glob'")
    glob: str = Field("**/*.txt", description="which files of a folder are read")
    field: str = Field("text", description="the key or column that holds a row's text")

    def open(self) -> Source:
        """Open the files; raises ``UserError`` naming what is missing."""
        self._files()
        shown = f"{self.path} ({self.glob})" if Path(self.path).expanduser().is_dir() else self.path
        return Source(shown, self._documents())

    def identity(self) -> Any:
        """Names, sizes and times of the files."""
        stats = [(name, path.resolve(), path.stat()) for name, path in self._files()]
        return [(name, str(path), stat.st_size, stat.st_mtime_ns) for name, path, stat in stats]

    def _documents(self) -> Iterator[str]:
        for _, path in self._files():
            yield from self._read(path)

    def _read(self, path: Path) -> Iterable[str]:
        if path.name.endswith(_JSON_LINES):
            return _json_lines(path, self.field)
        if path.name.endswith(_PARQUET):
            return _parquet(path, self.field)
        if path.name.endswith(_NOT_PROSE):
            raise UserError(
                f"{KEY}.path: {path} is a table, not text; convert it to JSON lines or Parquet, or load it "
                f"with {{huggingface: {path.suffix[1:]}, data_files: ...}}"
            )
        return [_text(path)]

    def _files(self) -> list[tuple[str, Path]]:
        """Name and path of each file, in an order drawn from the names: any prefix is a fair sample."""
        root = Path(self.path).expanduser()
        if root.is_file():
            return [(root.name, root)]
        if not root.is_dir():
            raise UserError(f"{KEY}.path: no file or folder {str(root)!r}{_near(root)}")
        named = [(path.relative_to(root).as_posix(), path) for path in self._matches(root)]
        return sorted(named, key=lambda item: (stable_hash("file", item[0]), item[0]))

    def _matches(self, root: Path) -> list[Path]:
        try:
            files = [path for path in root.glob(self.glob) if path.is_file()]
        except (ValueError, NotImplementedError) as error:
            raise UserError(
                f"{KEY}.glob: {self.glob!r} is no pattern inside a folder ({error}); try '**/*.txt'"
            ) from None
        if not files:
            raise UserError(
                f"{KEY}.glob: no file matches {self.glob!r} under {str(root)!r}; it holds {_endings(root)}"
            )
        return files


def require_text(value: Any, field: str, place: str) -> str:
    """A row's text; an empty cell is no text. Raises ``UserError`` naming the row for anything else."""
    if value is None:
        return ""
    if not isinstance(value, str):
        raise UserError(
            f"{KEY}.field: {field!r} of {place} holds {type(value).__name__}, not text; name a text field"
        )
    return value


def require_field(field: str, known: Iterable[str], place: str) -> None:
    """Raise ``UserError`` naming the known fields unless ``field`` is one of them."""
    known = list(known)
    if field not in known:
        raise UserError(f"{KEY}.field: {place} has no field {field!r}; {suggestion(field, known, LISTED)}")


def _text(path: Path) -> str:
    try:
        return path.read_bytes().decode("utf-8")
    except UnicodeDecodeError as error:
        raise UserError(
            f"{KEY}.path: {path} is not UTF-8 text (byte {error.start}); "
            "convert it, or leave it out with 'glob'"
        ) from None
    except OSError as error:
        raise UserError(
            f"{KEY}.path: {path} cannot be read ({error.strerror}); check its permissions"
        ) from None


def _json_lines(path: Path, field: str) -> Iterator[str]:
    opener = gzip.open if path.suffix == ".gz" else open
    try:
        with opener(path, "rt", encoding="utf-8-sig") as lines:
            for number, line in enumerate(lines, start=1):
                if line.strip():
                    yield _row(line, field, f"{path}, line {number}")
    except (UnicodeDecodeError, gzip.BadGzipFile, EOFError, OSError) as error:
        raise UserError(
            f"{KEY}.path: {path} cannot be read as JSON lines ({error}); check the file"
        ) from None


def _row(line: str, field: str, place: str) -> str:
    try:
        row = json.loads(line)
    except json.JSONDecodeError as error:
        raise UserError(f"{KEY}.path: {place} is not JSON ({error.msg}); mend or remove the line") from None
    if not isinstance(row, dict):
        raise UserError(f"{KEY}.path: {place} is not a JSON object; each line is one, {{{field!r}: ...}}")
    require_field(field, row, place)
    return require_text(row[field], field, place)


def _parquet(path: Path, field: str) -> Iterator[str]:
    try:
        table = pyarrow.parquet.ParquetFile(path)
    except (pyarrow.ArrowException, OSError) as error:
        raise UserError(f"{KEY}.path: {path} cannot be read as Parquet ({error}); check the file") from None
    with table:
        require_field(field, table.schema_arrow.names, str(path))
        for batch in table.iter_batches(columns=[field]):
            for value in batch.column(0).to_pylist():
                yield require_text(value, field, str(path))


def _near(root: Path) -> str:
    """What lies beside a path that is not there."""
    if not root.parent.is_dir():
        return f" (the folder {str(root.parent)!r} is missing too); paths start at {str(Path.cwd())!r}"
    beside = sorted(path.name for path in root.parent.iterdir() if not path.name.startswith("."))
    return f"; {suggestion(root.name, beside, LISTED)}"


def _endings(root: Path) -> str:
    found = Counter(path.suffix or "no ending" for path in root.rglob("*") if path.is_file())
    return ", ".join(f"{count} of {ending}" for ending, count in found.most_common(6)) or "no files"
