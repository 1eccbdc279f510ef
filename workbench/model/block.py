"""One layer: attention and feed-forward network, each with a norm and a residual connection."""

from torch import Tensor, nn

from workbench.model.architecture import Architecture
from workbench.model.attention import CausalSelfAttention, Order
from workbench.model.cache import LayerCache
from workbench.model.dropout import Dropout


class Block(nn.Module):
    """Both parts and their norms; the config's ``norm_placement`` says in which order they act."""

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
        self.attention_norm = config.norm.build(config.width)
        self.attention = CausalSelfAttention(config, config.layer_windows[layer])
        self.feedforward_norm = config.norm.build(config.width)
        self.feedforward = config.feedforward.build(config.width, config.feedforward_width, config.bias)
        for name in self.placement.further_norms:
            self.add_module(name, config.norm.build(config.width))
        self.dropout = Dropout(config.dropout)

    def forward(self, x: Tensor, order: Order, cache: LayerCache | None = None) -> Tensor:
        """``(B, T, D) -> (B, T, D)``; ``order`` and ``cache`` as in the attention."""
        return self.placement.forward(self, x, order, cache)
