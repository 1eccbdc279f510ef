"""Feed-forward networks: one gated class, one plain class, and their activations.

Gated and plain networks share the names ``up`` and ``down``, so that the tensors that both have start
from the same draws. Gated: Shazeer 2020, arXiv 2002.05202. Plain: Vaswani et al. 2017, arXiv 1706.03762.
"""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from workbench.model.parts.component import FEEDFORWARDS, Component, ComponentConfig


class FeedForward(Component, nn.Module):
    """Maps ``(B, T, width)`` to the same shape through ``hidden`` units.

    A class of your own takes the same arguments; call the projection back to the residual stream ``down``
    for the gpt2 initialisation to scale it.
    """

    factor = "feedforward"
    required = "forward"

    @dataclass(frozen=True, kw_only=True)
    class Config(ComponentConfig):
        """No options. ``matrices``: 3 for a gated network, 2 for a plain one."""

        matrices: ClassVar[int] = 2

        def default_hidden(self, width: int) -> int:
            """The recipes' rule: ``4 * width``; for gated networks 8/3 of it, up to a multiple of 8."""
            return 4 * width if self.matrices == 2 else 8 * -(-width // 3)

    def __init__(self, config: ComponentConfig, width: int, hidden: int, bias: bool) -> None:
        super().__init__()
        self.config = config


class _Config(FeedForward.Config):
    """No options. Counts for the two shapes that this file builds."""

    def num_parameters(self, width: int, hidden: int, bias: bool) -> int:
        """Matrices, and a bias for each."""
        return self.matmul_parameters(width, hidden, bias) + bias * ((self.matrices - 1) * hidden + width)

    def matmul_parameters(self, width: int, hidden: int, bias: bool) -> int:
        """Matrices only."""
        return self.matrices * width * hidden


class PlainFeedForward(FeedForward):
    """``down(f(up(x)))`` with the activation ``f``."""

    class Config(_Config):
        """No options."""

        matrices: ClassVar[int] = 2

    def __init__(self, config: ComponentConfig, width: int, hidden: int, bias: bool) -> None:
        super().__init__(config, width, hidden, bias)
        self.up = nn.Linear(width, hidden, bias=bias)
        self.down = nn.Linear(hidden, width, bias=bias)

    @staticmethod
    def activation(z: Tensor, /) -> Tensor:
        """``f``, elementwise."""
        raise NotImplementedError("a level must define activation(z)")

    def forward(self, x: Tensor) -> Tensor:
        """``(B, T, D) -> (B, T, D)``."""
        return self.down(self.activation(self.up(x)))  # (B, T, D)


class GatedFeedForward(FeedForward):
    """``down(f(gate(x)) * up(x))`` with the activation ``f``."""

    class Config(_Config):
        """No options."""

        matrices: ClassVar[int] = 3

    def __init__(self, config: ComponentConfig, width: int, hidden: int, bias: bool) -> None:
        super().__init__(config, width, hidden, bias)
        self.gate = nn.Linear(width, hidden, bias=bias)
        self.up = nn.Linear(width, hidden, bias=bias)
        self.down = nn.Linear(hidden, width, bias=bias)

    @staticmethod
    def activation(z: Tensor, /) -> Tensor:
        """``f``, elementwise."""
        raise NotImplementedError("a level must define activation(z)")

    def forward(self, x: Tensor) -> Tensor:
        """``(B, T, D) -> (B, T, D)``."""
        return self.down(self.activation(self.gate(x)) * self.up(x))  # (B, T, D)


@FEEDFORWARDS.register("swiglu")
class SwiGLU(GatedFeedForward):
    """``f(z) = z sigmoid(z)``: LLaMA's (arXiv 2302.13971). Names in Meta's code: gate w1, up w3, down w2."""

    title = "SwiGLU"
    paper = "Shazeer 2020, arXiv 2002.05202"
    formula = "W_down (silu(W_gate x) ⊙ W_up x)"
    colour = "blue"

    activation = staticmethod(F.silu)


@FEEDFORWARDS.register("geglu")
class GEGLU(GatedFeedForward):
    """``f(z) = z Phi(z)``, the exact GELU."""

    title = "GEGLU"
    paper = "Shazeer 2020, arXiv 2002.05202"
    formula = "W_down (gelu(W_gate x) ⊙ W_up x)"
    colour = "orange"

    activation = staticmethod(F.gelu)


@FEEDFORWARDS.register("reglu")
class ReGLU(GatedFeedForward):
    """``f(z) = max(z, 0)``."""

    title = "ReGLU"
    paper = "Shazeer 2020, arXiv 2002.05202"
    formula = "W_down (max(W_gate x, 0) ⊙ W_up x)"
    colour = "wine"

    activation = staticmethod(F.relu)


@FEEDFORWARDS.register("bilinear")
class Bilinear(GatedFeedForward):
    """``f(z) = z``: a product of two linear maps."""

    paper = "Shazeer 2020, arXiv 2002.05202"
    formula = "W_down (W_gate x ⊙ W_up x)"
    colour = "green"

    @staticmethod
    def activation(z: Tensor) -> Tensor:
        """The identity."""
        return z


@FEEDFORWARDS.register("relu")
class ReLU(PlainFeedForward):
    """``f(z) = max(z, 0)``: the original transformer's."""

    title = "ReLU"
    paper = "Vaswani et al. 2017, arXiv 1706.03762"
    formula = "W_down max(W_up x, 0)"
    colour = "vermillion"

    activation = staticmethod(F.relu)


@FEEDFORWARDS.register("gelu")
class GELU(PlainFeedForward):
    """``f(z) = z Phi(z)``, exact: Hendrycks and Gimpel 2016, arXiv 1606.08415."""

    title = "GELU"
    paper = "Hendrycks and Gimpel 2016, arXiv 1606.08415"
    formula = "W_down gelu(W_up x), gelu(z) = z Φ(z)"
    colour = "sky"

    activation = staticmethod(F.gelu)


@FEEDFORWARDS.register("gelu_tanh")
class GELUTanh(PlainFeedForward):
    """GELU by its tanh approximation: GPT-2's ``gelu_new``."""

    title = "GELU (tanh)"
    paper = "Hendrycks and Gimpel 2016, arXiv 1606.08415, section 2"
    formula = "W_down gelu(W_up x), Φ by tanh"
    colour = "indigo"

    @staticmethod
    def activation(z: Tensor) -> Tensor:
        """``z/2 (1 + tanh(sqrt(2/pi) (z + 0.044715 z^3)))``."""
        return F.gelu(z, approximate="tanh")


@FEEDFORWARDS.register("silu")
class SiLU(PlainFeedForward):
    """``f(z) = z sigmoid(z)``: Swish, arXiv 1710.05941."""

    title = "SiLU"
    paper = "Ramachandran et al. 2017, arXiv 1710.05941"
    formula = "W_down silu(W_up x), silu(z) = z σ(z)"
    colour = "olive"

    activation = staticmethod(F.silu)


@FEEDFORWARDS.register("relu_squared")
class ReLUSquared(PlainFeedForward):
    """``f(z) = max(z, 0)^2``: Primer, So et al. 2021, arXiv 2109.08668."""

    title = "squared ReLU"
    paper = "So et al. 2021, arXiv 2109.08668"
    formula = "W_down max(W_up x, 0)²"
    colour = "purple"

    @staticmethod
    def activation(z: Tensor) -> Tensor:
        """The square of ReLU."""
        return torch.relu(z).square()
