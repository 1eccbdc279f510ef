"""Text from a decoder, token by token, with cached keys and values.

Where a table of positions ends, the decoder goes on from as many of the last tokens as it has positions for.
These are read anew for each token: all of their positions change, so that nothing cached holds. Codes that
have a value for any position go on with all that they have seen.

Top-k: Fan et al. 2018 (arXiv 1805.04833); top-p, nucleus: Holtzman et al. 2020 (arXiv 1904.09751).
"""

import math
from collections.abc import Iterator
from typing import Required, TypedDict, Unpack

import torch
from torch import Tensor

from workbench.errors import UserError
from workbench.model.cache import KeyValueCache
from workbench.model.decoder import Decoder
from workbench.user_input import require

# fp32 hardly separates logits that are closer: below, a draw would take the most probable token.
_COLDEST = 1e-6


class SamplingOptions(TypedDict, total=False):
    """The options of ``stream``."""

    new_tokens: Required[int]
    temperature: float
    top_k: int | None
    top_p: float | None
    generator: torch.Generator | None


@torch.no_grad()
def stream(
    decoder: Decoder,
    tokens: Tensor,
    *,
    new_tokens: int,
    temperature: float = 1.0,
    top_k: int | None = None,
    top_p: float | None = None,
    generator: torch.Generator | None = None,
) -> Iterator[Tensor]:
    """Yield ``new_tokens`` continuations ``(B,)`` of ``tokens (B, T)``, one at a time.

    ``temperature`` 0 takes the most probable token; otherwise a draw from ``generator``, among the ``top_k``
    most probable tokens and among the fewest that hold ``top_p`` of the probability. Raises ``UserError`` for
    sampling options out of range, an empty prompt, and logits that are no numbers.
    """
    _check(tokens, new_tokens, temperature, top_k, top_p)
    cache = KeyValueCache(decoder.config)
    limit = decoder.positions.limit
    recent = tokens  # (B, S): where there is a limit, one token more than it at most
    for _ in range(new_tokens):
        if limit is None or recent.shape[1] <= limit:
            logits = decoder(tokens, cache=cache)  # (B, T, V)
        else:
            logits = decoder(recent[:, -limit:])  # (B, T, V)
        token = _choose(logits[:, -1].float(), temperature, top_k, top_p, generator)  # (B,)
        yield token
        tokens = token[:, None]  # (B, 1)
        if limit is not None:
            recent = torch.cat([recent[:, -limit:], tokens], dim=1)  # (B, S)


def generate(decoder: Decoder, tokens: Tensor, **options: Unpack[SamplingOptions]) -> Tensor:
    """``(B, T) -> (B, T + new_tokens)``: the prompt and its continuation; options as in ``stream``."""
    return torch.cat([tokens, *(token[:, None] for token in stream(decoder, tokens, **options))], dim=1)


def _choose(
    logits: Tensor,
    temperature: float,
    top_k: int | None,
    top_p: float | None,
    generator: torch.Generator | None,
) -> Tensor:
    require(
        bool(logits.amax(dim=-1).isfinite().all()),
        "the model's logits are no finite numbers: it did not train, or its weights are damaged; choose "
        "another run",
    )
    if temperature < _COLDEST:
        return logits.argmax(dim=-1)  # (B,)
    values, tokens = logits.sort(dim=-1, descending=True)  # (B, V)
    # From the largest, so that no quotient is beyond the numbers that there are.
    probabilities = ((values - values[:, :1]) / temperature).softmax(dim=-1)  # (B, V)
    if top_k is not None:
        probabilities[:, top_k:] = 0
    if top_p is not None:
        before = probabilities.cumsum(dim=-1) - probabilities  # (B, V): what the more probable ones hold
        beyond = before >= top_p * probabilities.sum(dim=-1, keepdim=True)  # (B, V)
        beyond[:, 0] = False  # however small top_p is, one token is left
        probabilities[beyond] = 0
    return tokens.gather(1, torch.multinomial(probabilities, 1, generator=generator)).squeeze(1)  # (B,)


def _check(
    tokens: Tensor, new_tokens: int, temperature: float, top_k: int | None, top_p: float | None
) -> None:
    if tokens.shape[-1] == 0:
        raise UserError("prompt: it has no tokens; give at least one character")
    require(new_tokens > 0, f"tokens: {new_tokens} is not above 0; say how many to generate")
    require(
        0 <= temperature < math.inf,
        f"temperature: {temperature} is not a number from 0 up; use 0 for the most probable token",
    )
    require(top_k is None or top_k > 0, f"top_k: {top_k} is not above 0; use for example 50")
    require(top_p is None or 0 < top_p <= 1, f"top_p: {top_p} is not in (0, 1]; use for example 0.9")
