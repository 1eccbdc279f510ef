"""One layer: attention and feed-forward network, each with a norm and a residual connection."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from torch import Tensor, nn

from workbench.model.attention import CausalSelfAttention
from workbench.model.dropout import Dropout

if TYPE_CHECKING:
    from workbench.model.config import ModelConfig


class Block(nn.Module):
    """Norms before each part and outside the residual stream (pre), or after each sum (post).

    Xiong et al. 2020 (arXiv 2002.04745) compare the two placements.
    """

    def __init__(self, config: "ModelConfig") -> None:
        super().__init__()
        self.pre = config.norm_placement == "pre"
        self.attention_norm = config.norm.build(config.width)
        self.attention = CausalSelfAttention(config)
        self.feedforward_norm = config.norm.build(config.width)
        self.feedforward = config.feedforward.build(config.width, config.feedforward_width, config.bias)
        self.dropout = Dropout(config.dropout)

    def forward(self, x: Tensor, rotate: Callable[[Tensor], Tensor], mask: Tensor | None = None) -> Tensor:
        """``(B, T, D) -> (B, T, D)``; ``rotate`` and ``mask`` as in the attention."""
        if self.pre:
            x = x + self.dropout(self.attention(self.attention_norm(x), rotate, mask))  # (B, T, D)
            return x + self.dropout(self.feedforward(self.feedforward_norm(x)))  # (B, T, D)
        x = self.attention_norm(x + self.dropout(self.attention(x, rotate, mask)))  # (B, T, D)
        return self.feedforward_norm(x + self.dropout(self.feedforward(x)))  # (B, T, D)
