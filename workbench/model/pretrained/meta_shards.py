"""Meta's larger models come in one file per GPU; here the pieces of each matrix are joined.

As in fairscale's layers: ColumnParallelLinear cuts the outputs (rows of the weight), RowParallelLinear the
inputs (columns), and norms are in every file. The embedding is cut along the width in LLaMA 1 and 2
(ParallelEmbedding) and along the vocabulary in LLaMA 3 (VocabParallelEmbedding): its shape tells.
"""

import re
from pathlib import Path

import torch
from torch import Tensor

from workbench.errors import UserError
from workbench.model.pretrained.reading import read_tensors, without_wrappers

_DIMENSIONS = {"wq": 0, "wk": 0, "wv": 0, "w1": 0, "w3": 0, "output": 0, "wo": 1, "w2": 1}
_KINDS = (".safetensors", ".pth")


def read_shards(folder: Path, width: int) -> tuple[dict[str, Tensor], str]:
    """All tensors of the folder's ``consolidated`` files, joined, and what to call their source."""
    files = _files(folder)
    shards = [without_wrappers(read_tensors(file), str(file)) for file in files]
    if len(files) == 1:
        return shards[0], str(files[0])
    where = f"{files[0]} to {files[-1].name}"
    for file, shard in zip(files, shards, strict=True):
        different = sorted(shard.keys() ^ shards[0].keys())
        if different:
            raise UserError(f"{file}: {different[0]} is not in all of {where}; fetch the files again")
    # Popping frees the pieces of files that cannot be memory-mapped as soon as they are joined.
    names = list(shards[0])
    return {name: _join(name, [shard.pop(name) for shard in shards], width, where) for name in names}, where


def _files(folder: Path) -> list[Path]:
    for kind in _KINDS:
        files = sorted(folder.glob(f"consolidated*{kind}"))
        if files:
            return _without_gap(files)
    raise UserError(
        f"{folder}: holds no weights; expected consolidated.00.pth or consolidated.00.safetensors"
    )


def _without_gap(files: list[Path]) -> list[Path]:
    numbers = [re.fullmatch(r"consolidated\.(\d+)", file.stem) for file in files]
    if len(files) == 1 and (numbers[0] is None or int(numbers[0].group(1)) == 0):
        return files
    for wanted, (file, number) in enumerate(zip(files, numbers, strict=True)):
        if number is None or int(number.group(1)) != wanted:
            missing = file.with_name(f"consolidated.{wanted:02}{file.suffix}")
            raise UserError(f"{missing}: there is no such file, yet {files[-1].name} exists; fetch it again")
    return files


def _join(name: str, pieces: list[Tensor], width: int, where: str) -> Tensor:
    dimension = _dimension(name, pieces, width, where)
    if dimension is None:
        return pieces[0]
    try:
        return torch.cat(pieces, dim=dimension)
    except RuntimeError as error:
        raise UserError(
            f"{where}: the pieces of {name} do not fit together; fetch the files again"
        ) from error


def _dimension(name: str, pieces: list[Tensor], width: int, where: str) -> int | None:
    """Along which dimension a tensor is cut; None if every file has all of it."""
    if pieces[0].ndim < 2:
        return None
    if name == "tok_embeddings.weight":
        return _embedding_dimension(pieces, width, where)
    part = name.removesuffix(".weight").rpartition(".")[2]
    if part not in _DIMENSIONS:
        raise UserError(f"{where}: {name} is not part of LLaMA; remove it, or use another model")
    return _DIMENSIONS[part]


def _embedding_dimension(pieces: list[Tensor], width: int, where: str) -> int:
    columns = pieces[0].shape[1]
    if columns == width:
        return 0
    if sum(piece.shape[-1] for piece in pieces) == width:
        return 1
    raise UserError(
        f"{where}: tok_embeddings.weight has {columns} columns in each of {len(pieces)} files, params.json "
        f"asks for {width} together; fetch the missing files"
    )
