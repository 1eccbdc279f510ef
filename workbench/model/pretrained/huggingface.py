"""Folders as transformers' ``save_pretrained`` writes them: ``config.json`` and weights.

Which family a folder belongs to is its ``model_type``; which one a config of ours can be written as follows
from its parts.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor

from workbench.errors import UserError, suggestion
from workbench.files import write_json
from workbench.model.config import ModelConfig
from workbench.model.pretrained.huggingface_gpt2 import GPT2
from workbench.model.pretrained.huggingface_gpt_neo import GPT_NEO
from workbench.model.pretrained.huggingface_llama import LLAMA
from workbench.model.pretrained.mapping import Entry, decode, encode
from workbench.model.pretrained.published_options import (
    Options,
    broken_rules,
    described_by,
    refusal,
)
from workbench.model.pretrained.reading import read_indexed, read_model_json, read_tensors, without_wrappers

CONFIG = "config.json"
HEAD = "lm_head.weight"
FAMILIES = {model_type: family for family in (GPT2, GPT_NEO, LLAMA) for model_type in family.model_types}
_SINGLE = ("model.safetensors", "pytorch_model.bin")
_INDEX = ("model.safetensors.index.json", "pytorch_model.bin.index.json")
_WEIGHTS = (_SINGLE[0], _INDEX[0], _SINGLE[1], _INDEX[1])
SHARD_BYTES = 5 * 10**9


def read(folder: Path) -> tuple[ModelConfig, dict[str, Tensor]]:
    """Config and tensors of a folder with a ``config.json``."""
    file = folder / CONFIG
    options = Options(read_model_json(file), file)
    model_type = str(options["model_type"])
    if model_type not in FAMILIES:
        raise UserError(f"{file}: model_type {model_type!r} is unknown; {suggestion(model_type, FAMILIES)}")
    family = FAMILIES[model_type]
    options.refuse({"quantization_config": None})
    with described_by(file):
        tied = bool(options.get("tie_word_embeddings", family.tied_default))
        config = family.read_config(options, tied)
    weights = _weights_file(folder)
    source = read_indexed(weights) if weights.name in _INDEX else read_tensors(weights)
    source = without_wrappers(source, str(weights))
    prefix = family.prefix if any(f".{family.prefix}" in f".{name}" for name in source) else ""
    if config.tied_embeddings:
        _drop_tied_head(source, f"{prefix}{family.embedding}", weights)
    entries = family.entries(config, options.values, prefix)
    return config, decode(entries, source, config, where=str(weights), ignored=family.ignored)


def _weights_file(folder: Path) -> Path:
    for name in _WEIGHTS:
        if (folder / name).is_file():
            return folder / name
    raise UserError(f"{folder}: holds no weights; expected one of {', '.join(_WEIGHTS)}")


def _drop_tied_head(source: dict[str, Tensor], embedding: str, weights: Path) -> None:
    """A tied head may be stored as well; if it is another matrix, the configuration is wrong."""
    head = source.pop(HEAD, None)
    table = source.get(embedding)
    if head is not None and table is not None and not torch.equal(head, table):
        raise UserError(
            f"{weights}: {HEAD} differs from {embedding}, though {CONFIG} ties them; set "
            f"tie_word_embeddings to false there"
        )


def write(
    config: ModelConfig,
    tensors: Mapping[str, Tensor],
    folder: Path,
    dtype: torch.dtype | None,
    special_tokens: Mapping[str, Any],
) -> None:
    """Write ``config.json`` and the weights, in files of at most ``SHARD_BYTES`` where possible.

    ``special_tokens`` are keys of ``config.json``: the ids that begin and end a text.
    """
    model_type = fitting_model_type(config)
    family = FAMILIES[model_type]
    values = {"model_type": model_type} | family.write_config(config, model_type)
    entries = family.entries(config, values, family.prefix)
    own = {"tie_word_embeddings": config.tied_embeddings, **special_tokens}
    kind = dtype or next(iter(tensors.values())).dtype
    own["torch_dtype"] = str(kind).removeprefix("torch.")
    write_json(folder / CONFIG, values | own)
    _write_weights(entries, tensors, folder, dtype)


def fitting_model_type(config: ModelConfig) -> str:
    """The model type that has words for all of ``config``; ``UserError`` with the nearest if none has."""
    problems = {
        model_type: broken_rules(config, rules)
        for family in (GPT2, GPT_NEO, LLAMA)
        for model_type, rules in family.rules(config).items()
    }
    nearest = min(problems, key=lambda model_type: len(problems[model_type]))
    if problems[nearest]:
        raise refusal(f"Hugging Face's {nearest}, the nearest model type,", problems[nearest])
    return nearest


def _write_weights(
    entries: list[Entry], tensors: Mapping[str, Tensor], folder: Path, dtype: torch.dtype | None
) -> None:
    """One shard at a time, so that never more than one shard is held beside the model."""
    shards = _shards(entries, tensors, dtype)
    places: dict[str, str] = {}
    for number, shard in enumerate(shards, start=1):
        name = f"model-{number:05}-of-{len(shards):05}.safetensors" if len(shards) > 1 else _SINGLE[0]
        encoded = {entry.theirs: encode(entry, tensors, dtype) for entry in shard}
        save_file(encoded, folder / name, metadata={"format": "pt"})
        places |= dict.fromkeys(encoded, name)
    if len(shards) > 1:
        index: dict[str, Any] = {"metadata": {"total_size": _bytes(entries, tensors, dtype)}}
        index["weight_map"] = places
        write_json(folder / _INDEX[0], index)


def _shards(
    entries: list[Entry], tensors: Mapping[str, Tensor], dtype: torch.dtype | None
) -> list[list[Entry]]:
    shards: list[list[Entry]] = [[]]
    for entry in entries:
        if shards[-1] and _bytes([*shards[-1], entry], tensors, dtype) > SHARD_BYTES:
            shards.append([])
        shards[-1].append(entry)
    return shards


def _bytes(entries: list[Entry], tensors: Mapping[str, Tensor], dtype: torch.dtype | None) -> int:
    values = [tensors[name] for entry in entries for name in entry.ours if name in tensors]
    return sum(value.numel() * (dtype or value.dtype).itemsize for value in values)
