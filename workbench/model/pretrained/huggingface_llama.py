"""LLaMA and its kin as Hugging Face keeps them: llama, mistral, qwen2, qwen3 (modeling_llama.py and others).

All share LLaMA's names. Mistral adds a window (which counts the query's own key, as ours does), Qwen2 biases
of query, key and value, Qwen3 normalised queries and keys. Rotary pairs are half a head apart, as ours are.
Old files hold ``rotary_emb.inv_freq``, which is computed here.

``mlp_bias`` is our ``bias``, ``attention_bias`` our ``qkv_bias`` and ``output_bias`` in one: a config of ours
that has only one of the two is written with zeros for the other.
"""

import re
from collections.abc import Mapping
from typing import Any

from workbench.model.config import ModelConfig
from workbench.model.pretrained.family import Family, inverse
from workbench.model.pretrained.huggingface_rope import WRITABLE, read_rope, scaling_of, write_rope
from workbench.model.pretrained.layer_kinds import kinds_of, window_and_pattern
from workbench.model.pretrained.mapping import Entry, renamed
from workbench.model.pretrained.published_options import (
    Options,
    Rule,
    default_scale,
    shared_rules,
)

ACTIVATIONS = {"silu": "swiglu", "swish": "swiglu", "gelu": "geglu", "relu": "reglu", "linear": "bilinear"}
_KINDS = {"full_attention": "global", "sliding_attention": "local"}
_ARCHITECTURES = {"llama": "Llama", "mistral": "Mistral", "qwen2": "Qwen2", "qwen3": "Qwen3"}


def _read_config(options: Options, tied: bool) -> ModelConfig:
    model_type, context = options["model_type"], options.size("max_position_embeddings")
    norm = {"name": "rmsnorm", "eps": options.get("rms_norm_eps", 1e-6)}
    biases = _biases(options.values)
    bias = biases["feedforward"]
    return ModelConfig(
        vocabulary=options.size("vocab_size"),
        context=context,
        width=options.size("hidden_size"),
        layers=options.layers("num_hidden_layers"),
        heads=options.size("num_attention_heads"),
        key_value_heads=options.size_or_none("num_key_value_heads"),
        head_width=options.size_or_none("head_dim"),
        feedforward_width=options.size("intermediate_size"),
        positions=read_rope(options, context),
        norm=norm,
        feedforward=options.translate("hidden_act", ACTIVATIONS, "silu"),
        initialization="llama",
        qk_norm=norm if model_type == "qwen3" else "none",
        **window_and_pattern(_kinds(options), options.get("sliding_window", 4096)),
        tied_embeddings=tied,
        bias=bias,
        qkv_bias=None if biases["qkv"] == bias else biases["qkv"],
        output_bias=None if biases["output"] == bias else biases["output"],
    )


def _biases(values: Mapping[str, Any]) -> dict[str, bool]:
    """Which maps have a bias, from the values of a ``config.json``."""
    model_type = values["model_type"]
    # Mistral has no biases and Qwen2 always has the same ones, whatever their files say.
    attention = model_type in ("llama", "qwen3") and bool(values.get("attention_bias", False))
    return {
        "qkv": attention or model_type == "qwen2",
        "output": attention,
        "feedforward": model_type == "llama" and bool(values.get("mlp_bias", False)),
    }


def _kinds(options: Options) -> list[str]:
    """Whether each layer has the window, ``global`` or ``local``."""
    layers, model_type = options.layers("num_hidden_layers"), options["model_type"]
    if model_type == "mistral":
        return ["local"] * layers
    if model_type == "llama" or not options.get("use_sliding_window", False):
        return ["global"] * layers
    full = min(options.get("max_window_layers", 28), layers)
    named = options.get("layer_types") or ["full_attention"] * full + ["sliding_attention"] * (layers - full)
    if set(named) - set(_KINDS) or len(named) < layers:
        raise options.error("layer_types", f"{layers} layers need as many words, {' or '.join(_KINDS)}")
    return [_KINDS[kind] for kind in named[:layers]]


def _entries(config: ModelConfig, values: Mapping[str, Any], prefix: str) -> list[Entry]:
    found = [
        renamed(f"{prefix}embed_tokens.weight", "token_embedding.weight"),
        renamed(f"{prefix}norm.weight", "final_norm.weight"),
    ]
    biases, normed = _biases(values), config.qk_norm.name != "none"
    for layer in range(config.layers):
        found += _layer(f"{prefix}layers.{layer}", f"blocks.{layer}", biases, normed)
    return found if config.tied_embeddings else [*found, renamed("lm_head.weight", "head.weight")]


def _layer(theirs: str, ours: str, biases: Mapping[str, bool], normed: bool) -> list[Entry]:
    maps = {
        "self_attn.q_proj": ("attention.query", biases["qkv"]),
        "self_attn.k_proj": ("attention.key", biases["qkv"]),
        "self_attn.v_proj": ("attention.value", biases["qkv"]),
        "self_attn.o_proj": ("attention.output", biases["output"]),
        "mlp.gate_proj": ("feedforward.gate", biases["feedforward"]),
        "mlp.up_proj": ("feedforward.up", biases["feedforward"]),
        "mlp.down_proj": ("feedforward.down", biases["feedforward"]),
        "input_layernorm": ("attention_norm", False),
        "post_attention_layernorm": ("feedforward_norm", False),
    }
    if normed:
        maps["self_attn.q_norm"] = ("attention.query_norm", False)
        maps["self_attn.k_norm"] = ("attention.key_norm", False)
    found = [renamed(f"{theirs}.{name}.weight", f"{ours}.{own}.weight") for name, (own, _) in maps.items()]
    with_bias = {name: own for name, (own, bias) in maps.items() if bias}
    return found + [renamed(f"{theirs}.{name}.bias", f"{ours}.{own}.bias") for name, own in with_bias.items()]


def parts_rules(config: ModelConfig) -> list[Rule]:
    """What every LLaMA asks for, Meta's as well."""
    rope = config.positions.name == "rope" and getattr(config.positions, "fraction", 1.0) == 1.0
    return [
        *shared_rules(config),
        (rope, "positions", "rope, fraction 1"),
        (config.norm.name == "rmsnorm", "norm", "rmsnorm"),
        (default_scale(config), "attention_scale", "null"),
    ]


def _rules(config: ModelConfig) -> dict[str, list[Rule]]:
    scaling, kinds = scaling_of(config), set(kinds_of(config))
    shared = [
        *parts_rules(config),
        (config.feedforward.name in ACTIVATIONS.values(), "feedforward", " or ".join(inverse(ACTIVATIONS))),
        (
            scaling is None or scaling in WRITABLE,
            "positions",
            f"scaling {', '.join(WRITABLE)}, or another base",
        ),
    ]
    plain = (config.qk_norm.name == "none", "qk_norm", "none")
    unbiased = [
        (not config.bias, "bias", "false"),
        (not config.has_output_bias, "output_bias", "false"),
    ]
    qkv = config.has_qkv_bias
    divided = (config.width % config.heads == 0, "heads", f"a divisor of width {config.width}")
    return {
        "mistral": [*shared, plain, *unbiased, (not qkv, "qkv_bias", "false"), _windowed(kinds == {"local"})],
        "qwen2": [*shared, plain, *unbiased, (qkv, "qkv_bias", "true")],
        "qwen3": [*shared, *_qwen3(config)],
        "llama": [*shared, plain, divided, (kinds == {"global"}, "window", "null")],
    }


def _windowed(holds: bool) -> Rule:
    return (holds, "attention_pattern", "a window in every layer")


def _qwen3(config: ModelConfig) -> list[Rule]:
    return [
        (config.qk_norm == config.norm, "qk_norm", f"{config.norm.label}, as the other norms"),
        (not config.bias, "bias", "false"),
        (config.has_output_bias == config.has_qkv_bias, "output_bias", "qkv_bias's value"),
    ]


def _write_config(config: ModelConfig, model_type: str) -> dict[str, Any]:
    values = {
        "architectures": [f"{_ARCHITECTURES[model_type]}ForCausalLM"],
        "vocab_size": config.vocabulary,
        "hidden_size": config.width,
        "num_hidden_layers": config.layers,
        "num_attention_heads": config.heads,
        "num_key_value_heads": config.key_value_heads,
        "head_dim": config.head_width,
        "intermediate_size": config.feedforward_width,
        "hidden_act": inverse(ACTIVATIONS)[config.feedforward.name],
        "rms_norm_eps": config.norm.eps,
        "attention_dropout": 0.0,
        **write_rope(config),
    }
    own = {"llama": _llama_values, "mistral": _mistral_values, "qwen3": _qwen3_values}.get(
        model_type, _qwen_values
    )
    return values | own(config)


def _llama_values(config: ModelConfig) -> dict[str, Any]:
    return {"attention_bias": config.has_qkv_bias or config.has_output_bias, "mlp_bias": config.bias}


def _mistral_values(config: ModelConfig) -> dict[str, Any]:
    return {"sliding_window": config.window}


def _qwen_values(config: ModelConfig) -> dict[str, Any]:
    return {
        "use_sliding_window": config.window is not None,
        "sliding_window": config.window,
        "max_window_layers": config.layers,
        "layer_types": [inverse(_KINDS)[kind] for kind in kinds_of(config)],
    }


def _qwen3_values(config: ModelConfig) -> dict[str, Any]:
    return _qwen_values(config) | {"attention_bias": config.has_qkv_bias}


LLAMA = Family(
    model_types=("llama", "mistral", "qwen2", "qwen3"),
    prefix="model.",
    embedding="embed_tokens.weight",
    tied_default=False,
    ignored=re.compile(r"(model\.)?(layers\.\d+\.self_attn\.)?rotary_emb\.inv_freq"),
    read_config=_read_config,
    entries=_entries,
    rules=_rules,
    write_config=_write_config,
)
