"""How the decoder knows the order of its tokens: rotary, learned, sinusoidal, linear bias, or not at all.

The decoder asks the positions once per forward: ``embed`` for what is added to the token embeddings,
``prepare`` for what ``rotate`` needs in every layer, ``bias`` for what is added to the attention scores.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from workbench.model.component import POSITIONS, Component, ComponentConfig
from workbench.model.options import require

if TYPE_CHECKING:
    from workbench.model.config import ModelConfig


class Positions(Component, nn.Module):
    """Base of all position codes; as it stands, it tells the model nothing.

    A class of your own overrides any of ``embed``, ``rotate``, ``bias``. ``relative`` says that shifting
    all positions by a constant changes nothing; ``limit`` is the number of positions it has, None for any.
    """

    factor = "positions"
    relative: ClassVar[bool] = False
    limit: int | None = None

    @dataclass(frozen=True, kw_only=True)
    class Config(ComponentConfig):
        """No options."""

        def check(self, model: "ModelConfig") -> None:
            """Raise ``UserError`` if the code cannot work in ``model``."""

        def matmul_parameters(self, model: "ModelConfig") -> int:
            """None: position tables are looked up, not multiplied."""
            return 0

    def __init__(self, config: ComponentConfig, model: "ModelConfig") -> None:
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


class _NoParameters(Positions.Config):
    """Position codes without parameters."""

    def num_parameters(self, model: "ModelConfig") -> int:
        """None."""
        return 0


@POSITIONS.register("rope")
class Rotary(Positions):
    """Rotates pairs of query and key dimensions by ``position / base^(2i/d)``: Su et al., arXiv 2104.09864.

    Dimension i pairs with i + d/2 (Hugging Face, GPT-NeoX). Meta's checkpoints pair neighbours instead:
    permute the rows of the query and key matrices when loading them. Angles are in fp32.
    """

    relative = True

    @dataclass(frozen=True, kw_only=True)
    class Config(_NoParameters):
        """``base``: 10000 in LLaMA 1 and 2, 500000 in LLaMA 3. ``fraction`` of each head that rotates."""

        base: float = 10000.0
        fraction: float = 1.0

        def __post_init__(self) -> None:
            """Check the options."""
            super().__post_init__()
            require(self.base > 1, f"{self.name}.base: {self.base} is not above 1; use for example 10000")
            sound = 0 < self.fraction <= 1
            require(sound, f"{self.name}.fraction: {self.fraction} is not in (0, 1]; use for example 0.25")

        def rotary_width(self, model: "ModelConfig") -> int:
            """How many dimensions of each head rotate."""
            return int(self.fraction * model.head_width)

        def check(self, model: "ModelConfig") -> None:
            """The rotary width must be even: dimensions rotate in pairs."""
            width = self.rotary_width(model)
            require(
                width > 0 and width % 2 == 0,
                f"positions: rope rotates pairs, but {width} of each head's {model.head_width} dimensions "
                f"(width {model.width} / heads {model.heads}, fraction {self.fraction:g}) is not a positive "
                f"even number; change width, heads or rope's fraction",
            )

    def __init__(self, config: Config, model: "ModelConfig") -> None:
        super().__init__(config, model)
        self.rotary_width = config.rotary_width(model)

    def prepare(self, position_ids: Tensor) -> tuple[Tensor, Tensor]:
        """``(T,) -> cos, sin``, both ``(T, rotary_width / 2)`` in fp32, for any position."""
        i = torch.arange(0, self.rotary_width, 2, device=position_ids.device).float()  # (R/2,)
        frequencies = 1.0 / self.config.base ** (i / self.rotary_width)  # (R/2,)
        angles = position_ids.float()[:, None] * frequencies  # (T, R/2)
        return angles.cos(), angles.sin()

    def rotate(self, x: Tensor, prepared: tuple[Tensor, Tensor]) -> Tensor:
        """``(B, H, T, d_head) -> (B, H, T, d_head)``; dimensions beyond the rotary width pass unchanged."""
        cos, sin = prepared  # (T, R/2)
        first, second = x[..., : self.rotary_width].chunk(2, dim=-1)  # (B, H, T, R/2)
        rotated = (first * cos - second * sin, second * cos + first * sin)
        return torch.cat([*rotated, x[..., self.rotary_width :]], dim=-1).type_as(x)  # (B, H, T, d_head)


@POSITIONS.register("learned")
class Learned(Positions):
    """A trained vector per position, added to the token embeddings: GPT-2 (Radford et al. 2019)."""

    @dataclass(frozen=True, kw_only=True)
    class Config(Positions.Config):
        """No options: the table has one row per position of the context."""

        def num_parameters(self, model: "ModelConfig") -> int:
            """One vector per position."""
            return model.context * model.width

    def __init__(self, config: Config, model: "ModelConfig") -> None:
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

    @dataclass(frozen=True, kw_only=True)
    class Config(_NoParameters):
        """``amplitude`` multiplies the code: the standard deviation of the token embeddings at the start."""

        amplitude: float = 0.02

        def __post_init__(self) -> None:
            """Check the options."""
            super().__post_init__()
            require(self.amplitude > 0, f"{self.name}.amplitude: {self.amplitude} is not above 0; use 0.02")

        def check(self, model: "ModelConfig") -> None:
            """The width must be even: each frequency takes a sine and a cosine."""
            require(
                model.width % 2 == 0,
                f"positions: sinusoidal needs an even width, got width {model.width}; use {model.width + 1}",
            )

    def __init__(self, config: Config, model: "ModelConfig") -> None:
        super().__init__(config, model)
        self.width = model.width

    def embed(self, position_ids: Tensor) -> Tensor:
        """``(T,) -> (T, D)`` in fp32, for any position; even dimensions sine, odd ones cosine."""
        i = torch.arange(0, self.width, 2, device=position_ids.device).float()  # (D/2,)
        angles = position_ids.float()[:, None] / 10000.0 ** (i / self.width)  # (T, D/2)
        return self.config.amplitude * torch.stack([angles.sin(), angles.cos()], dim=-1).flatten(-2)  # (T, D)


@POSITIONS.register("alibi")
class ALiBi(Positions):
    """Adds ``-slope_h * (query - key)`` to the scores: Press et al., arXiv 2108.12409.

    Slopes are the official code's, also for a number of heads that is not a power of two.
    """

    relative = True

    class Config(_NoParameters):
        """No options."""

    def __init__(self, config: ComponentConfig, model: "ModelConfig") -> None:
        super().__init__(config, model)
        self.heads = model.heads

    def slopes(self, device: torch.device | str = "cpu") -> Tensor:
        """``(H,)``: ``2^(-8 h/n)`` for the largest power of two n; the rest are every other one of 2n's."""
        n = 1 << (self.heads.bit_length() - 1)
        first = torch.arange(1, n + 1, device=device) * (-8.0 / n)  # (n,)
        further = (2 * torch.arange(self.heads - n, device=device) + 1) * (-4.0 / n)  # (H - n,)
        return torch.exp2(torch.cat([first, further]))  # (H,)

    def bias(self, query_ids: Tensor, key_ids: Tensor) -> Tensor:
        """``(T,), (S,) -> (H, T, S)``."""
        distance = query_ids[:, None] - key_ids  # (T, S)
        return -self.slopes(query_ids.device)[:, None, None] * distance  # (H, T, S)


@POSITIONS.register("none")
class NoPositions(Positions):
    """No position code; the causal mask alone tells order: Kazemnejad et al., arXiv 2305.19466."""

    relative = True

    class Config(_NoParameters):
        """No options."""
