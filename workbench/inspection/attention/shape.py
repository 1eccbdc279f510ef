"""The shape of attention, whatever is attended to: how wide, how far, and how far by position alone.

Every measure takes ``(..., T, T)``, queries by keys, and keeps the leading dimensions. ``window`` is the
layer's: pairs outside it, and later keys, are in no mean. Chance is what ``uniform`` attention gives.

Entropy and distance: Clark et al. 2019 (arXiv 1906.04341), Vig and Belinkov 2019 (arXiv 1906.04284), here
relative to uniform attention: divided by log T, the entropy of uniform causal attention would be 0.79 at 100
tokens, not 1. Positional heads: Voita et al. 2019 (arXiv 1905.09418). Largest score: Kimi K2 (arXiv
2507.20534). The positional share of the score variance is the workbench's own: the split of a score into
content and relative position of Kazemnejad et al. 2023 (arXiv 2305.19466), as one number.
"""

import torch
from torch import Tensor


def reachable(length: int, window: int | None = None, device: torch.device | str = "cpu") -> Tensor:
    """``(T, T)``: True where a query may attend to a key."""
    distance = _distances(length, device)
    return (distance >= 0) & (distance < (window or length))


def uniform(length: int, window: int | None = None) -> Tensor:
    """``(T, T)``: attention that is spread evenly over all keys in reach; the baseline of every measure."""
    allowed = reachable(length, window).float()  # (T, T)
    return allowed / allowed.sum(-1, keepdim=True)


def entropy(probabilities: Tensor, window: int | None = None) -> Tensor:
    """``mean_i H_i / log(keys in reach of i)``, in 0 to 1: ``(..., T, T) -> (...)``. Uniform: exactly 1.

    Queries with a single key in reach have nothing to spread and do not count; NaN if there are no others.
    """
    keys = reachable(probabilities.shape[-1], window, probabilities.device).sum(-1)  # (T,)
    nats = torch.special.entr(probabilities).sum(-1)  # (..., T)
    return (nats[..., keys > 1] / keys[keys > 1].log()).mean(-1)


def relative_distance(probabilities: Tensor, window: int | None = None) -> Tensor:
    """``mean_i sum_j A_ij (i - j)`` over what uniform attention gives: ``(..., T, T) -> (...)``.

    Uniform: exactly 1; without a window it attends ``(T - 1) / 4`` tokens back. NaN where nothing but the
    token itself is in reach.
    """
    length, device = probabilities.shape[-1], probabilities.device
    distance = _distances(length, device)
    keys = reachable(length, window, device).sum(-1)  # (T,)
    return (probabilities * distance).sum(-1).mean(-1) / ((keys - 1) / 2).mean()


def pairs_by_distance(length: int, window: int | None = None) -> Tensor:
    """``(T,)``: how many queries can reach each distance."""
    pairs = length - torch.arange(length)
    return pairs.masked_fill(torch.arange(length) >= (window or length), 0)


def profile(pairs: Tensor, window: int | None = None) -> Tensor:
    """Mean of ``pairs`` (probabilities or scores) by distance: ``(..., T, T) -> (..., T)``.

    ``p(d) = sum_i A_{i,i-d} / #{i: i can reach d}``. Dividing by all queries instead would let every profile
    fall with distance. NaN beyond the window.
    """
    length, device = pairs.shape[-1], pairs.device
    queries = torch.arange(length, device=device)
    key = queries[:, None] - queries  # (T queries, T distances)
    along = pairs.gather(-1, key.clamp(min=0).expand(pairs.shape))  # (..., T, T)
    total = along.masked_fill(key < 0, 0).sum(-2)  # (..., T)
    return (total / pairs_by_distance(length, window).to(device)).where(_near(total, window), torch.nan)


def attended_offsets(probabilities: Tensor) -> Tensor:
    """How far back each query's most attended key is: ``(..., T, T) -> (..., T)``, int64."""
    return torch.arange(probabilities.shape[-1], device=probabilities.device) - probabilities.argmax(-1)


def positional_fraction(offsets: Tensor) -> Tensor:
    """Share of queries whose most attended key is at the head's one favourite offset: ``(B, H, T) -> (H,)``.

    ``offsets`` are from ``attended_offsets``. Of the queries that can reach an offset; offsets beyond half of
    the sequence, which few queries reach, and the first query, which has no choice, do not count. A head that
    attends at random gets about ``log(T) / T``.
    """
    sequences, heads, length = offsets.shape
    favourites = offsets[..., 1:].transpose(0, 1).flatten(1)  # (H, B * (T - 1))
    hits = torch.zeros(heads, length, device=offsets.device)
    hits = hits.scatter_add(1, favourites, torch.ones_like(favourites, dtype=hits.dtype))  # (H, T)
    first = torch.arange(length, device=offsets.device).clamp(min=1)
    share = hits / (sequences * (length - first).clamp(min=1))  # (H, T)
    return share[:, : length // 2 + 1].amax(-1)


def max_score(scores: Tensor, window: int | None = None) -> Tensor:
    """Largest scaled score of any pair in reach, before bias and mask: ``(..., T, T) -> (...)``."""
    allowed = reachable(scores.shape[-1], window, scores.device)
    return scores.masked_fill(~allowed, -torch.inf).amax((-2, -1))


def positional_share(mean: Tensor, square: Tensor, window: int | None = None) -> Tensor:
    """``Var_d(E[s | d]) / Var(s)``: how much of a head's scores its distance explains, ``(..., T) -> (...)``.

    ``mean`` and ``square`` are the ``profile`` of the scores and of their squares, averaged over sequences;
    the scores include the position code's bias. 1: a purely positional head. Scores that do not depend on
    distance get about ``2 / (B T)`` over B sequences; ``share_by_chance`` is exact. NaN for constant scores.
    """
    near = _near(mean, window)
    pairs = pairs_by_distance(mean.shape[-1], window).to(mean.device)[near]  # (W,)
    weight = pairs / pairs.sum()
    mean, square = mean[..., near], square[..., near]  # (..., W)
    centre = (weight * mean).sum(-1, keepdim=True)
    between = (weight * (mean - centre).square()).sum(-1)
    total = (weight * square).sum(-1) - centre.squeeze(-1).square()
    return (between / total).where(total > 1e-12 * (weight * square).sum(-1), torch.nan)


def share_by_chance(length: int, sequences: int, window: int | None = None) -> float:
    """What ``positional_share`` gives for scores that know nothing of distance: its groups over its pairs."""
    pairs = pairs_by_distance(length, window)
    observed = sequences * int(pairs.sum())
    return (int((pairs > 0).sum()) - 1) / (observed - 1) if observed > 1 else float("nan")


def _near(by_distance: Tensor, window: int | None) -> Tensor:
    """``(T,)``: which distances a query can reach at all."""
    length = by_distance.shape[-1]
    return torch.arange(length, device=by_distance.device) < (window or length)


def _distances(length: int, device: torch.device | str) -> Tensor:
    """``(T, T)``: how far before the query each key is; negative for later keys."""
    place = torch.arange(length, device=device)
    return place[:, None] - place
