"""What a decoder is made of: its sizes, its parts, its options, and what follows from them."""

from dataclasses import dataclass
from typing import Any

from workbench.model.parts.attention_gate import ATTENTION_GATES, AttentionGate
from workbench.model.parts.norm_placement import NORM_PLACEMENTS, NormPlacement
from workbench.model.sizes import Sizes
from workbench.model.windows import layer_windows

# Left at None, such a size is worked out when a ModelConfig is made: whoever reads it finds a whole number.
_DERIVED: Any = None


@dataclass(frozen=True, kw_only=True)
class Architecture(Sizes):
    """All fields of a decoder, explained in ``ModelConfig``, which is how one is made, checked and read.

    ``positions``, ``norm``, ``feedforward``, ``initialization`` and ``qk_norm`` hold the config of a part.
    """

    key_value_heads: int = _DERIVED
    head_width: int = _DERIVED
    feedforward_width: int = _DERIVED
    positions: Any = "rope"
    norm: Any = "rmsnorm"
    feedforward: Any = "swiglu"
    initialization: Any = "llama"
    norm_placement: str = "pre"
    qk_norm: Any = "none"
    window: int | None = None
    attention_pattern: Any = None
    attention_gate: str = "none"
    attention_softcap: float | None = None
    attention_scale: float | None = None
    tied_embeddings: bool = False
    bias: bool = False
    qkv_bias: bool | None = None
    output_bias: bool | None = None
    dropout: float = 0.0

    @property
    def placement(self) -> NormPlacement:
        """What ``norm_placement`` names."""
        return NORM_PLACEMENTS.level(self.norm_placement)

    @property
    def gate(self) -> AttentionGate:
        """What ``attention_gate`` names."""
        return ATTENTION_GATES.level(self.attention_gate)

    @property
    def layer_windows(self) -> tuple[int | None, ...]:
        """For each layer how many keys a query sees, itself included; None for all."""
        return layer_windows(self.attention_pattern, self.window, self.layers)

    @property
    def has_qkv_bias(self) -> bool:
        """Whether query, key and value maps have a bias."""
        return self.bias if self.qkv_bias is None else self.qkv_bias

    @property
    def has_output_bias(self) -> bool:
        """Whether attention's output projection has a bias."""
        return self.bias if self.output_bias is None else self.output_bias
