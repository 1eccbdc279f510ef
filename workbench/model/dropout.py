"""Dropout that draws from a generator of its own, never from the global one."""

import torch
from torch import Tensor, nn

from workbench.errors import UserError


class Dropout(nn.Module):
    """Zeroes each element with ``probability`` in training, and scales the others to keep the mean.

    Srivastava et al. 2014. ``generator`` must be set before training, on the device of the input.
    """

    def __init__(self, probability: float) -> None:
        super().__init__()
        self.probability = probability
        self.generator: torch.Generator | None = None

    def forward(self, x: Tensor) -> Tensor:
        """Same shape; in evaluation, or with probability 0, ``x`` itself."""
        if not self.training or self.probability == 0:
            return x
        if self.generator is None:
            raise UserError(
                f"dropout is {self.probability} but has no generator; set decoder.dropout_generator = "
                f"workbench.seeds.generator(seed, 'dropout', device=...) before training, or dropout to 0"
            )
        kept = torch.rand(x.shape, generator=self.generator, device=x.device) >= self.probability
        return x * kept / (1 - self.probability)
