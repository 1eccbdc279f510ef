"""Keys and values of tokens already seen, so that generation computes each token once.

Keys are kept as they are before rotation and rotated anew at each step: a rotary code whose frequencies
depend on the length so far (dynamic NTK) is then exact, at the price of one elementwise product per step.
"""

import torch
from torch import Tensor

from workbench.model.sizes import Sizes


class LayerCache:
    """One layer's keys and values, ``(B, G, S, d_head)`` each, G being the number of key heads."""

    def __init__(self) -> None:
        self.key: Tensor | None = None
        self.value: Tensor | None = None

    def append(self, key: Tensor, value: Tensor) -> tuple[Tensor, Tensor]:
        """Keep those of T new tokens; returns those of all S tokens so far."""
        if self.key is not None and self.value is not None:
            key = torch.cat([self.key, key], dim=2)  # (B, G, S, d_head)
            value = torch.cat([self.value, value], dim=2)  # (B, G, S, d_head)
        self.key = key
        self.value = value
        return key, value


class KeyValueCache:
    """All layers' caches, and the positions of the tokens that they hold."""

    def __init__(self, sizes: Sizes) -> None:
        self.layers = [LayerCache() for _ in range(sizes.layers)]
        self.position_ids: Tensor | None = None

    def __len__(self) -> int:
        """How many tokens it holds."""
        return 0 if self.position_ids is None else self.position_ids.shape[0]

    @property
    def next_position(self) -> int:
        """Where the default positions of the next tokens begin."""
        return 0 if self.position_ids is None else int(self.position_ids[-1]) + 1

    def extend(self, position_ids: Tensor) -> Tensor:
        """Note the positions ``(T,)`` of new tokens; returns those of all tokens ``(S,)``."""
        if self.position_ids is not None:
            position_ids = torch.cat([self.position_ids, position_ids])  # (S,)
        self.position_ids = position_ids
        return position_ids
