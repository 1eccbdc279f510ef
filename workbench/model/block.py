"""One layer: attention and feed-forward network, each with a norm and a residual connection."""

from typing import cast

import torch
from torch import Tensor, nn

from workbench.model.architecture import Architecture
from workbench.model.attention import CausalSelfAttention, Order
from workbench.model.cache import LayerCache
from workbench.model.dropout import Dropout
from workbench.model.recomputing import recomputed


class Block(nn.Module):
    """Both parts and their norms; the config's ``norm_placement`` says in which order they act.

    Where it is ``recomputed`` the backward pass computes it again from its input, which alone is kept.
    """

    attention_norm: nn.Module
    attention: CausalSelfAttention
    feedforward_norm: nn.Module
    feedforward: nn.Module
    attention_output_norm: nn.Module
    feedforward_output_norm: nn.Module
    dropout: nn.Module

    def __init__(self, config: Architecture, layer: int) -> None:
        super().__init__()
        self.placement = config.placement
        self.recomputed = False
        self.draws_globally = False  # in parts of the user's own
        self.attention_norm = config.norm.build(config.width)
        self.attention = CausalSelfAttention(config, config.layer_windows[layer])
        self.feedforward_norm = config.norm.build(config.width)
        self.feedforward = config.feedforward.build(config.width, config.feedforward_width, config.bias)
        for name in self.placement.further_norms:
            self.add_module(name, config.norm.build(config.width))
        self.dropout = Dropout(config.dropout)

    def forward(self, x: Tensor, order: Order, cache: LayerCache | None = None) -> Tensor:
        """``(B, T, D) -> (B, T, D)``; ``order`` and ``cache`` as in the attention."""
        if self.recomputed and torch.is_grad_enabled() and cache is None:
            dropout = cast(Dropout, self.dropout)
            return recomputed(
                self.placement.forward,
                *(self, x, order),
                generator=dropout.generator if dropout.probability else None,
                draws_globally=self.draws_globally,
            )
        return self.placement.forward(self, x, order, cache)
