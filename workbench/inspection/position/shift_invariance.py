"""What a shift does to the predictions: of the position ids alone, or of the text behind unrelated text.

Sinha et al. 2022 (arXiv 2210.12574), "phase shift": models with absolute positions degrade. They compare
scores on sentences; here are the Kullback-Leibler divergence of the whole prediction and the loss.
"""

from collections.abc import Sequence

import pandas as pd
import torch
from torch import Tensor

from workbench.inspection.capture import reading
from workbench.inspection.position.extrapolation import window_losses
from workbench.inspection.probe import Probe
from workbench.model.decoder import Decoder

FIRST, STEP = 8, 4  # shifts: 8, 32, 128, ...
FARTHEST = 8  # contexts
MOST = 64  # tokens of a window that is shifted
ROUNDING = 1e-6  # nats: an exact code differs by less, from fp32


def shifts_up_to(most: int, *, last: bool = False) -> list[int]:
    """8, 32, 128, ... up to ``most``; with ``last``, ``most`` itself too."""
    found: list[int] = []
    while (shift := FIRST * STEP ** len(found)) <= most:
        found.append(shift)
    return sorted({*found, most} - {0}) if last else found


def shifts_of_ids(decoder: Decoder, length: int) -> list[int]:
    """Shifts of ``length`` positions that the decoder has: a learned table ends, others go to 8 contexts."""
    limit = decoder.positions.limit
    return shifts_up_to(FARTHEST * decoder.config.context if limit is None else limit - length, last=True)


def window_length(context: int) -> int:
    """Tokens of the windows that are shifted: half of the context, so that there is room, 64 at most."""
    return min(MOST, context // 2)


def shift_texts(probe: Probe, length: int, count: int) -> tuple[Tensor, Tensor]:
    """Windows ``(B, n + 1)`` and, for each, unrelated tokens ``(B, U)``: the window half of the text away."""
    other = probe.text.roll(max(1, len(probe.text) // 2), 0)
    return probe.text[:count, : length + 1], other[:count]


def id_shifts(decoder: Decoder, windows: Tensor) -> pd.DataFrame:
    """Columns ``x, divergence``: each shift k of the position ids and what it changes, in nats."""
    shifts = shifts_of_ids(decoder, windows.shape[1] - 1)
    found = shifted_divergence(decoder, windows[:, :-1], shifts)
    return pd.DataFrame({"x": shifts, "divergence": found.tolist()})


def text_shifts(decoder: Decoder, windows: Tensor, unrelated: Tensor) -> pd.DataFrame:
    """Columns ``x, y``: tokens of unrelated text in front, within the context, and the change of the loss."""
    room = min(decoder.config.context - (windows.shape[1] - 1), unrelated.shape[1])
    shifts = shifts_up_to(room, last=True)
    return pd.DataFrame({"x": shifts, "y": preceded_loss(decoder, windows, unrelated, shifts).tolist()})


def shifted_divergence(decoder: Decoder, tokens: Tensor, shifts: Sequence[int]) -> Tensor:
    """Mean ``KL(p || p_k)`` over tokens ``(B, T)`` for each shift k: ``(K,)``, nats.

    ``p`` predicts with position ids 0 to T - 1, ``p_k`` with k to k + T - 1.
    """
    with reading(decoder) as plain:
        tokens = tokens.to(plain.device)
        place = torch.arange(tokens.shape[1], device=plain.device)
        before = plain(tokens, place).double().log_softmax(-1)  # (B, T, V)
        found = [
            (before.exp() * (before - plain(tokens, place + shift).double().log_softmax(-1))).sum(-1).mean()
            for shift in shifts
        ]
    return torch.stack(found).clamp(min=0).cpu()  # (K,)


def preceded_loss(decoder: Decoder, windows: Tensor, unrelated: Tensor, shifts: Sequence[int]) -> Tensor:
    """Loss of ``windows (B, T + 1)`` behind k tokens of other text, minus without: ``(K,)``, nats.

    The T targets are the same for every k. ``unrelated (B, U)`` lends its last k tokens, k up to U.
    """
    targets = windows.shape[1] - 1
    with reading(decoder) as plain:
        alone = window_losses(plain, windows).double().mean()
        found = [
            window_losses(plain, torch.cat([unrelated[:, -shift:], windows], 1))[:, -targets:].double().mean()
            for shift in shifts
        ]
    return torch.stack(found) - alone  # (K,)
