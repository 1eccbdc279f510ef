"""Recipes (which parts) and sizes: ``preset("llama-nano", vocabulary=257, context=128)``."""

from typing import Any

from workbench.errors import UserError, suggestion
from workbench.model.config import ModelConfig

RECIPES: dict[str, dict[str, Any]] = {
    # arXiv 2302.13971
    "llama": {
        "positions": "rope",
        "norm": "rmsnorm",
        "feedforward": "swiglu",
        "initialization": "llama",
        "norm_placement": "pre",
        "tied_embeddings": False,
        "bias": False,
    },
    # Radford et al. 2019
    "gpt2": {
        "positions": "learned",
        "norm": "layernorm",
        "feedforward": "gelu_tanh",
        "initialization": "gpt2",
        "norm_placement": "pre",
        "tied_embeddings": True,
        "bias": True,
    },
}

SIZES: dict[str, dict[str, int]] = {
    "nano": {"layers": 2, "width": 64, "heads": 4},
    "micro": {"layers": 4, "width": 128, "heads": 4},
    "mini": {"layers": 6, "width": 256, "heads": 8},
}

DEFAULT_SIZE = "nano"


def preset_names() -> list[str]:
    """Every name that ``preset`` takes: the recipes, then each recipe at each size."""
    return [*RECIPES, *(f"{recipe}-{size}" for recipe in RECIPES for size in SIZES)]


def preset(name: str, **overrides: Any) -> ModelConfig:
    """The config called ``name``; ``vocabulary`` and ``context`` are needed, other overrides go first.

    A bare recipe is of size nano. Raises ``UserError`` for an unknown name or override.
    """
    if name not in preset_names():
        raise UserError(f"preset: unknown name {name!r}; {suggestion(name, preset_names())}")
    recipe, _, size = name.partition("-")
    return ModelConfig.from_dict(RECIPES[recipe] | SIZES[size or DEFAULT_SIZE] | overrides)
