"""Loss against the length of the context, on the same targets, up to eight times the training length.

The measure is the loss of the same last L/2 tokens of a text, read with contexts of c tokens that end there:
Press et al.'s sliding window (arXiv 2108.12409, appendix B) with a stride of L/2 instead of 1. The two usual
measures are beside it as foils: the mean over all tokens of longer windows, and non-overlapping windows of
the same text. Both fall with c for a model that ignores what is far away, because a smaller part of their
tokens has little context; and the former scores other tokens at each length. What differs below L: windows of
c tokens step by c/2, so that the targets stay the same.
"""

import math

import pandas as pd
import torch
from torch import Tensor
from torch.nn import functional as F

from workbench.inspection.capture import reading
from workbench.inspection.probe import Probe
from workbench.inspection.tables import measured_rows, register_table
from workbench.model.decoder import Decoder

MULTIPLES = (0.125, 0.25, 0.5, 1.0, 1.25, 1.5, 2.0, 4.0, 8.0)  # of the training context L
WINDOWS = 8  # long windows with one end each, at least
SCORED = 512  # targets of all windows together, at least: short contexts take more windows
SPARED = 8  # one long window in so many is cut into non-overlapping ones, which cost 6 x 8 L tokens
_LARGEST = 2**28  # numbers of one window's logits, or of its bias: longer contexts are left out
_NUMBERS = 2**22  # of a batch's logits or scores: 16 MiB in fp32, which a cache half holds


def window_losses(decoder: Decoder, windows: Tensor) -> Tensor:
    """``(B, c + 1) -> (B, c)``: nats of each token but the first, on the CPU, in bounded memory."""
    inputs, targets = windows[:, :-1], windows[:, 1:]  # (B, c)
    batch = max(1, _NUMBERS // _numbers(decoder, inputs.shape[1]))
    found = [
        _nats(decoder(part.to(decoder.device)), aim)  # (b, c)
        for part, aim in zip(inputs.split(batch), targets.split(batch), strict=True)
    ]
    return torch.cat(found)


def tail_windows(long: Tensor, context: int, targets: int) -> tuple[Tensor, int]:
    """``(M, N) -> (M, J, c + 1)``, and how many last tokens of each window count.

    Together they are the last ``targets`` of each text, or a few more, each once and in order; each is read
    with c/2 to c tokens, from the length of two times ``targets`` on with ``c - targets`` to c.
    """
    stride = _stride(context, targets)
    count = math.ceil(targets / stride)
    whole = long[:, -(context + 1 + (count - 1) * stride) :]
    return whole.unfold(1, context + 1, stride), stride


def tail_losses(decoder: Decoder, long: Tensor, context: int, targets: int) -> tuple[Tensor, Tensor]:
    """``(M, targets)``, the losses of the same targets for every context; and those of all tokens read.

    ``long (M, N)`` ends in the targets.
    """
    windows, stride = tail_windows(long, context, targets)  # (M, J, c + 1)
    losses = window_losses(decoder, windows.flatten(0, 1))  # (M * J, c)
    return losses[:, -stride:].reshape(len(long), -1)[:, -targets:], losses


def disjoint_losses(decoder: Decoder, long: Tensor, context: int) -> Tensor:
    """Losses of all targets of ``long (M, N)``, cut into windows of ``context`` tokens: ``(M * (N - 1),)``.

    The first window of each text is what is left over; the targets are the same for every context.
    """
    rest = (long.shape[1] - 1) % context
    windows = long[:, rest:].unfold(1, context + 1, context).flatten(0, 1)  # (M * J, c + 1)
    losses = window_losses(decoder, windows).flatten()
    return torch.cat([window_losses(decoder, long[:, : rest + 1]).flatten(), losses]) if rest else losses


def contexts(decoder: Decoder, probe: Probe) -> list[int]:
    """Lengths to measure: those that the text, the table of positions and 1 GiB of memory allow."""
    targets, available = scored_targets(probe), probe.long.shape[1] - 1
    limit = decoder.positions.limit or available
    wanted = sorted({round(multiple * probe.context) for multiple in MULTIPLES} - {0})
    return [
        c
        for c in wanted
        if c <= limit and c + targets - _stride(c, targets) <= available and _numbers(decoder, c) <= _LARGEST
    ]


def scored_targets(probe: Probe) -> int:
    """Targets at the end of each long window: half of the training context."""
    return max(1, probe.context // 2)


def extrapolation_tokens(probe: Probe) -> int:
    """Tokens of forward that the table takes, for a decoder without a limit of positions."""
    long, spared = _texts(probe)
    available = long.shape[1] - 1
    read = sum(max(multiple, 1.0) for multiple in MULTIPLES) * probe.context * len(long)
    cut = sum(multiple >= 1 for multiple in MULTIPLES) * available * len(spared)
    return round(read) + cut


@register_table("extrapolation", tokens=extrapolation_tokens)
def extrapolation_table(decoder: Decoder, probe: Probe) -> pd.DataFrame:
    """Loss by context ``x`` in tokens: metrics ``tail``, and from L on ``full`` and ``nonoverlapping``.

    ``n``: targets. ``tail`` has the same targets at every ``x``. Contexts beyond a table of learned
    positions, or beyond the text, have no row. Costs ``extrapolation_tokens``: 214 L at L = 128 or above,
    of those 166 L for ``tail`` and ``full``; 40 L with learned positions.
    """
    targets = scored_targets(probe)
    long, spared = _texts(probe)
    rows = []
    with reading(decoder) as plain:
        for context in contexts(plain, probe):
            tail, full = tail_losses(plain, long, context, targets)
            rows.append(_row("tail", context, tail))
            if context >= probe.context:
                rows.append(_row("full", context, full))
                rows.append(_row("nonoverlapping", context, disjoint_losses(plain, spared, context)))
    return measured_rows(rows)


def _texts(probe: Probe) -> tuple[Tensor, Tensor]:
    """The long windows whose ends are scored, and those that are cut."""
    long = probe.long[: max(WINDOWS, math.ceil(SCORED / scored_targets(probe)))]
    return long, long[: max(1, len(long) // SPARED)]


def _nats(logits: Tensor, targets: Tensor) -> Tensor:
    # Flat: with the vocabulary in the middle the softmax takes four times as long on a CPU.
    flat = logits.flatten(0, 1).float(), targets.flatten().to(logits.device)  # (b * c, V), (b * c)
    return F.cross_entropy(*flat, reduction="none").view(targets.shape).cpu()


def _row(metric: str, context: int, losses: Tensor) -> dict:
    value = float(losses.double().mean())
    return {"x": float(context), "metric": metric, "value": value, "n": losses.numel()}


def _stride(context: int, targets: int) -> int:
    return min(targets, max(1, context // 2))


def _numbers(decoder: Decoder, length: int) -> int:
    """Numbers in the largest tensor of one sequence: logits, or scores where they are written out."""
    config, place = decoder.config, torch.zeros(1, dtype=torch.long, device=decoder.device)
    written = config.attention_softcap is not None or decoder.positions.bias(place, place) is not None
    return length * max(config.vocabulary, config.heads * length if written else 1)
