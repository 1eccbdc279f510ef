"""Which parts wrote the logit of a token: the last layer's stream as a sum of what each part added.

Direct logit attribution, as in TransformerLens' ``logit_attrs``: Elhage et al. 2021 ("A Mathematical
Framework for Transformer Circuits"), Wang et al. 2022 (arXiv 2211.00593). Every norm that a part's output
passes on its way to the head is frozen at the scale that it has on this text, and is then linear; LayerNorm
also takes each part's mean away. What differs: sandwich norms are frozen too, and biases have a row of their
own, so that the rows add up to the logit.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import cast

import pandas as pd
import torch
from torch import Tensor, nn

from workbench.errors import UserError
from workbench.inspection.capture import Captured, blocks_of, capture, uncompiled
from workbench.model.block import Block
from workbench.model.decoder import Decoder
from workbench.model.parts.norms import LayerNorm, NoNorm, RMSNorm

TOKEN, POSITION, HEAD, FEEDFORWARD, BIAS = (
    "token embedding",
    "position embedding",
    "head",
    "feed-forward",
    "biases",
)
_LINEAR = (RMSNorm, LayerNorm, NoNorm)  # once their scale is frozen; a class of one's own need not be
_CAPTURED = ("embedding", "residual", "mixed", "attention_output", "feedforward_output")


@dataclass(frozen=True)
class Attribution:
    """Contributions to a logit, or to a difference of two, at one position of a text.

    ``terms``: columns ``part, layer, head, value``; they add up to ``logit``, which the decoder computed.
    ``target``: the actual next token; ``rival``: the most probable other one.
    """

    terms: pd.DataFrame
    logit: float
    target: int
    rival: int


@dataclass(frozen=True)
class _Term:
    part: str
    vector: Tensor  # (D,)
    layer: int | None = None
    head: int | None = None


def not_additive(decoder: Decoder) -> str | None:
    """Why the decoder's logits are no sum over its parts; None if they are."""
    if decoder.config.placement.normalises_sums:
        return "post-norm blocks normalise the stream itself, so that no part's output reaches the head as is"
    if type(decoder.final_norm) not in _LINEAR:
        name = decoder.config.norm.name
        return f"the norm {name} is no division by one number per token, so that a sum has no parts behind it"
    return None


@torch.no_grad()
def attribution(
    decoder: Decoder, tokens: Tensor, position: int, *, against_rival: bool = True
) -> Attribution:
    """Who wrote the logit of token ``position + 1`` of ``tokens (1, T)``, less that of its rival if asked.

    Raises ``UserError`` for a decoder whose logits are no sum, and for a position without a next token.
    """
    decoder = uncompiled(decoder)
    reason = not_additive(decoder)
    if reason:
        raise UserError(f"attribution: {reason}")
    if not 0 <= position < tokens.shape[1] - 1:
        raise UserError(
            f"position: {position} has no next token in the text; give 0 to {tokens.shape[1] - 2}"
        )
    with capture(decoder, _CAPTURED) as seen:
        logits = decoder(tokens.to(decoder.device))[0, position]  # (V,)
    target = int(tokens[0, position + 1])
    rival = int(logits.index_fill(0, torch.tensor(target, device=logits.device), -torch.inf).argmax())
    matrix = decoder.head_weight.double()  # (V, D)
    direction, logit = matrix[target], logits[target]
    if against_rival:
        direction, logit = direction - matrix[rival], logit - logits[rival]
    rows = list(_rows(decoder, seen, tokens, position, direction))
    return Attribution(terms=pd.DataFrame(rows), logit=float(logit), target=target, rival=rival)


def _rows(
    decoder: Decoder, seen: Captured, tokens: Tensor, position: int, direction: Tensor
) -> Iterator[dict]:
    """Every term's product with what the frozen final norm makes of ``direction (D,)``."""
    final = seen["residual", decoder.config.layers - 1][0, position]  # (D,)
    bias = _constant(decoder.final_norm)
    for term in _terms(decoder, seen, tokens, position):
        passed = _frozen(decoder.final_norm, final, term.vector.double())
        if term.part == BIAS:
            passed = passed + bias
        yield {
            "part": term.part,
            "layer": term.layer,
            "head": term.head,
            "value": float(passed @ direction),
        }


def _terms(decoder: Decoder, seen: Captured, tokens: Tensor, position: int) -> Iterator[_Term]:
    """Vectors whose sum is the last layer's stream at ``position``."""
    entered = seen.embedding[0, position].double()  # (D,)
    token = decoder.token_embedding.weight[tokens[0, position]].double()  # (D,)
    yield _Term(TOKEN, token)
    if decoder.positions.embed(torch.tensor([position], device=decoder.device)) is not None:
        yield _Term(POSITION, entered - token)
    biases = torch.zeros_like(token)
    for layer, block in enumerate(blocks_of(decoder)):
        for head, vector in enumerate(_heads(block, seen["mixed", layer][0, position])):
            yield _Term(HEAD, _through(block, "attention", seen, layer, position, vector), layer, head)
        output = seen["feedforward_output", layer][0, position].double()
        yield _Term(FEEDFORWARD, _through(block, "feedforward", seen, layer, position, output), layer)
        biases = biases + _biases(block, seen, layer, position)
    if any(name.endswith("bias") for name, _ in decoder.named_parameters()):
        yield _Term(BIAS, biases)


def _heads(block: Block, mixed: Tensor) -> Tensor:
    """What each head writes, the output's bias left out: ``(H * d_head,) -> (H, D)``."""
    width = block.attention.head_width
    columns = block.attention.output.weight.double().unflatten(1, (-1, width))  # (D, H, d_head)
    return torch.einsum("dhw,hw->hd", columns, mixed.double().unflatten(0, (-1, width)))


def _biases(block: Block, seen: Captured, layer: int, position: int) -> Tensor:
    """The attention output's bias, and those of sandwich norms: ``(D,)``."""
    bias = block.attention.output.bias
    found = torch.zeros(block.attention.output.out_features, dtype=torch.float64, device=_device(block))
    if bias is not None:
        found = found + _through(block, "attention", seen, layer, position, bias.double())
    for part in ("attention", "feedforward"):
        found = found + _constant(getattr(block, f"{part}_output_norm", None))
    return found


def _device(block: Block) -> torch.device:
    return block.attention.output.weight.device


def _through(block: Block, part: str, seen: Captured, layer: int, position: int, vector: Tensor) -> Tensor:
    """``vector (D,)``, a share of a part's output, behind the part's own norm, if it has one."""
    norm = getattr(block, f"{part}_output_norm", None)
    if norm is None:
        return vector
    return _frozen(norm, seen[f"{part}_output", layer][0, position], vector)


def _frozen(norm: nn.Module, x: Tensor, vector: Tensor) -> Tensor:
    """What ``norm`` makes of ``vector (D,)``, its scale that of ``x (D,)``, its bias left out."""
    x = x.double()
    if isinstance(norm, RMSNorm):
        scale = (x.square().mean() + cast(RMSNorm.Config, norm.config).eps).rsqrt()
        return vector * scale * norm.weight.double()
    if isinstance(norm, LayerNorm):
        scale = (x.var(correction=0) + cast(LayerNorm.Config, norm.config).eps).rsqrt()
        return (vector - vector.mean()) * scale * norm.weight.double()
    return vector


def _constant(norm: nn.Module | None) -> Tensor | float:
    """What ``norm`` adds whatever its input: its bias ``(D,)``, or nothing."""
    bias = getattr(norm, "bias", None)
    return 0.0 if bias is None else bias.double()
