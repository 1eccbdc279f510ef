"""What a run of a population goes on from: tensors, and in the file's header all else, its step among it."""

import json
import os
from pathlib import Path
from typing import Any

from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor


def save_replica(path: Path, tensors: dict[str, Tensor], state: dict[str, Any]) -> None:
    """Write both, atomically; ``state`` holds "step" and what JSON can hold."""
    temporary = path.with_suffix(".tmp")
    save_file(tensors, temporary, metadata={"state": json.dumps(state)})
    os.replace(temporary, path)


def load_replica(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Tensors and state."""
    return load_file(path), replica_state(path)


def replica_state(path: Path) -> dict[str, Any]:
    """The state alone: read from the header, however large the tensors are."""
    with safe_open(path, "pt") as file:
        return json.loads(file.metadata()["state"])
