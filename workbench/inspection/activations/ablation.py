"""What a head does for the loss: the loss without it, minus the loss.

Michel et al. 2019 (arXiv 1905.10650) silence heads one at a time; replacing a head by its mean output keeps
what does not depend on the text (Wang et al. 2022, arXiv 2211.00593). Other heads were trained beside it and
may make up for it, so that a small effect does not say that the head does nothing. Layers below the silenced
head compute what they always do: they run once.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from workbench.inspection.activations.logit_lens import read_out
from workbench.inspection.capture import blocks_of, capture, uncompiled
from workbench.model.attention import Order
from workbench.model.block import Block
from workbench.model.config import ModelConfig
from workbench.model.decoder import Decoder

Mode = Literal["zero", "mean"]
_SPEED = 3e10  # floating-point operations per second of one core, roughly


@dataclass(frozen=True)
class HeadEffects:
    """``loss``: mean loss (nats) of the whole model. ``changes (L, H)``: with one head silenced, minus that.

    ``errors (L, H)``: standard errors over sequences, NaN for a single one. ``layers``: those of the rows.
    """

    loss: float
    changes: Tensor
    errors: Tensor
    layers: list[int]


@dataclass(frozen=True)
class _Whole:
    """The decoder as it is: each block's input ``(B, T, D)``, its heads' means ``(H * d_head,)``, losses."""

    inputs: list[Tensor]
    means: list[Tensor]
    order: Order
    losses: Tensor  # (B,)


def head_effects(
    decoder: Decoder,
    tokens: Tensor,
    mode: Mode = "zero",
    *,
    layers: list[int] | None = None,
    counted: Tensor | None = None,
) -> HeadEffects:
    """The effect of every head of ``layers`` (all by default) on ``tokens (B, T + 1)``.

    ``counted (B, T)`` is True for the targets that count, all by default. The decoder is left as it was.
    """
    layers = list(range(decoder.config.layers)) if layers is None else layers
    heads = [(layer, head) for layer in layers for head in range(decoder.config.heads)]
    whole, changes, errors = effects_of(decoder, tokens, heads, mode, counted=counted)
    shape = (len(layers), -1)
    return HeadEffects(whole, changes.unflatten(0, shape), errors.unflatten(0, shape), layers)


def effects_of(
    decoder: Decoder,
    tokens: Tensor,
    heads: list[tuple[int, int]],
    mode: Mode = "zero",
    *,
    counted: Tensor | None = None,
) -> tuple[float, Tensor, Tensor]:
    """The loss, and for each of ``heads`` (layer and number) its change and standard error, ``(N,)`` both."""
    decoder = uncompiled(decoder)
    tokens = tokens.to(decoder.device)
    weight = torch.ones_like(tokens[:, 1:]) if counted is None else counted.to(decoder.device)
    targets = (tokens[:, 1:], weight / weight.sum(-1, keepdim=True))  # (B, T) both
    whole = _whole(decoder, tokens[:, :-1], targets)
    with capture(decoder, ()):
        _fuse(decoder)
        found = [_without(decoder, whole, layer, head, mode, targets) - whole.losses for layer, head in heads]
    changes = torch.stack(found).cpu()  # (N, B)
    count = changes.shape[1]
    errors = changes.std(-1) / count**0.5 if count > 1 else torch.full((len(heads),), torch.nan)
    return float(whole.losses.mean()), changes.mean(-1), errors


@contextmanager
def silenced(block: Block, head: int, value: Tensor | None = None) -> Iterator[None]:
    """Inside, ``head`` of the block's attention gives ``value (d_head,)``, or zeros, for every token."""
    width = block.attention.head_width
    columns = slice(head * width, (head + 1) * width)

    def change(_: torch.nn.Module, args: tuple[Tensor]) -> tuple[Tensor]:
        mixed = args[0].clone()  # (B, T, H * d_head)
        mixed[..., columns] = 0.0 if value is None else value
        return (mixed,)

    handle = block.attention.output.register_forward_pre_hook(change)
    try:
        yield
    finally:
        handle.remove()


def seconds(config: ModelConfig, tokens: int, layers: list[int] | None = None) -> float:
    """About how long ``head_effects`` takes on one core: blocks from the silenced one on, and the head."""
    head = 2 * config.width * config.vocabulary
    block = (config.flops_per_token() / 3 - head) / config.layers  # forward alone
    chosen = range(config.layers) if layers is None else layers
    operations = sum(block * (config.layers - layer) + head for layer in chosen)
    return config.heads * tokens * operations / _SPEED


def _whole(decoder: Decoder, tokens: Tensor, targets: tuple[Tensor, Tensor]) -> _Whole:
    orders: list[Order] = []
    handle = blocks_of(decoder)[0].register_forward_pre_hook(lambda _, args: orders.append(args[1]))
    try:
        with capture(decoder, ("embedding", "residual", "mixed")) as seen:
            _fuse(decoder)
            losses = _losses(decoder(tokens), targets)  # (B,)
    finally:
        handle.remove()
    layers = range(decoder.config.layers)
    inputs = [seen.embedding, *(seen["residual", layer] for layer in layers)]
    means = [seen["mixed", layer].mean((0, 1)) for layer in layers]
    return _Whole(inputs, means, orders[0], losses)


def _without(
    decoder: Decoder, whole: _Whole, layer: int, head: int, mode: Mode, targets: tuple[Tensor, Tensor]
) -> Tensor:
    """Losses ``(B,)`` with one head silenced, from its block on."""
    width = decoder.config.head_width
    value = whole.means[layer][head * width : (head + 1) * width] if mode == "mean" else None
    x = whole.inputs[layer]  # (B, T, D)
    blocks = blocks_of(decoder)[layer:]
    with silenced(blocks[0], head, value):
        for block in blocks:
            x = block(x, whole.order)  # (B, T, D)
    return _losses(read_out(decoder, x), targets)


def _losses(logits: Tensor, targets: tuple[Tensor, Tensor]) -> Tensor:
    """``(B, T, V)`` and targets with their weights -> ``(B,)``, in double precision."""
    wanted, weight = targets
    losses = F.cross_entropy(logits.flatten(0, 1), wanted.flatten(), reduction="none").view_as(wanted)
    return (losses.double() * weight).sum(-1)


def _fuse(decoder: Decoder) -> None:
    """Nothing inside the attention is read here, and the fused kernel is faster."""
    decoder.attention_kernel = "fused"
