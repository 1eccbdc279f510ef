"""Writing small files so that a reader sees the old content or the new, never half of it."""

import json
import os
from pathlib import Path
from typing import Any

import yaml

from workbench.errors import RecordError

# Seven times as fast where PyYAML was built with libyaml; a manifest of 24 variants has 25 kB.
_QUICK_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_QUICK_DUMPER = getattr(yaml, "CSafeDumper", yaml.SafeDumper)


def write_atomically(path: Path, content: str) -> None:
    """Write ``content`` beside ``path``, then rename it into place (atomic within a file system)."""
    path.parent.mkdir(parents=True, exist_ok=True)
    # The process id keeps two writers of the same file from sharing a temporary one.
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    with open(temporary, "w", encoding="utf-8") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    os.replace(temporary, path)


def write_json(path: Path, value: Any) -> None:
    """Write ``value`` as indented JSON, atomically."""
    write_atomically(path, json.dumps(value, indent=2) + "\n")


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object; raises ``RecordError`` naming the file when it is missing or damaged."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise RecordError(f"{path}: the file is missing") from None
    except (OSError, ValueError) as error:
        raise RecordError(f"{path}: cannot be read as JSON ({error})") from error
    if not isinstance(value, dict):
        raise RecordError(f"{path}: holds a {type(value).__name__}, expected an object")
    return value


def write_yaml(path: Path, value: dict[str, Any]) -> None:
    """Write ``value`` as YAML in its own key order, atomically."""
    content = yaml.dump(value, Dumper=_QUICK_DUMPER, sort_keys=False, allow_unicode=True, width=110)
    write_atomically(path, content)


def read_yaml(path: Path) -> dict[str, Any]:
    """Read a YAML mapping; raises ``RecordError`` naming the file when it is missing or damaged."""
    try:
        value = _parse_yaml(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise RecordError(f"{path}: the file is missing") from None
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise RecordError(f"{path}: cannot be read as YAML ({error})") from error
    if not isinstance(value, dict):
        raise RecordError(f"{path}: holds no mapping; is it a study file?")
    return value


def _parse_yaml(text: str) -> Any:
    try:
        return yaml.load(text, Loader=_QUICK_LOADER)
    except yaml.YAMLError:
        return yaml.safe_load(text)  # slower, and its error shows the line
