"""A decoder's weights as plain tensors: taken out, put back, or carried over into another variant.

They are its parameters and its persistent buffers: what PyTorch's ``state_dict`` holds, each tensor once.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from workbench.errors import UserError

POSITION_TABLE = "positions.table"


@dataclass(frozen=True, kw_only=True)
class Transfer:
    """Names of tensors: ``kept`` were copied, ``fresh`` were not, ``unused`` exist in the source only."""

    kept: list[str]
    fresh: list[str]
    unused: list[str]


def named_tensors(decoder: nn.Module) -> dict[str, Tensor]:
    """The tensors that weights consist of, as they are, under their own names."""
    lasting = decoder.state_dict(keep_vars=True)
    buffers = {name: buffer for name, buffer in decoder.named_buffers() if name in lasting}
    return dict(decoder.named_parameters()) | buffers


def plain_tensors(decoder: nn.Module) -> dict[str, Tensor]:
    """The decoder's tensors on the CPU, contiguous, each with memory of its own."""
    seen: set[int] = set()
    tensors = {}
    for name, value in named_tensors(decoder).items():
        plain = value.detach().cpu().contiguous()
        place = plain.untyped_storage().data_ptr()
        if place in seen:  # a buffer that is a view of a parameter: files hold no shared memory
            plain = plain.clone()
        seen.add(place)
        tensors[name] = plain
    return tensors


@torch.no_grad()
def load_weights(decoder: nn.Module, tensors: Mapping[str, Tensor]) -> None:
    """Copy ``tensors`` into the decoder; raises ``UserError`` unless names and shapes are exactly its own."""
    own = named_tensors(decoder)
    wrong = [name for name in own if name not in tensors or tensors[name].shape != own[name].shape]
    foreign = [name for name in tensors if name not in own]
    if wrong or foreign:
        raise UserError(
            f"weights: missing or of another shape: {_few(wrong)}; not the model's: {_few(foreign)}; "
            f"they belong to another configuration"
        )
    _copy(decoder, tensors, list(own))


@torch.no_grad()
def transfer_weights(decoder: nn.Module, tensors: Mapping[str, Tensor]) -> Transfer:
    """Copy what decoder and ``tensors`` share by name and shape; of a longer position table, the first rows.

    Everything else keeps its value: initialise the decoder first.
    """
    transfer = plan_transfer(decoder, tensors)
    _copy(decoder, tensors, transfer.kept)
    return transfer


def plan_transfer(decoder: nn.Module, tensors: Mapping[str, Tensor]) -> Transfer:
    """What ``transfer_weights`` would do, from names and shapes alone: tensors on the meta device suffice."""
    own = named_tensors(decoder)
    kept = [name for name in own if name in tensors and _fits(name, own[name], tensors[name])]
    return Transfer(
        kept=kept,
        fresh=[name for name in own if name not in kept],
        unused=[name for name in tensors if name not in kept],
    )


@torch.no_grad()
def require_finite(tensors: Mapping[str, Tensor], where: str, remedy: str) -> None:
    """Raise ``UserError`` for a tensor with NaN or infinite values, saying how many; one pass, no copies.

    ``where`` goes before the tensor's name in the message.
    """
    for name, tensor in tensors.items():
        if tensor.numel() == 0:
            continue
        least, most = tensor.aminmax()  # NaN where any value is
        if torch.isfinite(least) and torch.isfinite(most):
            continue
        count = tensor.numel() - int(torch.isfinite(tensor).sum())
        raise UserError(
            f"{where}{name}: {count:,} of {tensor.numel():,} values are NaN or infinite; {remedy}"
        )


def _fits(name: str, own: Tensor, given: Tensor) -> bool:
    if name == POSITION_TABLE and own.ndim == given.ndim == 2:
        return own.shape[0] <= given.shape[0] and own.shape[1] == given.shape[1]
    return own.shape == given.shape


def _copy(decoder: nn.Module, tensors: Mapping[str, Tensor], names: list[str]) -> None:
    own = named_tensors(decoder)
    for name in names:
        own[name].copy_(tensors[name][: len(own[name])] if own[name].ndim else tensors[name])


def families(names: Iterable[str]) -> list[str]:
    """``blocks.*.feedforward.gate.weight`` for one such tensor per layer."""
    parts = (name.split(".") for name in names)
    return list(dict.fromkeys(".".join("*" if part.isdigit() else part for part in name) for name in parts))


def _few(names: list[str]) -> str:
    shown = ", ".join(names[:4])
    return f"{shown} and {len(names) - 4} more" if len(names) > 4 else shown or "none"
