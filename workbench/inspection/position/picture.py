"""What a table of position vectors looks like: likeness, components, spectrum, and what it does to scores.

Wang and Chen 2020 (arXiv 2010.04903) draw the likeness of GPT-2's learned positions; their components turn in
a helix. The term of the scores that positions alone make is Toeplitz (one value per diagonal) where a table
has learned relative position.
"""

import torch
from torch import Tensor
from torch.nn import functional as F

from workbench.inspection.attention.shape import positional_share, profile
from workbench.inspection.capture import blocks_of
from workbench.model.decoder import Decoder
from workbench.model.parts.norms import LayerNorm, RMSNorm

COMPONENTS = 16  # whose share of the variance is shown
LONGEST = 1024  # positions whose pairs are looked at, at most


def spaced(length: int, count: int) -> Tensor:
    """At most ``count`` whole numbers from 0 to ``length - 1``, evenly spaced, both ends among them."""
    return torch.linspace(0, length - 1, min(length, count)).round().long()


def cosine_matrix(table: Tensor) -> Tensor:
    """``(T, D) -> (T, T)``: the cosine of each pair of rows; 0 with a row of zeros."""
    rows = F.normalize(table.double(), dim=-1)  # (T, D)
    return rows @ rows.T


def principal_components(table: Tensor) -> tuple[Tensor, Tensor]:
    """``(T, D) -> (T, K), (K,)``: rows along each component, and its share of the variance, largest first.

    K is the smaller of T and D. Signs, which are arbitrary, make the largest entry positive. Shares of a
    table without variance are 0.
    """
    centred = table.double() - table.double().mean(0)  # (T, D)
    left, sizes, _ = torch.linalg.svd(centred, full_matrices=False)  # (T, K), (K,), (K, D)
    scores = left * sizes  # (T, K)
    largest = scores.gather(0, scores.abs().argmax(0, keepdim=True))  # (1, K)
    variance = sizes.square()
    total = variance.sum()
    shares = variance / total if total > 0 else torch.zeros_like(variance)
    return scores * torch.where(largest < 0, -1.0, 1.0), shares


def power_spectrum(components: Tensor) -> Tensor:
    """``(T, K) -> (T // 2 + 1, K)``: ``|rFFT|^2`` of each column by cycles over the table, as shares.

    The mean, cycle 0, is left out of the shares and is 0.
    """
    power = torch.fft.rfft(components, dim=0).abs().square()  # (T // 2 + 1, K)
    power[0] = 0.0
    total = power.sum(0)
    return power / total.where(total > 0, 1.0)


def position_scores(decoder: Decoder, table: Tensor, head: int) -> Tensor:
    """What positions alone add to a head's scores in layer 0: ``(T, D) -> (T, T)``, queries by keys.

    ``(P W_Q)(P W_K)^T`` times the scale. A norm before the attention counts with what is linear in it, its
    weight and LayerNorm's centring; its size, biases, and norms of queries and keys are left out.
    """
    config = decoder.config
    attention = blocks_of(decoder)[0].attention
    rows = _entering(decoder, table)  # (T, D)
    key_head = head // attention.groups
    query = rows @ attention.query.weight.detach().unflatten(0, (config.heads, -1))[head].T  # (T, d_head)
    key = rows @ attention.key.weight.detach().unflatten(0, (config.key_value_heads, -1))[key_head].T
    return attention.scale * (query @ key.T)  # (T, T)


def toeplitz_residual(scores: Tensor, window: int | None = None) -> float:
    """Share of the variance of ``scores (T, T)`` that distance does not explain, over pairs in reach.

    0: the scores depend on distance alone. NaN for constant scores.
    """
    scores = scores.double()
    mean, square = profile(scores, window), profile(scores.square(), window)  # (T,)
    return 1 - float(positional_share(mean, square, window))


def _entering(decoder: Decoder, table: Tensor) -> Tensor:
    """``(T, D) -> (T, D)``: positions as far as they enter the first attention linearly."""
    rows = table.detach()
    norm = blocks_of(decoder)[0].attention_norm
    if decoder.config.placement.normalises_sums:
        return rows
    if isinstance(norm, LayerNorm):
        rows = rows - rows.mean(-1, keepdim=True)
    return rows * norm.weight.detach() if isinstance(norm, LayerNorm | RMSNorm) else rows
