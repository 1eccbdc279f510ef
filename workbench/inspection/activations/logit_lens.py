"""What each layer would predict if it were the last: final norm and head applied to the stream within.

nostalgebraist 2020, "interpreting GPT: the logit lens"; in TransformerLens ``accumulated_resid`` with
``apply_ln=True``.
A reading, not a belief: the head was trained for the last layer alone, and early layers may keep the same
knowledge in another basis (Belrose et al. 2023, arXiv 2303.08112).
"""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from workbench.inspection.capture import capture, uncompiled
from workbench.model.decoder import Decoder

_LOGITS = 2**24  # in memory at once: 64 MiB in fp32


@dataclass(frozen=True)
class Lens:
    """By layer (row 0: the embedding, row l + 1: after layer l) and position, both to the last but one token.

    ``target``: probability of the actual next token; ``loss``: minus its logarithm (nats); ``divergence``:
    KL(last row || row), nats; all ``(L + 1, T - 1)``. ``top (L + 1, T - 1)``: ids of the most probable token.
    """

    target: Tensor
    loss: Tensor
    divergence: Tensor
    top: Tensor


def read_out(decoder: Decoder, x: Tensor) -> Tensor:
    """``(..., D) -> (..., V)``: final norm and head, as the decoder applies them to its last layer."""
    return F.linear(decoder.final_norm(x), decoder.head_weight)


def residual_stream(decoder: Decoder, tokens: Tensor) -> Tensor:
    """The residual stream ``(L + 1, B, T, D)``: what enters the first block, then after each."""
    with capture(decoder, {"embedding", "residual"}) as seen:
        decoder(tokens.to(decoder.device))
    return torch.cat([seen.embedding[None], seen.stacked("residual")])


@torch.no_grad()
def logit_lens(decoder: Decoder, tokens: Tensor) -> Lens:
    """The lens on one text ``tokens (1, T)`` of at least two tokens; results are on the CPU."""
    decoder = uncompiled(decoder)
    x = residual_stream(decoder, tokens)[:, 0, :-1]  # (L + 1, T - 1, D)
    targets = tokens[0, 1:].to(decoder.device)  # (T - 1,)
    together = max(1, _LOGITS // decoder.config.vocabulary)
    pieces = zip(x.split(together, dim=1), targets.split(together), strict=True)
    parts = [_read(decoder, rows, wanted) for rows, wanted in pieces]
    loss, divergence, top = (torch.cat(values, dim=1).cpu() for values in zip(*parts, strict=True))
    return Lens(target=(-loss).exp(), loss=loss, divergence=divergence, top=top)


def _read(decoder: Decoder, x: Tensor, targets: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """``(L + 1, n, D), (n,)`` -> losses, divergences and most probable tokens, ``(L + 1, n)`` each."""
    final = read_out(decoder, x[-1]).log_softmax(-1)  # (n, V)
    weight = final.exp()  # (n, V)
    loss, divergence, top = [], [], []
    for layer in x:
        found = read_out(decoder, layer).log_softmax(-1)  # (n, V)
        loss.append(-found.gather(-1, targets[:, None])[:, 0])
        # Rounding can leave a divergence of nothing just below it.
        divergence.append((weight * (final - found)).sum(-1).clamp(min=0))
        top.append(found.argmax(-1))
    return torch.stack(loss), torch.stack(divergence), torch.stack(top)
