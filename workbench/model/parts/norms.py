"""Normalisation of the residual stream: RMSNorm, LayerNorm, dynamic tanh, none."""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from workbench.model.parts.component import NORMS, Component, ComponentConfig, described
from workbench.user_values import require


class Norm(Component, nn.Module):
    """Maps ``(..., width)`` to the same shape. Its config builds it from the width."""

    factor = "norm"
    required = "forward"

    @dataclass(frozen=True, kw_only=True)
    class Config(ComponentConfig):
        """No options."""

    def __init__(self, config: ComponentConfig, width: int) -> None:
        super().__init__()
        self.config = config
        self.width = width


@NORMS.register("rmsnorm")
class RMSNorm(Norm):
    """``x / sqrt(mean(x^2) + eps) * weight``: Zhang and Sennrich 2019, arXiv 1910.07467.

    The mean is taken in fp32. Meta's LLaMA and Hugging Face cast the result to the input's type, then
    multiply by the weight; OLMo, GPT-NeoX and lit-gpt multiply first. They differ in half precision only.
    """

    title = "RMSNorm"
    paper = "Zhang and Sennrich 2019, arXiv 1910.07467"
    formula = "x / sqrt(mean(x²) + ε) · w"
    colour = "blue"

    @dataclass(frozen=True, kw_only=True)
    class Config(Norm.Config):
        """What is added under the root, and when the input's type comes back."""

        eps: float = described(
            1e-5,
            "Added to the mean square to keep the root above zero: 1e-5 in LLaMA 2 and 3, 1e-6 in LLaMA 1.",
        )
        cast: Literal["before_weight", "after_weight"] = described(
            "before_weight",
            "Whether the result gets the input's type before or after it is multiplied by the weight.",
        )

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

    config: Config

    def __init__(self, config: Config, width: int) -> None:
        super().__init__(config, width)
        self.weight = nn.Parameter(torch.ones(width))

    def forward(self, x: Tensor) -> Tensor:
        """``(..., D) -> (..., D)``."""
        if self.config.cast == "after_weight":
            wide = x.to(torch.promote_types(x.dtype, torch.float32))  # (..., D)
            return (self._normalised(wide) * self.weight).type_as(x)  # (..., D)
        # On CUDA autocast computes rms_norm in fp32 and leaves its result there: the cast is spelled out.
        return self._normalised(x).type_as(x) * self.weight  # (..., D)

    def _normalised(self, x: Tensor) -> Tensor:
        return F.rms_norm(x, (self.width,), eps=self.config.eps)  # (..., D)


@NORMS.register("layernorm")
class LayerNorm(Norm):
    """``(x - mean) / sqrt(variance + eps) * weight + bias``: Ba et al. 2016, arXiv 1607.06450."""

    title = "LayerNorm"
    paper = "Ba et al. 2016, arXiv 1607.06450"
    formula = "(x - mean(x)) / sqrt(var(x) + ε) · w + b"
    colour = "green"

    @dataclass(frozen=True, kw_only=True)
    class Config(Norm.Config):
        """What is added under the root, and whether there is a bias."""

        eps: float = described(1e-5, "Added to the variance to keep the root above zero: 1e-5 in GPT-2.")
        bias: bool = described(True, "Whether a learned vector is added at the end.")

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

    config: Config

    def __init__(self, config: Config, width: int) -> None:
        super().__init__(config, width)
        self.weight = nn.Parameter(torch.ones(width))
        self.bias = nn.Parameter(torch.zeros(width)) if config.bias else None

    def forward(self, x: Tensor) -> Tensor:
        """``(..., D) -> (..., D)``."""
        return F.layer_norm(x, (self.width,), self.weight, self.bias, self.config.eps)  # (..., D)


@NORMS.register("dynamic_tanh")
class DynamicTanh(Norm):
    """``tanh(alpha * x) * weight + bias`` with a learned number alpha: no statistics of the input at all.

    Zhu et al. 2025, arXiv 2503.10622. Their LLaMA also multiplies the embeddings by a learned number and
    starts alpha at values found for each width; here alpha is one option.
    """

    paper = "Zhu et al. 2025, arXiv 2503.10622"
    formula = "tanh(α x) · w + b"
    colour = "orange"

    @dataclass(frozen=True, kw_only=True)
    class Config(Norm.Config):
        """What alpha starts from."""

        alpha: float = described(0.5, "What the learned number that multiplies the input starts from.")

        def __post_init__(self) -> None:
            """Check the options."""
            super().__post_init__()
            require(self.alpha > 0, f"{self.name}.alpha: {self.alpha} is not above 0; use for example 0.5")

        def num_parameters(self, width: int) -> int:
            """A weight and a bias per dimension, and alpha."""
            return 2 * width + 1

        def matmul_parameters(self, width: int) -> int:
            """None: all are applied elementwise."""
            return 0

    def __init__(self, config: Config, width: int) -> None:
        super().__init__(config, width)
        self.alpha = nn.Parameter(torch.full((1,), config.alpha))
        self.weight = nn.Parameter(torch.ones(width))
        self.bias = nn.Parameter(torch.zeros(width))

    def forward(self, x: Tensor) -> Tensor:
        """``(..., D) -> (..., D)``."""
        return torch.tanh(self.alpha * x) * self.weight + self.bias  # (..., D)


@NORMS.register("none")
class NoNorm(Norm):
    """``x``: no normalisation. Expect smaller learning rates and divergence."""

    title = "no norm"
    paper = "compare Zhang et al. 2019 (Fixup), arXiv 1901.09321"
    formula = "x"
    colour = "purple"

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
