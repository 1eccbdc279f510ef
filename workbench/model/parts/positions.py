"""How the decoder knows the order of its tokens: what all codes share, and those added to the embeddings.

Rotary codes are in ``rotary``, those that add to the attention scores in ``relative_bias``. The decoder asks
the positions once per forward: ``embed`` for what is added to the token embeddings, ``prepare`` for what
``rotate`` needs in every layer, ``bias`` for what is added to the attention scores.
"""

from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from workbench.model.parts.component import POSITIONS, Component, ComponentConfig, described
from workbench.model.sizes import Sizes
from workbench.user_values import require


class Positions(Component, nn.Module):
    """Base of all position codes; as it stands, it adds no order.

    A class of your own overrides any of ``embed``, ``rotate``, ``bias``. ``relative`` says that shifting
    all positions by a constant changes nothing; ``limit`` is the number of positions it has, None for any.
    """

    factor = "positions"
    relative: ClassVar[bool] = False
    limit: int | None = None

    @dataclass(frozen=True, kw_only=True)
    class Config(ComponentConfig):
        """No options."""

        def check(self, model: Sizes) -> None:
            """Raise ``UserError`` if the code cannot work in ``model``."""

        def warnings(self, model: Sizes) -> list[str]:
            """What is possible in ``model`` but doubtful: a sentence each, with key and remedy."""
            return []

        def matmul_parameters(self, model: Sizes) -> int:
            """None: position tables are looked up, not multiplied."""
            return 0

    def __init__(self, config: ComponentConfig, model: Sizes) -> None:
        super().__init__()
        self.config = config

    def embed(self, position_ids: Tensor) -> Tensor | None:
        """``(T,) -> (T, D)``, added to the token embeddings; None for nothing."""
        return None

    def prepare(self, position_ids: Tensor) -> Any:
        """What ``rotate`` needs, computed once per forward; by default the positions ``(T,)`` themselves."""
        return position_ids

    def rotate(self, x: Tensor, prepared: Any) -> Tensor:
        """``(B, H, T, d_head) -> (B, H, T, d_head)``: applied to queries and to keys in every layer."""
        return x

    def bias(self, query_ids: Tensor, key_ids: Tensor) -> Tensor | None:
        """``(T,), (S,) -> (H, T, S)``, added to the scaled scores before the softmax; None for nothing."""
        return None


class NoParameters(Positions.Config):
    """Position codes without parameters."""

    def num_parameters(self, model: Sizes) -> int:
        """None."""
        return 0


@POSITIONS.register("learned")
class Learned(Positions):
    """A trained vector per position, added to the token embeddings: GPT-2 (Radford et al. 2019)."""

    title = "learned positions"
    paper = "Gehring et al. 2017, arXiv 1705.03122"
    formula = "x_t + P[t]"
    colour = "orange"
    constraints = "no position beyond the context"

    @dataclass(frozen=True, kw_only=True)
    class Config(Positions.Config):
        """No options: the table has one row per position of the context."""

        def num_parameters(self, model: Sizes) -> int:
            """One vector per position."""
            return model.context * model.width

    def __init__(self, config: Config, model: Sizes) -> None:
        super().__init__(config, model)
        self.limit = model.context
        self.table = nn.Parameter(torch.zeros(model.context, model.width))

    def embed(self, position_ids: Tensor) -> Tensor:
        """``(T,) -> (T, D)``: rows of the table."""
        return F.embedding(position_ids, self.table)  # (T, D)


@POSITIONS.register("sinusoidal")
class Sinusoidal(Positions):
    """``sin`` and ``cos`` of ``position / 10000^(2i/D)``, added to the embeddings: arXiv 1706.03762, 3.5.

    The paper adds a code of amplitude 1 to token embeddings of unit variance (it scales them by sqrt(D)).
    Ours start at a standard deviation of 0.02, so an amplitude of 0.02 keeps its balance; at 1 the code
    drowns the tokens (0.3 nats worse after 400 steps of a llama-nano).
    """

    title = "sinusoidal positions"
    paper = "Vaswani et al. 2017, arXiv 1706.03762, section 3.5"
    formula = "x_t + a (sin, cos)(t / 10000^(2i/D))"
    colour = "green"
    constraints = "even width"

    @dataclass(frozen=True, kw_only=True)
    class Config(NoParameters):
        """How large the code is."""

        amplitude: float = described(
            0.02, "Factor of the code: 0.02 is what the token embeddings' standard deviation starts from."
        )

        def __post_init__(self) -> None:
            """Check the options."""
            super().__post_init__()
            require(self.amplitude > 0, f"{self.name}.amplitude: {self.amplitude} is not above 0; use 0.02")

        def check(self, model: Sizes) -> None:
            """The width must be even: each frequency takes a sine and a cosine."""
            require(
                model.width % 2 == 0,
                f"positions: sinusoidal needs an even width, got width {model.width}; use {model.width + 1}",
            )

    config: Config

    def __init__(self, config: Config, model: Sizes) -> None:
        super().__init__(config, model)
        self.width = model.width

    def embed(self, position_ids: Tensor) -> Tensor:
        """``(T,) -> (T, D)`` in fp32, for any position; even dimensions sine, odd ones cosine."""
        i = torch.arange(0, self.width, 2, device=position_ids.device).float()  # (D/2,)
        angles = position_ids.float()[:, None] / 10000.0 ** (i / self.width)  # (T, D/2)
        return self.config.amplitude * torch.stack([angles.sin(), angles.cos()], dim=-1).flatten(-2)  # (T, D)


@POSITIONS.register("none")
class NoPositions(Positions):
    """No position code; order is in the causal mask alone: Kazemnejad et al., arXiv 2305.19466."""

    relative = True
    title = "no positions"
    paper = "Kazemnejad et al. 2023, arXiv 2305.19466"
    formula = "x_t"
    colour = "purple"

    class Config(NoParameters):
        """No options."""
