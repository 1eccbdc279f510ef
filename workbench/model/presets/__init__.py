"""Named models, ``preset("llama-nano", vocabulary=257, context=128)`` or ``preset("gpt2-xl")``, and how they
were trained, ``recipe("llama-7b")``.

Published models carry a vocabulary and a context of their own; the small sizes nano, micro and mini take them
from their user. A bare family (``llama``, ``llama3``, ``gpt3``, ``gpt-neo``) is its nano size, but ``gpt2``
is the published model of that name.
"""

from typing import Any

from workbench.errors import UserError, suggestion
from workbench.model.config import ModelConfig
from workbench.model.presets import recipes, sizes
from workbench.model.presets.parts import PARTS
from workbench.model.presets.recipes import PublishedTraining

__all__ = ["PublishedTraining", "preset", "preset_names", "recipe"]

SMALLEST_WINDOW = 16
_FULL = {name: family for family, named in sizes.FULL.items() for name in named}
_SMALL = {f"{family}-{size}": (family, size) for family in sizes.SMALL_FAMILIES for size in sizes.SMALL}
_BARE = {family: f"{family}-nano" for family in sizes.SMALL_FAMILIES if family not in _FULL}


def preset_names() -> list[str]:
    """Every name that ``preset`` takes: bare families, small sizes, published models."""
    return [*_BARE, *_SMALL, *_FULL]


def preset(name: str, **overrides: Any) -> ModelConfig:
    """The config called ``name``, with ``overrides`` of any of its fields.

    Another width or number of heads keeps how many heads share a key head, as far as that divides; head and
    feedforward width then follow the width. Where layers alternate with windowed ones, another context than
    the published has windows of a quarter of it, at least 16. Raises ``UserError`` for an unknown name or
    override, and for a small size without vocabulary or context.
    """
    family, size = _find(name)
    changed = {key for key, value in overrides.items() if size.get(key) != value}
    values = PARTS[family] | _without_derived(size, changed) | overrides
    _share_keys(values, size, overrides)
    if "attention_pattern" in PARTS[family]:
        _fit_window(values, size, overrides)
    return ModelConfig.from_dict(values)


def recipe(name: str) -> PublishedTraining:
    """How the preset ``name`` was trained; the small sizes have their family's optimizer settings."""
    family, _ = _find(name)
    return recipes.FULL[name] if name in _FULL else recipes.SMALL[family]


def is_published(name: str) -> bool:
    """Whether ``name`` is a published model, with a vocabulary and a context of its own."""
    return name in _FULL


def _find(name: str) -> tuple[str, sizes.Size]:
    """The family and the size of a preset."""
    if name in _FULL:
        return _FULL[name], sizes.FULL[_FULL[name]][name]
    small = _BARE.get(name, name)
    if small not in _SMALL:
        raise UserError(f"preset: unknown name {name!r}; {suggestion(name, preset_names())}")
    family, size = _SMALL[small]
    return family, sizes.SMALL[size] | sizes.SMALL_EXTRAS.get(family, {})


def _without_derived(size: sizes.Size, changed: set[str]) -> sizes.Size:
    """``size`` without the fields that what is ``changed`` makes meaningless."""
    stale = set()
    if changed & {"width", "heads"}:
        stale |= {"head_width"}
    if changed & {"width", "feedforward"}:
        stale |= {"feedforward_width"}
    return {key: value for key, value in size.items() if key not in stale}


def _share_keys(values: dict[str, Any], size: sizes.Size, overrides: dict[str, Any]) -> None:
    """Keep the number of heads per key head, or the nearest smaller one that divides the heads."""
    heads = overrides.get("heads")
    if not isinstance(heads, int) or heads <= 0:
        return
    if "key_value_heads" in size and "key_value_heads" not in overrides:
        published = size["heads"] // size["key_value_heads"]
        values["key_value_heads"] = heads // max(d for d in range(1, published + 1) if heads % d == 0)


def _fit_window(values: dict[str, Any], size: sizes.Size, overrides: dict[str, Any]) -> None:
    """A family's window belongs to its context; without its alternating layers there is none."""
    context = values.get("context")
    if "window" in overrides:
        return
    if not values["attention_pattern"]:
        values.pop("window", None)
    elif isinstance(context, int) and context != size.get("context"):
        values["window"] = max(SMALLEST_WINDOW, context // 4)
