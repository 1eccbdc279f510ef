"""What the units of a feed-forward network do: how many act, how many never do, what the activation sees.

Sparsity: Li et al. 2022 (arXiv 2210.06313); dead units: Voita et al. 2023 (arXiv 2309.04827), who count units
that are never above 0 on at least 1e5 tokens: here on far fewer, whose number is given. Effective rank: Roy
and Vetterli 2007. What differs: smooth activations are hardly ever exactly 0, so that one threshold says
little; every network gets a curve over thresholds, relative to its layer's largest value.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import pandas as pd
import torch
from torch import Tensor

from workbench.inspection.capture import blocks_of, capture
from workbench.inspection.forward_passes import Pass, passes
from workbench.inspection.probe import Probe
from workbench.inspection.tables import measured_rows, register_table
from workbench.model.decoder import Decoder
from workbench.model.parts.feedforward import GatedFeedForward, PlainFeedForward

WINDOWS = 16  # of text, at most
_SCALED_ON = 4  # of them, which give each layer its units
_RANKED = 512  # tokens, at most
THRESHOLDS = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3)  # of the layer's largest |value|
SILENT = 0.01  # the threshold of silent units
BIN, BINS = 0.125, 65  # width in root mean squares, and number: -4 to 4; the outer ones hold what is beyond


Countable = GatedFeedForward | PlainFeedForward  # networks whose units are known


@dataclass(frozen=True)
class Scale:
    """A layer's units: root mean squares ``before`` and ``after`` the activation, largest ``|hidden|``."""

    before: float
    after: float
    largest: float


def effective_rank(x: Tensor) -> float:
    """``exp(-sum_i p_i ln p_i)`` with ``p_i = s_i / sum s`` of the singular values of ``x (N, F)``.

    1 for rank one, min(N, F) for equal singular values, 0 for zeros. Vectors are not centred. NaN where a run
    has diverged.
    """
    x = x.cpu().double()
    if not x.isfinite().all():
        return math.nan
    gram = x @ x.T if x.shape[0] <= x.shape[1] else x.T @ x
    values = torch.linalg.eigvalsh(gram).clamp(min=0)
    # What rounding leaves of zero eigenvalues: its root would count.
    values = torch.where(values > values.max() * len(values) * torch.finfo(x.dtype).eps, values, 0.0).sqrt()
    if not values.sum() > 0:
        return 0.0
    return float(torch.special.entr(values / values.sum()).sum().exp())


def histogram(values: Tensor, scale: float) -> Tensor:
    """Counts ``(65,)`` of ``values`` by ``bin_centres``, in units of ``scale``; infinite ones left out."""
    unit = max(BIN * scale, torch.finfo(torch.float32).tiny)
    reach = BINS // 2
    values = values / unit
    place = values[values.isfinite()].round_().clamp_(-reach, reach) + reach
    return torch.bincount(place.long(), minlength=BINS)


def bin_centres() -> list[float]:
    """Where the bins are, in root mean squares: exactly 0 in the middle of one."""
    return [(place - BINS // 2) * BIN for place in range(BINS)]


def has_exact_zeros(network: Countable) -> bool:
    """Whether the activation is exactly 0 below 0, so that a unit is either active or not."""
    return float(network.activation(torch.tensor(-1.0))) == 0.0


@register_table("feedforward", tokens=lambda probe: 1.75 * WINDOWS * probe.length)
def feedforward_table(decoder: Decoder, probe: Probe) -> pd.DataFrame:
    """Activity by layer on windows of text. ``n`` is the number of tokens.

    ``below`` at threshold ``x``: share of hidden values under x times the layer's largest. ``silent``: share
    of units that never reach 1 % of it. Where the activation has exact zeros, ``active``: share of units
    above 0 per token, and ``dead``: share of units that never are. ``negative``: share of values before the
    activation below 0. ``before``, ``after``: share of values in the bin around ``x`` root mean squares,
    before and after the activation (of a gated network: its gate's). ``effective_rank`` of the hidden vectors
    of ``n`` tokens, and ``effective_rank_share`` of what it can be. ``units``: how many there are. Empty for
    a network of one's own that is neither gated nor plain.
    """
    networks = _networks(decoder)
    if len(networks) < decoder.config.layers:
        return measured_rows([])
    tokens = probe.text[:WINDOWS, :-1]
    scales, rows = _scales(decoder, tokens[:_SCALED_ON])
    counts = {layer: _Counts(scale) for layer, scale in scales.items()}
    for part in passes(decoder, tokens, _captured(decoder)):
        for layer, hidden, before in _units(decoder, part):
            counts[layer].add(networks[layer], hidden, before)
    for layer, count in counts.items():
        rows += [{"layer": layer} | row for row in count.rows(has_exact_zeros(networks[layer]))]
    return measured_rows(rows)


def _networks(decoder: Decoder) -> list[Countable]:
    """The network of each layer, without those of another kind."""
    networks = [block.feedforward for block in blocks_of(decoder)]
    return [one for one in networks if isinstance(one, Countable)]


def _captured(decoder: Decoder) -> tuple[str, ...]:
    if isinstance(blocks_of(decoder)[0].feedforward, GatedFeedForward):
        return ("hidden", "gate")
    return ("hidden", _input(decoder))


def _input(decoder: Decoder) -> str:
    """Where the network's input is: a post-norm's network reads the stream itself."""
    post = decoder.config.placement.normalises_sums
    return "attention_norm_output" if post else "feedforward_norm_output"


@torch.no_grad()
def _units(decoder: Decoder, part: Pass) -> Iterator[tuple[int, Tensor, Tensor]]:
    """For each layer the hidden values and those before the activation, both ``(b * T, F)``."""
    for layer in part.layers:
        network = _networks(decoder)[layer]
        if isinstance(network, GatedFeedForward):
            before = part.seen["gate", layer]
        else:
            before = network.up(part.seen[_input(decoder), layer])
        yield layer, part.seen["hidden", layer].flatten(0, 1), before.flatten(0, 1)


@torch.no_grad()
def _scales(decoder: Decoder, tokens: Tensor) -> tuple[dict[int, Scale], list[dict]]:
    """Each layer's units, and the rows of the effective rank, from a few windows ``(b, T)``."""
    scales, rows = {}, []
    with capture(decoder, _captured(decoder)) as seen:
        decoder(tokens.to(decoder.device))
    part = Pass(seen, list(range(decoder.config.layers)), slice(0, len(tokens)), None)
    for layer, hidden, before in _units(decoder, part):
        after = _networks(decoder)[layer].activation(before)
        sizes = (before.square().mean().sqrt(), after.square().mean().sqrt(), hidden.abs().max())
        scales[layer] = Scale(*map(float, sizes))
        every = -(-len(hidden) // _RANKED)
        rows += [{"layer": layer} | row for row in _rank_rows(hidden[::every])]
    return scales, rows


def _rank_rows(hidden: Tensor) -> list[dict]:
    rank, count = effective_rank(hidden), len(hidden)
    return [
        {"metric": "effective_rank", "value": rank, "n": count},
        {"metric": "effective_rank_share", "value": rank / min(hidden.shape), "n": count},
    ]


class _Counts:
    """What is counted in one layer over all windows."""

    def __init__(self, scale: Scale) -> None:
        self.scale = scale
        self.tokens = 0
        self.sums: dict[str, Tensor] = {}

    def add(self, network: Countable, hidden: Tensor, before: Tensor) -> None:
        """Count the values of some tokens, ``(N, F)`` both."""
        after = network.activation(before)  # (N, F)
        size = hidden.abs()  # (N, F)
        limits = [threshold * self.scale.largest for threshold in THRESHOLDS]
        self.tokens += len(hidden)
        self._keep("below", torch.stack([(size < limit).sum() for limit in limits]))  # (K,)
        self._keep("reached", (size >= SILENT * self.scale.largest).sum(0))  # (F,)
        self._keep("active", (after > 0).sum(0))  # (F,)
        self._keep("negative", (before < 0).sum()[None])  # (1,)
        self._keep("before", histogram(before, self.scale.before))
        self._keep("after", histogram(after, self.scale.after))

    def _keep(self, name: str, counts: Tensor) -> None:
        counts = counts.cpu().double()
        self.sums[name] = self.sums.get(name, torch.zeros_like(counts)) + counts

    def rows(self, exact: bool) -> list[dict]:
        """The counts as shares of values, or of units."""
        units = len(self.sums["active"])
        values = units * self.tokens
        # A layer whose values are all 0 has no unit that does anything.
        silent = (self.sums["reached"] == 0).double().mean() if self.scale.largest > 0 else 1.0
        found = {"silent": silent, "negative": self.sums["negative"] / values, "units": units}
        if exact:
            found["active"] = self.sums["active"].sum() / values
            found["dead"] = (self.sums["active"] == 0).double().mean()
        rows = [{"metric": name, "value": float(value), "n": self.tokens} for name, value in found.items()]
        rows += self._curve("below", THRESHOLDS, values)
        return rows + [
            row for name in ("before", "after") for row in self._curve(name, bin_centres(), values)
        ]

    def _curve(self, name: str, x: tuple[float, ...] | list[float], values: int) -> list[dict]:
        shares = (self.sums[name] / values).tolist()
        return [
            {"metric": name, "x": at, "value": share, "n": self.tokens}
            for at, share in zip(x, shares, strict=True)
        ]
