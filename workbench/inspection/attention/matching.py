"""Heads have no identity across runs: which head of one run reads like which head of another.

Distance of two heads: Kazemnejad et al. 2023 (arXiv 2305.19466, section 5.2), the Jensen-Shannon divergence
of their attention, averaged over queries and texts. Heads are paired within a layer so that the sum is
smallest (Kuhn 1955, by SciPy).
"""

import torch
from torch import Tensor


def jensen_shannon(first: Tensor, second: Tensor) -> Tensor:
    """Mean divergence in nats, 0 to ln 2: ``(B, H, T, T), (B, G, T, T) -> (H, G)``."""
    rows = [_divergence(first[:, head, None], second) for head in range(first.shape[1])]  # each (G,)
    return torch.stack(rows)  # (H, G)


def _divergence(one: Tensor, many: Tensor) -> Tensor:
    middle = (one + many) / 2  # (B, G, T, T)
    both = _relative_entropy(one.expand_as(many), middle) + _relative_entropy(many, middle)
    return both.mean(dim=(0, -1)) / 2  # (G,)


def _relative_entropy(p: Tensor, q: Tensor) -> Tensor:
    return (torch.xlogy(p, p) - torch.xlogy(p, q.clamp(min=torch.finfo(q.dtype).tiny))).sum(-1)  # (B, G, T)


def match_heads(distance: Tensor) -> list[int]:
    """For each row of ``distance (H, G)`` the column it is paired with; -1 where columns run out."""
    from scipy.optimize import linear_sum_assignment  # which is slow to import: most pages pair none

    rows, columns = linear_sum_assignment(distance.numpy())
    partner = dict(zip(rows.tolist(), columns.tolist(), strict=True))
    return [partner.get(row, -1) for row in range(distance.shape[0])]
