"""Recall of key and value pairs among random tokens: several pairs at once, or one in a long filler.

In the spirit of Zoology's multi-query associative recall (Arora et al. 2023, arXiv 2312.04927) and of the
passkey test (Mohtashami and Jaggi 2023, arXiv 2305.16300). What differs: tokens are drawn from those that the
probe's text has, since a model trained on text knows little of others; every key asks once, at the end,
and its value follows, so that the whole is a text that a perfect predictor could read.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import pandas as pd
import torch
from torch import Tensor

from workbench.inspection.attention.head_scores import token_losses
from workbench.inspection.capture import reading
from workbench.model.decoder import Decoder
from workbench.seeds import generator

Test = Literal["pairs", "needle"]
PAIRS = (2, 4, 8, 16, 32)
DEPTHS = (0.0, 0.25, 0.5, 0.75, 1.0)
SHORTEST = 8  # tokens of a text
_LENGTHS = 4  # the longest and its halves
_NUMBERS = 2**22  # of a batch's logits


@dataclass(frozen=True)
class Recall:
    """``tokens (B, T)`` whose last ``2 pairs`` are key, value, key, value; each pair stands earlier, too."""

    tokens: Tensor
    pairs: int


@dataclass(frozen=True)
class Recalled:
    """How the values after the repeated keys were predicted: share of right ones, nats, and how many."""

    accuracy: float
    loss: float
    n: int


def cells(test: Test, longest: int, pool: Tensor) -> list[tuple[float, int]]:
    """Pairs, or depth, and length of each cell that the test has: those that fit."""
    lengths = [length for step in range(_LENGTHS) if (length := longest >> step) >= SHORTEST][::-1]
    if test == "needle":
        return [(depth, length) for depth in DEPTHS for length in lengths if fits(pool, 1, length)]
    return [(pairs, length) for pairs in PAIRS for length in lengths if fits(pool, pairs, length)]


def recall_table(
    decoder: Decoder, test: Test, pool: Tensor, wanted: Iterable[tuple[float, int]], count: int
) -> pd.DataFrame:
    """Columns ``y`` (pairs or depth), ``x`` (length), ``accuracy, loss, n``, over ``count`` sequences each.

    Lengths beyond the decoder's positions have no row.
    """
    limit = decoder.positions.limit
    rows = []
    for level, length in wanted:
        if limit is not None and length > limit:
            continue
        if test == "needle":
            recall = one_pair(pool, level, length, count)
        else:
            recall = many_pairs(pool, int(level), length, count)
        rows.append({"y": level, "x": length} | vars(recalled(decoder, recall)))
    return pd.DataFrame(rows, columns=["y", "x", "accuracy", "loss", "n"])


def fits(pool: Tensor, pairs: int, length: int) -> bool:
    """Whether ``pairs`` fit twice into ``length`` tokens, and leave values in the pool beside their keys."""
    return 4 * pairs <= length and 2 * pairs <= len(pool)


def many_pairs(pool: Tensor, pairs: int, length: int, count: int) -> Recall:
    """``pairs`` at the beginning, filler, then the keys with their values in another order."""
    draw = generator("probe", "recall", pairs, length)
    return _recall(pool, torch.arange(0, 2 * pairs, 2).expand(count, -1), length, draw)


def one_pair(pool: Tensor, depth: float, length: int, count: int) -> Recall:
    """One pair at ``depth`` (0: the first tokens; 1: just before the question), in filler."""
    place = round(depth * (length - 4))
    draw = generator("probe", "needle", place, length)
    return _recall(pool, torch.full((count, 1), place), length, draw)


def recalled(decoder: Decoder, recall: Recall) -> Recalled:
    """Accuracy and loss of the values after the repeated keys."""
    first = recall.tokens.shape[1] - 2 * recall.pairs
    batch = max(1, _NUMBERS // (recall.tokens.shape[1] * decoder.config.vocabulary))
    right, losses = [], []
    with reading(decoder) as plain:
        for tokens in recall.tokens.split(batch):
            logits = plain(tokens.to(plain.device))[:, first::2]  # (b, N, V), at the keys
            values = tokens[:, first + 1 :: 2]  # (b, N)
            right.append(logits.argmax(-1).cpu() == values)
            losses.append(token_losses(logits, values))
    hits, nats = torch.cat(right).double(), torch.cat(losses).double()
    return Recalled(float(hits.mean()), float(nats.mean()), hits.numel())


def _recall(pool: Tensor, places: Tensor, length: int, draw: torch.Generator) -> Recall:
    """Pairs at ``places (B, N)`` of filler, and again, shuffled, at the end."""
    count, pairs = places.shape
    order = torch.rand(count, len(pool), generator=draw).argsort(-1)  # (B, P): a key stands nowhere else
    keys, others = pool[order[:, :pairs]], pool[order[:, pairs:]]  # (B, N), (B, P - N)
    chosen = torch.randint(others.shape[1], (count, length), generator=draw)
    tokens = others.gather(1, chosen)  # (B, T)
    values = tokens.gather(1, places + 1)  # (B, N)
    tokens = tokens.scatter(1, places, keys)
    again = torch.rand(count, pairs, generator=draw).argsort(-1)
    tokens[:, length - 2 * pairs :: 2] = keys.gather(1, again)
    tokens[:, length - 2 * pairs + 1 :: 2] = values.gather(1, again)
    return Recall(tokens, pairs)
