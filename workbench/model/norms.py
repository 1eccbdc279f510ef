"""Normalisation of the residual stream: RMSNorm, LayerNorm, none."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from workbench.model.component import NORMS, Component, ComponentConfig
from workbench.model.options import require


class Norm(Component, nn.Module):
    """Maps ``(..., width)`` to the same shape. Its config builds it from the width."""

    factor = "norm"

    @dataclass(frozen=True, kw_only=True)
    class Config(ComponentConfig):
        """No options."""

    def __init__(self, config: ComponentConfig, width: int) -> None:
        super().__init__()
        self.config, self.width = config, width


@NORMS.register("rmsnorm")
class RMSNorm(Norm):
    """``x / sqrt(mean(x^2) + eps) * weight``: Zhang and Sennrich 2019, arXiv 1910.07467.

    The mean is taken in fp32 and the result cast to the input's type before it is multiplied by the
    weight, as in Meta's LLaMA and Hugging Face; some others multiply first, which differs in bf16 only.
    """

    @dataclass(frozen=True, kw_only=True)
    class Config(Norm.Config):
        """``eps`` keeps the root away from zero: 1e-5 in LLaMA 2 and 3, 1e-6 in LLaMA 1."""

        eps: float = 1e-5

        def __post_init__(self) -> None:
            """Check the options."""
            super().__post_init__()
            require(self.eps > 0, f"{self.name}.eps: {self.eps} is not above 0; use for example 1e-5")

        def num_parameters(self, width: int) -> int:
            """One weight per dimension."""
            return width

        def matmul_parameters(self, width: int) -> int:
            """None: the weight is applied elementwise."""
            return 0

    def __init__(self, config: Config, width: int) -> None:
        super().__init__(config, width)
        self.weight = nn.Parameter(torch.ones(width))

    def forward(self, x: Tensor) -> Tensor:
        """``(..., D) -> (..., D)``."""
        return F.rms_norm(x, (self.width,), eps=self.config.eps) * self.weight  # (..., D)


@NORMS.register("layernorm")
class LayerNorm(Norm):
    """``(x - mean) / sqrt(variance + eps) * weight + bias``: Ba et al. 2016, arXiv 1607.06450."""

    @dataclass(frozen=True, kw_only=True)
    class Config(Norm.Config):
        """``eps`` as in GPT-2; ``bias`` false leaves the additive vector out."""

        eps: float = 1e-5
        bias: bool = True

        def __post_init__(self) -> None:
            """Check the options."""
            super().__post_init__()
            require(self.eps > 0, f"{self.name}.eps: {self.eps} is not above 0; use for example 1e-5")

        def num_parameters(self, width: int) -> int:
            """A weight and, unless left out, a bias per dimension."""
            return width * (1 + self.bias)

        def matmul_parameters(self, width: int) -> int:
            """None: weight and bias are applied elementwise."""
            return 0

    def __init__(self, config: Config, width: int) -> None:
        super().__init__(config, width)
        self.weight = nn.Parameter(torch.ones(width))
        self.bias = nn.Parameter(torch.zeros(width)) if config.bias else None

    def forward(self, x: Tensor) -> Tensor:
        """``(..., D) -> (..., D)``."""
        return F.layer_norm(x, (self.width,), self.weight, self.bias, self.config.eps)  # (..., D)


@NORMS.register("none")
class NoNorm(Norm):
    """``x``: no normalisation. Expect smaller learning rates and divergence."""

    @dataclass(frozen=True, kw_only=True)
    class Config(Norm.Config):
        """No options."""

        def num_parameters(self, width: int) -> int:
            """None."""
            return 0

        def matmul_parameters(self, width: int) -> int:
            """None."""
            return 0

    def forward(self, x: Tensor) -> Tensor:
        """``(..., D) -> (..., D)``, unchanged."""
        return x
