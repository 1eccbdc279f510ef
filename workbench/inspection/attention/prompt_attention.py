"""One text under one run or two: every head's map, one head and its match, who predicts what better."""

import math
from collections.abc import Mapping

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from workbench.errors import UserError
from workbench.inspection.attention.head_pairs import HeadPairs, pair_heads
from workbench.inspection.attention.map_choices import SHOWS, TILE
from workbench.inspection.attention.reading import Reading, read_prompt
from workbench.inspection.listed_views import PROMPT_ATTENTION
from workbench.inspection.panels import Maps, Panel, Result, TokenMaps, Tokens
from workbench.inspection.prompts import comparable, whole_number, window_size
from workbench.inspection.scope import Scope
from workbench.inspection.subject import Subject, open_subject
from workbench.numbers import number
from workbench.records.run import RunDirectory


def prompt_attention(scope: Scope, options: Mapping[str, str], question: str) -> Result:
    """The view ``PROMPT_ATTENTION``, with a value for each of its options; raises as its ``compute`` does."""
    chosen, show = (int(options["layer"]), int(options["head"])), options["show"]
    count = scope.subject().encode(options["text"]).shape[1]
    first = whole_number("first", options["first"], count - 1)
    readings = _readings(scope, options["text"], first)
    pairs, unmatched = _pairs(scope, readings)
    tiles = _tiles(readings["run"], first, options["key"])
    maps = _maps(scope, readings, pairs, chosen, show)
    return Result(
        view=PROMPT_ATTENTION.name,
        title=f"{PROMPT_ATTENTION.title}: layer {chosen[0]}, head {chosen[1]}",
        question=question,
        panels=(
            _thumbnails(scope, readings, pairs, chosen),
            _token_maps(readings["run"], maps, tiles, show),
            *_losses(scope, readings),
        ),
        source=scope.source(detail=f"{count} tokens"),
        answers=tuple(_answers(scope, readings, pairs, unmatched, chosen)),
        notes=_notes(readings["run"], show),
        tables={"matched heads": pairs.table()} if pairs else {},
    )


def _readings(scope: Scope, text: str, first: int) -> dict[str, Reading]:
    """By role, of one window; of the run alone where the other splits text into other tokens."""
    subjects = comparable(scope)
    size = min(window_size(subject) for subject in subjects.values())
    return {role: read_prompt(subject, text, first, size) for role, subject in subjects.items()}


def _pairs(scope: Scope, readings: dict[str, Reading]) -> tuple[HeadPairs | None, str]:
    """Matched heads where there are two runs to match; else None, and why two runs' heads are not."""
    if scope.against is None:
        return None, ""
    name = scope.series["against"]
    if "against" not in readings:
        return None, f"{name} splits the text into other tokens: its heads cannot be compared."
    try:
        return pair_heads(scope.subject(), scope.subject("against"), _second_seed(scope)), ""
    except UserError as error:  # heads are matched on the corpus; what is shown needs none
        return None, f"Heads of {name} are not matched: {error}."


def _second_seed(scope: Scope) -> Subject | None:
    """A seed of the run's variant that is not looked at already."""
    shown = {scope.directory(role).run_id for role in scope.roles}
    runs = [RunDirectory(path) for path in scope.seeds()["path"]]
    others = [run for run in runs if run.run_id not in shown and run.weights.exists()]
    return open_subject(others[0]) if others else None


def _tiles(reading: Reading, first: int, key: str) -> tuple[slice, slice]:
    """Queries and keys of the maps, as places in the window."""
    start = first - reading.start
    last = min(start + TILE, len(reading.ids)) - 1  # the last query that is shown: it reads no later key
    least, most = reading.start, reading.start + last
    place = start if not key else whole_number("key", key, most, least) - reading.start
    return slice(start, start + TILE), slice(place, place + TILE)


def _partner(pairs: HeadPairs | None, layer: int, head: int) -> int:
    return pairs.partner[layer][head] if pairs and layer < len(pairs.partner) else -1


def _maps(
    scope: Scope, readings: dict[str, Reading], pairs: HeadPairs | None, chosen: tuple[int, int], show: str
) -> dict[str, Tensor]:
    """The chosen head, its match and their difference by name, each ``(W, W)``."""
    layer, head = chosen
    mine, partner = readings["run"].shown(layer, head, show), _partner(pairs, layer, head)
    found = {f"{scope.series['run']}: head {head}": mine}
    if partner >= 0:
        other = readings["against"].shown(layer, partner, show)
        found |= {f"{scope.series['against']}: head {partner}": other, "difference": mine - other}
    return found


def _thumbnails(
    scope: Scope, readings: dict[str, Reading], pairs: HeadPairs | None, chosen: tuple[int, int]
) -> Maps:
    rows, maps = [], []
    layers, heads = readings["run"].thumbnails.shape[:2]
    for layer, head in np.ndindex(layers, heads):
        rows.append(_thumbnail(scope, "run", layer, head, head, pale=False))
        maps.append(readings["run"].thumbnails[layer, head])
    for layer, head in np.ndindex(layers, heads):
        partner = _partner(pairs, layer, head)
        if pairs is not None and partner >= 0:
            rows.append(_thumbnail(scope, "against", layer, head, partner, pale=pairs.apart(layer, head)))
            maps.append(readings["against"].thumbnails[layer, partner])
    return Maps(
        title="Every head" if not pairs else "Every head, and the heads that match them",
        data=pd.DataFrame(rows),
        maps=torch.stack(maps).numpy(),
        chosen=chosen,
        note="Rows are layers, columns heads, from 0; the square root of the attention, the largest in each "
        "cell. Choose a head by clicking it."
        + (" Pale: further from its match than the median pair of two seeds." if pairs else ""),
    )


def _thumbnail(scope: Scope, role: str, layer: int, head: int, own: int, *, pale: bool) -> dict:
    name = f"layer {layer} head {own}"
    return {"series": scope.series[role], "layer": layer, "head": head, "name": name, "pale": pale}


def _token_maps(
    reading: Reading, maps: dict[str, Tensor], tiles: tuple[slice, slice], show: str
) -> TokenMaps:
    queries, keys = (torch.arange(len(reading.ids))[tile] for tile in tiles)  # (Q,), (K,)
    rows, columns = (queries[:, None] >= keys).nonzero(as_tuple=True)
    data = {"query": rows.numpy(), "key": columns.numpy()}
    data |= {name: values[queries[rows], keys[columns]].numpy() for name, values in maps.items()}
    return TokenMaps(
        title="Layer and head in full",
        data=pd.DataFrame(data),
        queries=reading.pieces[tiles[0]],
        keys=reading.pieces[tiles[1]],
        first=(int(queries[0]) + reading.start, int(keys[0]) + reading.start),
        value=SHOWS[show],
        diverging=frozenset(maps) if show == "attention minus uniform" else frozenset({"difference"}),
        note="Rows are queries, columns the keys that they read. Point at a map: the text below takes the "
        "colours of that query's row.",
    )


def _losses(scope: Scope, readings: dict[str, Reading]) -> list[Panel]:
    mine = readings["run"]
    loss = np.array([math.nan, *mine.losses.tolist()])
    if "against" not in readings:
        data = pd.DataFrame({"token": mine.pieces, "value": loss})
        return [Tokens(title="Loss of each token", data=data, value="loss (nats)", diverging=False)]
    theirs = np.array([math.nan, *readings["against"].losses.tolist()])
    names = [scope.series[role] for role in ("run", "against")]
    data = {"token": mine.pieces, "value": loss - theirs, names[0]: loss, names[1]: theirs}
    return [
        Tokens(
            title=f"Which tokens {names[0]} predicts better (blue) and worse (red)",
            data=pd.DataFrame(data),
            value=f"loss of {names[0]} minus {names[1]} (nats)",
        )
    ]


def _answers(
    scope: Scope,
    readings: dict[str, Reading],
    pairs: HeadPairs | None,
    unmatched: str,
    chosen: tuple[int, int],
) -> list[str]:
    sentences = [unmatched] if unmatched else []
    if pairs is not None:
        sentences += [_match(scope, pairs, chosen), *_all_pairs(pairs)]
    if len(readings["run"].losses):
        sentences.append(_loss_sentence(scope, readings))
    errors = max(scope.subject(role).kernel_error for role in scope.roles)
    return [
        *sentences,
        f"Explicit attention, which is shown, gives the fused one's logits within {errors:.0e}.",
    ]


def _match(scope: Scope, pairs: HeadPairs, chosen: tuple[int, int]) -> str:
    layer, head = chosen
    partner = _partner(pairs, layer, head)
    if partner < 0:
        return f"Head {head} of layer {layer} has no partner: {scope.series['against']} has fewer."
    sentence = (
        f"Head {head} of layer {layer} is matched with head {partner} of {scope.series['against']}: they are "
        f"{pairs.distance[layer, head]:.3f} nats apart (Jensen-Shannon)"
    )
    if pairs.floor is None:
        return f"{sentence}. There is no second seed to tell whether that is much."
    verdict, floor = "more" if pairs.apart(layer, head) else "no more", pairs.floor[layer]
    return f"{sentence}, {verdict} than heads of two seeds of one variant are (median {floor:.3f})."


def _all_pairs(pairs: HeadPairs) -> list[str]:
    if pairs.floor is None:
        return []
    matched = [(i, j) for i, row in enumerate(pairs.partner) for j, partner in enumerate(row) if partner >= 0]
    apart = sum(pairs.apart(*pair) for pair in matched)
    return [
        f"{apart} of {len(matched)} pairs are further apart than their layer's median between two seeds; of "
        f"two seeds' own pairs half are."
    ]


def _loss_sentence(scope: Scope, readings: dict[str, Reading]) -> str:
    means = {role: float(reading.losses.mean()) for role, reading in readings.items()}
    parts = [f"{scope.series[role]} {number(mean)}" for role, mean in means.items()]
    return f"Loss on this text: {', '.join(parts)} nats per token. One text is no evidence: see the verdicts."


def _notes(reading: Reading, show: str) -> tuple[str, ...]:
    notes = []
    context = reading.subject.decoder.config.context
    if len(reading.ids) > context:
        notes.append(f"The text is longer than the {context} tokens of training: the rest is extrapolated.")
    if reading.total > len(reading.ids):
        last = reading.start + len(reading.ids) - 1
        notes.append(
            f"{reading.size} tokens are read at once: shown are {reading.start} to {last} of "
            f"{reading.total}. Choose another first token to see others."
        )
    if show == "attention without the first token":
        notes.append("The first token, on which heads park attention, is left out of the maps in full.")
    if show == "attention x size of what is read":
        config = reading.subject.decoder.config
        gated = config.gate.outputs(config) > 0
        before = ", before the gate" if gated else ""
        notes.append(f"Weight times the length of what reading that token alone would add{before}.")
    return tuple(notes)
