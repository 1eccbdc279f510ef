"""What a run of a population goes on from: tensors, and in the file's header all else, its step among it."""

import json
import zlib
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor

from workbench.errors import RecordError
from workbench.files import Check, replacing


def save_replica(
    path: Path, tensors: dict[str, Tensor], state: dict[str, Any], check: Check | None = None
) -> None:
    """Write both, atomically, unless ``check`` raises; ``state`` holds "step" and what JSON can hold."""
    with replacing(path, check) as temporary:
        metadata = {"state": json.dumps(state), "crc32": str(_checksum(tensors))}
        save_file(tensors, temporary, metadata=metadata)


def load_replica(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Tensors and state; raises ``RecordError`` where the file is not as it was written."""
    state, checksum = _header(path)
    try:
        tensors = load_file(path)
    except SafetensorError as error:
        raise RecordError(f"{path}: is damaged ({error})") from error
    if str(_checksum(tensors)) != checksum:
        raise RecordError(f"{path}: is damaged (its checksum is another)")
    return tensors, state


def replica_step(path: Path) -> int | None:
    """The step of the file, None where there is none or its header is damaged."""
    try:
        return _header(path)[0]["step"]
    except (FileNotFoundError, RecordError):
        return None


def _header(path: Path) -> tuple[dict[str, Any], str | None]:
    """The state and the checksum: read without the tensors, however large they are."""
    try:
        with safe_open(path, "pt") as file:
            metadata = file.metadata()
            return json.loads(metadata["state"]), metadata.get("crc32")
    except (SafetensorError, ValueError, TypeError, KeyError) as error:
        raise RecordError(f"{path}: is damaged ({error})") from error


def _checksum(tensors: dict[str, Tensor]) -> int:
    checksum = 0
    for name in sorted(tensors):
        checksum = zlib.crc32(tensors[name].contiguous().numpy().data, checksum)
    return checksum
