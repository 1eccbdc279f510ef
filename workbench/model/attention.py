"""Causal self-attention and its variants.

Vaswani et al. 2017 (arXiv 1706.03762); grouped and single key heads: Ainslie et al. 2023 (arXiv
2305.13245), Shazeer 2019 (arXiv 1911.02150); normalised queries and keys: Henry et al. 2020 (arXiv
2010.04245), per head and with a learned weight as in Qwen3; gate: Qiu et al. 2025 (arXiv 2505.06708);
soft-capped scores: Gemma 2 (arXiv 2408.00118). Query, key, value and output are separate matrices, so that
variants with fewer key heads share the others' draws.
"""

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from workbench.model.architecture import Architecture
from workbench.model.cache import LayerCache
from workbench.model.folded_attention import folded_attention
from workbench.model.parts.positions import Positions
from workbench.model.windows import attention_mask

KERNELS = ("fused", "explicit", "folded", "flash")
HOOK_POINTS = ("queries", "keys", "values", "scores", "probabilities")


@dataclass(frozen=True)
class Order:
    """All that attention knows of order, computed once per forward and shared by layers and kernels.

    ``queries`` and ``keys`` are what ``positions.prepare`` gave for T queries and S keys; ``masks`` maps each
    window in use to what is added to the scores.
    """

    positions: Positions
    queries: Any
    keys: Any
    masks: dict[int | None, Tensor | None]

    @classmethod
    def of(cls, positions: Positions, ids: Tensor, new: int, windows: set[int | None]) -> "Order":
        """For the last ``new`` of the tokens at positions ``ids (S,)``."""
        query_ids = ids[ids.shape[0] - new :]  # (T,)
        bias = positions.bias(query_ids, ids)  # (H, T, S) or None
        if bias is not None and not any(True for _ in positions.parameters()):
            # The CPU's fused kernel takes this shape, but has no gradient for it.
            bias = bias.unsqueeze(0)  # (1, H, T, S)
        length = ids.shape[0]
        masks = {
            window: attention_mask(new, length, window=window, bias=bias, device=ids.device)
            for window in windows
        }
        queries = positions.prepare(query_ids)
        keys = queries if new == length else positions.prepare(ids)
        return cls(positions, queries, keys, masks)

    def rotate_queries(self, x: Tensor) -> Tensor:
        """``(B, H, T, d_head) -> (B, H, T, d_head)``."""
        return self.positions.rotate(x, self.queries)

    def rotate_keys(self, x: Tensor) -> Tensor:
        """``(B, H, S, d_head) -> (B, H, S, d_head)``."""
        return self.positions.rotate(x, self.keys)


class CausalSelfAttention(nn.Module):
    """``softmax(cap(scale * rotate(norm(q)) rotate(norm(k))^T) + mask) v``, gated, concatenated, projected.

    ``kernel`` "explicit" writes the softmax out, and every quantity passes through a module of its own, where
    forward hooks can read or change it: ``queries``, ``keys`` (both rotated), ``values``
    ``(B, H, T or S, d_head)``, ``scores`` (scaled and capped, before bias and mask) and ``probabilities``
    ``(B, H, T, S)``. The fused kernels have no soft cap: with one, attention is always explicit. "folded" is
    fused too, where ``torch.func.vmap`` runs several models on a CPU. "flash" is for ``vmap`` on a GPU: fused
    where the flash kernel takes it, in half precision without a mask, and explicit elsewhere, since the other
    fused kernels have no gradient there.
    """

    queries: nn.Module
    keys: nn.Module
    values: nn.Module
    scores: nn.Module
    probabilities: nn.Module

    def __init__(self, config: Architecture, window: int | None = None) -> None:
        super().__init__()
        self.window = window
        self.softcap = config.attention_softcap
        self.head_width = config.head_width
        self.groups = config.heads // config.key_value_heads
        self.scale = config.attention_scale or 1 / math.sqrt(config.head_width)
        wide, narrow = config.attention_width, config.key_value_width
        self.query = nn.Linear(config.width, wide, bias=config.has_qkv_bias)
        self.key = nn.Linear(config.width, narrow, bias=config.has_qkv_bias)
        self.value = nn.Linear(config.width, narrow, bias=config.has_qkv_bias)
        self.output = nn.Linear(wide, config.width, bias=config.has_output_bias)
        self.query_norm = config.qk_norm.build(config.head_width)
        self.key_norm = config.qk_norm.build(config.head_width)
        gates = config.gate.outputs(config)
        self.gate = nn.Linear(config.width, gates, bias=False) if gates else None
        for name in HOOK_POINTS:
            setattr(self, name, nn.Identity())
        self.kernel = "fused" if self.softcap is None else "explicit"

    def forward(self, x: Tensor, order: Order, cache: LayerCache | None = None) -> Tensor:
        """``(B, T, D) -> (B, T, D)``; with a cache, attention reaches the tokens that it holds as well."""
        query = order.rotate_queries(self.query_norm(self._heads(self.query(x))))  # (B, H, T, d_head)
        key, value = self.key_norm(self._heads(self.key(x))), self._heads(self.value(x))  # (B, G, T, d_head)
        if cache is not None:
            key, value = cache.append(key, value)  # (B, G, S, d_head)
        key, value = self._repeat(order.rotate_keys(key)), self._repeat(value)  # (B, H, S, d_head)
        mask = order.masks[self.window]  # what is added to the scores
        attend = self._explicit if self._is_explicit(value, mask) else self._fused
        mixed = attend(query, key, value, mask)  # (B, H, T, d_head)
        return self.output(self._gated(mixed, x).transpose(1, 2).flatten(2))  # (B, T, D)

    def _is_explicit(self, value: Tensor, mask: Tensor | None) -> bool:
        if self.kernel != "flash":
            return self.kernel == "explicit"
        return mask is not None or value.dtype not in (torch.float16, torch.bfloat16)

    def _fused(self, query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None) -> Tensor:
        mask = _additive(mask, query)  # (T, S), (H, T, S) or (1, H, T, S)
        if self.kernel == "folded":
            return folded_attention(query, key, value, mask, self.scale)  # (B, H, T, d_head)
        return F.scaled_dot_product_attention(
            query, key, value, attn_mask=mask, is_causal=mask is None, scale=self.scale
        )  # (B, H, T, d_head)

    def _explicit(self, query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None) -> Tensor:
        query, key, value = self.queries(query), self.keys(key), self.values(value)
        scores = self.scale * (query @ key.transpose(-2, -1))  # (B, H, T, S)
        if self.softcap is not None:
            scores = self.softcap * torch.tanh(scores / self.softcap)  # (B, H, T, S)
        # The softmax in fp32 at least: half precision loses small probabilities.
        scores = self.scores(scores).to(torch.promote_types(scores.dtype, torch.float32))
        scores = _masked(scores, mask)  # (B, H, T, S)
        return self.probabilities(scores.softmax(dim=-1)).type_as(value) @ value  # (B, H, T, d_head)

    def _gated(self, mixed: Tensor, x: Tensor) -> Tensor:
        if self.gate is None:
            return mixed
        gate = torch.sigmoid(self.gate(x))  # (B, T, H) or (B, T, H * d_head)
        return mixed * gate.unflatten(-1, (mixed.shape[1], -1)).transpose(1, 2)  # (B, H, T, d_head)

    def _heads(self, x: Tensor) -> Tensor:
        return x.unflatten(-1, (-1, self.head_width)).transpose(1, 2)  # (B, H, T, d_head)

    def _repeat(self, x: Tensor) -> Tensor:
        return x if self.groups == 1 else x.repeat_interleave(self.groups, dim=1)  # (B, H, S, d_head)


def _additive(mask: Tensor | None, query: Tensor) -> Tensor | None:
    """The mask as what is added to the scores, in the queries' type."""
    if mask is None or mask.is_floating_point():
        return None if mask is None else mask.type_as(query)
    return query.new_zeros(()).masked_fill(~mask, -torch.inf)  # (T, S)


def _masked(scores: Tensor, mask: Tensor | None) -> Tensor:
    """Scores ``(B, H, T, S)`` with what lies later, or outside the window, at minus infinity."""
    if mask is None:
        mask = torch.ones(scores.shape[-2:], dtype=torch.bool, device=scores.device).tril()  # (T, T)
    return scores + mask if mask.is_floating_point() else scores.masked_fill(~mask, -torch.inf)
