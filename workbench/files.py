"""Writing files so that a reader sees the old content or the new, never half of it; reading them back.

Whatever replaces a file or a folder goes through here: written beside it, on the disk, renamed.
"""

import json
import os
import platform
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from hashlib import file_digest
from pathlib import Path
from typing import Any

import yaml

from workbench.errors import RecordError
from workbench.pointers import refuse_pointer, refuse_pointer_file
from workbench.yaml_text import MOST_BYTES, parse_yaml

Check = Callable[[], None]  # raises what forbids that a file takes its place

# Seven times as fast where PyYAML was built with libyaml; a manifest of 24 variants has 25 kB.
_QUICK_DUMPER = getattr(yaml, "CSafeDumper", yaml.SafeDumper)


@contextmanager
def replacing(path: Path, check: Check | None = None) -> Iterator[Path]:
    """Where to write what shall replace ``path``: a reader sees the old content or the new, never half of it.

    The file that the block wrote is flushed to the disk, then renamed into place (atomic within a file
    system), and the rename is flushed too: after a power loss no file is older than another that speaks of
    it. Where the block or the disk fails, ``path`` stays as it was and nothing is left beside it; nor where
    ``check`` raises, which is called last before the rename.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = _beside(path)
    try:
        yield temporary
        _sync(temporary)
        if check is not None:
            check()
        put_in_place(temporary, path)
    except OSError as error:
        # A write that fails does not say which file it was for, and a rename names the temporary one.
        if error.errno is not None and error.filename in (None, str(temporary)):
            error.filename = str(path)
        raise
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def replacing_folder(path: Path) -> Iterator[Path]:
    """An empty folder to fill, which then takes the place of the folder ``path``: all of its files or none.

    What is in it needs no renaming of its own. Where the block fails, ``path`` stays as it was.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = _beside(path)
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir()
    try:
        yield temporary
        put_folder_in_place(temporary, path)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _beside(path: Path) -> Path:
    """A name for what shall replace ``path``, which no other writer of it has: host and process are in it.

    Several machines may write to one folder, and count their processes each from 1.
    """
    return path.with_name(f".{path.name}.{platform.node()}.{os.getpid()}.tmp")


def put_folder_in_place(finished: Path, path: Path) -> None:
    """Have all of the folder ``finished`` on the disk, and rename it to ``path``; what was there goes."""
    for folder, _, names in os.walk(finished):
        for name in names:
            _sync(Path(folder) / name)
        _sync(Path(folder))
    before = finished.with_name(f"{finished.name}.before")  # beside the copy, where nobody looks for it
    if path.exists():
        os.replace(path, before)  # a folder is renamed over an empty one only
    try:
        put_in_place(finished, path)
    except OSError:
        if before.exists():
            os.replace(before, path)
        raise
    shutil.rmtree(before, ignore_errors=True)


def version(path: Path | str) -> tuple[int, int]:
    """Modification time (ns) and size of a file, equal while it is the same; zeros where there is none."""
    try:
        status = os.stat(path)
    except OSError:  # gone between two looks: the next look sees what replaced it
        return (0, 0)
    return (status.st_mtime_ns, status.st_size)


def file_sha256(path: Path) -> str:
    """SHA-256 of the file's content, read piece by piece: 64 hexadecimal digits."""
    with open(path, "rb") as file:
        return file_digest(file, "sha256").hexdigest()


def sweep(folder: Path) -> None:
    """Delete what writers that were killed left half-written in ``folder``; call it where none is at work."""
    for path in folder.glob(".*.tmp"):
        path.unlink(missing_ok=True)


def put_in_place(finished: Path, path: Path) -> None:
    """Rename a file that is on the disk to ``path``, and have the new name on the disk as well."""
    os.replace(finished, path)
    _sync(path.parent)


def _sync(path: Path) -> None:
    """Wait until the file, or the folder's list of names, is on the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def set_aside(path: Path) -> Path:
    """Keep a damaged file under another name, out of the way of the one that replaces it."""
    aside = path.with_name(f"{path.name}.damaged")
    put_in_place(path, aside)
    return aside


def write_atomically(path: Path, content: str | bytes, check: Check | None = None) -> None:
    """Replace ``path`` by ``content``, text as UTF-8, unless ``check`` raises."""
    with replacing(path, check) as temporary:
        if isinstance(content, bytes):
            temporary.write_bytes(content)
        else:
            temporary.write_text(content, encoding="utf-8")


def write_json(path: Path, value: Any, check: Check | None = None) -> None:
    """Write ``value`` as indented JSON, atomically, unless ``check`` raises."""
    write_atomically(path, json.dumps(value, indent=2) + "\n", check)


def read_json(path: Path, *, remedy: str = "", any_text: bool = False) -> dict[str, Any]:
    """Read a JSON object; raises ``RecordError`` naming the file when it is missing or damaged.

    ``remedy``: what to do then, where that can be said. ``any_text``: halves of surrogate pairs may be in it.
    """
    return json_object(read_text_file(path, "JSON", remedy=remedy), path, remedy=remedy, any_text=any_text)


def json_object(text: str, path: Path, *, remedy: str = "", any_text: bool = False) -> dict[str, Any]:
    """The JSON object that ``text``, the content of ``path``, holds; as ``read_json`` in all else."""
    then = f"; {remedy}" if remedy else ""
    try:
        value = json.loads(text)
        if not any_text:
            _require_whole_characters(text, value)
    except ValueError as error:
        raise RecordError(f"{path}: cannot be read as JSON ({error}){then}") from error
    except RecursionError:
        deep = "it is nested thousands of levels deep"
        raise RecordError(f"{path}: cannot be read as JSON ({deep}){then}") from None
    if not isinstance(value, dict):
        raise RecordError(f"{path}: holds a {type(value).__name__}, expected an object{then}")
    return value


def write_yaml(path: Path, value: dict[str, Any]) -> None:
    """Write ``value`` as YAML in its own key order, atomically."""
    write_atomically(path, to_yaml(value))


def to_yaml(value: dict[str, Any], *, short_inline: bool = False, in_a_line: bool = False) -> str:
    """``value`` as YAML in its own key order; text that would be read as something else is in quotes.

    ``short_inline``: lists and mappings of plain values are written ``[a, b]`` and ``{a: 1}``, as people do.
    ``in_a_line``: all of them are, and no line is broken.
    """
    style = True if in_a_line else None if short_inline else False
    return yaml.dump(
        value,
        Dumper=_QUICK_DUMPER,
        sort_keys=False,
        allow_unicode=True,
        width=10**6 if in_a_line else 110,
        default_flow_style=style,
    )


def read_yaml(path: Path) -> dict[str, Any]:
    """Read a YAML mapping; raises ``RecordError`` naming the file when it is missing or damaged."""
    return yaml_mapping(read_text_file(path, "YAML", most_bytes=MOST_BYTES), path)


def yaml_mapping(text: str, source: Path | str) -> dict[str, Any]:
    """The mapping that the YAML ``text`` holds; raises ``RecordError`` naming its ``source``."""
    try:
        value = parse_yaml(text)
        _require_whole_characters(text, value)
    except ValueError as error:
        raise RecordError(f"{source}: cannot be read as YAML: {error}") from None
    if not isinstance(value, dict):
        raise RecordError(f"{source}: holds no mapping; is it a study file?")
    return value


def _require_whole_characters(text: str, value: Any) -> None:
    """Raise ``ValueError`` for half of a surrogate pair, which no page, table or file can hold."""
    if "\\ud" in text.lower():  # how both languages write one
        json.dumps(value, ensure_ascii=False, default=str, skipkeys=True).encode()


def read_text_file(path: Path, kind: str, most_bytes: int | None = None, remedy: str = "") -> str:
    """The UTF-8 text of a file that holds ``kind``; raises ``RecordError`` for one that cannot be read."""
    try:
        with open(path, "rb") as file:
            content = file.read() if most_bytes is None else file.read(most_bytes + 1)
        if most_bytes is not None and len(content) > most_bytes:
            raise RecordError(f"{path}: has more bytes than {most_bytes:,}; make it smaller")
        refuse_pointer(path, content)
        return content.decode("utf-8-sig")  # some editors begin a file with a mark of its encoding
    except FileNotFoundError:
        refuse_pointer_file(path)
        raise RecordError(f"{path}: the file is missing{f'; {remedy}' if remedy else ''}") from None
    except OSError as error:
        raise RecordError(f"{path}: cannot be read as {kind} ({error.strerror}); check the path") from error
    except UnicodeDecodeError as error:
        raise RecordError(
            f"{path}: cannot be read as {kind} (byte {error.start} is not UTF-8); "
            f"{remedy or 'save it as UTF-8 text'}"
        ) from None
