"""The sizes of a decoder, as its parts read them: settled numbers, none left open."""

from dataclasses import dataclass

from workbench.user_input import require


@dataclass(frozen=True, kw_only=True)
class Sizes:
    """How large a decoder is: what position codes and initialisations are built from.

    ``vocabulary`` in tokens, ``context`` in positions, ``width`` (of the residual stream) and ``head_width``
    in dimensions. ``key_value_heads`` are the key heads, and as many value heads, that ``heads`` query heads
    share. A ``ModelConfig`` is one, too.
    """

    vocabulary: int
    context: int
    width: int
    layers: int
    heads: int
    key_value_heads: int
    head_width: int

    @property
    def attention_width(self) -> int:
        """Dimensions of all heads together: ``heads * head_width``, mostly the width."""
        return self.heads * self.head_width

    @property
    def key_value_width(self) -> int:
        """Dimensions of all key heads, and of all value heads."""
        return self.key_value_heads * self.head_width


def divided_width(width: int, heads: int) -> int:
    """The width of one head when the heads share the width; ``UserError`` where they cannot."""
    require(
        width % heads == 0,
        f"width: {width} is not divisible by heads {heads}; use width {-(-width // heads) * heads}, "
        f"heads {_divisor(width, heads)}, or give head_width",
    )
    return width // heads


def check_groups(heads: int, key_value_heads: int) -> None:
    """Raise ``UserError`` unless every key head serves as many query heads as the others."""
    require(
        heads % key_value_heads == 0,
        f"key_value_heads: {key_value_heads} does not divide heads {heads}; "
        f"use {_divisor(heads, key_value_heads)}",
    )


def _divisor(number: int, near: int) -> int:
    """The divisor of ``number`` closest to ``near``."""
    return min((d for d in range(1, number + 1) if number % d == 0), key=lambda d: (abs(d - near), d))
