"""Meta's original LLaMA folders: ``params.json`` and ``consolidated.*.pth`` (or ``.safetensors``).

Checked against meta-llama/llama (llama/model.py) and transformers' convert_llama_weights_to_hf.py. Rotary
pairs are neighbours there, so that rows of the query and key matrices change places; value and output do not.
Larger models are cut into one file per GPU, along the rows or the columns of each matrix. ``rope.freqs`` is
computed here. A model with one matrix for embedding and head stores it twice.
"""

import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from workbench.errors import UserError
from workbench.files import write_json
from workbench.model.config import ModelConfig
from workbench.model.pretrained.huggingface_llama import parts_rules
from workbench.model.pretrained.huggingface_rope import scaling_of
from workbench.model.pretrained.mapping import Entry, decode, encode, permuted, renamed
from workbench.model.pretrained.meta_shards import read_shards
from workbench.model.pretrained.published_options import (
    Options,
    Rule,
    broken_rules,
    described_by,
    refusal,
)
from workbench.model.pretrained.reading import read_model_json

PARAMS = "params.json"
EMBEDDING, HEAD = "tok_embeddings.weight", "output.weight"
# What ``use_scaled_rope`` stands for in LLaMA 3.1 (llama-models, apply_scaling).
_SCALING = {
    "scaling": "llama3",
    "factor": 8.0,
    "low_frequency_factor": 1.0,
    "high_frequency_factor": 4.0,
    "original_context": 8192,
}
_KNOWN = {
    "dim",
    "n_layers",
    "n_heads",
    "n_kv_heads",
    "head_dim",
    "hidden_dim",
    "vocab_size",
    "multiple_of",
    "ffn_dim_multiplier",
    "norm_eps",
    "rope_theta",
    "use_scaled_rope",
    "rope_scaling_factor",
    "rope_high_freq_factor",
    "max_seq_len",
    "max_batch_size",
}
_IGNORED = re.compile(r"(layers\.\d+\.attention\.inner_attention\.)?rope\.freqs")


def read(folder: Path, context: int | None = None) -> tuple[ModelConfig, dict[str, Tensor]]:
    """Config and tensors of a folder with a ``params.json``.

    The feedforward width and the vocabulary are those of the tensors: the file may say -1.
    """
    file = folder / PARAMS
    options = Options(read_model_json(file), file)
    for key in options.values:
        if key not in _KNOWN:
            raise options.error(key, f"the decoder knows {', '.join(sorted(_KNOWN))}")
    source, where = read_shards(folder, options.size("dim"))
    for needed in (EMBEDDING, "layers.0.feed_forward.w1.weight"):
        if needed not in source:
            raise UserError(f"{where}: {needed} is missing; the weights are incomplete: fetch them again")
    tied = HEAD in source and _equal(source[HEAD], source[EMBEDDING])
    if tied:
        del source[HEAD]
    with described_by(file):
        config = _read_config(options, source, context, tied)
    return config, decode(_entries(config), source, config, where=where, ignored=_IGNORED)


def _read_config(
    options: Options, source: Mapping[str, Tensor], context: int | None, tied: bool
) -> ModelConfig:
    return ModelConfig(
        vocabulary=source[EMBEDDING].shape[0],
        context=context or context_of(options.values),
        width=options.size("dim"),
        layers=options.layers("n_layers"),
        heads=options.size("n_heads"),
        key_value_heads=options.size_or_none("n_kv_heads"),
        head_width=options.size_or_none("head_dim"),
        feedforward_width=source["layers.0.feed_forward.w1.weight"].shape[0],
        positions=_read_rope(options.values),
        norm={"name": "rmsnorm", "eps": options.get("norm_eps", 1e-5)},
        feedforward="swiglu",
        initialization="llama",
        tied_embeddings=tied,
    )


def context_of(values: Mapping[str, Any]) -> int:
    """The context that a ``params.json`` hints at, for it does not say.

    ``max_seq_len`` where it is given; 131072 with ``use_scaled_rope`` (LLaMA 3.1); 8192 with a ``rope_theta``
    of 500000 or more (LLaMA 3); else 2048, LLaMA 1's, because LLaMA 2's file (4096) looks the same.
    """
    if values.get("max_seq_len"):
        return values["max_seq_len"]
    if values.get("use_scaled_rope"):
        return 131072
    return 8192 if values.get("rope_theta", 10000.0) >= 500_000 else 2048


def _read_rope(values: Mapping[str, Any]) -> dict[str, Any]:
    spec = {"name": "rope", "base": values.get("rope_theta", 10000.0)}
    if not values.get("use_scaled_rope"):
        return spec
    own = {"factor": "rope_scaling_factor", "high_frequency_factor": "rope_high_freq_factor"}
    given = {ours: values[theirs] for ours, theirs in own.items() if values.get(theirs) is not None}
    return spec | _SCALING | given


def _entries(config: ModelConfig) -> list[Entry]:
    found = [renamed(EMBEDDING, "token_embedding.weight"), renamed("norm.weight", "final_norm.weight")]
    for layer in range(config.layers):
        found += _layer(f"layers.{layer}", f"blocks.{layer}", config)
    return found if config.tied_embeddings else [*found, renamed(HEAD, "head.weight")]


def _layer(theirs: str, ours: str, config: ModelConfig) -> list[Entry]:
    attention, network = f"{theirs}.attention", f"{theirs}.feed_forward"
    return [
        permuted(f"{attention}.wq.weight", f"{ours}.attention.query.weight", config.heads),
        permuted(f"{attention}.wk.weight", f"{ours}.attention.key.weight", config.key_value_heads),
        renamed(f"{attention}.wv.weight", f"{ours}.attention.value.weight"),
        renamed(f"{attention}.wo.weight", f"{ours}.attention.output.weight"),
        renamed(f"{network}.w1.weight", f"{ours}.feedforward.gate.weight"),
        renamed(f"{network}.w2.weight", f"{ours}.feedforward.down.weight"),
        renamed(f"{network}.w3.weight", f"{ours}.feedforward.up.weight"),
        renamed(f"{theirs}.attention_norm.weight", f"{ours}.attention_norm.weight"),
        renamed(f"{theirs}.ffn_norm.weight", f"{ours}.feedforward_norm.weight"),
    ]


def write(
    config: ModelConfig, tensors: Mapping[str, Tensor], folder: Path, dtype: torch.dtype | None
) -> None:
    """Write ``params.json`` and ``consolidated.00.pth``, as Meta's code loads them on one GPU.

    ``params.json`` has no word for the context: give it again when reading.
    """
    problems = broken_rules(config, _rules(config))
    if problems:
        raise refusal("Meta's LLaMA", problems)
    write_json(folder / PARAMS, _params(config))
    untied = config.with_levels(tied_embeddings=False)
    tensors = (
        {"head.weight": tensors["token_embedding.weight"]} | dict(tensors)
        if config.tied_embeddings
        else tensors
    )
    weights = {entry.theirs: encode(entry, tensors, dtype) for entry in _entries(untied)}
    torch.save(weights, folder / "consolidated.00.pth")


def _rules(config: ModelConfig) -> list[Rule]:
    rope = config.positions.to_dict()
    scaled = scaling_of(config) is None or all(rope.get(key) == value for key, value in _SCALING.items())
    return [
        *parts_rules(config),
        (scaled, "positions", "scaling none, or llama3 by 8, 1, 4 from 8192"),
        (config.feedforward.name == "swiglu", "feedforward", "swiglu"),
        (config.qk_norm.name == "none", "qk_norm", "none"),
        (not any(config.layer_windows), "window", "null"),
        (not config.bias, "bias", "false"),
        (not config.has_qkv_bias, "qkv_bias", "false"),
        (not config.has_output_bias, "output_bias", "false"),
        (config.attention_width == config.width, "head_width", "width / heads"),
    ]


def _params(config: ModelConfig) -> dict[str, Any]:
    """Only what differs from LLaMA 1: its code takes no other keys."""
    values = {
        "dim": config.width,
        "n_layers": config.layers,
        "n_heads": config.heads,
        "vocab_size": config.vocabulary,
        "norm_eps": config.norm.eps,
        **_feedforward_params(config),
    }
    if config.key_value_heads != config.heads:
        values["n_kv_heads"] = config.key_value_heads
    if config.positions.base != 10000.0:
        values["rope_theta"] = config.positions.base
    if scaling_of(config) is not None:
        values["use_scaled_rope"] = True
    return values


def _feedforward_params(config: ModelConfig) -> dict[str, Any]:
    """``multiple_of`` and ``ffn_dim_multiplier`` from which Meta's rule gives our feedforward width."""
    width, wanted = config.width, config.feedforward_width
    multiple = math.gcd(wanted, 256)
    if feedforward_width(width, multiple) == wanted:
        return {"multiple_of": multiple}
    # Half a unit more than wanted, so that rounding down cannot miss it.
    return {"multiple_of": multiple, "ffn_dim_multiplier": (wanted + 0.5) / int(2 * (4 * width) / 3)}


def feedforward_width(width: int, multiple_of: int, multiplier: float | None = None) -> int:
    """Meta's rule (llama/model.py, FeedForward): 8/3 of the width, times a factor, up to a multiple."""
    hidden = int(2 * (4 * width) / 3)
    hidden = hidden if multiplier is None else int(multiplier * hidden)
    return multiple_of * -(-hidden // multiple_of)


def _equal(first: Tensor, second: Tensor) -> bool:
    return first.shape == second.shape and first.dtype == second.dtype and torch.equal(first, second)
