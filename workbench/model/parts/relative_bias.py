"""Position codes that add to the attention scores: ALiBi's fixed slopes and T5's learned buckets."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from workbench.model.parts.component import POSITIONS, ComponentConfig, described
from workbench.model.parts.positions import NoParameters, Positions
from workbench.model.sizes import Sizes
from workbench.user_values import require


@POSITIONS.register("alibi")
class ALiBi(Positions):
    """Adds ``-slope_h * (query - key)`` to the scores: Press et al., arXiv 2108.12409.

    Slopes are the official code's, also for a number of heads that is not a power of two.
    """

    relative = True
    title = "ALiBi"
    paper = "Press et al. 2022, arXiv 2108.12409"
    formula = "score - m_h (t - s), m_h = 2^(-8h/H)"
    colour = "vermillion"

    class Config(NoParameters):
        """No options."""

        def warnings(self, model: Sizes) -> list[str]:
            """A context so long that even the flattest head hardly sees its beginning."""
            half_life = math.log(2) / float(alibi_slopes(model.heads).min())
            if half_life >= model.context / 4:
                return []
            return [
                f"positions: alibi's flattest slope halves attention every {half_life:.0f} tokens, less than "
                f"a quarter of the context {model.context}; give the model more heads, or shorten the context"
            ]

    def __init__(self, config: ComponentConfig, model: Sizes) -> None:
        super().__init__(config, model)
        self.heads = model.heads

    def bias(self, query_ids: Tensor, key_ids: Tensor) -> Tensor:
        """``(T,), (S,) -> (H, T, S)``."""
        distance = query_ids[:, None] - key_ids  # (T, S)
        return -alibi_slopes(self.heads, query_ids.device)[:, None, None] * distance  # (H, T, S)


def alibi_slopes(heads: int, device: torch.device | str = "cpu") -> Tensor:
    """``(H,)``: ``2^(-8 h/n)`` for the largest power of two n; the rest are every other one of 2n's."""
    n = 1 << (heads.bit_length() - 1)
    first = torch.arange(1, n + 1, device=device) * (-8.0 / n)  # (n,)
    further = (2 * torch.arange(heads - n, device=device) + 1) * (-4.0 / n)  # (H - n,)
    return torch.exp2(torch.cat([first, further]))  # (H,)


@POSITIONS.register("t5_bias")
class T5Bias(Positions):
    """Adds a learned number per head and bucket of distances: Raffel et al. 2020, arXiv 1910.10683.

    Half of the buckets hold one distance each, the other half grow logarithmically up to ``max_distance``,
    and all longer distances share the last. One table serves all layers, as in T5; unlike T5, which leaves it
    out, scores are scaled by 1/sqrt(d_head) before the bias is added.
    """

    relative = True
    paper = "Raffel et al. 2020, arXiv 1910.10683, section 2.1"
    formula = "score + b_h[bucket(t - s)]"
    colour = "sky"
    constraints = "max_distance above half of the buckets"

    @dataclass(frozen=True, kw_only=True)
    class Config(Positions.Config):
        """The buckets of distances, and how far they reach."""

        buckets: int = described(
            32, "How many buckets of distances each head has a learned number for; an even number."
        )
        max_distance: int = described(
            128,
            "The distance from which on all longer ones share the last bucket; above half of the buckets.",
        )

        def __post_init__(self) -> None:
            """Check the options."""
            super().__post_init__()
            even = self.buckets > 0 and self.buckets % 2 == 0
            require(even, f"{self.name}.buckets: {self.buckets} is not a positive even number; use 32")
            require(
                self.max_distance > self.buckets // 2,
                f"{self.name}.max_distance: {self.max_distance} leaves nothing for the logarithmic half of "
                f"{self.buckets} buckets; use more than {self.buckets // 2}",
            )

        def num_parameters(self, model: Sizes) -> int:
            """One number per bucket and head."""
            return self.buckets * model.heads

        def warnings(self, model: Sizes) -> list[str]:
            """Buckets for distances that training never shows."""
            if self.max_distance <= model.context:
                return []
            return [
                f"t5_bias.max_distance: {self.max_distance} is beyond the context {model.context}, so the "
                f"far buckets are never trained and longer texts meet random values; use at most "
                f"{model.context}"
            ]

    config: Config

    def __init__(self, config: Config, model: Sizes) -> None:
        super().__init__(config, model)
        self.width = model.width
        self.buckets = nn.Parameter(torch.zeros(config.buckets, model.heads))

    def initial_value(self, name: str, shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
        """``normal(0, 1 / sqrt(width))``, as in Mesh TensorFlow and Hugging Face."""
        return torch.randn(shape, generator=generator) / math.sqrt(self.width)

    def bias(self, query_ids: Tensor, key_ids: Tensor) -> Tensor:
        """``(T,), (S,) -> (H, T, S)``; later keys get bucket 0, which the causal mask hides."""
        distance = (query_ids[:, None] - key_ids).clamp(min=0)  # (T, S)
        bucket = t5_bucket(distance, self.config.buckets, self.config.max_distance)  # (T, S)
        return self.buckets[bucket].permute(2, 0, 1)  # (H, T, S)


def t5_bucket(distance: Tensor, buckets: int, max_distance: int) -> Tensor:
    """The bucket of each distance >= 0, same shape, int64."""
    exact = buckets // 2
    spread = torch.log(distance.clamp(min=1).float() / exact) / math.log(max_distance / exact)
    far = (exact + (spread * (buckets - exact)).long()).clamp(max=buckets - 1)
    return torch.where(distance < exact, distance, far)
