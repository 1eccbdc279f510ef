"""Tensors from files: safetensors, in one file or several with an index, and PyTorch's own format.

A PyTorch file is a pickle, which can hold a program. ``torch.load(weights_only=True)`` reads tensors only and
refuses the rest; there is no way around it here. Files are memory-mapped: a tensor takes memory when it is
used.
"""

import pickle
import re
import zipfile
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from workbench.errors import UserError
from workbench.files import read_json
from workbench.pointers import refuse_pointer_file

# torch.compile; DataParallel, DistributedDataParallel and DeepSpeed; Lightning's Fabric; FSDP; checkpointing.
_WRAPPERS = {
    "_orig_mod",
    "module",
    "_forward_module",
    "_fsdp_wrapped_module",
    "_checkpoint_wrapped_module",
}


def read_model_json(path: Path) -> dict[str, Any]:
    """The object in a JSON file of a model from elsewhere; ``RecordError`` if there is none."""
    # Tokens that no text has, with half a surrogate pair in their names, keep no model from being read.
    return read_json(path, remedy="fetch it again", any_text=True)


def read_tensors(path: Path) -> dict[str, Tensor]:
    """The tensors of one file by name, whichever of the formats it has."""
    if not path.is_file():
        raise UserError(f"{path}: there is no such file, yet the weights need it; fetch it again")
    refuse_pointer_file(path)
    return _read_safetensors(path) if path.suffix == ".safetensors" else _read_torch(path)


def read_indexed(index: Path) -> dict[str, Tensor]:
    """The tensors of all files that an index (``weight_map``: tensor to file) names."""
    places = read_model_json(index).get("weight_map")
    if not isinstance(places, dict) or not places or not all(isinstance(v, str) for v in places.values()):
        raise UserError(f"{index}: has no 'weight_map' from tensors to files; fetch it again")
    tensors: dict[str, Tensor] = {}
    for file in sorted(set(places.values())):
        # An index may not reach outside its folder.
        if Path(file).name != file:
            raise UserError(f"{index}: {file!r} is not the name of a file in its folder; fetch it again")
        tensors |= read_tensors(index.parent / file)
    for name, file in places.items():
        if name not in tensors:
            raise UserError(f"{index.parent / file}: {name} is missing, though {index.name} places it there")
    return tensors


def without_wrappers(tensors: dict[str, Tensor], where: str) -> dict[str, Tensor]:
    """The tensors under the names of the model itself, whatever it was wrapped in when it was saved.

    ``torch.compile``, ``DistributedDataParallel`` and their like put a word of their own into each name, in
    front or where the wrapped part begins. Raises ``UserError`` if two tensors then have one name.
    """
    names: dict[str, str] = {}
    for name in tensors:
        bare = ".".join(part for part in name.split(".") if part not in _WRAPPERS)
        if bare in names:
            raise UserError(
                f"{where}: holds both {names[bare]} and {name}, which are one tensor of the model; remove one"
            )
        names[bare] = name
    return {bare: tensors[name] for bare, name in names.items()}


def _read_safetensors(path: Path) -> dict[str, Tensor]:
    try:
        with safe_open(path, framework="pt") as file:
            return {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a dict)
    except SafetensorError as error:
        raise UserError(f"{path}: is damaged or cut short ({error}); fetch it again") from error


def _read_torch(path: Path) -> dict[str, Tensor]:
    try:
        # Files from before PyTorch 1.6 are no zip archives and cannot be mapped.
        content = torch.load(path, map_location="cpu", weights_only=True, mmap=zipfile.is_zipfile(path))
    except pickle.UnpicklingError as error:
        raise UserError(
            f"{path}: holds more than tensors{_culprit(error)}, and reading that would run code from the "
            f"file; use the model's .safetensors, or convert it where you trust it and read the result"
        ) from error
    except Exception as error:  # whatever a damaged file makes of the unpickler
        raise UserError(f"{path}: is damaged or cut short ({_first_line(error)}); fetch it again") from error
    if not isinstance(content, dict) or not all(isinstance(value, Tensor) for value in content.values()):
        raise UserError(f"{path}: does not hold tensors by name; save the model's state_dict() alone")
    return {name: value.detach() for name, value in content.items()}


def _culprit(error: Exception) -> str:
    found = re.search(r"GLOBAL ([\w.]+)", str(error))
    return f" ({found.group(1)})" if found else ""


def _first_line(error: Exception) -> str:
    return f"{type(error).__name__}: {error}".splitlines()[0][:160].rstrip(": ")
