"""Each norm by itself, forward and backward, without the model around it."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from workbench.bench.formats import Form
from workbench.bench.outcome import Column, Table
from workbench.bench.section import Effort, Setting
from workbench.bench.sizes import Size, sizes
from workbench.bench.suite import clear
from workbench.bench.timing.seconds import Clock, PerCall, Rounds, interleave
from workbench.model.parts.component import NORMS

RMS, LAYER = "rmsnorm", "layernorm"
_SHAPE_OF = {"cpu": "10M", "cuda": "124M"}
_SLICE_SECONDS = {Effort.QUICK: 0.02, Effort.FULL: 0.1}


def norms_alone(setting: Setting, clock: Clock) -> dict[str, Rounds]:
    """Seconds of a forward and a backward pass of each norm, in turn: eager, then compiled."""
    [size] = sizes(setting.device, _SHAPE_OF[setting.device])
    found = {}
    for share, mode in ((0.2, "eager"), (1.0, "compiled")):
        cases = {
            name: PerCall(_passes(name, size, mode, setting.device), setting.device, _slice(setting))
            for name in NORMS.names()
            if name != "none"
        }
        found[mode] = interleave(cases, seconds=share * clock.left)
        clear(setting.device)
    return found


def alone_table(found: dict[str, Rounds], device: str) -> Table:
    """A row per mode and norm."""
    [size] = sizes(device, _SHAPE_OF[device])
    columns = (
        Column("mode", "mode"),
        Column("norm", "norm"),
        Column("seconds", "forward and backward", Form.SECONDS),
        Column("ratio", "over LayerNorm", Form.RATIO),
    )
    shape = f"{size.batch_size} × {size.context} × {size.width}"
    rows = [_row(mode, name, rounds) for mode, rounds in found.items() for name in rounds.values]
    return Table(f"The norm alone, on {shape} numbers in fp32", columns, rows)


def _row(mode: str, name: str, rounds: Rounds) -> dict[str, Any]:
    ratio = rounds.ratio(name, LAYER) if name != LAYER else None
    return {"mode": mode, "norm": name, "seconds": rounds.spread(name), "ratio": ratio}


def _slice(setting: Setting) -> float:
    return _SLICE_SECONDS[setting.effort]


def _passes(name: str, size: Size, mode: str, device: str) -> Callable[[], tuple[Tensor, ...]]:
    norm = NORMS.config(name).build(size.width).to(device)
    forward = torch.compile(norm) if mode == "compiled" else norm
    shape = (size.batch_size, size.context, size.width)
    draw = torch.Generator(device=device).manual_seed(0)
    x = torch.randn(shape, generator=draw, device=device, requires_grad=True)  # (B, T, D)
    upstream = torch.randn(shape, generator=draw, device=device)  # (B, T, D)
    return lambda: torch.autograd.grad(forward(x), (x, *norm.parameters()), upstream)
