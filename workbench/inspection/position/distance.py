"""How attention and scores fall with distance, measured and as the position code by itself would have it.

Compare Press et al. 2022 (arXiv 2108.12409) for ALiBi, Raffel et al. 2020 (arXiv 1910.10683) for T5's table,
and figure 4 of Kazemnejad et al. 2023 (arXiv 2305.19466).
"""

import pandas as pd
import torch
from torch import Tensor

from workbench.inspection.attention.head_scores import WINDOWS, position_bias
from workbench.inspection.attention.shape import pairs_by_distance, profile, reachable
from workbench.inspection.forward_passes import passes
from workbench.inspection.probe import Probe
from workbench.inspection.tables import measured_rows, register_table
from workbench.model.decoder import Decoder

SINGLE = 64  # distances below it have a value each; beyond, bins share one
PER_OCTAVE = 4  # bins between a distance and its double


def distance_bins(length: int) -> Tensor:
    """``(T,)``: the bin of each distance from 0 to T - 1; one each below 64, then four per octave."""
    distance = torch.arange(length)
    octaves = torch.log2(distance.clamp(min=SINGLE) / SINGLE)
    return torch.where(distance < SINGLE, distance, SINGLE + (PER_OCTAVE * octaves).long())


def binned(by_distance: Tensor, window: int | None = None) -> tuple[Tensor, Tensor, Tensor]:
    """``(..., T) -> x (K,), values (..., K), pairs (K,)`` over the distances in reach.

    Distances of one bin are weighted by the queries that reach them, so that each pair counts once; ``x`` is
    their mean distance, weighted alike.
    """
    length = by_distance.shape[-1]
    pairs = pairs_by_distance(length, window)
    near = pairs > 0
    bins = distance_bins(length)[near]  # (W,)
    weight = torch.zeros(int(bins[-1]) + 1, int(near.sum()), dtype=torch.float64)
    weight[bins, torch.arange(len(bins))] = pairs[near].double()
    total = weight.sum(-1)  # (K,)
    weight = weight[total > 0] / total[total > 0, None]  # (K, W)
    x = weight @ torch.arange(length)[near].double()
    return x, by_distance[..., near].double() @ weight.T, total[total > 0].long()


@register_table("profiles", tokens=lambda probe: WINDOWS * probe.length)
def profile_table(decoder: Decoder, probe: Probe) -> pd.DataFrame:
    """Mean ``probability`` and ``score`` by distance ``x`` for every head, on windows of text.

    Scores are what enters the softmax, the position code's bias included. ``n``: pairs of query and key.
    Beyond 64 tokens, distances share bins, four to an octave.
    """
    tokens = probe.text[:WINDOWS, :-1]
    bias = position_bias(decoder, tokens.shape[1])
    total: dict[tuple[int, str], Tensor] = {}
    for part in passes(decoder, tokens, ("probabilities", "scores")):
        for layer in part.layers:
            scores = part.seen["scores", layer]  # (b, H, T, T)
            pairs = {
                "probability": part.seen["probabilities", layer],
                "score": scores if bias is None else scores + bias,
            }
            for name, values in pairs.items():
                found = profile(values.sum(0), decoder.config.layer_windows[layer]).double().cpu()  # (H, T)
                total[layer, name] = total.get((layer, name), 0) + found / len(tokens)
    frames = [
        _frame(layer, name, mean, decoder.config.layer_windows[layer], len(tokens))
        for (layer, name), mean in total.items()
    ]
    return measured_rows(pd.concat(frames, ignore_index=True))


def attention_of_bias(bias: Tensor, window: int | None = None) -> Tensor:
    """Attention if the bias ``(H, T, T)`` were all of the scores: ``(H, T, T)``.

    What ALiBi's slopes or T5's table ask for by themselves. A bias of zeros gives uniform attention.
    """
    allowed = reachable(bias.shape[-1], window, bias.device)
    return bias.masked_fill(~allowed, -torch.inf).softmax(-1)


def profile_of_bias(bias: Tensor, window: int | None = None) -> Tensor:
    """``attention_of_bias`` by distance: ``(H, T, T) -> (H, T)``."""
    return profile(attention_of_bias(bias, window), window)


def score_of_bias(bias: Tensor, window: int | None = None) -> Tensor:
    """The bias ``(H, T, T)`` by distance, ``(H, T)``."""
    return profile(bias, window)


def _frame(layer: int, name: str, mean: Tensor, window: int | None, sequences: int) -> pd.DataFrame:
    x, values, pairs = binned(mean, window)  # (K,), (H, K), (K,)
    frames = [
        pd.DataFrame({"x": x.numpy(), "value": values[head].numpy(), "n": sequences * pairs.numpy()})
        for head in range(len(values))
    ]
    joined = pd.concat(frames, keys=range(len(frames)), names=["head"]).reset_index("head")
    return joined.assign(layer=layer, metric=name)
