"""Every level of every factor, as changes to a small llama: what the suites loop over."""

from workbench.errors import UserError
from workbench.model import FACTORS, ModelConfig, preset
from workbench.model.parts.attention_gate import ATTENTION_GATES
from workbench.model.parts.norm_placement import NORM_PLACEMENTS

SMALL = {"vocabulary": 19, "context": 12, "width": 16, "layers": 2, "heads": 4, "feedforward_width": 24}
# Registered levels with their defaults; a new one is looped over without an edit here.
REGISTERED = {factor: registry.names() for factor, registry in FACTORS.items()}
SCALED = [
    {"name": "rope", "scaling": "linear", "factor": 2.0},
    {"name": "rope", "scaling": "ntk", "factor": 2.0},
    {"name": "rope", "scaling": "dynamic_ntk", "factor": 2.0, "original_context": 8},
    {"name": "rope", "scaling": "yarn", "factor": 2.0, "original_context": 12},
    {"name": "rope", "scaling": "llama3", "factor": 2.0, "original_context": 12},
    {"name": "rope", "fraction": 0.5},
]
OPTIONS = {
    "norm": [{"name": "rmsnorm", "cast": "after_weight"}, {"name": "layernorm", "bias": False}],
    "norm_placement": [level.name for level in NORM_PLACEMENTS if level.name != "pre"],
    "qk_norm": [level for level in REGISTERED["norm"] if level != "none"],
    "window": [4],
    "attention_pattern": ["global,local"],
    "attention_gate": [level.name for level in ATTENTION_GATES if level.name != "none"],
    "attention_softcap": [2.0],
    "attention_scale": [1.0],
    "key_value_heads": [2, 1],
    "head_width": [6],
    "tied_embeddings": [True],
    "bias": [True],
    "qkv_bias": [True],
    "output_bias": [True],
}
LEVELS = {
    factor: [*REGISTERED.get(factor, []), *OPTIONS.get(factor, [])] for factor in {**REGISTERED, **OPTIONS}
}
LEVELS["positions"] += SCALED
CHANGES = [{factor: level} for factor, levels in LEVELS.items() for level in levels]
# A pattern needs a window: alone it is no model.
SINGLE = [{**change, "window": 4} if "attention_pattern" in change else change for change in CHANGES]


def name(change: dict) -> str:
    """A change as a test's name."""
    return ",".join(f"{factor}={_short(level)}" for factor, level in change.items())


def _short(level: object) -> str:
    if not isinstance(level, dict):
        return str(level)
    return "_".join(str(value) for key, value in level.items())


def built(change: dict) -> ModelConfig | None:
    """The config with ``change``; None if it is refused."""
    try:
        return preset("llama", **(SMALL | change))
    except UserError:
        return None
