"""How a decoder is described: one frozen value, equal to another when the models are the same."""

from dataclasses import MISSING, dataclass, fields, replace
from pathlib import Path
from typing import Any

from workbench.errors import UserError
from workbench.model import cost
from workbench.model.architecture import Architecture
from workbench.model.parts.attention_gate import ATTENTION_GATES
from workbench.model.parts.component import FACTORS, NORMS, ComponentConfig, plain
from workbench.model.parts.norm_placement import NORM_PLACEMENTS
from workbench.model.sizes import check_groups, divided_width
from workbench.model.windows import check_windows, parse_pattern
from workbench.user_input import coerce, require, require_known, type_hints

# Fields that hold a component, and the registry of its levels.
PARTS = FACTORS | {"qk_norm": NORMS}
# Further fields whose levels may be compared in a study.
OPTIONS = (
    "norm_placement",
    "window",
    "attention_pattern",
    "attention_gate",
    "attention_softcap",
    "attention_scale",
    "key_value_heads",
    "tied_embeddings",
    "bias",
    "qkv_bias",
    "output_bias",
    "dropout",
)
# Fields that came later: left out of ``to_dict`` at their default, so that hashes from before still hold.
_LATER = ("output_bias",)
# Sizes that may be left out, or at None: they follow from others.
_DERIVED = ("key_value_heads", "head_width", "feedforward_width")
_ABOVE_ZERO = (
    "vocabulary",
    "context",
    "width",
    "layers",
    "heads",
    *_DERIVED,
    "window",
    "attention_softcap",
    "attention_scale",
)


@dataclass(frozen=True, kw_only=True)
class ModelConfig(Architecture):
    """Sizes and parts of a decoder. Parts may be given by name, import path or ``{"name": ..., **options}``.

    Left at None, ``key_value_heads`` is the number of heads, ``head_width`` is width / heads, and
    ``feedforward_width`` the recipe's rule (4 times the width, for gated networks 8/3 of it up to a multiple
    of 8). ``norm_placement`` and ``attention_gate`` are explained in the modules of their names in
    ``workbench.model.parts``; ``qk_norm`` (a level of norm), ``window``, ``attention_softcap`` and
    ``attention_scale`` in ``CausalSelfAttention``; ``attention_pattern`` in ``workbench.model.windows``.
    ``bias`` is that of all linear maps but the head; ``qkv_bias`` overrides it for query, key and value,
    ``output_bias`` for attention's output projection, so that a model without them has the feedforward's
    alone. Raises ``UserError``, with what to change, for values that make no model.
    """

    def __post_init__(self) -> None:
        """Resolve the parts and what was left at None, then check all of it."""
        hints = type_hints(type(self)) | dict.fromkeys(_DERIVED, int | None)
        for field in fields(self):
            value = coerce(getattr(self, field.name), hints[field.name], field.name)
            self._set(field.name, PARTS[field.name].config(value) if field.name in PARTS else value)
        self._set("attention_pattern", parse_pattern(self.attention_pattern))
        for name in _ABOVE_ZERO:
            value = getattr(self, name)
            require(value is None or value > 0, f"{name}: {value} is not above 0; use a positive number")
        require(0 <= self.dropout < 1, f"dropout: {self.dropout} is not in [0, 1); use for example 0.1")
        NORM_PLACEMENTS.level(self.norm_placement)  # refuses a name that it does not know
        ATTENTION_GATES.level(self.attention_gate)
        self._derive()
        check_groups(self.heads, self.key_value_heads)
        check_windows(self.attention_pattern, self.window, self.layers, self.context)
        self.positions.check(self)

    def _derive(self) -> None:
        """Until here, and nowhere else, a size may be None: what its user left to the others."""
        if self.key_value_heads is None:
            self._set("key_value_heads", self.heads)
        if self.head_width is None:
            self._set("head_width", divided_width(self.width, self.heads))
        if self.feedforward_width is None:
            self._set("feedforward_width", self.feedforward.default_hidden(self.width))

    def _set(self, name: str, value: Any) -> None:
        object.__setattr__(self, name, value)

    @property
    def foreign_parts(self) -> dict[str, ComponentConfig]:
        """The parts whose code is not the workbench's, by field."""
        parts = {name: getattr(self, name) for name in PARTS}
        return {name: part for name, part in parts.items() if part.component.foreign}

    def to_dict(self) -> dict[str, Any]:
        """All fields, ready for JSON; ``from_dict`` gives an equal config back."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        for name in _LATER:
            if values[name] is None:
                del values[name]
        return {k: v.to_dict() if isinstance(v, ComponentConfig) else v for k, v in values.items()}

    @classmethod
    def from_dict(cls, values: dict[str, Any], parts: Path | None = None) -> "ModelConfig":
        """The config that ``to_dict`` wrote. Raises ``UserError`` for unknown or missing keys.

        ``parts`` is where the run's study keeps the code of parts that are not the workbench's own: that is
        used where theirs cannot be imported, or is another by now.
        """
        require_known(values, [field.name for field in fields(cls)], "model")
        missing = [f.name for f in fields(cls) if f.default is MISSING and f.name not in values]
        if missing:
            raise UserError(f"model: {', '.join(missing)} is missing; give it a value")
        found = {key: PARTS[key].config(values[key], parts) for key in PARTS if key in values}
        return cls(**(values | found))

    def with_levels(self, **changes: Any) -> "ModelConfig":
        """This config with ``changes``. Raises ``UserError`` for unknown keys.

        A head width that was width / heads follows a change of either; nothing else is derived anew.
        """
        require_known(changes, [field.name for field in fields(self)], "model")
        if {"width", "heads"} & changes.keys() and self.attention_width == self.width:
            changes = {"head_width": None} | changes
        return replace(self, **changes)

    def labels(self) -> dict[str, str]:
        """Each factor's level as short text: ``rope``, ``layernorm(eps=1e-06)``, ``true``, ``2``."""
        parts = {factor: getattr(self, factor).label for factor in PARTS}
        options = {name: plain(getattr(self, name)) for name in OPTIONS}
        derived = ("attention_scale", "qkv_bias", "output_bias")
        follows = {name: "default" for name in derived if getattr(self, name) is None}
        return parts | options | follows

    def num_parameters(self) -> int:
        """All parameters of the decoder, by formula."""
        return cost.num_parameters(self)

    def nonembedding_parameters(self) -> int:
        """Parameters without token and position tables and without an untied head."""
        return cost.nonembedding_parameters(self)

    def flops_per_token(self) -> int:
        """Training FLOPs per token, forward and backward."""
        return cost.flops_per_token(self)

    def decode_bytes(self) -> int:
        """Bytes of weights and cache that one more token reads at the full context, two to a value."""
        return cost.decode_bytes(self)
