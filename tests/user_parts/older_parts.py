"""Parts as a user wrote them when ``workbench.model`` had no folder ``parts``."""

from dataclasses import dataclass

import torch
import workbench.model.feedforward
from torch import Tensor, nn
from workbench.model.component import Component, ComponentConfig
from workbench.model.initialization import Initialization
from workbench.model.options import require
from workbench.model.positions import Positions
from workbench.model.relative_bias import alibi_slopes
from workbench.model.rotary import Rotary

from workbench.model import norms


class Halved(norms.RMSNorm):
    """With an option of its own."""

    @dataclass(frozen=True, kw_only=True)
    class Config(norms.RMSNorm.Config):
        """``by`` divides the output."""

        by: float = 2.0

        def __post_init__(self) -> None:
            super().__post_init__()
            require(self.by > 0, f"{self.name}.by: {self.by} is not above 0; use 2")

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x) / self.config.by


class Steeper(Positions):
    """Twice ALiBi's slopes."""

    def __init__(self, config: ComponentConfig, model: object) -> None:
        super().__init__(config, model)
        self.heads = model.heads

    def bias(self, query_ids: Tensor, key_ids: Tensor) -> Tensor:
        return -2 * alibi_slopes(self.heads)[:, None, None] * (query_ids[:, None] - key_ids)


class Half(Rotary):
    """With another default, in a config that is not decorated."""

    class Config(Rotary.Config):
        """Rotates half of each head."""

        fraction: float = 0.5


class Linear(workbench.model.feedforward.FeedForward):
    """One matrix, by the longest path."""

    def __init__(self, config: ComponentConfig, width: int, hidden: int, bias: bool) -> None:
        super().__init__(config, width, hidden, bias)
        self.down = nn.Linear(width, width, bias=bias)

    def forward(self, x: Tensor) -> Tensor:
        return self.down(x)


class Small(Initialization):
    """Everything from a narrow normal distribution."""

    def matrix(self, name: str, shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
        return torch.randn(shape, generator=generator) / 1000


assert issubclass(Small, Component)
