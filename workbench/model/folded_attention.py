"""Fused attention of several models at once on a CPU.

``torch.func.vmap`` has batching rules for CUDA's fused kernels but none for the CPU's flash kernel
(``aten::_scaled_dot_product_flash_attention_for_cpu``), where it would loop over the models. The operator
here is that kernel with a rule that folds the models into the batch: attention knows nothing of either.
"""

from typing import Any, Protocol

import torch
from torch import Tensor
from torch.nn import functional as F


class Batching(Protocol):
    """What torch tells a batching rule: how many models there are."""

    batch_size: int


_forward = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu
_backward = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu_backward


def folded_attention(query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None, scale: float) -> Tensor:
    """``softmax(scale q k^T + mask) v`` of ``(B, H, T, d_head)``; causal where ``mask`` is None.

    ``mask``: additive, ``(T, S)``, ``(H, T, S)`` or ``(1, H, T, S)``. For use under ``vmap``: elsewhere no
    gradient flows into the mask.
    """
    # Autocast does this for the kernel that it knows: norms leave queries and keys in fp32, values are bf16.
    query, key = query.type_as(value), key.type_as(value)
    mask = None if mask is None else mask.type_as(value)
    return torch.ops.workbench.folded_attention(query, key, value, mask, scale)[0]  # (B, H, T, d_head)


@torch.library.custom_op("workbench::folded_attention", mutates_args=())
def _attention(
    query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None, scale: float
) -> tuple[Tensor, Tensor]:
    return _forward(query, key, value, 0.0, mask is None, attn_mask=mask, scale=scale)


@_attention.register_fake
def _(query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None, scale: float) -> tuple[Tensor, Tensor]:
    return _forward(query, key, value, 0.0, mask is None, attn_mask=mask, scale=scale)


@torch.library.custom_op("workbench::folded_attention_backward", mutates_args=())
def _attention_backward(
    gradient: Tensor,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    output: Tensor,
    logsumexp: Tensor,
    mask: Tensor | None,
    scale: float,
) -> tuple[Tensor, Tensor, Tensor]:
    saved = (query, key, value, output, logsumexp)
    gradients = _backward(gradient, *saved, 0.0, mask is None, attn_mask=mask, scale=scale)
    return tuple(part.contiguous() for part in gradients)


@_attention_backward.register_fake
def _(gradient: Tensor, query: Tensor, key: Tensor, value: Tensor, *_: object) -> tuple[Tensor, ...]:
    return tuple(
        torch.empty_like(part, memory_format=torch.contiguous_format) for part in (query, key, value)
    )


def _keep(ctx: Any, inputs: tuple, output: tuple) -> None:  # torch's type of ctx has none of its fields
    query, key, value, mask, ctx.scale = inputs
    ctx.save_for_backward(query, key, value, *output, mask)


def _differentiate(ctx: Any, gradient: Tensor, _: Tensor) -> tuple:
    gradients = torch.ops.workbench.folded_attention_backward(gradient, *ctx.saved_tensors, ctx.scale)
    return *gradients, None, None


_attention.register_autograd(_differentiate, setup_context=_keep)


@_attention.register_vmap
def _fold(
    info: Batching,
    in_dims: tuple,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    mask: Tensor | None,
    scale: float,
) -> tuple[tuple[Tensor, Tensor], tuple[int, int]]:
    size = info.batch_size
    batch = query.shape[1 if in_dims[0] == 0 else 0]
    query = _folded(query, in_dims[0], size)
    key = _folded(key, in_dims[1], size)
    value = _folded(value, in_dims[2], size)
    if mask is not None and in_dims[3] is not None:
        mask = mask.movedim(in_dims[3], 0)  # (R, [[1,] H,] T, S)
        while mask.dim() < 5:
            mask = mask.unsqueeze(1)
        mask = mask.expand(size, batch, *mask.shape[2:]).flatten(0, 1)  # (R * B, 1 or H, T, S)
    if mask is not None and mask.requires_grad:  # a learned bias: the flash kernel has no gradient for it
        # (R * B, H, T, d_head)
        output = F.scaled_dot_product_attention(query, key, value, attn_mask=mask, scale=scale)
        found = output, output.new_zeros(output.shape[:-1])
    else:
        found = torch.ops.workbench.folded_attention(query, key, value, mask, scale)
    return tuple(part.unflatten(0, (size, batch)) for part in found), (0, 0)


def _folded(part: Tensor, dim: int | None, size: int) -> Tensor:
    """``(R * B, H, T, d_head)``."""
    part = part.expand(size, *part.shape) if dim is None else part.movedim(dim, 0)
    return part.flatten(0, 1)
