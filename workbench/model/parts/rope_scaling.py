"""Frequencies of rotary positions, as they are or rescaled for contexts beyond the one trained on.

With s the factor, L the original context, R the rotated dimensions and θ_i = base^(-2i/R), λ_i = 2π/θ_i:

* linear: θ_i / s. Position interpolation, Chen et al. 2023, arXiv 2306.15595.
* ntk: base s^(R/(R-2)) instead of base. "NTK-aware", YaRN's definition 1, arXiv 2309.00071.
* dynamic_ntk: the same with s (l/L) - (s - 1) instead of s, for l > L positions so far: Hugging Face's
  version. A factor of 1 is YaRN's, section 3.3: l/L instead of s. At l <= L it changes nothing.
* yarn: θ_i / s where fewer than beta_slow turns fit into L, θ_i where more than beta_fast do, a linear ramp
  over the dimensions between; cosine and sine times 0.1 ln s + 1. Peng et al. 2023, arXiv 2309.00071. The
  ends of the ramp are rounded to whole dimensions, as in the authors' code.
* llama3: θ_i / s for λ_i > L / low_frequency_factor, θ_i for λ_i < L / high_frequency_factor, a mean weighted
  linearly in L / λ_i between. LLaMA 3.1's code, arXiv 2407.21783.
"""

import math
from dataclasses import dataclass, fields
from typing import Literal

import torch
from torch import Tensor

from workbench.model.parts.component import described
from workbench.model.parts.positions import NoParameters
from workbench.user_values import require

# The options that each kind of scaling uses, beside base and fraction.
USED: dict[str, tuple[str, ...]] = {
    "none": (),
    "linear": ("factor",),
    "ntk": ("factor",),
    "dynamic_ntk": ("factor", "original_context"),
    "yarn": ("factor", "original_context", "beta_fast", "beta_slow", "attention_factor"),
    "llama3": ("factor", "original_context", "low_frequency_factor", "high_frequency_factor"),
}


@dataclass(frozen=True, kw_only=True)
class FrequencyConfig(NoParameters):
    """The options of rotary positions; after ``scaling`` they belong to the kinds that ``USED`` says."""

    base: float = described(
        10000.0, "What the frequencies are powers of, above 1: 10000 in LLaMA 1 and 2, 500000 in LLaMA 3."
    )
    fraction: float = described(
        1.0,
        "The share of each head's dimensions that rotates, above 0 and at most 1; the others pass unchanged.",
    )
    scaling: Literal["none", "linear", "ntk", "dynamic_ntk", "yarn", "llama3"] = described(
        "none",
        "How the frequencies are rescaled for contexts beyond the one that they were made for. linear: "
        "Chen et al. 2023, arXiv 2306.15595; ntk, dynamic_ntk and yarn: Peng et al. 2023, arXiv "
        "2309.00071; llama3: arXiv 2407.21783.",
    )
    factor: float = described(
        1.0,
        "How many times longer the context becomes: above 1 with every scaling; dynamic_ntk takes 1, too.",
    )
    original_context: int | None = described(
        None, "The context that the frequencies were made for; dynamic_ntk, yarn and llama3 need it."
    )
    low_frequency_factor: float = described(
        1.0,
        "llama3: pairs that turn less often than this within the original context are slowed by the factor.",
    )
    high_frequency_factor: float = described(
        4.0, "llama3: pairs that turn more often than this within the original context stay as they are."
    )
    beta_fast: float = described(
        32.0, "yarn: pairs that turn more often than this within the original context stay as they are."
    )
    beta_slow: float = described(
        1.0,
        "yarn: pairs that turn less often than this within the original context are slowed by the factor.",
    )
    attention_factor: float | None = described(
        None, "yarn: what cosine and sine are multiplied by. Left out: 0.1 ln(factor) + 1."
    )

    def __post_init__(self) -> None:
        """Check the options: each by itself, and that the scaling has, and uses, those that are given."""
        super().__post_init__()
        require(self.base > 1, f"{self.name}.base: {self.base} is not above 1; use for example 10000")
        sound = 0 < self.fraction <= 1
        require(sound, f"{self.name}.fraction: {self.fraction} is not in (0, 1]; use for example 0.25")
        self._refuse_unused()
        used = USED[self.scaling]
        require(
            "factor" not in used or self.factor > 1 or (self.scaling == "dynamic_ntk" and self.factor == 1),
            f"{self.name}.factor: scaling {self.scaling!r} by {self.factor:g} lengthens no context; use a "
            f"factor above 1",
        )
        require(
            "original_context" not in used or (self.original_context or 0) > 0,
            f"{self.name}.original_context: scaling {self.scaling!r} needs the context that the frequencies "
            f"were made for; give for example 2048",
        )
        for low, high in (("low_frequency_factor", "high_frequency_factor"), ("beta_slow", "beta_fast")):
            sound = 0 < getattr(self, low) < getattr(self, high)
            require(sound, f"{self.name}.{low}: must be above 0 and below {high}; lower it, or raise {high}")
        gain = self.attention_factor
        require(
            gain is None or gain > 0,
            f"{self.name}.attention_factor: {gain} is not above 0; leave it at null for 0.1 ln factor + 1",
        )

    def _refuse_unused(self) -> None:
        options = {option for names in USED.values() for option in names}
        for field in fields(self):
            if field.name not in options or field.name in USED[self.scaling]:
                continue
            users = ", ".join(kind for kind, names in USED.items() if field.name in names)
            require(
                getattr(self, field.name) == field.default,
                f"{self.name}.{field.name}: scaling {self.scaling!r} does not use it; remove it, or choose a "
                f"scaling that does ({users})",
            )

    def check_width(self, width: int) -> None:
        """Raise ``UserError`` if R = ``width`` is too small: a base is enlarged to the power R / (R - 2)."""
        require(
            width > 2 or self.scaling not in ("ntk", "dynamic_ntk"),
            f"{self.name}.scaling: {self.scaling!r} needs 4 rotated dimensions per head or more, "
            f"got {width}; widen the heads, or use 'linear'",
        )

    def scaling_warnings(self, context: int) -> list[str]:
        """A scaling that changes nothing within ``context`` positions, or one that does not reach as far."""
        original = self.original_context
        if original is None:
            return []
        if self.scaling == "dynamic_ntk" and original >= context:
            return [
                f"rope.original_context: dynamic_ntk changes nothing up to {original} positions, so that "
                f"within the context {context} this is plain rope; lower original_context, or compare longer "
                f"texts"
            ]
        if self.factor * original >= context or self.scaling == "dynamic_ntk":  # which grows on its own
            return []
        return [
            f"rope.factor: {self.factor:g} times the original context {original} reaches less far than the "
            f"context {context}; use a factor of {context / original:.3g}"
        ]

    @property
    def stretched_context(self) -> int:
        """``original_context`` of a scaling that has one: without it there is no such config."""
        assert self.original_context is not None
        return self.original_context


def frequencies(config: FrequencyConfig, width: int, position_ids: Tensor) -> tuple[Tensor, float]:
    """``(R/2,)`` fp32 in radians per position for R = ``width``, and the gain of cosine and sine.

    ``position_ids (T,)`` give the length so far, for scalings that depend on it, and the device.
    """
    i = torch.arange(0, width, 2, device=position_ids.device).float()  # (R/2,)
    if config.scaling == "dynamic_ntk":
        return _powers(_dynamic_base(config, width, position_ids), i, width), 1.0
    if config.scaling == "ntk":
        return _powers(config.base * config.factor ** (width / (width - 2)), i, width), 1.0
    plain = _powers(config.base, i, width)  # (R/2,)
    if config.scaling == "yarn":
        kept = 1 - _ramp(config, width, i / 2)  # (R/2,)
        return plain * kept + plain / config.factor * (1 - kept), _gain(config)
    if config.scaling == "llama3":
        kept = _llama3_kept(config, plain)  # (R/2,)
        return plain * kept + plain / config.factor * (1 - kept), 1.0
    return plain / config.factor, 1.0


def wavelengths(config: FrequencyConfig, width: int, length: int = 1) -> Tensor:
    """Positions per turn of each pair, ``(R/2,)``, in a text of ``length`` tokens."""
    return 2 * math.pi / frequencies(config, width, torch.tensor([length - 1]))[0]  # (R/2,)


def _powers(base: float | Tensor, i: Tensor, width: int) -> Tensor:
    return 1.0 / base ** (i / width)  # (R/2,)


def _dynamic_base(config: FrequencyConfig, width: int, position_ids: Tensor) -> Tensor:
    # A tensor throughout: a Python number would stop torch.compile and cost a wait for the device.
    length = (position_ids.max() + 1).clamp(min=config.stretched_context).float()  # ()
    stretch = config.factor * length / config.stretched_context - (config.factor - 1)  # ()
    return config.base * stretch ** (width / (width - 2))  # ()


def _ramp(config: FrequencyConfig, width: int, pair: Tensor) -> Tensor:
    """0 for pairs that turn often, 1 for those that hardly turn, ``(R/2,)``.

    As in the authors' code (jquesnelle/yarn, ``find_correction_range`` and ``linear_ramp_mask``) also where
    the ramp is degenerate: each end is bounded on its own side only, so that a short original context can
    bring the low end above the high one. The ramp then falls, and released models were trained with that.
    """

    def pair_with(turns: float) -> float:
        per_turn = config.stretched_context / (2 * math.pi * turns)
        return width * math.log(per_turn) / (2 * math.log(config.base))

    low = max(math.floor(pair_with(config.beta_fast)), 0)
    high: float = min(math.ceil(pair_with(config.beta_slow)), width - 1)
    if low == high:
        high += 0.001  # the authors' step in place of a division by zero
    return ((pair - low) / (high - low)).clamp(0, 1)  # (R/2,)


def _gain(config: FrequencyConfig) -> float:
    return 0.1 * math.log(config.factor) + 1.0 if config.attention_factor is None else config.attention_factor


def _llama3_kept(config: FrequencyConfig, plain: Tensor) -> Tensor:
    """How much of each frequency stays: 0 for long wavelengths, 1 for short ones, ``(R/2,)``."""
    low, high = config.low_frequency_factor, config.high_frequency_factor
    turns = config.stretched_context * plain / (2 * math.pi)  # (R/2,)
    return ((turns - low) / (high - low)).clamp(0, 1)  # (R/2,)
