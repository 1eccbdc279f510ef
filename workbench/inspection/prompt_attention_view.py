"""One text under one run or two: every head's map, one head and its match, who predicts what better."""

import math

import numpy as np
import pandas as pd
import torch
from torch import Tensor
from torch.nn import functional as F

from workbench.errors import UserError
from workbench.inspection.capture import capture, kernel_error
from workbench.inspection.matching import jensen_shannon, match_heads
from workbench.inspection.panels import Heatmap, Maps, Panel, Result, Tokens
from workbench.inspection.probes import probe_of
from workbench.inspection.scope import Scope
from workbench.inspection.subject import Subject, open_subject
from workbench.inspection.views import Option, View, register
from workbench.records.run import RunDirectory

TILE = 48  # tokens along each side of the map of one head
PROMPT = 64  # tokens of the text that is shown before another is typed
MATCHED_ON = 4  # windows of text on which heads are compared
SHOWS = ["attention", "attention x size of what is read", "attention minus uniform"]


def _default_text(scope: Scope) -> str:
    subject = scope.subject()
    return subject.tokenizer.decode(subject.corpus.validation[:PROMPT])


def _layers(scope: Scope) -> list[str]:
    return [str(layer) for layer in range(scope.subject().decoder.config.layers)]


def _heads(scope: Scope) -> list[str]:
    return [str(head) for head in range(scope.subject().decoder.config.heads)]


@register
class PromptAttention(View):
    """Maps are of the explicit attention; its difference to the fused one is stated."""

    name = "prompt_attention"
    title = "Attention on a text"
    question = "What does each head read, and what changes when a part is swapped?"
    page = "attention"
    live = True
    options = (
        Option(name="text", label="Text", kind="text", default=_default_text),
        Option(name="layer", label="Layer", choices=_layers, default="0"),
        Option(name="head", label="Head", choices=_heads, default="0"),
        Option(name="show", label="Show", choices=lambda _: SHOWS, default=SHOWS[0]),
        Option(name="first", label="First token of the map", kind="number", default="0"),
    )

    def compute(self, scope: Scope, **options: str) -> Result:
        """The view of the runs' final weights; raises ``UserError`` for a text that a run cannot take."""
        layer, head, first = int(options["layer"]), int(options["head"]), _whole(options["first"])
        read = {role: _Reading(scope.subject(role), options["text"]) for role in scope.roles}
        mine = read["run"]
        if first >= len(mine.pieces):
            raise UserError(
                f"first: the text has {len(mine.pieces)} tokens; give 0 to {len(mine.pieces) - 1}"
            )
        tile = slice(first, first + TILE)
        shown = {"run": mine.shown(layer, head, options["show"])}
        answers, matched = (
            [f"Explicit and fused attention differ by {mine.error:.1e} at most in any logit."],
            None,
        )
        if "against" in read:
            matched, sentence = _matched(scope, layer, head)
            answers.append(sentence)
        if matched is not None:
            shown["against"] = read["against"].shown(layer, matched, options["show"])
        return Result(
            view=self.name,
            title=f"{self.title}: layer {layer}, head {head}",
            question=self.question,
            panels=tuple(_panels(scope, read, shown, tile, layer, head, matched)),
            source=scope.source(detail=f"{len(mine.pieces)} tokens"),
            answers=tuple(answers),
            notes=(
                "Rows are queries, columns the keys that they read; layers, heads and tokens count from 0.",
            ),
        )


class _Reading:
    """One run's attention and losses on the text."""

    def __init__(self, subject: Subject, text: str) -> None:
        self.tokens = subject.encode(text)  # (1, T)
        self.pieces = subject.pieces(self.tokens[0])
        self.error = kernel_error(subject.decoder, self.tokens)
        with capture(subject.decoder, {"probabilities", "values"}) as seen:
            logits = subject.decoder(self.tokens)  # (1, T, V)
        self.attention = seen.stacked("probabilities")[:, 0]  # (L, H, T, T)
        self.values = seen.stacked("values")[:, 0]  # (L, H, T, d_head)
        self.losses = F.cross_entropy(logits[0, :-1], self.tokens[0, 1:], reduction="none")  # (T - 1,)
        self.outputs = [block.attention.output.weight.detach() for block in subject.decoder.blocks]

    def shown(self, layer: int, head: int, show: str) -> Tensor:
        """``(T, T)``."""
        attention = self.attention[layer, head]  # (T, T)
        if show == SHOWS[1]:
            values = self.values[layer, head]  # (T, d_head)
            columns = self.outputs[layer].unflatten(1, (-1, values.shape[1]))[:, head]  # (D, d_head)
            return attention * (values @ columns.T).norm(dim=-1)  # (T, T)
        if show == SHOWS[2]:
            reach = torch.arange(1, len(attention) + 1)[:, None]  # (T, 1)
            return attention - torch.ones_like(attention).tril() / reach  # (T, T)
        return attention


def _matched(scope: Scope, layer: int, head: int) -> tuple[int | None, str]:
    """The other run's head that reads most like this one in the layer, and how sure that is."""
    ours, theirs = scope.subject(), scope.subject("against")
    if ours.tokenizer.spec != theirs.tokenizer.spec:
        return None, "The two runs have different tokenizers: their heads cannot be compared on one text."
    if layer >= theirs.decoder.config.layers:
        return None, f"The other run has no layer {layer}."
    distance = _distances(ours, theirs, layer)
    partner = match_heads(distance)[head]
    if partner < 0:
        return None, f"The other run has fewer heads: none is left for head {head}."
    apart, floor = float(distance[head, partner]), _seed_floor(scope, layer)
    sentence = f"Head {head} is matched with the other run's head {partner}: they are {apart:.3f} nats apart"
    if floor is None:
        return partner, f"{sentence} (Jensen-Shannon). There is no second seed to tell whether that is much."
    verdict = (
        "more than seeds of one variant differ" if apart > floor else "no more than two seeds of it differ"
    )
    return partner, f"{sentence} (Jensen-Shannon), {verdict} (median {floor:.3f})."


def _distances(ours: Subject, theirs: Subject, layer: int) -> Tensor:
    text = probe_of(ours).text[:MATCHED_ON, :-1]
    found = []
    for subject in (ours, theirs):
        with capture(subject.decoder, {"probabilities"}, [layer]) as seen:
            subject.decoder(text)
        found.append(seen["probabilities", layer])  # (B, H, T, T)
    return jensen_shannon(*found)  # (H, G)


def _seed_floor(scope: Scope, layer: int) -> float | None:
    """Median distance of matched heads between this run and another seed of its variant."""
    others = [path for path in scope.seeds()["path"] if RunDirectory(path).run_id != scope.run.run_id]
    if not others:
        return None
    distance = _distances(scope.subject(), open_subject(RunDirectory(others[0])), layer)
    pairs = [float(distance[head, partner]) for head, partner in enumerate(match_heads(distance))]
    return float(np.median(pairs))


def _panels(
    scope: Scope,
    read: dict[str, _Reading],
    shown: dict[str, Tensor],
    tile: slice,
    layer: int,
    head: int,
    matched: int | None,
) -> list[Panel]:
    heads = {"run": head, "against": matched}
    panels: list[Panel] = [_mosaic(scope, read["run"])]
    for role, values in shown.items():
        title = f"{scope.series[role]}: layer {layer}, head {heads[role]}"
        panels.append(_map(title, values[tile, tile], read[role].pieces, tile))
    if len(shown) > 1 and shown["run"].shape == shown["against"].shape:
        difference = (shown["run"] - shown["against"])[tile, tile]
        title = f"{scope.series['run']} minus {scope.series['against']}"
        panels.append(_map(title, difference, read["run"].pieces, tile, diverging=True))
    return [*panels, _losses(scope, read)]


def _mosaic(scope: Scope, reading: _Reading) -> Maps:
    layers, heads = reading.attention.shape[:2]
    names = [{"name": f"{i}.{j}", "layer": i, "head": j} for i in range(layers) for j in range(heads)]
    return Maps(
        title=f"Every head of {scope.series['run']} (layer.head)",
        data=pd.DataFrame(names),
        maps=reading.attention.flatten(0, 1).numpy(),
        tokens=reading.pieces,
        columns=heads,
        note="Square root of the attention, so that weak attention shows too.",
    )


def _map(title: str, values: Tensor, pieces: list[str], tile: slice, *, diverging: bool = False) -> Heatmap:
    names = [f"{place + tile.start} {piece}" for place, piece in enumerate(pieces[tile])]
    count = len(names)
    below = [(i, j) for i in range(count) for j in range(i + 1)]
    data = pd.DataFrame(
        {
            "y": [names[i] for i, _ in below],
            "x": [names[j] for _, j in below],
            "value": [float(values[i, j]) for i, j in below],
        }
    )
    least = float(data["value"].min())
    return Heatmap(
        title=title,
        data=data,
        x="key",
        y="query",
        value="difference" if diverging else "weight",
        diverging=diverging or least < 0,
        domain=None if diverging or least < 0 else (0.0, max(float(data["value"].max()), 1e-9)),
        note=f"Tokens {tile.start} to {tile.start + count - 1} of {len(pieces)}."
        if len(pieces) > count
        else "",
    )


def _losses(scope: Scope, read: dict[str, _Reading]) -> Tokens:
    mine = read["run"]
    loss = [math.nan, *mine.losses.tolist()]
    other = read.get("against")
    if other is None or not torch.equal(other.tokens, mine.tokens):
        data = pd.DataFrame({"token": mine.pieces, "value": loss}).fillna({"value": 0.0})
        return Tokens(title="Loss of each token", data=data, value="loss (nats)", diverging=False)
    theirs = [math.nan, *other.losses.tolist()]
    difference = np.nan_to_num(np.array(loss) - np.array(theirs))
    names = [scope.series[role] for role in ("run", "against")]
    data = pd.DataFrame({"token": mine.pieces, "value": difference, names[0]: loss, names[1]: theirs})
    return Tokens(
        title="Which tokens the swap predicts better (blue) and worse (red)",
        data=data,
        value=f"loss of {names[0]} minus {names[1]} (nats)",
    )


def _whole(text: str) -> int:
    if not text.isdigit():
        raise UserError(f"first: {text!r} is no whole number from 0 on; give the number of a token")
    return int(text)
