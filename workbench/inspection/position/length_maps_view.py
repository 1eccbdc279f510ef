"""What one run reads in a context of another length than the one it was trained with, and what that costs.

The text is the first of those that length extrapolation is measured on, and the tokens whose loss is shown
are the ones that are scored there: the last L/2, whatever the length of the context before them.
"""

from functools import cached_property, lru_cache

import numpy as np
import pandas as pd
import torch
from torch import Tensor
from torch.nn import functional as F

from workbench.errors import UserError
from workbench.inspection.attention.map_choices import TILE, heads_of, layers_of
from workbench.inspection.attention.reading import Reading
from workbench.inspection.capture import reading
from workbench.inspection.listed_views import LENGTH_MAPS
from workbench.inspection.measuring import probe_of
from workbench.inspection.panels import Heatmap, Maps, Panel, Result, TokenMaps, Tokens, under
from workbench.inspection.position.extrapolation import contexts, scored_targets, tail_losses
from workbench.inspection.scope import Scope
from workbench.inspection.subject import Subject
from workbench.inspection.views import Option, View, register
from workbench.model.config import ModelConfig
from workbench.numbers import number

_LARGEST = 2**27  # numbers in the maps of one layer: half a GiB in fp32
_KEPT = 4  # readings in memory


def has_maps(config: ModelConfig, length: int) -> bool:
    """Whether a layer's maps of ``length`` tokens, and of the training length, fit in memory."""
    return config.heads * max(length, config.context) ** 2 <= _LARGEST


def _lengths(scope: Scope) -> list[str]:
    """The contexts of length extrapolation, as far as their maps are small enough.

    Raises ``UserError`` where there are none of the training length.
    """
    subject = scope.subject()
    config = subject.decoder.config
    measured = contexts(subject.decoder, probe_of(subject))
    if config.context not in measured:
        raise UserError(f"length: the validation text is too short for contexts of {config.context:,} tokens")
    found = [str(length) for length in measured if has_maps(config, length)]
    if not found:
        raise UserError(
            f"length: maps of the {config.context:,} tokens that it was trained on take too much memory; "
            "look at a part of a text on the page Attention"
        )
    return found


def _usual_length(scope: Scope) -> str:
    """Twice the training length, or the longest there is below."""
    most = 2 * scope.model().context
    return max((length for length in _lengths(scope) if int(length) <= most), key=int)


@register
class LengthMaps(View):
    """Maps of the run's heads at a length beside those at the training length, and the loss by token."""

    listed = LENGTH_MAPS
    question = "What do heads read in a longer context than in training, and which tokens does that cost?"
    live = True
    alone = True
    options = (
        Option(
            name="length",
            label="Context in tokens",
            choices=_lengths,
            default=_usual_length,
            help="Those at which length extrapolation is measured, as far as their maps fit in memory",
        ),
        Option(name="layer", label="Layer", choices=layers_of, default="0"),
        Option(name="head", label="Head", choices=heads_of, default="0"),
    )

    def compute(self, scope: Scope, **options: str) -> Result:
        """The view of the run's final weights."""
        chosen = int(options["layer"]), int(options["head"])
        read = _At(scope.subject(), int(options["length"]))
        panels = (
            *under("Maps", _thumbnails(read, chosen), _token_maps(read, chosen)),
            *under("Loss by token", _losses(read)),
            *under("Beyond training", _beyond(read)),
        )
        return Result(
            view=self.name,
            title=f"{self.title}: {read.length:,} tokens, layer {chosen[0]}, head {chosen[1]}",
            question=self.question,
            panels=panels,
            source=scope.source(detail=f"{read.length:,} tokens of validation text"),
            answers=tuple(_answers(scope.series["run"], read)),
            notes=(
                f"One text, of those that length extrapolation is measured on. Scored are its last "
                f"{read.targets:,} tokens, read with contexts that end there. Layers, heads and tokens count "
                f"from 0, the last from the first token of the longest context that is shown.",
            ),
        )


class _At:
    """One run reading the same end of a text at a length and at its training length."""

    def __init__(self, subject: Subject, length: int) -> None:
        probe = probe_of(subject)
        text = probe.long[:1]  # (1, N)
        self.length = length
        self.trained = probe.context
        self.targets = scored_targets(probe)
        self.subject = subject
        self.pieces = subject.pieces(text[0])
        lengths = dict.fromkeys((length, self.trained))
        self.readings = {c: _read(subject, tuple(text[0, -(c + 1) : -1].tolist())) for c in lengths}
        with reading(subject.decoder) as plain:
            self.losses = {c: tail_losses(plain, text, c, self.targets)[0][0] for c in lengths}  # (t,)

    @property
    def longest(self) -> int:
        """The longer of both contexts."""
        return max(self.readings)

    @property
    def names(self) -> dict[int, str]:
        """What each context is called."""
        return {c: f"{c:,} tokens" + ", as trained" * (c == self.trained) for c in self.readings}

    @cached_property
    def beyond(self) -> Tensor:
        """``(L, H)``: the share of the scored tokens' attention on keys further back than any in training."""
        places = torch.arange(self.length)
        rows = places[-self.targets :]
        far = places[None] <= rows[:, None] - self.trained  # (t, c)
        layers = range(self.subject.decoder.config.layers)
        maps = (self.readings[self.length].attention(layer)[:, rows] for layer in layers)  # (H, t, c)
        return torch.stack([(attention * far).sum(-1).mean(-1) for attention in maps])


@lru_cache(maxsize=_KEPT)
def _read(subject: Subject, ids: tuple[int, ...]) -> Reading:
    return Reading(subject, torch.tensor(ids), 0, len(ids))


def _thumbnails(read: _At, chosen: tuple[int, int]) -> Maps:
    side = min(found.thumbnails.shape[-1] for found in read.readings.values())
    rows, maps = [], []
    for length, found in read.readings.items():
        small = F.adaptive_max_pool2d(found.thumbnails, side)  # (L, H, S, S)
        for layer, head in np.ndindex(small.shape[:2]):
            name = f"layer {layer} head {head}"
            place = {"series": read.names[length], "layer": layer, "head": head}
            rows.append(place | {"name": name, "pale": False})
            maps.append(small[layer, head])
    return Maps(
        title="Every head",
        data=pd.DataFrame(rows),
        maps=torch.stack(maps).numpy(),
        chosen=chosen,
        note="Rows are layers, columns heads, from 0; the square root of the attention, the largest in each "
        "cell. Choose a head by clicking it.",
    )


def _token_maps(read: _At, chosen: tuple[int, int]) -> TokenMaps:
    """The last queries and keys of the longer context, at both lengths, and what differs."""
    layer, head = chosen
    queries, keys = min(read.targets, TILE), min(read.longest, TILE)
    queries = min(queries, read.longest)
    first_query, first_key = read.longest - queries, read.longest - keys
    rows, columns = np.nonzero(
        np.arange(first_query, read.longest)[:, None] >= np.arange(first_key, read.longest)
    )
    maps = {
        read.names[length]: _end_of(found.shown(layer, head, "attention"), queries, keys)[rows, columns]
        for length, found in read.readings.items()
    }
    if len(maps) > 1:
        here, trained = maps.values()
        maps["difference"] = here - trained
    ids = read.pieces[-(read.longest + 1) : -1]
    return TokenMaps(
        title="Layer and head in full",
        data=pd.DataFrame({"query": rows, "key": columns} | maps),
        queries=ids[-queries:],
        keys=ids[-keys:],
        first=(first_query, first_key),
        value="weight",
        diverging=frozenset({"difference"}),
        note="Rows are the last queries, columns the keys that they read. Keys that only the longer context "
        "has are empty in the other, and in the difference.",
    )


def _end_of(attention: Tensor, queries: int, keys: int) -> np.ndarray:
    """The last ``queries`` rows and ``keys`` columns of a map ``(n, n)``; NaN what it is too small for."""
    found = np.full((queries, keys), np.nan, dtype=np.float32)
    part = attention[-queries:, -keys:].numpy()
    found[-part.shape[0] :, -part.shape[1] :] = part
    return found


def _losses(read: _At) -> Tokens:
    here, trained = read.losses[read.length].numpy(), read.losses[read.trained].numpy()
    pieces = read.pieces[-read.targets :]
    if read.length == read.trained:
        data = pd.DataFrame({"token": pieces, "value": here})
        return Tokens(title="Loss of each scored token", data=data, value="loss (nats)", diverging=False)
    names = [read.names[length] for length in (read.length, read.trained)]
    data = pd.DataFrame({"token": pieces, "value": here - trained, names[0]: here, names[1]: trained})
    return Tokens(
        title=f"Which tokens are predicted better (blue) and worse (red) with {read.length:,} tokens",
        data=data,
        value=f"loss with {read.length:,} tokens minus with {read.trained:,} (nats)",
    )


def _beyond(read: _At) -> Panel | None:
    if read.length <= read.trained:
        return None
    shares = read.beyond.numpy()  # (L, H)
    layers, heads = np.indices(shares.shape)
    data = pd.DataFrame({"y": layers.ravel(), "x": heads.ravel(), "value": 100 * shares.ravel()})
    return Heatmap(
        title=f"Attention to tokens further back than the {read.trained:,} of training",
        data=data,
        x="head",
        y="layer",
        value="share of the attention of scored tokens (%)",
        domain=(0.0, max(float(data["value"].max()), 1e-6)),
    )


def _answers(series: str, read: _At) -> list[str]:
    trained = float(read.losses[read.trained].mean())
    sentences = []
    if read.length != read.trained:
        here = float(read.losses[read.length].mean())
        sentences.append(
            f"{series}: on the last {read.targets:,} tokens of this text the loss is {number(here)} nats "
            f"with a context of {read.length:,} tokens and {number(trained)} with {read.trained:,}, "
            f"{number(here - trained, sign=True)}. One text is no evidence: length extrapolation is of many."
        )
    if read.length > read.trained:
        shares = 100 * read.beyond
        layer, head = divmod(int(shares.argmax()), shares.shape[1])
        sentences.append(
            f"{series}: {number(float(shares.mean()))} % of the attention of these tokens goes further back "
            f"than any in training; of layer {layer} head {head}, which looks furthest, "
            f"{number(float(shares.max()))} %."
        )
    error = read.subject.kernel_error
    exact = f"Explicit attention, which is shown, gives the fused one's logits within {error:.0e}."
    return [*sentences, exact]
