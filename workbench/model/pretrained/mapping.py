"""How a layout's tensors correspond to ours: one entry per tensor of theirs, good for both directions.

Shapes that a file should have are found by running an entry on meta tensors of our shapes, so that every
tensor is checked before it is touched.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from workbench.errors import UserError
from workbench.model.config import ModelConfig
from workbench.model.decoder import Decoder
from workbench.model.weights import require_finite


@dataclass(frozen=True)
class Entry:
    """One tensor of a layout. ``split`` makes ours of it, in the order of ``ours``; ``join`` inverts it."""

    theirs: str
    ours: tuple[str, ...]
    split: Callable[[Tensor], tuple[Tensor, ...]]
    join: Callable[..., Tensor]


def renamed(theirs: str, ours: str) -> Entry:
    """The same tensor under another name."""
    return Entry(theirs, (ours,), lambda x: (x,), lambda x: x)


def transposed(theirs: str, ours: str) -> Entry:
    """A matrix that is stored as ``(in, out)``: GPT-2's Conv1D."""
    return Entry(theirs, (ours,), lambda x: (x.t(),), lambda x: x.t())


def fused(theirs: str, ours: Iterable[str]) -> Entry:
    """Query, key and value side by side along the outputs, as ``(in, 3 out)`` or, biases, ``(3 out,)``."""
    names = tuple(ours)
    return Entry(
        theirs,
        names,
        lambda x: tuple(part.t() if part.ndim == 2 else part for part in x.chunk(len(names), dim=-1)),
        lambda *parts: torch.cat([part.t() if part.ndim == 2 else part for part in parts], dim=-1),
    )


def permuted(theirs: str, ours: str, heads: int) -> Entry:
    """Query or key rows whose rotary pairs are neighbours; ours are half a head apart."""
    return Entry(theirs, (ours,), lambda x: (to_half_split(x, heads),), lambda x: to_interleaved(x, heads))


def to_half_split(weight: Tensor, heads: int) -> Tensor:
    """``(H d, D) -> (H d, D)``: within each head, rows 2i and 2i + 1 become rows i and i + d/2."""
    pairs = weight.unflatten(0, (heads, -1, 2))  # (H, d/2, 2, D)
    return pairs.transpose(1, 2).flatten(0, 2)  # (H d, D)


def to_interleaved(weight: Tensor, heads: int) -> Tensor:
    """``(H d, D) -> (H d, D)``: the inverse of ``to_half_split``."""
    halves = weight.unflatten(0, (heads, 2, -1))  # (H, 2, d/2, D)
    return halves.transpose(1, 2).flatten(0, 2)  # (H d, D)


def shapes(config: ModelConfig) -> dict[str, torch.Size]:
    """The shape of every parameter of the decoder, without building it."""
    with torch.device("meta"):
        return {name: value.shape for name, value in Decoder(config).named_parameters()}


def decode(
    entries: list[Entry],
    source: Mapping[str, Tensor],
    config: ModelConfig,
    *,
    where: str,
    ignored: re.Pattern[str] = re.compile(r"(?!)"),
) -> dict[str, Tensor]:
    """Our tensors from those of ``source``, contiguous and each in memory of its own.

    Raises ``UserError`` for missing, surplus (unless ``ignored`` matches the whole name) and misshapen
    tensors, for quantised ones, and for values that are no finite number; ``where`` is what the message calls
    the source.
    """
    _check_names(entries, source, where, ignored)
    own = shapes(config)
    for entry in entries:
        _check_shape(entry, source[entry.theirs], own, where)
    found: dict[str, Tensor] = {}
    for entry in entries:
        found |= zip(entry.ours, map(_own, entry.split(source[entry.theirs])), strict=True)
    _check_floating(found, where)
    used = {entry.theirs: source[entry.theirs] for entry in entries}
    require_finite(used, f"{where}: ", "fetch the file again, or use another checkpoint of the model")
    return {name: found[name] for name in own}


def encode(entry: Entry, tensors: Mapping[str, Tensor], dtype: torch.dtype | None) -> Tensor:
    """Their tensor, contiguous and in memory of its own; a bias that we do not have is zero."""
    parts = [tensors[name] if name in tensors else _zero_bias(name, tensors) for name in entry.ours]
    joined = entry.join(*parts).detach().cpu()
    return _own(joined if dtype is None else joined.to(dtype))


def _zero_bias(name: str, tensors: Mapping[str, Tensor]) -> Tensor:
    """A bias of zeros for the matrix beside it: the function that a model without one computes."""
    weight = tensors[f"{name.removesuffix('.bias')}.weight"]
    return weight.new_zeros(weight.shape[0])


def _check_floating(tensors: Mapping[str, Tensor], where: str) -> None:
    """Quantised weights need their own arithmetic, which the decoder does not have."""
    for name, tensor in tensors.items():
        if tensor.dtype not in (torch.float64, torch.float32, torch.float16, torch.bfloat16):
            raise UserError(
                f"{where}: {name} is stored as {str(tensor.dtype).removeprefix('torch.')}, a quantised "
                f"format; get the weights in float32, bfloat16 or float16"
            )


def _own(tensor: Tensor) -> Tensor:
    """A view of part of a larger storage would keep, and save, all of it."""
    whole = tensor.untyped_storage().nbytes() == tensor.numel() * tensor.element_size()
    return tensor if whole and tensor.is_contiguous() else tensor.clone(memory_format=torch.contiguous_format)


def _check_names(
    entries: list[Entry], source: Mapping[str, Tensor], where: str, ignored: re.Pattern[str]
) -> None:
    known = {entry.theirs for entry in entries}
    missing = [entry.theirs for entry in entries if entry.theirs not in source]
    if missing:
        wrapped = next((name for name in source if name.endswith(f".{missing[0]}")), None)
        if wrapped is not None:
            prefix = wrapped.removesuffix(missing[0])
            raise UserError(
                f"{where}: {_few(missing)} is missing, but there is {wrapped}: the model was saved inside "
                f"another; save its own state_dict(), or rename the tensors without {prefix!r}"
            )
        raise UserError(f"{where}: {_few(missing)} is missing; the weights are incomplete: fetch them again")
    surplus = [name for name in source if name not in known and not ignored.fullmatch(name)]
    if surplus:
        raise UserError(
            f"{where}: {_few(surplus)} is not part of the model that its configuration describes; remove it, "
            f"or mend the configuration"
        )


def _check_shape(entry: Entry, given: Tensor, own: Mapping[str, torch.Size], where: str) -> None:
    parts = [torch.empty(own[name], device="meta") for name in entry.ours]
    expected = tuple(entry.join(*parts).shape)
    if tuple(given.shape) != expected:
        raise UserError(
            f"{where}: {entry.theirs} has shape {tuple(given.shape)}, the configuration asks for {expected}; "
            f"weights and configuration belong to different models, or the weights are incomplete"
        )


def _few(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{names[0]} (and {len(names) - 1} more)"
