"""What makes no model is refused here, each time with the key and the remedy."""

from typing import TYPE_CHECKING

from workbench.errors import suggestion
from workbench.user_values import require

if TYPE_CHECKING:
    from workbench.model.config import ModelConfig

NORM_PLACEMENTS = ("pre", "post", "sandwich", "parallel")
ATTENTION_GATES = ("none", "headwise", "elementwise")
_COUNTS = (
    "vocabulary",
    "context",
    "width",
    "layers",
    "heads",
    "key_value_heads",
    "head_width",
    "feedforward_width",
    "window",
    "attention_softcap",
    "attention_scale",
)


def check_sizes(config: "ModelConfig") -> None:
    """Every size that is given is above 0."""
    for name in _COUNTS:
        value = getattr(config, name)
        require(value is None or value > 0, f"{name}: {value} is not above 0; use a positive number")
    require(0 <= config.dropout < 1, f"dropout: {config.dropout} is not in [0, 1); use for example 0.1")


def check_choices(config: "ModelConfig") -> None:
    """Options that are one of a few words."""
    for name, known in (("norm_placement", NORM_PLACEMENTS), ("attention_gate", ATTENTION_GATES)):
        value = getattr(config, name)
        require(value in known, f"{name}: unknown {value!r}; {suggestion(value, known)}")


def divided_width(config: "ModelConfig") -> int:
    """The width of one head when the heads share the width."""
    width, heads = config.width, config.heads
    require(
        width % heads == 0,
        f"width: {width} is not divisible by heads {heads}; use width {-(-width // heads) * heads}, "
        f"heads {_divisor(width, heads)}, or give head_width",
    )
    return width // heads


def check_combinations(config: "ModelConfig") -> None:
    """Parts and sizes that do not go together."""
    heads, groups = config.heads, config.key_value_heads
    require(
        heads % groups == 0,
        f"key_value_heads: {groups} does not divide heads {heads}; use {_divisor(heads, groups)}",
    )
    _check_window(config)
    config.positions.check(config)


def _check_window(config: "ModelConfig") -> None:
    window, pattern = config.window, config.attention_pattern
    local = any(config.layer_windows)
    require(
        window is None or local,
        f"attention_pattern: {pattern!r} gives no layer the window of {window}; put 'local' into it, or "
        f"remove the window",
    )
    require(
        pattern is None or window is not None,
        f"window: attention_pattern {pattern!r} needs a window (how many keys a local layer sees, itself "
        f"included); give for example {max(1, config.context // 4)}, or remove the pattern",
    )


def _divisor(number: int, near: int) -> int:
    """The divisor of ``number`` closest to ``near``."""
    return min((d for d in range(1, number + 1) if number % d == 0), key=lambda d: (abs(d - near), d))
