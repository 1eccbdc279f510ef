"""Rotary positions: Su et al. 2021 (arXiv 2104.09864), with rescaled frequencies for longer contexts."""

import math

import torch
from torch import Tensor

from workbench.model.parts import rope_scaling
from workbench.model.parts.component import POSITIONS
from workbench.model.parts.positions import Positions
from workbench.model.parts.rotary_base import base_lower_bound, base_upper_bound, slow_bands
from workbench.model.sizes import Sizes
from workbench.user_input import require


@POSITIONS.register("rope")
class Rotary(Positions):
    """Rotates pairs of query and key dimensions by ``position / base^(2i/d)``: Su et al., arXiv 2104.09864.

    Dimension i pairs with i + d/2 (Hugging Face, GPT-NeoX). Meta's checkpoints pair neighbours instead: the
    rows of the query and key matrices are permuted when they are read. Angles are in fp32. With the scaling
    ``dynamic_ntk`` a shift of all positions changes nothing as long as none passes the original context.
    """

    relative = True
    title = "RoPE"
    paper = "Su et al. 2021, arXiv 2104.09864; of the scalings: see rope.scaling"
    formula = "q_t -> R(t θ) q_t, k_s -> R(s θ) k_s with θ_i = base^(-2i/d)"
    colour = "blue"
    constraints = "even number of rotated dimensions per head"

    class Config(rope_scaling.FrequencyConfig):
        """The frequencies, and how they are rescaled (``rope_scaling``)."""

        def rotary_width(self, model: Sizes) -> int:
            """How many dimensions of each head rotate."""
            return int(self.fraction * model.head_width)

        def check(self, model: Sizes) -> None:
            """The rotary width must be even: dimensions rotate in pairs."""
            width = self.rotary_width(model)
            require(
                width > 0 and width % 2 == 0,
                f"positions: rope rotates pairs, but {width} of each head's {model.head_width} dimensions "
                f"(width {model.width} / heads {model.heads}, fraction {self.fraction:g}) is not a positive "
                f"even number; change width, heads or rope's fraction",
            )
            self.check_width(width)

        def warnings(self, model: Sizes) -> list[str]:
            """A base that does not suit the context, or a scaling that does not act or reach as far."""
            if self.scaling != "none":
                return self.scaling_warnings(model.context)
            width, context = self.rotary_width(model), model.context
            least = base_lower_bound(width, context, model.head_width - width)
            most, slow = base_upper_bound(width, context), slow_bands(self.base, width, context)
            if self.base < least < math.inf:
                return [
                    f"rope.base: {self.base:,g} is below {least:,.0f}, the least that keeps attention to "
                    f"like tokens positive over {context} positions at {width} rotated dimensions (arXiv "
                    f"2405.14591); raise the base, or widen the heads"
                ]
            if slow <= width // 4 or most < least:  # half of the bands; and where no base does better
                return []
            return [
                f"rope.base: {slow} of {width // 2} frequencies do not complete a turn within {context} "
                f"positions; use a base of at most {most:,.0f}"
            ]

    config: Config

    def __init__(self, config: Config, model: Sizes) -> None:
        super().__init__(config, model)
        self.rotary_width = config.rotary_width(model)

    def prepare(self, position_ids: Tensor) -> tuple[Tensor, Tensor]:
        """``(T,) -> cos, sin``, both ``(T, R/2)`` in fp32, for any position; R dimensions rotate."""
        frequencies, gain = rope_scaling.frequencies(self.config, self.rotary_width, position_ids)  # (R/2,)
        angles = position_ids.float()[:, None] * frequencies  # (T, R/2)
        return angles.cos() * gain, angles.sin() * gain

    def rotate(self, x: Tensor, prepared: tuple[Tensor, Tensor]) -> Tensor:
        """``(B, H, T, d_head) -> (B, H, T, d_head)``; dimensions beyond the rotary width pass unchanged."""
        cos, sin = prepared  # (T, R/2)
        first, second = x[..., : self.rotary_width].chunk(2, dim=-1)  # (B, H, T, R/2)
        rotated = (first * cos - second * sin, second * cos + first * sin)
        return torch.cat([*rotated, x[..., self.rotary_width :]], dim=-1).type_as(x)  # (B, H, T, d_head)
