"""``--set training.tokens=100000``: replace single keys of a study file from the command line."""

from pathlib import Path
from typing import Any

from workbench.errors import UserError, printable
from workbench.yaml_text import parse_yaml

_SHOWN = 80  # characters of an argument that an error repeats


def apply_override(values: dict[str, Any], override: str) -> None:
    """Set the dotted key of ``key=value`` in ``values``, in place; the value is read as YAML."""
    key, sign, text = override.partition("=")
    if not sign or not key:
        raise UserError(f"--set {override}: expected key=value, for example --set training.tokens=100000")
    *path, last = key.split(".")
    target = values
    for part in path:
        target = target.setdefault(part, {})
        if not isinstance(target, dict):
            raise UserError(f"--set {override}: {part!r} is a {type(target).__name__}, it has no keys inside")
    target[last] = _value(text, f"--set {override}")


def corpus_spec(text: str) -> Any:
    """``--corpus``: a name, ``{key: value}`` as in a study file, or the path of a file or folder."""
    if not text.strip():
        raise UserError("--corpus: is empty; give a corpus's name, a path, or a {key: value} as in a study")
    if printable(text) != text:
        return {"path": text}  # the name of a file that is not UTF-8, which is no YAML
    value = _value(text, f"--corpus {text}")
    return {"path": text} if not isinstance(value, dict) and Path(text).exists() else value


def _value(text: str, argument: str) -> Any:
    try:
        return parse_yaml(text)
    except ValueError as error:
        shown = argument if len(argument) <= _SHOWN else f"{argument[:_SHOWN]}…"
        raise UserError(f"{shown}: the value is not YAML: {error}") from None
