"""When two configs are one model under two names: ``qkv_bias: false`` beside ``bias: false``, for example."""

import math
from typing import Any

from workbench.model.config import ModelConfig

# Fields that the entries below replace by what they come to.
_SPELLED = ("window", "attention_pattern", "attention_scale", "qkv_bias", "output_bias", "norm_placement")


def behaviour(config: ModelConfig) -> dict[str, Any]:
    """The config with each option replaced by its effect: equal for models that compute and train alike."""
    values = {key: value for key, value in config.to_dict().items() if key not in _SPELLED}
    scale = config.attention_scale or 1 / math.sqrt(config.head_width)
    return values | {
        "windows": config.layer_windows,
        "scale": round(scale, 12),
        "qkv_bias": config.has_qkv_bias,
        "output_bias": config.has_output_bias,
        "norm_placement": _placement(config),
    }


def _placement(config: ModelConfig) -> str:
    """Without norms only parallel blocks differ from the others."""
    absent = config.norm.name == "none" and not config.placement.parallel
    return "pre" if absent else config.norm_placement
