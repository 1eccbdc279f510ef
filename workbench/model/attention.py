"""Causal self-attention with grouped key and value heads.

Vaswani et al. 2017 (arXiv 1706.03762); grouped queries: Ainslie et al. 2023 (arXiv 2305.13245). Query, key,
value and output are separate matrices, so that variants with fewer key heads share the others' draws.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional as F

if TYPE_CHECKING:
    from workbench.model.config import ModelConfig


class CausalSelfAttention(nn.Module):
    """``softmax(rotate(q) rotate(k)^T / sqrt(d_head) + mask) v``, heads concatenated and projected."""

    def __init__(self, config: "ModelConfig") -> None:
        super().__init__()
        self.head_width, self.groups = config.head_width, config.heads // config.key_value_heads
        narrow = config.key_value_heads * config.head_width
        self.query = nn.Linear(config.width, config.width, bias=config.bias)
        self.key = nn.Linear(config.width, narrow, bias=config.bias)
        self.value = nn.Linear(config.width, narrow, bias=config.bias)
        self.output = nn.Linear(config.width, config.width, bias=config.bias)

    def forward(self, x: Tensor, rotate: Callable[[Tensor], Tensor], mask: Tensor | None = None) -> Tensor:
        """``(B, T, D) -> (B, T, D)``. ``mask (H, T, T)``, causality folded in; None for plain causality."""
        query = rotate(self._heads(self.query(x)))  # (B, H, T, d_head)
        key = self._repeat(rotate(self._heads(self.key(x))))  # (B, H, T, d_head)
        value = self._repeat(self._heads(self.value(x)))  # (B, H, T, d_head)
        mixed = F.scaled_dot_product_attention(
            query, key, value, attn_mask=mask if mask is None else mask.type_as(query), is_causal=mask is None
        )  # (B, H, T, d_head)
        return self.output(mixed.transpose(1, 2).flatten(2))  # (B, T, D)

    def _heads(self, x: Tensor) -> Tensor:
        return x.unflatten(-1, (-1, self.head_width)).transpose(1, 2)  # (B, H, T, d_head)

    def _repeat(self, x: Tensor) -> Tensor:
        return x if self.groups == 1 else x.repeat_interleave(self.groups, dim=1)  # (B, H, T, d_head)


def causal_mask(bias: Tensor | None) -> Tensor | None:
    """``(H, T, T)`` bias with minus infinity for later keys; None stays None (the kernels' own causality)."""
    if bias is None:
        return None
    later = torch.ones(bias.shape[-2:], dtype=torch.bool, device=bias.device).triu(1)  # (T, T)
    return bias.masked_fill(later, -torch.inf)  # (H, T, T)
