"""Whether a token's position can be read from its states: ridge regression, layer by layer.

Haviv et al. 2022 (arXiv 2203.16634) probe models without position codes with a small network and report its
mean distance in tokens; here the probe is linear and reports the share of variance explained on windows that
it has not seen, which compares across codes.
"""

import pandas as pd
import torch
from torch import Tensor

from workbench.errors import UserError
from workbench.inspection.forward_passes import passes
from workbench.model.decoder import Decoder

WINDOWS = 32  # of text, at most: half to fit, a quarter to choose the penalty, a quarter to test
LEAST = 4  # windows, below which nothing is held out
_NUMBERS = 2**26  # of states in memory: 256 MiB in fp32
PENALTIES = tuple(10.0**power for power in range(-5, 5))  # to states of variance 1


def position_table(decoder: Decoder, tokens: Tensor) -> pd.DataFrame:
    """``r2`` by ``layer`` on ``tokens (B, T)``: before the first block (0) and after each (1 to L).

    Takes up to ``WINDOWS`` sequences, fewer of large decoders, whose states do not fit, and needs ``LEAST``.
    """
    one = tokens.shape[1] * decoder.config.width * (decoder.config.layers + 1)  # numbers of one sequence
    tokens = tokens[: max(LEAST, min(WINDOWS, _NUMBERS // one))]
    states: dict[int, list[Tensor]] = {}
    for part in passes(decoder, tokens, ("embedding", "residual")):
        if part.logits is not None:
            states.setdefault(0, []).append(part.seen.embedding.cpu())  # (b, T, D)
        for layer in part.layers:
            states.setdefault(layer + 1, []).append(part.seen["residual", layer].cpu())  # (b, T, D)
    rows = [{"layer": layer, "r2": held_out_r2(torch.cat(parts))} for layer, parts in sorted(states.items())]
    return pd.DataFrame(rows)


def held_out_r2(states: Tensor) -> float:
    """Share of the variance of positions that a linear map of ``states (B, T, D)`` explains on new windows.

    1: position can be read exactly. About 0 for states that know nothing of it; below 0 where the map
    misleads.
    """
    count = len(states)
    if count < LEAST:
        raise UserError(
            f"probe: {count} windows of text leave none to test on; use a corpus of {LEAST} or more"
        )
    half, quarter = count // 2, count // 4
    states, target = _standardised(states.double(), half), _places(states.shape[1])  # (B, T, D), (T,)
    fit, choose, test = states.split([half, quarter, count - half - quarter])
    best = max(_ridge(fit, target), key=lambda weights: _r2(choose, weights, target))  # (D,)
    return _r2(test, best, target)


def _standardised(states: Tensor, count: int) -> Tensor:
    """States with mean 0 and variance 1 in each dimension of the first ``count`` windows.

    A few dimensions of trained models are far larger than all others. Constant ones become 0.
    """
    fit = states[:count].flatten(0, 1)  # (N, D)
    spread = fit.std(0, correction=0)  # (D,)
    constant = spread <= 1e-6 * fit.abs().amax(0)
    return (states - fit.mean(0)) / spread.masked_fill(constant, torch.inf)


def _places(length: int) -> Tensor:
    """Positions with mean 0 and variance 1, ``(T,)``."""
    place = torch.arange(length, dtype=torch.float64)
    return (place - place.mean()) / place.std(correction=0)


def _ridge(states: Tensor, target: Tensor) -> Tensor:
    """``(B, T, D), (T,) -> (P, D)``: a map for each of ``PENALTIES``."""
    x = states.flatten(0, 1)  # (B T, D)
    values, vectors = torch.linalg.eigh(x.T @ x / len(x))  # (D,), (D, D)
    along = vectors.T @ (x.T @ target.repeat(len(states)) / len(x))  # (D,)
    maps = [vectors @ (along / (values.clamp(min=0) + penalty)) for penalty in PENALTIES]
    return torch.stack(maps)


def _r2(states: Tensor, weights: Tensor, target: Tensor) -> float:
    """Share of the variance of ``target``, which is 1, that ``states`` times ``weights`` explain."""
    return 1 - float((states @ weights - target).square().mean())
