"""GPT-Neo as Hugging Face keeps it: ``model_type`` gpt_neo (Black et al. 2021; modeling_gpt_neo.py).

Beside GPT-2: layers alternate between all keys and a window (which counts the query's own key, as ours does),
scores are not scaled, and query, key and value are maps of their own, without bias.
"""

import re
from collections.abc import Mapping
from typing import Any

from workbench.model.config import ModelConfig
from workbench.model.pretrained.family import Family, inverse
from workbench.model.pretrained.huggingface_gpt2 import ACTIVATIONS, parts_rules
from workbench.model.pretrained.layer_kinds import kinds_of, window_and_pattern
from workbench.model.pretrained.mapping import Entry, renamed
from workbench.model.pretrained.published_options import Options, Rule


def _read_config(options: Options, tied: bool) -> ModelConfig:
    context, layers = options.size("max_position_embeddings"), options.layers("num_layers")
    kinds = _expand(options, layers)
    if len(kinds) != layers or set(kinds) - {"global", "local"}:
        raise options.error("attention_types", f"it must name 'global' or 'local' for {layers} layers")
    return ModelConfig(
        vocabulary=options.size("vocab_size"),
        context=context,
        width=options.size("hidden_size"),
        layers=layers,
        heads=options.size("num_heads"),
        feedforward_width=options.size_or_none("intermediate_size"),
        positions="learned",
        norm={"name": "layernorm", "eps": options.get("layer_norm_epsilon", 1e-5)},
        feedforward=options.translate("activation_function", ACTIVATIONS, "gelu_new"),
        initialization="gpt2",
        **window_and_pattern(kinds, options.get("window_size", 256)),
        attention_scale=1.0,
        tied_embeddings=tied,
        bias=True,
        qkv_bias=False,
    )


def _expand(options: Options, layers: int) -> list[str]:
    """``[[["global", "local"], 12]]`` means both kinds in turn, twelve times.

    What goes beyond the ``layers`` is cut one after them: enough to see that they do not fit.
    """
    try:
        groups = options["attention_types"]
        return [kind for kinds, times in groups for kind in kinds * min(times, layers + 1)]
    except (TypeError, ValueError):
        raise options.error("attention_types", "write for example [[['global', 'local'], 12]]") from None


def _entries(config: ModelConfig, values: Mapping[str, Any], prefix: str) -> list[Entry]:
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
    attention = f"{theirs}.attn.attention"
    found = [
        renamed(f"{attention}.q_proj.weight", f"{ours}.attention.query.weight"),
        renamed(f"{attention}.k_proj.weight", f"{ours}.attention.key.weight"),
        renamed(f"{attention}.v_proj.weight", f"{ours}.attention.value.weight"),
    ]
    for kind in ("weight", "bias"):
        found += [
            renamed(f"{theirs}.ln_1.{kind}", f"{ours}.attention_norm.{kind}"),
            renamed(f"{attention}.out_proj.{kind}", f"{ours}.attention.output.{kind}"),
            renamed(f"{theirs}.ln_2.{kind}", f"{ours}.feedforward_norm.{kind}"),
            renamed(f"{theirs}.mlp.c_fc.{kind}", f"{ours}.feedforward.up.{kind}"),
            renamed(f"{theirs}.mlp.c_proj.{kind}", f"{ours}.feedforward.down.{kind}"),
        ]
    return found


def _rules(config: ModelConfig) -> dict[str, list[Rule]]:
    own = [
        (not config.has_qkv_bias, "qkv_bias", "false"),
        (config.attention_scale == 1.0, "attention_scale", "1.0"),
    ]
    return {"gpt_neo": [*parts_rules(config), *own]}


def _write_config(config: ModelConfig, model_type: str) -> dict[str, Any]:
    return {
        "architectures": ["GPTNeoForCausalLM"],
        "vocab_size": config.vocabulary,
        "max_position_embeddings": config.context,
        "hidden_size": config.width,
        "num_layers": config.layers,
        "num_heads": config.heads,
        "intermediate_size": config.feedforward_width,
        "activation_function": inverse(ACTIVATIONS)[config.feedforward.name],
        "layer_norm_epsilon": config.norm.eps,
        "attention_types": [[[kind], 1] for kind in kinds_of(config)],
        "attention_layers": kinds_of(config),
        "window_size": config.window or config.context,
        "embed_dropout": config.dropout,
        "resid_dropout": config.dropout,
        "attention_dropout": 0.0,
    }


GPT_NEO = Family(
    model_types=("gpt_neo",),
    prefix="transformer.",
    embedding="wte.weight",
    tied_default=True,
    ignored=re.compile(r"(transformer\.)?h\.\d+\.attn\.attention\.(masked_)?bias"),
    read_config=_read_config,
    entries=_entries,
    rules=_rules,
    write_config=_write_config,
)
