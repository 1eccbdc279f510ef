"""A new study file whose comments say what each key means, as the reference reads it from the schema."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from textwrap import wrap
from typing import Any

from workbench.errors import UserError
from workbench.files import yaml_mapping
from workbench.records.manifest import MANIFEST
from workbench.study.reference.entries import FACTORS, NEEDED, Entry, Kind, joined
from workbench.study.reference.lookup import reference
from workbench.study.reference.words import as_written
from workbench.study.schema import NAME, parse_study
from workbench.study.templates import Template

_COLUMNS = 100  # of a comment, and of a mapping or a list in one line


def write_study(name: str, template: Template, folder: Path, results: Path) -> Path:
    """Write ``folder/NAME.yaml`` from ``template``, with comments; gives its path.

    Raises ``UserError`` for a name that is no plain one, where the file is there already, where a study of
    that name has results in ``results``, and where the folder cannot be written.
    """
    name = name.removesuffix(".yaml")
    if not NAME.fullmatch(name):
        raise UserError(
            f"name: {name!r} is no plain name; take letters, digits, '_', '-' and '.', as in my-study; "
            "--folder says where the file goes"
        )
    path = folder / f"{name}.yaml"
    values = yaml_mapping(template.text, path)
    parse_study({"name": name} | values, source=str(path))  # and whether the name is one for results
    if (results / name / MANIFEST).exists():
        raise UserError(f"{name}: {results / name} has results of a study of that name; give another name")
    text = commented(values, _preface(template, path))
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with open(path, "x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise UserError(f"{path}: is there already, and stays as it is; give another name") from None
    except OSError as error:
        raise UserError(f"{path}: cannot be written ({error.strerror}); check the folder") from error
    return path


def commented(values: Mapping[str, Any], preface: str) -> str:
    """``values`` as the YAML of a study, behind ``preface``, with what each key means above it."""
    known: dict[str, Entry] = {}
    for section in reference():
        for entry in section.entries:
            if entry.kind in (Kind.KEY, Kind.FACTOR):
                known.setdefault(entry.key, entry)
    lines = _comment(preface, 0)
    for key, value in values.items():
        lines += ["", *_key(key, value, 0, known)]
    others = [key for key in known if "." not in key and key not in values and key != FACTORS]
    more = f"Other keys, each explained by 'workbench explain KEY': {', '.join(others)}."
    return "\n".join([*lines, "", *_comment(more, 0), ""])


def _preface(template: Template, path: Path) -> str:
    return (
        f"{template.about} Change what you like, then see what it would do: 'workbench check {path}'. "
        "Every key, with all it may hold: docs/study-file.md, 'workbench explain'."
    )


def _key(key: str, value: Any, depth: int, known: Mapping[str, Entry]) -> Iterator[str]:
    """The lines of a key: what it means, and its value; a mapping of keys that mean something in a block."""
    inner = [joined(key, name) for name in value] if isinstance(value, Mapping) else []
    has_keys = any(_entry(one, known) is not None for one in inner)
    entry = _entry(key, known)
    if entry is not None:
        is_said = entry.when_left_out == NEEDED or has_keys  # each of its keys says so by itself
        yield from _comment(
            entry.meaning if is_said else f"{entry.meaning} Left out: {entry.when_left_out}.", depth
        )
    indent = "  " * depth
    start = f"{indent}{key.rpartition('.')[2]}:"
    in_a_line = f"{start} {as_written(value)}"
    if has_keys or (inner and len(in_a_line) > _COLUMNS):
        yield start
        for one in inner:
            yield from _key(one, value[one.rpartition(".")[2]], depth + 1, known)
        return
    if isinstance(value, list) and len(in_a_line) > _COLUMNS:
        yield start
        yield from (f"{indent}  - {as_written(item)}" for item in value)
        return
    yield in_a_line


def _entry(key: str, known: Mapping[str, Entry]) -> Entry | None:
    """What the reference says of ``key``; a factor that is no part of the model is a key of its own."""
    place, _, name = key.rpartition(".")
    if key in known or place != FACTORS:
        return known.get(key)
    return next((entry for entry in known.values() if entry.name == name), None)


def _comment(text: str, depth: int) -> list[str]:
    indent = "  " * depth
    return [f"{indent}# {line}" for line in wrap(text, _COLUMNS - len(indent) - 2, break_on_hyphens=False)]
