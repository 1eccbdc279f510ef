"""What each head looks like: scores of known kinds of heads, on text and on repeated random tokens.

Previous-token, duplicate-token and induction heads: Olsson et al. 2022 (arXiv 2209.11895), Wang et al. 2022
(arXiv 2211.00593); the copy gap is TransformerLens' induction loss beside the loss on the first copy. Sink:
Gu et al. 2024 (arXiv 2410.10781). What differs: only queries of the second copy count; the usual diagonal
also holds the last query of the first copy. Periods: see ``workbench.inspection.attention.repeats``.
"""

import math

import pandas as pd
import torch
from torch import Tensor
from torch.nn import functional as F

from workbench.inspection.attention import shape
from workbench.inspection.attention.repeats import REPEATS, Repeats, random_repeats, usual_tokens
from workbench.inspection.forward_passes import Pass, passes
from workbench.inspection.probe import Probe
from workbench.inspection.tables import measured_rows, register_table
from workbench.model.decoder import Decoder

WINDOWS = 16  # windows of text, at most: heads are told apart by far fewer queries than these have
LONGEST_REPEAT = 128  # tokens of a sequence of repeated random tokens, at most


def offset_score(
    probabilities: Tensor, offsets: Tensor, queries: Tensor, window: int | None = None
) -> Tensor:
    """Mean probability on the key ``offsets (B,)`` before each query: ``(B, H, T, T) -> (B, H)``.

    ``queries (B, T)`` are True where they count; only those that can reach that key do, and a sequence
    without any gets NaN. Previous token: offset 1, any query. With period P and the queries of the second
    copy, duplicate token: P; induction: P - 1, the token after the earlier copy.
    """
    place = torch.arange(probabilities.shape[-1])
    key = place - offsets[:, None]  # (B, T)
    in_reach = (key >= 0) & (offsets < (window or len(place)))[:, None]
    queries, key = (x.to(probabilities.device) for x in (queries & in_reach, key.clamp(min=0)))
    heads = probabilities.shape[1]
    found = probabilities.gather(-1, key[:, None, :, None].expand(-1, heads, -1, 1)).squeeze(-1)  # (B, H, T)
    return (found * queries[:, None]).sum(-1) / queries.sum(-1)[:, None]


def previous_token(probabilities: Tensor, window: int | None = None) -> Tensor:
    """``mean_{i >= 1} A_{i,i-1}``: ``(B, H, T, T) -> (B, H)``. Uniform: 0.06 at 64 tokens."""
    count, length = probabilities.shape[0], probabilities.shape[-1]
    every = torch.ones(count, length, dtype=torch.bool)
    return offset_score(probabilities, torch.ones(count, dtype=torch.long), every, window)


def duplicate_token(probabilities: Tensor, repeats: Repeats, window: int | None = None) -> Tensor:
    """Attention from the second copy to the same token in the first: ``(B, H, T, T) -> (B, H)``."""
    return offset_score(probabilities, repeats.periods, repeats.second_copy(), window)


def induction(probabilities: Tensor, repeats: Repeats, window: int | None = None) -> Tensor:
    """Attention from the second copy to the token after its first copy: ``(B, H, T, T) -> (B, H)``."""
    return offset_score(probabilities, repeats.periods - 1, repeats.second_copy(), window)


def sink(probabilities: Tensor, window: int | None = None) -> Tensor:
    """Mean attention to the first token by queries that reach it: ``(..., T, T) -> (...)``.

    Gu et al.'s alpha_1, which includes the first token's forced attention to itself: uniform attention gives
    0.074 at 64 tokens. Measured on windows that begin anywhere in the text, without a token that marks a
    beginning.
    """
    return probabilities[..., : window or probabilities.shape[-1], 0].mean(-1)


def copy_loss_gap(losses: Tensor, repeats: Repeats) -> Tensor:
    """Loss on the first copy minus loss on the second, same targets: ``(B, T - 1) -> (B,)``, nats.

    ``losses[:, i]`` is that of predicting token i + 1. The block's first token, which nothing foretells, is
    left out of both. 0: no copying; log of the pool's size: perfect copying of what was unpredictable.
    """
    target = torch.arange(1, repeats.tokens.shape[1])
    period = repeats.periods[:, None]
    first = (target < period) & (target + period <= target[-1])  # those whose second copy is there
    second = (target > period) & (target < 2 * period)
    return _masked_mean(losses, first) - _masked_mean(losses, second)


def icl_indices(length: int) -> tuple[range, range]:
    """Late and early targets for ``icl_score``: Olsson et al.'s tokens 500 and 50 of 512, in proportion.

    A target stands for its neighbours within ``T / 32`` as well: one index over few windows is noisy.
    """
    reach = max(1, length // 32)
    late, early = round(500 / 512 * length), round(50 / 512 * length)
    return _around(late, reach, length), _around(early, reach, length)


def icl_score(losses: Tensor) -> Tensor:
    """Late loss minus early loss on text: ``(B, T) -> (B,)``, nats; below 0 where context helps."""
    late, early = icl_indices(losses.shape[-1])
    return losses[:, list(late)].mean(-1) - losses[:, list(early)].mean(-1)


def _tokens(probe: Probe) -> float:
    return WINDOWS * probe.length + 2 * REPEATS * min(probe.length, LONGEST_REPEAT)


@register_table("heads", tokens=_tokens)
def head_table(decoder: Decoder, probe: Probe) -> pd.DataFrame:
    """Every score of every head: columns ``layer, head, x, metric, value, n``.

    On text: ``entropy, distance, previous_token, sink, positional_fraction, max_score, positional_share``.
    On repeated random tokens: ``duplicate_token, induction`` at random periods, ``induction_fixed`` at one
    (``x``). ``<score>_chance`` (a row per layer, no head) is what uniform attention gives. ``copy_loss_gap``
    and ``icl_score`` (``x``: the first late index) are the whole model's. ``n``: sequences.
    """
    length = min(probe.length, LONGEST_REPEAT)
    pool = usual_tokens(probe, least=length // 2)
    random, fixed = (random_repeats(pool, length, fixed=one) for one in (False, True))
    rows = _text_rows(decoder, probe.text[:WINDOWS]) + _random_rows(decoder, random)
    return measured_rows(rows + _fixed_rows(decoder, fixed))


_Parts = dict[str, list[Tensor]]


def _text_rows(decoder: Decoder, text: Tensor) -> list[dict]:
    tokens, length, count = text[:, :-1], text.shape[1] - 1, len(text)
    bias = position_bias(decoder, length)
    found: dict[int, list[dict[str, Tensor]]] = {layer: [] for layer in range(decoder.config.layers)}
    losses = []
    for part in passes(decoder, tokens, ("probabilities", "scores")):
        for layer in part.layers:
            found[layer].append(_on_text(part, layer, bias, decoder.config.layer_windows[layer]))
        if part.logits is not None:
            losses.append(token_losses(part.logits, text[part.rows, 1:]))
    rows = []
    for layer, window in enumerate(decoder.config.layer_windows):
        rows += _head_rows(layer, _reduced(found[layer], window, count), count)
        rows += _chance_rows(layer, _text_chance(length, count, window), count)
    late, _ = icl_indices(length)
    return [*rows, _model_row("icl_score", icl_score(torch.cat(losses)), x=late[0])]


def _on_text(part: Pass, layer: int, bias: Tensor | None, window: int | None) -> dict[str, Tensor]:
    """Sums over the sequences of a pass: most measures are linear, and one map per head is soon measured."""
    attention, scores = part.seen["probabilities", layer], part.seen["scores", layer]  # (b, H, T, T)
    biased = (scores if bias is None else scores + bias).double()
    return {
        "attention": attention.sum(0),  # (H, T, T)
        "entropy": shape.entropy(attention, window).sum(0),  # (H,)
        "max_score": shape.max_score(scores.amax(0), window),  # (H,)
        "offsets": shape.attended_offsets(attention),  # (b, H, T)
        "mean": biased.sum(0),  # (H, T, T)
        "square": biased.square().sum(0),  # (H, T, T)
    }


def _reduced(parts: list[dict[str, Tensor]], window: int | None, count: int) -> dict[str, Tensor]:
    """One value per head ``(H,)`` from those of all passes over ``count`` sequences."""

    def averaged(name: str) -> Tensor:
        return torch.stack([part[name] for part in parts]).sum(0) / count

    attention = averaged("attention")  # (H, T, T)
    mean, square = (shape.profile(averaged(name), window) for name in ("mean", "square"))  # (H, T)
    return {
        "entropy": averaged("entropy"),
        "distance": shape.relative_distance(attention, window),
        "previous_token": previous_token(attention[None], window)[0],
        "sink": sink(attention, window),
        "positional_fraction": shape.positional_fraction(torch.cat([part["offsets"] for part in parts])),
        "max_score": torch.stack([part["max_score"] for part in parts]).amax(0),
        "positional_share": shape.positional_share(mean, square, window),
    }


def _text_chance(length: int, count: int, window: int | None) -> dict[str, float]:
    even = shape.uniform(length, window)[None, None]  # (1, 1, T, T)
    previous = float(previous_token(even, window))
    return {
        "entropy": float(shape.entropy(even, window)),
        "distance": float(shape.relative_distance(even, window)),
        "previous_token": previous,
        "sink": float(sink(even, window)),
        "positional_fraction": previous,  # any fixed offset in reach of all: one key out of those in reach
        "positional_share": shape.share_by_chance(length, count, window),
    }


def _random_rows(decoder: Decoder, repeats: Repeats) -> list[dict]:
    scores = {"duplicate_token": duplicate_token, "induction": induction}
    rows, losses = _repeat_rows(decoder, repeats, scores)
    return [*rows, _model_row("copy_loss_gap", copy_loss_gap(losses, repeats))]


def _fixed_rows(decoder: Decoder, repeats: Repeats) -> list[dict]:
    rows, _ = _repeat_rows(decoder, repeats, {"induction_fixed": induction})
    return [row | {"x": float(repeats.periods[0])} for row in rows]


def _repeat_rows(decoder: Decoder, repeats: Repeats, scores: dict) -> tuple[list[dict], Tensor]:
    """Rows of ``scores`` for every head, with chance, and the losses ``(B, T - 1)``."""
    windows, length = decoder.config.layer_windows, repeats.tokens.shape[1]
    found: dict[int, _Parts] = {layer: {} for layer in range(len(windows))}
    losses = []
    for part in passes(decoder, repeats.tokens, ("probabilities",)):
        own = Repeats(repeats.tokens[part.rows], repeats.periods[part.rows])
        for layer in part.layers:
            attention = part.seen["probabilities", layer]  # (b, H, T, T)
            _collect(found[layer], {k: score(attention, own, windows[layer]) for k, score in scores.items()})
        if part.logits is not None:
            losses.append(token_losses(part.logits[:, :-1], own.tokens[:, 1:]))
    rows = []
    for layer, window in enumerate(windows):
        even = shape.uniform(length, window).expand(len(repeats.tokens), 1, -1, -1)
        chance = {name: float(score(even, repeats, window).nanmean()) for name, score in scores.items()}
        values = {name: torch.cat(parts).nanmean(0) for name, parts in found[layer].items()}
        rows += _head_rows(layer, values, len(repeats.tokens))
        rows += _chance_rows(layer, chance, len(repeats.tokens))
    return rows, torch.cat(losses)


def position_bias(decoder: Decoder, length: int) -> Tensor | None:
    """What the position code adds to the scores of ``length`` tokens: ``(H, T, T)``, or None."""
    place = torch.arange(length, device=decoder.device)
    with torch.no_grad():
        return decoder.positions.bias(place, place)


def token_losses(logits: Tensor, targets: Tensor) -> Tensor:
    """``(B, T, V), (B, T) -> (B, T)``: nats of each target, on the CPU."""
    flat = logits.flatten(0, 1).float()  # (B * T, V): several times faster on a CPU than V in the middle
    losses = F.cross_entropy(flat, targets.to(logits.device).flatten(), reduction="none")
    return losses.view(targets.shape).cpu()  # (B, T)


def _masked_mean(values: Tensor, mask: Tensor) -> Tensor:
    return (values * mask).sum(-1) / mask.sum(-1)


def _around(middle: int, reach: int, length: int) -> range:
    first = max(0, min(middle, length) - 1 - reach)  # token 500 has index 499
    return range(first, max(first + 1, min(length, middle + reach)))


def _collect(found: _Parts, values: dict[str, Tensor]) -> None:
    for name, value in values.items():
        found.setdefault(name, []).append(value.cpu())


def _head_rows(layer: int, values: dict[str, Tensor], n: int) -> list[dict]:
    return [
        {"layer": layer, "head": head, "metric": name, "value": value, "n": n}
        for name, heads in values.items()
        for head, value in enumerate(heads.tolist())
    ]


def _chance_rows(layer: int, values: dict[str, float], n: int) -> list[dict]:
    return [{"layer": layer, "metric": f"{name}_chance", "value": v, "n": n} for name, v in values.items()]


def _model_row(name: str, values: Tensor, x: float = math.nan) -> dict:
    return {"x": x, "metric": name, "value": float(values.nanmean()), "n": len(values)}
