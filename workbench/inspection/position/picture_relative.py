"""Codes of relative position by themselves: ALiBi's half-lives, T5's curve, rotary wavelengths and decay.

Slopes: Press et al. 2022 (arXiv 2108.12409). Critical dimension: Liu et al. 2023 (arXiv 2310.05209).
Long-term decay: Su et al. 2021 (arXiv 2104.09864, section 3.4.3), a bound that Chen et al. 2023 (arXiv
2306.15595) call loose and Barbero et al. 2024 (arXiv 2410.06205) do not find at work in a trained model.
"""

import math

import torch
from torch import Tensor

from workbench.model.parts.positions import Positions


def distances(context: int, count: int) -> Tensor:
    """At most ``count`` distances from 0 to ``context - 1``, each farther by about the same factor."""
    exact = torch.logspace(0, math.log10(context), count, dtype=torch.float64) - 1
    return exact.round().long().clamp(max=context - 1).unique()


def bias_by_distance(positions: Positions, distance: Tensor) -> Tensor:
    """What a code adds to the scores of keys ``distance (K,)`` tokens back: ``(H, K)``."""
    query = distance.max()[None]  # (1,)
    with torch.no_grad():
        bias = positions.bias(query, query - distance)  # (H, 1, K)
    assert bias is not None  # of a code that adds to the scores
    return bias[:, 0]  # (H, K)


def half_lives(slopes: Tensor) -> Tensor:
    """``ln 2 / m``: tokens over which a slope halves the weight of a key, ``(H,) -> (H,)``."""
    return math.log(2) / slopes


def critical_dimension(wavelengths: Tensor, context: int) -> int:
    """How many dimensions see a full turn within ``context`` tokens: ``wavelengths (R/2,)``.

    Without scaling it is Liu et al.'s ``2 ceil(R/2 log_base(context / 2 pi))``: 92 of 128 at base 10000 and
    4096 tokens. Dimensions beyond meet new angles in longer texts.
    """
    return 2 * int((wavelengths <= context).sum())


def decay(frequencies: Tensor, distance: Tensor) -> Tensor:
    """Mean over j of ``|S_j|``, ``S_j = sum_{f < j} exp(i distance w_f)``: ``(R/2,), (K,) -> (K,)``."""
    angles = distance.double()[:, None] * frequencies.double()  # (K, R/2)
    return torch.polar(torch.ones_like(angles), angles).cumsum(-1).abs().mean(-1)  # (K,)
