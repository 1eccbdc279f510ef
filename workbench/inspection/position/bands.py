"""What each frequency of rotary positions carries: norms, contribution to attention, and use.

A rotary code turns each pair f of query and key dimensions at a frequency w_f of its own, so that a score is
a sum over pairs ("bands"): ``s_ij = scale * sum_f |q_i^f| |k_j^f| cos(angle(q_i^f) - angle(k_j^f) +
(i - j) w_f)`` with the angles before rotation. Norms by band: Barbero et al. 2024 (arXiv 2410.06205,
section 4). Bands whose frequency is set to 0 are the same paper's p-RoPE, here without training anew. The
contribution is the workbench's own: norms only bound what a band can add, and have no sign.

Dimensions that do not rotate are one further band, the last. Everything is read from rotated queries and
keys, so the gain of yarn is in it.
"""

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import cast

import pandas as pd
import torch
from torch import Tensor

from workbench.errors import UserError
from workbench.inspection.attention.head_scores import token_losses
from workbench.inspection.attention.shape import uniform
from workbench.inspection.capture import Captured, blocks_of, capture, uncompiled
from workbench.inspection.forward_passes import passes
from workbench.model.decoder import Decoder
from workbench.model.parts import rope_scaling
from workbench.model.parts.rotary import Rotary

MEASURES = ("query_norm", "key_norm", "contribution")


@dataclass(frozen=True)
class Bands:
    """The bands of a decoder: ``wavelengths (F,)`` in tokens per turn, from the fastest to the slowest.

    ``width`` dimensions of each head rotate and ``still`` do not; ``gain`` multiplies what is rotated.
    """

    wavelengths: Tensor
    gain: float
    width: int
    still: int

    def __len__(self) -> int:
        """How many bands rotate."""
        return len(self.wavelengths)

    def slow(self, context: int) -> int:
        """How many bands do not complete a turn within ``context`` tokens."""
        return int((self.wavelengths > context).sum())


def bands_of(decoder: Decoder, length: int) -> Bands:
    """The bands in a text of ``length`` tokens; raises ``UserError`` for other than rotary positions."""
    positions = uncompiled(decoder).positions
    if not isinstance(positions, Rotary):
        raise UserError(f"positions: {decoder.config.positions.name} has no bands; choose a run with rope")
    width, ids = positions.rotary_width, torch.arange(length)
    frequencies, gain = rope_scaling.frequencies(cast(Rotary.Config, positions.config), width, ids)  # (F,)
    return Bands(2 * math.pi / frequencies, gain, width, decoder.config.head_width - width)


def split_bands(x: Tensor, width: int) -> list[Tensor]:
    """``(..., d_head) -> F of (..., 2)``, and ``(..., d_head - R)`` of what does not rotate, if any.

    ``width`` is R, the dimensions that rotate: dimension f and f + R/2 are a pair.
    """
    pairs = x[..., :width].unflatten(-1, (2, -1))  # (..., 2, F)
    still = [x[..., width:]] if x.shape[-1] > width else []
    return [*pairs.unbind(-1), *still]


def band_scores(queries: Tensor, keys: Tensor, width: int, scale: float) -> Tensor:
    """Each band's part of the scores: ``(..., T, d_head), (..., S, d_head) -> (F or F + 1, ..., T, S)``.

    Queries and keys are rotated. The sum over the first dimension is the score before a soft cap. Give one
    head at a time: the result is F times as large as the scores.
    """
    parts = zip(split_bands(queries, width), split_bands(keys, width), strict=True)
    return torch.stack([scale * (q @ k.transpose(-2, -1)) for q, k in parts])


def band_norms(x: Tensor, width: int) -> Tensor:
    """Mean norm over tokens: ``(B, H, T, d_head) -> (B, H, F or F + 1)``.

    What does not rotate counts per pair of its dimensions (root mean square), to compare with the others.
    """
    norms = [part.norm(dim=-1).mean(-1) / math.sqrt(part.shape[-1] / 2) for part in split_bands(x, width)]
    return torch.stack(norms, dim=-1)


def contributions(
    queries: Tensor, keys: Tensor, probabilities: Tensor, width: int, scale: float, window: int | None = None
) -> Tensor:
    """``C_f = E_{i, j ~ A_i}[s^f_ij] - E_{i, j ~ uniform}[s^f_ij]``: ``(B, H, F or F + 1)``.

    How much higher the band scores the keys that are attended to than keys in reach on average. Scores are
    linear in the keys, so the mean key of each query does: no score of a band is ever written out.
    """
    even = uniform(queries.shape[-2], window).to(probabilities)  # (T, T)
    surplus = (probabilities - even) @ keys  # (B, H, T, d_head)
    parts = split_bands(scale * queries * surplus, width)
    return torch.stack([part.sum(-1).mean(-1) for part in parts], dim=-1)


def band_table(decoder: Decoder, tokens: Tensor) -> pd.DataFrame:
    """``MEASURES`` of each ``layer, head, band`` on ``tokens (B, T)``, with its ``wavelength``.

    The band of dimensions that do not rotate is the last and has no wavelength.
    """
    bands = bands_of(decoder, tokens.shape[1])
    found: dict[int, list[Tensor]] = {}
    for part in passes(decoder, tokens, ("queries", "keys", "probabilities")):
        for layer in part.layers:
            found.setdefault(layer, []).append(_measures(decoder, part.seen, layer, bands.width))
    means = {layer: torch.cat(parts, dim=1).double().mean(1) for layer, parts in found.items()}
    return pd.concat([_frame(layer, mean, bands) for layer, mean in sorted(means.items())], ignore_index=True)


@torch.no_grad()
def identity_error(decoder: Decoder, tokens: Tensor) -> float:
    """Largest difference between a score and the sum of its bands on ``tokens (1, T)``, over all heads."""
    bands, largest = bands_of(decoder, tokens.shape[1]), 0.0
    with capture(decoder, ("queries", "keys", "scores")) as seen:
        decoder(tokens.to(decoder.device))
    for layer, block in enumerate(blocks_of(decoder)):
        queries, keys, scores = (seen[name, layer] for name in ("queries", "keys", "scores"))  # (1, H, T, ·)
        for head in range(scores.shape[1]):
            found = band_scores(queries[:, head], keys[:, head], bands.width, block.attention.scale).sum(0)
            if block.attention.softcap is not None:
                found = block.attention.softcap * torch.tanh(found / block.attention.softcap)  # (1, T, T)
            largest = max(largest, float((found - scores[:, head]).abs().max()))
    return largest


@contextmanager
def without_rotation(decoder: Decoder, chosen: Sequence[int]) -> Iterator[None]:
    """Inside the block the bands ``chosen`` have frequency 0: the decoder has no positions there.

    The gain stays. The decoder's positions are as before at the end.
    """
    positions = uncompiled(decoder).positions
    before, own = positions.prepare, vars(positions).get("prepare")

    def prepare(position_ids: Tensor) -> tuple[Tensor, Tensor]:
        _, gain = rope_scaling.frequencies(positions.config, positions.rotary_width, position_ids)
        cos, sin = (part.clone() for part in before(position_ids))  # (T, F)
        cos[:, list(chosen)], sin[:, list(chosen)] = gain, 0.0
        return cos, sin

    positions.prepare = prepare  # on the instance, where it hides the class's
    try:
        yield
    finally:
        del positions.prepare
        if own is not None:
            positions.prepare = own


def removal_losses(decoder: Decoder, text: Tensor, groups: dict[str, list[int]]) -> pd.DataFrame:
    """What each group of bands is worth: rows ``group, bands, window, loss, difference`` (nats per token).

    ``text (B, T + 1)``. ``difference`` is to the same window's loss with all bands. Costs one pass over the
    text for each group, and one more.
    """
    whole, frames = mean_window_losses(decoder, text), []
    for name, chosen in groups.items():
        with without_rotation(decoder, chosen):
            loss = mean_window_losses(decoder, text)  # (B,)
        columns = {"window": range(len(loss)), "loss": loss, "difference": loss - whole}
        frames.append(pd.DataFrame(columns).assign(group=name, bands=len(chosen)))
    return pd.concat(frames, ignore_index=True)


def mean_window_losses(decoder: Decoder, text: Tensor) -> Tensor:
    """Mean loss of each window, by the fused attention: ``(B, T + 1) -> (B,)``, nats."""
    decoder = uncompiled(decoder)
    with capture(decoder, ()):
        decoder.attention_kernel = "fused"
        windows = [
            token_losses(decoder(window[:, :-1].to(decoder.device)), window[:, 1:])
            for window in text.split(1)
        ]
    return torch.cat(windows).double().mean(-1)  # (B,)


def halves(bands: Bands) -> dict[str, list[int]]:
    """The fastest half of the bands, the slowest, and all of them."""
    every = list(range(len(bands)))
    middle = len(every) // 2
    found = {"fastest half": every[:middle], "slowest half": every[middle:], "all bands": every}
    return {name: chosen for name, chosen in found.items() if chosen}


def octaves(bands: Bands) -> dict[str, list[int]]:
    """Bands whose wavelengths lie between the same two powers of two."""
    found: dict[str, list[int]] = {}
    for band, wavelength in enumerate(bands.wavelengths.tolist()):
        power = math.floor(math.log2(wavelength))
        found.setdefault(f"{2**power:,} to {2 ** (power + 1):,} tokens", []).append(band)
    return found


def _measures(decoder: Decoder, seen: Captured, layer: int, width: int) -> Tensor:
    """``(3, b, H, F or F + 1)`` on the CPU, in the order of ``MEASURES``."""
    queries, keys = seen["queries", layer], seen["keys", layer]  # (b, H, T, d_head)
    scale = blocks_of(decoder)[layer].attention.scale
    window = decoder.config.layer_windows[layer]
    added = contributions(queries, keys, seen["probabilities", layer], width, scale, window)
    return torch.stack([band_norms(queries, width), band_norms(keys, width), added]).cpu()


def _frame(layer: int, mean: Tensor, bands: Bands) -> pd.DataFrame:
    heads, count = mean.shape[1:]
    wavelengths = [*bands.wavelengths.tolist(), math.nan][:count]
    keys = {
        "layer": layer,
        "head": [head for head in range(heads) for _ in range(count)],
        "band": [*range(count)] * heads,
        "wavelength": wavelengths * heads,
    }
    return pd.DataFrame(keys | {name: mean[i].flatten().numpy() for i, name in enumerate(MEASURES)})
