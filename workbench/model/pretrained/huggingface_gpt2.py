"""GPT-2 as Hugging Face keeps it: ``model_type`` gpt2 (Radford et al. 2019; transformers, modeling_gpt2.py).

Linear maps are OpenAI's Conv1D, stored as (in, out), and query, key and value are one map. Left out are the
buffers ``attn.bias`` and ``attn.masked_bias`` (the causal mask) that old files hold. The option
``reorder_and_upcast_attn`` changes rounding only and is not followed.
"""

import re
from collections.abc import Mapping
from typing import Any

from workbench.model.config import ModelConfig
from workbench.model.pretrained.family import Family, inverse
from workbench.model.pretrained.mapping import Entry, fused, renamed, transposed
from workbench.model.pretrained.published_options import (
    Options,
    Rule,
    default_scale,
    shared_rules,
)

# GPT-2 and GPT-Neo. gelu_fast is gelu_new with its constant written out.
ACTIVATIONS = {
    "gelu_new": "gelu_tanh",
    "gelu_pytorch_tanh": "gelu_tanh",
    "gelu_fast": "gelu_tanh",
    "gelu": "gelu",
    "relu": "relu",
    "silu": "silu",
    "swish": "silu",
    "relu2": "relu_squared",
}


def read_config(options: Options, tied: bool) -> ModelConfig:
    """Our config for a ``config.json``; unscaled scores (``scale_attn_weights`` false) are a scale of 1."""
    options.refuse({"scale_attn_by_inverse_layer_idx": False, "add_cross_attention": False})
    return ModelConfig(
        vocabulary=options.size("vocab_size"),
        context=options.size("n_positions"),
        width=options.size("n_embd"),
        layers=options.layers("n_layer"),
        heads=options.size("n_head"),
        feedforward_width=options.size_or_none("n_inner"),
        positions="learned",
        norm={"name": "layernorm", "eps": options.get("layer_norm_epsilon", 1e-5)},
        feedforward=options.translate("activation_function", ACTIVATIONS, "gelu_new"),
        initialization="gpt2",
        attention_scale=None if options.get("scale_attn_weights", True) else 1.0,
        tied_embeddings=tied,
        bias=True,
    )


def entries(config: ModelConfig, values: Mapping[str, Any], prefix: str) -> list[Entry]:
    """All tensors; ``values`` play no part."""
    found = [
        renamed(f"{prefix}wte.weight", "token_embedding.weight"),
        renamed(f"{prefix}wpe.weight", "positions.table"),
        renamed(f"{prefix}ln_f.weight", "final_norm.weight"),
        renamed(f"{prefix}ln_f.bias", "final_norm.bias"),
    ]
    for layer in range(config.layers):
        found += _layer(f"{prefix}h.{layer}", f"blocks.{layer}")
    return found if config.tied_embeddings else [*found, renamed("lm_head.weight", "head.weight")]


def _layer(theirs: str, ours: str) -> list[Entry]:
    found = []
    for kind in ("weight", "bias"):
        linear = transposed if kind == "weight" else renamed
        projections = [f"{ours}.attention.{name}.{kind}" for name in ("query", "key", "value")]
        found += [
            renamed(f"{theirs}.ln_1.{kind}", f"{ours}.attention_norm.{kind}"),
            fused(f"{theirs}.attn.c_attn.{kind}", projections),
            linear(f"{theirs}.attn.c_proj.{kind}", f"{ours}.attention.output.{kind}"),
            renamed(f"{theirs}.ln_2.{kind}", f"{ours}.feedforward_norm.{kind}"),
            linear(f"{theirs}.mlp.c_fc.{kind}", f"{ours}.feedforward.up.{kind}"),
            linear(f"{theirs}.mlp.c_proj.{kind}", f"{ours}.feedforward.down.{kind}"),
        ]
    return found


def parts_rules(config: ModelConfig) -> list[Rule]:
    """What GPT-2 and GPT-Neo both ask for."""
    norm_bias = getattr(config.norm, "bias", False)
    return [
        *shared_rules(config),
        (config.positions.name == "learned", "positions", "learned"),
        (config.norm.name == "layernorm" and norm_bias, "norm", "layernorm"),
        (config.qk_norm.name == "none", "qk_norm", "none"),
        (config.feedforward.name in ACTIVATIONS.values(), "feedforward", " or ".join(inverse(ACTIVATIONS))),
        (config.bias, "bias", "true"),
        (config.has_output_bias, "output_bias", "true"),
        (config.key_value_heads == config.heads, "key_value_heads", str(config.heads)),
        (config.attention_width == config.width, "head_width", "width / heads"),
    ]


def _rules(config: ModelConfig) -> dict[str, list[Rule]]:
    scale = default_scale(config) or config.attention_scale == 1.0
    own = [
        (not any(config.layer_windows), "window", "null"),
        (config.has_qkv_bias, "qkv_bias", "true"),
        (scale, "attention_scale", "null or 1.0"),
    ]
    return {"gpt2": [*parts_rules(config), *own]}


def _write_config(config: ModelConfig, model_type: str) -> dict[str, Any]:
    return {
        "architectures": ["GPT2LMHeadModel"],
        "vocab_size": config.vocabulary,
        "n_positions": config.context,
        "n_embd": config.width,
        "n_layer": config.layers,
        "n_head": config.heads,
        "n_inner": config.feedforward_width,
        "activation_function": inverse(ACTIVATIONS)[config.feedforward.name],
        "layer_norm_epsilon": config.norm.eps,
        "scale_attn_weights": default_scale(config),
        "embd_pdrop": config.dropout,
        "resid_pdrop": config.dropout,
        "attn_pdrop": 0.0,
    }


GPT2 = Family(
    model_types=("gpt2",),
    prefix="transformer.",
    embedding="wte.weight",
    tied_default=True,
    ignored=re.compile(r"(transformer\.)?h\.\d+\.attn\.(masked_)?bias"),
    read_config=read_config,
    entries=entries,
    rules=_rules,
    write_config=_write_config,
)
