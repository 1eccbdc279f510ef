"""Rotary positions in a Hugging Face ``config.json`` (transformers, modeling_rope_utils.py).

Until version 4 there are ``rope_theta`` and ``rope_scaling``, since version 5 ``rope_parameters`` with both
in it; either is read, and the first is written because both versions read it. What Hugging Face calls
``dynamic`` takes the model's context for the original one; ``yarn`` with ``mscale`` is written there as the
factor that it comes to.
"""

import math
from typing import Any

from workbench.model.config import ModelConfig
from workbench.model.pretrained.published_options import Options

_ORIGINAL = "original_max_position_embeddings"
# Their word for a kind of scaling, ours, and their option for each of ours.
_SCALINGS: dict[str, tuple[str, dict[str, str]]] = {
    "linear": ("linear", {"factor": "factor"}),
    "dynamic": ("dynamic_ntk", {"factor": "factor", "original_context": _ORIGINAL}),
    "yarn": (
        "yarn",
        {
            "factor": "factor",
            "original_context": _ORIGINAL,
            "beta_fast": "beta_fast",
            "beta_slow": "beta_slow",
            "attention_factor": "attention_factor",
        },
    ),
    "llama3": (
        "llama3",
        {
            "factor": "factor",
            "original_context": _ORIGINAL,
            "low_frequency_factor": "low_freq_factor",
            "high_frequency_factor": "high_freq_factor",
        },
    ),
}
WRITABLE = {ours: theirs for theirs, (ours, _) in _SCALINGS.items()}


def read_rope(options: Options, context: int) -> dict[str, Any]:
    """The spec of our ``rope``; ``UserError`` for a kind that we do not have."""
    key = "rope_scaling" if options.get("rope_scaling") else "rope_parameters"
    given = options.get(key) or {}
    kind = given.get("rope_type", given.get("type", "default"))
    turned = given.get("partial_rotary_factor", options.get("partial_rotary_factor"))
    if any(isinstance(value, dict) for value in given.values()):
        raise options.error(key, "all layers of the decoder share one rotary code")
    if turned not in (None, 1, 1.0):
        raise options.error(key, "the decoder's LLaMA rotates whole heads")
    base = given.get("rope_theta") or options.get("rope_theta") or 10000.0
    spec = {"name": "rope", "base": base}
    if kind == "default":
        return spec
    if kind not in _SCALINGS or given.get("truncate", True) is not True:
        raise options.error(key, f"the decoder has default, {', '.join(_SCALINGS)} (truncated)")
    ours, names = _SCALINGS[kind]
    given = _completed(kind, given, options, context)
    still = given.get("factor") == 1 and given.get("attention_factor") in (None, 1)
    if still and kind != "dynamic":  # which grows with the text, whatever its factor
        return spec
    scaling = {name: given[theirs] for name, theirs in names.items() if given.get(theirs) is not None}
    return spec | {"scaling": ours} | scaling


def _completed(kind: str, given: dict[str, Any], options: Options, context: int) -> dict[str, Any]:
    """``given`` with what transformers derives."""
    original = options.get(_ORIGINAL) or given.get(_ORIGINAL) or context
    completed = given | {_ORIGINAL: context if kind == "dynamic" else original}
    if kind == "yarn":
        completed["factor"] = given.get("factor") or context / original
        if given.get("attention_factor") is None and given.get("mscale") and given.get("mscale_all_dim"):
            temperatures = [_temperature(completed["factor"], given[k]) for k in ("mscale", "mscale_all_dim")]
            completed["attention_factor"] = temperatures[0] / temperatures[1]
    return completed


def _temperature(factor: float, scale: float) -> float:
    return 1.0 if factor <= 1 else 0.1 * scale * math.log(factor) + 1.0


def write_rope(config: ModelConfig) -> dict[str, Any]:
    """``rope_theta``, ``rope_scaling`` and ``max_position_embeddings``, which dynamic scaling starts from."""
    rope = config.positions
    values = {"rope_theta": rope.base, "max_position_embeddings": config.context}
    if scaling_of(config) is None:
        return values | {"rope_scaling": None}
    theirs = WRITABLE[rope.scaling]
    options = {name: getattr(rope, ours) for ours, name in _SCALINGS[theirs][1].items()}
    scaling = {"rope_type": theirs} | {name: value for name, value in options.items() if value is not None}
    if theirs == "dynamic":
        values["max_position_embeddings"] = scaling.pop(_ORIGINAL)
    return values | {"rope_scaling": scaling}


def scaling_of(config: ModelConfig) -> str | None:
    """The kind of scaling of a rotary code, None for none."""
    scaling = getattr(config.positions, "scaling", None)
    return None if scaling == "none" else scaling
