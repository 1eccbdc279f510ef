"""Sizes in the residual stream: what norms see and remove, outlier channels, massive activations.

Mean component: Gupta et al. 2024 (arXiv 2409.12951), LayerNorm removes the part of a vector along the vector
of ones and RMSNorm keeps it. Outlier features: He et al. 2024 (arXiv 2405.19279). Massive activations: Sun et
al. 2024 (arXiv 2402.17762), who also ask for a value above 100; small models hardly reach that, so the
ratio to the median is given instead. Growth with depth: Heimersheim and Turner 2023. What differs: a window's
first token, which many models treat as a sink, is measured apart (metrics that end in ``_first``).
"""

import math

import pandas as pd
import torch
from torch import Tensor, nn

from workbench.inspection.activations.residual_words import EMBEDDING, FIRST
from workbench.inspection.capture import blocks_of
from workbench.inspection.forward_passes import Pass, passes
from workbench.inspection.probe import Probe
from workbench.inspection.tables import measured_rows, register_table
from workbench.model.block import Block
from workbench.model.decoder import Decoder

WINDOWS = 16  # of text, at most
NORM_PLACES = tuple(
    f"{norm}_norm_{side}" for norm in ("attention", "feedforward") for side in ("input", "output")
)
UPDATES = ("attention_update", "feedforward_update")
_CAPTURED = ("embedding", "residual", "attention_output", "feedforward_output", *NORM_PLACES)

Summary = dict[str, Tensor]


def rms(x: Tensor) -> Tensor:
    """``sqrt(mean_c x_c^2)``: ``(..., D) -> (...)``."""
    return x.square().mean(-1).sqrt()


def mean_share(x: Tensor) -> Tensor:
    """``cos^2(x, 1) = D mean(x)^2 / |x|^2``: ``(..., D) -> (...)``, 0 to 1.

    The share of the squared size along the vector of ones, which LayerNorm takes away. A random direction has
    ``1 / D``; a vector of zeros has NaN.
    """
    return x.mean(-1).square() / x.square().mean(-1)


def kurtosis(channels: Tensor) -> Tensor:
    """``mean_c s^4 / (mean_c s^2)^2`` of channel sizes ``s (..., D) -> (...)``: 1 if equal, D if one has all.

    He et al.'s outlier measure, with ``s_c`` the root mean square of channel c over tokens.
    """
    squares = channels.square()
    return squares.square().mean(-1) / squares.mean(-1).square()


def over_median(values: Tensor) -> Tensor:
    """Largest over median: ``(..., N) -> (...)``; NaN where the median is 0."""
    middle = values.median(-1).values
    return values.amax(-1) / torch.where(middle > 0, middle, math.nan)


@register_table("residual", tokens=lambda probe: WINDOWS * probe.length)
def residual_table(decoder: Decoder, probe: Probe) -> pd.DataFrame:
    """Sizes by layer on windows of text; layer -1 is what enters the first block.

    The stream after each block: ``rms, mean, mean_share`` (means over tokens), ``kurtosis, channel_ratio``
    (of the channels' sizes over all tokens), ``largest_1, largest_2, largest_3, median, massive_ratio`` (of
    ``|x|`` in a window; means over windows). ``<place>_rms, _mean, _mean_share`` at the norms' inputs and
    outputs. ``attention_update, feedforward_update``: rms of what a part adds over that of the stream. Each
    without the windows' first tokens, and with ``_first`` for them alone. ``n``: tokens.
    ``<norm>_gain_mean, _gain_sd``: of the absolute weights, where a norm has them; ``n``: channels.
    """
    tokens = probe.text[:WINDOWS, :-1]
    found: dict[int, dict[str, list[Tensor]]] = {}
    for part in passes(decoder, tokens, _CAPTURED):
        for layer, summary in _summaries(decoder, part):
            for name, value in summary.items():
                found.setdefault(layer, {}).setdefault(name, []).append(value.cpu().double())
    rows = [
        row
        for layer in sorted(found)
        for row in _rows(layer, {name: torch.cat(values) for name, values in found[layer].items()})
    ]
    return measured_rows(rows + _gain_rows(decoder))


def applied_update(block: Block, part: str, output: Tensor) -> Tensor:
    """What a part (``attention``, ``feedforward``) adds to the stream, given its ``output (..., D)``.

    Between sandwich norms that is the output after its norm.
    """
    norm = getattr(block, f"{part}_output_norm", None)
    return output if norm is None else norm(output)


def _summaries(decoder: Decoder, part: Pass) -> list[tuple[int, Summary]]:
    found = [(layer, _of_layer(decoder, part, layer)) for layer in part.layers]
    if 0 in part.layers:
        found.append((EMBEDDING, _of_stream(part.seen.embedding)))
    return found


@torch.no_grad()
def _of_layer(decoder: Decoder, part: Pass, layer: int) -> Summary:
    seen = part.seen
    block = blocks_of(decoder)[layer]
    found = _of_stream(seen["residual", layer])
    for place in NORM_PLACES:
        found |= _of_tokens(seen[place, layer], f"{place}_")
    before = _streams(decoder, part, layer)
    for name in ("attention", "feedforward"):
        update = applied_update(block, name, seen[f"{name}_output", layer])  # (b, T, D)
        found[f"{name}_update"] = update.square().mean(-1)  # (b, T)
        found[f"{name}_stream"] = before[name].square().mean(-1)  # (b, T)
    return found


def _streams(decoder: Decoder, part: Pass, layer: int) -> dict[str, Tensor]:
    """What each part's output is added to, ``(b, T, D)``."""
    seen = part.seen
    if not decoder.config.placement.normalises_sums:
        return {name: seen[f"{name}_norm_input", layer] for name in ("attention", "feedforward")}
    # A post-norm's input is the sum; take away what was added.
    entered = seen["attention_norm_input", layer] - seen["attention_output", layer]
    return {"attention": entered, "feedforward": seen["attention_norm_output", layer]}


def _of_tokens(x: Tensor, prefix: str = "") -> Summary:
    values = {"rms": rms(x), "mean": x.mean(-1), "mean_share": mean_share(x)}  # (b, T) each
    return {prefix + name: value for name, value in values.items()}


def _of_stream(x: Tensor) -> Summary:
    """Per token ``(b, T)``; channels ``(b, D)`` and sizes ``(b, 5)`` per window, first tokens apart."""
    found = _of_tokens(x)
    for ending, tokens in (("", x[:, 1:]), (FIRST, x[:, :1])):
        if tokens.shape[1]:
            sizes = tokens.abs().flatten(1)  # (b, T * D)
            largest = sizes.topk(min(3, sizes.shape[1])).values  # (b, 3)
            found[f"channels{ending}"] = tokens.square().mean(1)  # (b, D)
            found[f"sizes{ending}"] = torch.cat(
                [largest, sizes.median(-1).values[:, None], over_median(sizes)[:, None]], dim=1
            )
    return found


def _rows(layer: int, found: Summary) -> list[dict]:
    windows, length = found["rms"].shape
    rows = []
    for ending, tokens in (("", slice(1, None)), (FIRST, slice(0, 1))):
        n = windows * len(range(length)[tokens])
        if not n:
            continue
        values = {name: float(x[:, tokens].nanmean()) for name, x in found.items() if _per_token(name)}
        values |= _updates(found, tokens) | _of_channels(found, ending)
        rows += [
            {"layer": layer, "metric": name + ending, "value": value, "n": n}
            for name, value in values.items()
        ]
    return rows


def _per_token(name: str) -> bool:
    return name.endswith(("rms", "mean", "mean_share"))


def _updates(found: Summary, tokens: slice) -> dict[str, float]:
    """Root mean squares over tokens: one token with a small stream does not decide the ratio."""
    if UPDATES[0] not in found:
        return {}
    return {
        update: _ratio(found[update][:, tokens].mean(), found[update.replace("update", "stream")][:, tokens])
        for update in UPDATES
    }


def _ratio(update: Tensor, stream: Tensor) -> float:
    size = stream.mean()
    return float((update / size).sqrt()) if size > 0 else math.nan


def _of_channels(found: Summary, ending: str) -> dict[str, float]:
    channels = found[f"channels{ending}"].mean(0).sqrt()  # (D,)
    sizes = found[f"sizes{ending}"].nanmean(0).tolist()
    names = [f"largest_{place + 1}" for place in range(len(sizes) - 2)] + ["median", "massive_ratio"]
    outliers = {"kurtosis": float(kurtosis(channels)), "channel_ratio": float(over_median(channels))}
    return outliers | dict(zip(names, sizes, strict=True))


def _gain_rows(decoder: Decoder) -> list[dict]:
    rows = []
    for layer, block in enumerate(blocks_of(decoder)):
        for name, module in block.named_children():
            if name.endswith("_norm"):
                rows += [{"layer": layer} | row for row in _gains(name, module)]
    return rows


def _gains(name: str, norm: nn.Module) -> list[dict]:
    weight = getattr(norm, "weight", None)
    if weight is None:
        return []
    size = weight.detach().double().abs().cpu()  # (D,)
    values = {"gain_mean": size.mean(), "gain_sd": size.std(correction=0)}
    return [{"metric": f"{name}_{k}", "value": float(v), "n": size.numel()} for k, v in values.items()]
