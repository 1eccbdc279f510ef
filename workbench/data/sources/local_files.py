"""A text file, a folder of them, or the rows of JSON lines and Parquet files."""

import errno
import gzip
import json
import re
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, ClassVar, Literal

import pyarrow
import pyarrow.parquet
from pydantic import Field, model_validator

from workbench.data.sources.source import KEY, LISTED, CorpusConfig, Example, Source
from workbench.errors import UserError, in_one_line, printable, suggestion
from workbench.pointers import refuse_pointer_file
from workbench.seeds import stable_hash

# Endings in small letters: ROWS.JSONL holds rows as well.
_ROWS = ("jsonl", "jsonlines", "ndjson", "ldjson", "jl")
_MOST_LOOKED_AT = 1_000_000
_LOOKED_AT = 3  # lines of a text, to tell rows with another ending from it
_JSON_LINES = tuple(f".{name}{packed}" for name in _ROWS for packed in ("", ".gz"))
_PARQUET = (".parquet", ".pq")
_NOT_PROSE = (".json", ".csv", ".tsv")
_GZIP_MAGIC = b"\x1f\x8b"
# How files begin that are no text, and what to do with them: said where one cannot be read as text.
_BINARY = {
    _GZIP_MAGIC: "is compressed with gzip; unpack it first (gunzip)",
    b"BZh": "is compressed with bzip2; unpack it first (bunzip2)",
    b"\xfd7zXZ\x00": "is compressed with xz; unpack it first (unxz)",
    b"\x28\xb5\x2f\xfd": "is compressed with zstd; unpack it first (unzstd)",
    b"PK\x03\x04": "is a zip archive; unpack it and give the folder",
    b"7z\xbc\xaf": "is a 7z archive; unpack it and give the folder",
    b"%PDF": "is a PDF; extract its text first",
    b"PAR1": "is a Parquet file; name it with the ending .parquet",
    b"\xff\xfe": "is UTF-16 text; save it as UTF-8",
    b"\xfe\xff": "is UTF-16 text; save it as UTF-8",
    b"\xff\xfe\0\0": "is UTF-32 text; save it as UTF-8",
    b"\0\0\xfe\xff": "is UTF-32 text; save it as UTF-8",
}
_TAR_MAGIC = slice(257, 262)
_PACKING_FAULTS = (gzip.BadGzipFile, zlib.error, EOFError)
_BEGINNING = 512  # bytes that tell what a file is
_PIECE = 2**20  # bytes unpacked at once
_BLANK_LINES = re.compile(r"\n(?:[^\S\n]*\n)+")  # \r among the white space of such a line
_MOST_DIGITS = 4_000  # Python makes no whole number of more than 4,300


class LocalFiles(CorpusConfig):
    """One file or a folder: a text file is one document or several, a row of JSON lines or Parquet is one."""

    key: ClassVar[str] = "path"
    later: ClassVar[frozenset[str]] = CorpusConfig.later | {"documents"}
    examples: ClassVar[tuple[Example, ...]] = (
        Example("text file", "one document, split by position", "{path: book.txt}"),
        Example("text file of several", "what blank lines part", "{path: book.txt, documents: blank_lines}"),
        Example("text files", "each file is a document", "{path: folder, glob: '**/*.txt'}"),
        Example("JSON lines", "each line is a document; .gz as well", "{path: rows.jsonl, field: text}"),
        Example("Parquet", "each row is a document", "{path: rows.parquet, field: text}"),
    )
    path: str = Field(
        min_length=1,
        description="A text file, a folder of them, or a file of JSON lines or Parquet. A text file is one "
        "document, a row of the others one each.",
        examples=["my_texts/"],
    )
    glob: str = Field(
        "**/*.txt",
        description="Which files of a folder are read, as a pattern; ** stands for any folders in between.",
    )
    field: str = Field(
        "text",
        description="The key of a JSON line, or the column of a Parquet file, that holds a document's text.",
    )
    documents: Literal["file", "blank_lines", "lines"] = Field(
        "file",
        description="What a document is in a text file: the file, what stands between blank lines, or each "
        "line. It decides what the split and treatments see; rows of other files are documents always.",
    )
    separator: str | None = Field(
        None,
        min_length=1,
        description="The text that stands between two documents of a text file. Left out: what documents "
        "says.",
        examples=["<|endoftext|>"],
    )

    @model_validator(mode="after")
    def _says_one_thing(self) -> "LocalFiles":
        if self.separator is not None and self.documents != "file":
            raise ValueError(
                f"separator: it says where documents end, and so does documents: {self.documents}; remove one"
            )
        return self

    def open(self) -> Source:
        """Open the files; raises ``UserError`` naming what is missing."""
        self._files()
        shown = f"{self.path} ({self.glob})" if self._root().is_dir() else self.path
        return Source(shown, self._documents())

    def identity(self) -> Any:
        """Names, sizes and times of the files."""
        return [_state(name, path) for name, path in self._files()]

    def _documents(self) -> Iterator[str]:
        for _, path in self._files():
            yield from self._read(path)

    def _read(self, path: Path) -> Iterable[str]:
        _refuse_pointer(path)
        ending = path.name.lower()
        if ending.endswith(_JSON_LINES):
            return _json_lines(path, self.field)
        if ending.endswith(_PARQUET):
            return _parquet(path, self.field)
        if ending.endswith(_NOT_PROSE):
            raise UserError(
                f"{KEY}.path: {path} is a table, not text; convert it to JSON lines or Parquet, or load it "
                f"with {{huggingface: {path.suffix[1:].lower()}, data_files: ...}}"
            )
        return self._cut(_text(path))

    def _cut(self, text: str) -> Iterable[str]:
        """The documents of a text file; empty ones are dropped later, as they are everywhere."""
        if self.separator is not None:
            return text.split(self.separator)
        if self.documents == "lines":
            return text.splitlines()
        if self.documents == "blank_lines":
            return _BLANK_LINES.split(text)
        return [text]

    def _root(self) -> Path:
        try:
            return Path(self.path).expanduser()
        except RuntimeError:
            raise UserError(
                f"{KEY}.path: {self.path!r}: there is no such user here; write the path out"
            ) from None

    def _files(self) -> list[tuple[str, Path]]:
        """Name and path of each file, in an order drawn from the names: any prefix is a fair sample."""
        root = self._root()
        try:
            if root.is_file():
                return [(root.name, root)]
            is_folder = root.is_dir()
        except (OSError, ValueError) as error:  # a name that is too long, or has a NUL in it
            raise UserError(
                f"{KEY}.path: {self.path[:60]!r} cannot be a path ({error.__class__.__name__}: "
                f"{getattr(error, 'strerror', None) or error}); give another"
            ) from None
        if not is_folder:
            _refuse_pointer(root)
            _refuse_dead_link(root)
            if root.exists():
                raise UserError(f"{KEY}.path: {str(root)!r} is no regular file; give a text file or a folder")
            raise UserError(f"{KEY}.path: no file or folder {str(root)!r}{_near(root)}")
        named = [(path.relative_to(root).as_posix(), path) for path in self._matches(root)]
        # A name need not be UTF-8, and is read all the same: what it is drawn from must be.
        return sorted(named, key=lambda item: (stable_hash("file", printable(item[0])), item[0]))

    def _matches(self, root: Path) -> list[Path]:
        try:
            found = list(root.glob(self.glob))
        except (ValueError, NotImplementedError) as error:
            raise UserError(
                f"{KEY}.glob: {self.glob!r} is no pattern inside a folder ({error}); try '**/*.txt'"
            ) from None
        files = [path for path in found if path.is_file()]
        for path in found:
            if not path.name.startswith("."):  # editors lock a file by a hidden link that leads nowhere
                _refuse_dead_link(path)
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


def _refuse_pointer(path: Path) -> None:
    try:
        refuse_pointer_file(path)
    except OSError as error:
        raise _unreadable(path, error) from None
    except UserError as error:
        raise UserError(f"{KEY}.path: {error}") from None


def _refuse_dead_link(path: Path) -> None:
    """Raise ``UserError`` for a link whose text is not here: a corpus must not lack it in silence."""
    if path.is_symlink() and not path.exists():
        _refuse_pointer(path)
        raise UserError(
            f"{KEY}.path: {path} is a link that leads nowhere; mend or remove it, or leave it out with 'glob'"
        )


def _state(name: str, path: Path) -> tuple[str, str, int, int]:
    """What tells whether the file is still the same."""
    try:
        stat = path.stat()
    except OSError as error:
        raise _unreadable(path, error) from None
    return name, str(path.resolve()), stat.st_size, stat.st_mtime_ns


def _unreadable(path: Path, error: OSError) -> UserError:
    remedies: dict[int | None, str] = {
        errno.EACCES: "check its permissions",
        errno.EPERM: "check its permissions",
        errno.ENOENT: "it was there a moment ago: put it back, or give the command again",
    }
    remedy = remedies.get(error.errno, "check it, or leave it out with 'glob'")
    return UserError(f"{KEY}.path: {path} cannot be read ({error.strerror or in_one_line(error)}); {remedy}")


def _text(path: Path) -> str:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise _unreadable(path, error) from None
    if b"\0" in content:
        raise _no_text(path, content, f"is binary, not text (byte {content.index(0)} is 0)")
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise _no_text(path, content, f"is not UTF-8 text (byte {error.start})") from None
    if _looks_like_rows(text):
        raise UserError(
            f"{KEY}.path: {path} looks like JSON lines, an object in each; name it .jsonl to have its rows "
            f"read, or leave it out with 'glob'"
        )
    return text


def _looks_like_rows(text: str) -> bool:
    """Whether the first lines are JSON objects, two at least: JSON syntax is not what a model shall learn."""
    lines = [line for line in text[:_MOST_LOOKED_AT].splitlines() if line.strip()][: _LOOKED_AT + 1]
    if len(lines) > _LOOKED_AT or len(text) > _MOST_LOOKED_AT:
        lines = lines[:_LOOKED_AT]  # the last one may be cut
    try:
        return len(lines) > 1 and all(isinstance(json.loads(line), dict) for line in lines)
    except (ValueError, RecursionError):
        return False


def _no_text(path: Path, content: bytes, what: str) -> UserError:
    problem = f"{what}; convert it, or leave it out with 'glob'"
    for beginning, known in _BINARY.items():
        if content.startswith(beginning):
            problem = known
    if content[_TAR_MAGIC] == b"ustar":
        problem = "is a tar archive; unpack it and give the folder"
    return UserError(f"{KEY}.path: {path} {problem}")


def _json_lines(path: Path, field: str) -> Iterator[str]:
    packed = path.name.lower().endswith(".gz")
    opener = gzip.open if packed else open
    number = 0
    try:
        with opener(path, "rt", encoding="utf-8-sig") as lines:
            for number, line in enumerate(lines, start=1):
                if line.strip():
                    yield _row(line, field, f"{path}, line {number}")
    except UnicodeDecodeError:
        _refuse_damaged_packing(path, packed)
        beginning, number = _undecodable(path, opener)
        raise _no_text(path, beginning, f"is not UTF-8 text (line {number})") from None
    except UserError:
        _refuse_damaged_packing(path, packed)  # damage makes other text, which no line of it explains
        raise
    except _PACKING_FAULTS as error:
        raise _damaged_packing(path, error, number) from None
    except OSError as error:
        raise _unreadable(path, error) from None


def _undecodable(path: Path, opener: Any) -> tuple[bytes, int]:
    """How the file begins, and the number of its first line that is not UTF-8."""
    with opener(path, "rb") as lines:
        beginning = lines.read(_BEGINNING)
        lines.seek(0)
        for number, line in enumerate(lines, start=1):
            try:
                line.decode("utf-8")
            except UnicodeDecodeError:
                return beginning, number
    return beginning, 1


def _refuse_damaged_packing(path: Path, packed: bool) -> None:
    """Raise ``UserError`` where a file packed with gzip is damaged: its checksum is at its end."""
    if not packed:
        return
    try:
        with gzip.open(path, "rb") as content:
            while content.read(_PIECE):
                pass
    except _PACKING_FAULTS as error:
        raise _damaged_packing(path, error) from None


def _damaged_packing(path: Path, error: Exception, lines: int = 0) -> UserError:
    with open(path, "rb") as file:
        is_packed = file.read(len(_GZIP_MAGIC)) == _GZIP_MAGIC
    if not is_packed:
        return UserError(
            f"{KEY}.path: {path} is not packed with gzip, though its name says so; name it without .gz, or "
            "fetch it again"
        )
    place = f" after line {lines}" if lines else ""
    return UserError(
        f"{KEY}.path: {path} is damaged or cut short: gzip cannot unpack it{place} ({in_one_line(error)}); "
        "fetch it again, or pack it anew"
    )


def _row(line: str, field: str, place: str) -> str:
    try:
        # As pairs, which show a key that stands twice. Objects are tuples then, and arrays lists.
        row = json.loads(line, object_pairs_hook=tuple, parse_int=_whole_number)
    except RecursionError:
        raise UserError(
            f"{KEY}.path: {place} is nested thousands of levels deep; mend or remove the line"
        ) from None
    except ValueError as error:
        problem = getattr(error, "msg", error)
        if "\0" in line:
            problem = "it has NUL characters, as damaged files and UTF-16 have"
        raise UserError(f"{KEY}.path: {place} is not JSON ({problem}); mend or remove the line") from None
    if not isinstance(row, tuple):
        raise UserError(f"{KEY}.path: {place} is not a JSON object; each line is one, {{{field!r}: ...}}")
    values = dict(row)
    if len(values) < len(row):
        (twice, _), *_ = Counter(key for key, _ in row).most_common(1)
        raise UserError(f"{KEY}.field: {place} has the key {twice!r} twice; keep one of them")
    require_field(field, values, place)
    value = values[field]
    return require_text(dict(value) if isinstance(value, tuple) else value, field, place)


def _whole_number(digits: str) -> int | float:
    """A number of a field that nobody reads may have any length."""
    return int(digits) if len(digits) < _MOST_DIGITS else float(digits)


def _parquet(path: Path, field: str) -> Iterator[str]:
    row = 0
    try:
        with pyarrow.parquet.ParquetFile(path, page_checksum_verification=True) as table:
            names = table.schema_arrow.names
            require_field(field, names, str(path))
            if names.count(field) > 1:
                raise UserError(f"{KEY}.field: {path} has the column {field!r} twice; rename one of them")
            for batch in table.iter_batches(columns=[field]):
                # By its name: 'a.b' also stands for the field b of a column a, which comes along then.
                column = batch.column(batch.schema.names.index(field))
                column.validate(full=True)  # text that is not UTF-8, for one
                for value in column.to_pylist():
                    yield require_text(value, field, f"{path}, row {row}")
                    row += 1
    except pyarrow.ArrowMemoryError:
        raise
    except (pyarrow.ArrowException, OSError) as error:
        raise _no_parquet(path, error, row) from None


def _no_parquet(path: Path, error: Exception, row: int) -> UserError:
    problem = in_one_line(error)
    if "crypt" in problem:
        return UserError(f"{KEY}.path: {path} is encrypted ({problem}); decrypt it first")
    place = f" after row {row - 1}" if row else ""
    return UserError(
        f"{KEY}.path: {path} cannot be read as Parquet{place} ({problem}); fetch it again, or write it anew"
    )


def _near(root: Path) -> str:
    """What lies beside a path that is not there."""
    if not root.parent.is_dir():
        return f" (the folder {str(root.parent)!r} is missing too); paths start at {str(Path.cwd())!r}"
    beside = sorted(path.name for path in root.parent.iterdir() if not path.name.startswith("."))
    return f"; {suggestion(root.name, beside, LISTED)}"


def _endings(root: Path) -> str:
    found = Counter(path.suffix or "no ending" for path in root.rglob("*") if path.is_file())
    return ", ".join(f"{count} of {ending}" for ending, count in found.most_common(6)) or "no files"
