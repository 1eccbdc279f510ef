"""The loss of next-token prediction, without all logits in memory where they would be many.

Logits ``(B, T, V)`` in fp32, their logarithms and their gradient outgrow the rest of a small model with a
large vocabulary. ``torch.nn.functional.linear_cross_entropy`` (torch 2.13) takes head and cross-entropy
together, a chunk of the tokens at a time.
"""

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from workbench.model.decoder import Decoder

WHOLE_BYTES = (
    2**30
)  # logits in fp32 up to this size are computed at once, which is as fast and compiles better


def next_token_loss(decoder: Decoder, tokens: Tensor, targets: Tensor) -> Tensor:
    """Mean cross-entropy in nats per token, in fp32, of ``targets (B, T)`` after ``tokens (B, T)``."""
    if _holds_logits(decoder, targets):
        return F.cross_entropy(decoder(tokens).flatten(0, 1).float(), targets.flatten())
    x, weight = _head_inputs(decoder, tokens)
    return _by_chunks(x, weight, targets)


class TokenLosses(NamedTuple):
    """Cross-entropy in nats, in fp32: the mean ``()``, and that of each target ``(B, T)``.

    Of a population both have the replicas ``(R, ...)`` first.
    """

    mean: Tensor
    of_tokens: Tensor


def token_losses(decoder: Decoder, tokens: Tensor, targets: Tensor) -> TokenLosses:
    """The loss of each of ``targets (B, T)`` after ``tokens (B, T)``, for a validation.

    The mean is to the bit what ``next_token_loss`` gives.
    """
    if _holds_logits(decoder, targets):
        return losses_of_logits(decoder(tokens), targets)
    x, weight = _head_inputs(decoder, tokens)
    # The chunks are computed twice: their mean is not made of losses that could be kept.
    of_tokens = _by_chunks(x, weight, targets, reduction="none")
    return TokenLosses(_by_chunks(x, weight, targets), of_tokens.view_as(targets))


def losses_of_logits(logits: Tensor, targets: Tensor) -> TokenLosses:
    """The loss of each of ``targets (B, T)`` by ``logits (B, T, V)``."""
    # What F.cross_entropy does, in its two steps: the mean has its bits, and the first step is done once.
    log_probabilities = F.log_softmax(logits.flatten(0, 1).float(), dim=-1)
    mean = F.nll_loss(log_probabilities, targets.flatten())
    of_tokens = F.nll_loss(log_probabilities, targets.flatten(), reduction="none")
    return TokenLosses(mean, of_tokens.view_as(targets))


def in_chunks(tokens: int, vocabulary: int) -> bool:
    """Whether logits of so many tokens are too many to hold, and this torch can do without."""
    return 4 * tokens * vocabulary > WHOLE_BYTES and hasattr(F, "linear_cross_entropy")


def _holds_logits(decoder: Decoder, targets: Tensor) -> bool:
    return not in_chunks(targets.numel(), decoder.config.vocabulary) or torch.is_inference_mode_enabled()


def _head_inputs(decoder: Decoder, tokens: Tensor) -> tuple[Tensor, Tensor]:
    """What the head multiplies: features ``(B * T, D)`` and weight ``(V, D)``."""
    return _autocast(decoder.features(tokens).flatten(0, 1), decoder.head_weight)


def _by_chunks(x: Tensor, weight: Tensor, targets: Tensor, reduction: str = "mean") -> Tensor:
    options = torch.nn.LinearCrossEntropyOptions(allow_retain_graph=torch.compiler.is_compiling())
    losses = F.linear_cross_entropy(x, weight, targets.flatten(), reduction=reduction, options=options)
    return losses.float()


def _autocast(x: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
    """What autocast would make of the inputs of a matrix product; it does not know the chunked operator."""
    device = x.device.type
    if not torch.is_autocast_enabled(device):
        return x, weight
    dtype = torch.get_autocast_dtype(device)
    return x.to(dtype), weight.to(dtype)
