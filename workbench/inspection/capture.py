"""Reading the inside of a decoder while it runs, without leaving anything behind.

``with capture(decoder, {"probabilities"}) as seen: decoder(tokens)``. Inside the block attention is written
out instead of fused; both take rotation, bias and mask from the same code, and ``kernel_error`` measures
what is left between them.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import cast

import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from workbench.errors import UserError, suggestion
from workbench.model.attention import HOOK_POINTS
from workbench.model.block import Block
from workbench.model.decoder import Decoder
from workbench.model.parts.feedforward import GatedFeedForward

# Quantity: where in a block it is, and whether it is that module's input or its output.
_PLACES: dict[str, tuple[str, str]] = {
    **{name: (f"attention.{name}", "output") for name in HOOK_POINTS},
    "mixed": ("attention.output", "input"),
    "attention_output": ("attention", "output"),
    "attention_norm_input": ("attention_norm", "input"),
    "attention_norm_output": ("attention_norm", "output"),
    "feedforward_norm_input": ("feedforward_norm", "input"),
    "feedforward_norm_output": ("feedforward_norm", "output"),
    "gate": ("feedforward.gate", "output"),
    "hidden": ("feedforward.down", "input"),
    "feedforward_output": ("feedforward", "output"),
    "residual": ("", "output"),
}
QUANTITIES = ("embedding", *_PLACES)


class Captured:
    """What the last forward inside the block computed: ``seen["scores", 3]`` for one layer.

    ``queries, keys, values (B, H, T, d_head)``; ``scores`` (before bias and mask) and ``probabilities``
    ``(B, H, T, T)``; ``mixed (B, T, H * d_head)``, what the heads read, after the gate; ``gate`` (before its
    activation) and ``hidden (B, T, F)``; ``embedding``, ``residual`` (after the block), norms' inputs and
    outputs, and both parts' outputs ``(B, T, D)``.
    """

    def __init__(self) -> None:
        self._tensors: dict[tuple[str, int], Tensor] = {}

    def __getitem__(self, key: tuple[str, int]) -> Tensor:
        """The quantity in one layer; raises ``KeyError`` naming what there is."""
        if key not in self._tensors:
            raise KeyError(f"{key} was not captured; there is {sorted(self._tensors)}")
        return self._tensors[key]

    def __contains__(self, key: tuple[str, int]) -> bool:
        """Whether the quantity was captured in that layer."""
        return key in self._tensors

    @property
    def embedding(self) -> Tensor:
        """What enters the first block, ``(B, T, D)``."""
        return self["embedding", 0]

    def layers(self, name: str) -> list[int]:
        """The layers in which ``name`` was captured."""
        return sorted(layer for quantity, layer in self._tensors if quantity == name)

    def stacked(self, name: str) -> Tensor:
        """All captured layers of ``name``, ``(L, ...)``."""
        return torch.stack([self[name, layer] for layer in self.layers(name)])

    def keep(self, name: str, layer: int, value: Tensor) -> None:
        """Remember a quantity of the forward that runs."""
        self._tensors[name, layer] = value


@contextmanager
def capture(
    decoder: Decoder, what: Iterable[str], layers: Iterable[int] | None = None, *, gradients: bool = False
) -> Iterator[Captured]:
    """Yield what the decoder computes inside the block: quantities ``what`` of ``layers``, all by default.

    The decoder runs un-compiled, in evaluation mode, explicit and, unless ``gradients``, without autograd;
    mode, kernel and hooks are as before at the end. Raises ``UserError`` for unknown quantities and layers,
    and for a decoder that is not fp32 (or fp64).
    """
    decoder = uncompiled(decoder)
    blocks = blocks_of(decoder)
    wanted = list(what)
    _check(decoder, wanted)
    seen = Captured()
    chosen = _layers(decoder, layers)
    handles = [handle for layer in chosen for handle in _hooks(blocks[layer], layer, wanted, seen)]
    if "embedding" in wanted:
        handles.append(_hook(blocks[0], "input", lambda value: seen.keep("embedding", 0, value)))
    try:
        with reading(decoder, kernel="explicit", gradients=gradients):
            yield seen
    finally:
        for handle in handles:
            handle.remove()


@contextmanager
def reading(decoder: Decoder, *, kernel: str = "fused", gradients: bool = False) -> Iterator[Decoder]:
    """Yield the decoder ready to be read: un-compiled, in evaluation mode, in its own precision.

    Unless ``gradients``, without autograd. Mode and kernel are as before at the end. Raises ``UserError`` for
    a decoder that is not fp32 (or fp64).
    """
    decoder = uncompiled(decoder)
    if decoder.dtype not in (torch.float32, torch.float64):
        raise UserError(f"capture: the decoder is {decoder.dtype}; convert it with decoder.float() first")
    training = decoder.training
    kernel_before = decoder.attention_kernel
    compiled = decoder._compiled_call_impl
    decoder._compiled_call_impl = None  # texts of many lengths would be compiled one by one
    decoder.eval()
    decoder.attention_kernel = kernel
    try:
        with torch.set_grad_enabled(gradients), torch.autocast(decoder.device.type, enabled=False):
            yield decoder
    finally:
        decoder.train(training)
        decoder.attention_kernel = kernel_before
        decoder._compiled_call_impl = compiled


def uncompiled(decoder: nn.Module) -> Decoder:
    """The decoder itself, where ``torch.compile`` wrapped it."""
    return cast(Decoder, getattr(decoder, "_orig_mod", decoder))


def blocks_of(decoder: Decoder) -> list[Block]:
    """The decoder's blocks; torch's ``ModuleList`` says no more of them than that they are modules."""
    return [cast(Block, block) for block in uncompiled(decoder).blocks]


def kernel_error(decoder: Decoder, tokens: Tensor) -> float:
    """Largest difference of any logit between the fused and the explicit attention on ``tokens (B, T)``."""
    with reading(decoder, kernel="explicit") as plain:
        explicit = plain(tokens)  # (B, T, V)
    with reading(decoder, kernel="fused") as plain:
        return float((plain(tokens) - explicit).abs().max())


def _check(decoder: Decoder, wanted: list[str]) -> None:
    for name in wanted:
        if name not in QUANTITIES:
            raise UserError(f"capture: unknown quantity {name!r}; {suggestion(name, QUANTITIES)}")
    if "gate" in wanted and not isinstance(blocks_of(decoder)[0].feedforward, GatedFeedForward):
        name = decoder.config.feedforward.name
        raise UserError(f"capture: 'gate': the feed-forward network {name} has none; capture 'hidden'")


def _layers(decoder: Decoder, layers: Iterable[int] | None) -> list[int]:
    known = range(len(decoder.blocks))
    chosen = list(known if layers is None else layers)
    for layer in chosen:
        if layer not in known:
            raise UserError(f"capture: there is no layer {layer}; use 0 to {len(known) - 1}")
    return chosen


def _hooks(block: Block, layer: int, wanted: list[str], seen: Captured) -> Iterator[RemovableHandle]:
    for name in wanted:
        if name in _PLACES:
            path, side = _PLACES[name]
            yield _hook(_part(block, path, name), side, partial(seen.keep, name, layer))


def _part(block: Block, path: str, name: str) -> nn.Module:
    try:
        return block.get_submodule(path)
    except AttributeError:
        owner = type(block.get_submodule(path.split(".")[0])).__name__
        raise UserError(f"capture: {name!r}: {owner} has no part called {path!r}; leave it out") from None


def _hook(module: nn.Module, side: str, keep: Callable[[Tensor], None]) -> RemovableHandle:
    if side == "input":
        return module.register_forward_pre_hook(lambda _, args: keep(args[0]))
    return module.register_forward_hook(lambda _, args, output: keep(output))
