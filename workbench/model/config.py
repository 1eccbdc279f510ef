"""What a decoder is made of: one frozen value, equal to another when the models are the same."""

from dataclasses import MISSING, dataclass, fields, replace
from typing import Any

from workbench.errors import UserError, suggestion
from workbench.model import cost, feedforward, initialization, norms, positions  # noqa: F401 (fill FACTORS)
from workbench.model.component import FACTORS, ComponentConfig, plain
from workbench.model.options import coerce, require, require_known, type_hints

NORM_PLACEMENTS = ("pre", "post")


@dataclass(frozen=True, kw_only=True)
class ModelConfig:
    """Sizes and parts of a decoder. Parts may be given by name, import path or ``{"name": ..., **options}``.

    ``feedforward_width`` and ``key_value_heads`` left at None take the recipe's rule (4 times the width, for
    gated networks 8/3 of it up to a multiple of 8) and the number of heads. ``bias`` is that of all linear
    maps but the head. Raises ``UserError``, with what to change, for values that make no model.
    """

    vocabulary: int
    context: int
    width: int
    layers: int
    heads: int
    key_value_heads: int | None = None
    feedforward_width: int | None = None
    positions: Any = "rope"
    norm: Any = "rmsnorm"
    feedforward: Any = "swiglu"
    initialization: Any = "llama"
    norm_placement: str = "pre"
    tied_embeddings: bool = False
    bias: bool = False
    dropout: float = 0.0

    def __post_init__(self) -> None:
        """Resolve the parts and what was left at None, then check all of it."""
        hints = type_hints(type(self))
        for field in fields(self):
            value = coerce(getattr(self, field.name), hints[field.name], field.name)
            self._set(field.name, FACTORS[field.name].config(value) if field.name in FACTORS else value)
        self._check_sizes()
        if self.key_value_heads is None:
            self._set("key_value_heads", self.heads)
        if self.feedforward_width is None:
            self._set("feedforward_width", self.feedforward.default_hidden(self.width))
        self._check_combinations()

    def _set(self, name: str, value: Any) -> None:
        object.__setattr__(self, name, value)

    def _check_sizes(self) -> None:
        names = ("vocabulary", "context", "width", "layers", "heads", "key_value_heads", "feedforward_width")
        for name in names:
            value = getattr(self, name)
            require(value is None or value > 0, f"{name}: {value} is not above 0; use a positive number")
        require(0 <= self.dropout < 1, f"dropout: {self.dropout} is not in [0, 1); use for example 0.1")
        placement = self.norm_placement
        hint = suggestion(placement, NORM_PLACEMENTS)
        require(placement in NORM_PLACEMENTS, f"norm_placement: unknown {placement!r}; {hint}")

    def _check_combinations(self) -> None:
        width, heads, groups = self.width, self.heads, self.key_value_heads
        require(
            width % heads == 0,
            f"width: {width} is not divisible by heads {heads}; use width {-(-width // heads) * heads}, "
            f"or heads {_divisor(width, heads)}",
        )
        require(
            heads % groups == 0,
            f"key_value_heads: {groups} does not divide heads {heads}; use {_divisor(heads, groups)}",
        )
        self.positions.check(self)

    @property
    def head_width(self) -> int:
        """Dimensions of one attention head, ``d_head``."""
        return self.width // self.heads

    def to_dict(self) -> dict[str, Any]:
        """All fields, ready for JSON; ``from_dict`` gives an equal config back."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return {k: v.to_dict() if isinstance(v, ComponentConfig) else v for k, v in values.items()}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "ModelConfig":
        """The config that ``to_dict`` wrote. Raises ``UserError`` for unknown or missing keys."""
        require_known(values, [field.name for field in fields(cls)], "model")
        missing = [f.name for f in fields(cls) if f.default is MISSING and f.name not in values]
        if missing:
            raise UserError(f"model: {', '.join(missing)} is missing; give it a value")
        return cls(**values)

    def with_levels(self, **changes: Any) -> "ModelConfig":
        """This config with ``changes``, nothing else derived anew. Raises ``UserError`` for unknown keys."""
        require_known(changes, [field.name for field in fields(self)], "model")
        return replace(self, **changes)

    def labels(self) -> dict[str, str]:
        """Each factor's level as short text: ``rope``, ``layernorm(eps=1e-06)``, ``true``, ``2``."""
        parts = {factor: getattr(self, factor).label for factor in FACTORS}
        names = ("norm_placement", "tied_embeddings", "bias", "key_value_heads")
        return parts | {name: plain(getattr(self, name)) for name in names}

    def num_parameters(self) -> int:
        """All parameters of the decoder, by formula."""
        return cost.num_parameters(self)

    def nonembedding_parameters(self) -> int:
        """Parameters without token and position tables and without an untied head."""
        return cost.nonembedding_parameters(self)

    def flops_per_token(self) -> int:
        """Training FLOPs per token, forward and backward."""
        return cost.flops_per_token(self)


def _divisor(number: int, near: int) -> int:
    """The divisor of ``number`` closest to ``near``."""
    return min((d for d in range(1, number + 1) if number % d == 0), key=lambda d: (abs(d - near), d))
