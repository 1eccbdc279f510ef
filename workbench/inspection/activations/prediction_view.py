"""Where a prediction is formed: the logit lens by layer and position, and who wrote one token's logit."""

import pandas as pd
import torch

from workbench.errors import UserError
from workbench.inspection.activations.attribution import (
    BIAS,
    FEEDFORWARD,
    HEAD,
    POSITION,
    TOKEN,
    Attribution,
    attribution,
    not_additive,
)
from workbench.inspection.activations.logit_lens import Lens, logit_lens
from workbench.inspection.listed_views import LOGIT_LENS
from workbench.inspection.panels import Bars, Heatmap, Lines, Panel, Result, under
from workbench.inspection.prompts import (
    comparable,
    default_text,
    example_texts,
    whole_number,
    window,
    window_size,
)
from workbench.inspection.scope import Scope
from workbench.inspection.subject import Subject
from workbench.inspection.views import Option, View, register
from workbench.numbers import number

TILE = 24  # positions side by side
_LETTERS = 6  # of a token in a cell
EMBEDDING = "embedding"
COMPARED = "the runner-up"
COMPARISONS = [COMPARED, "nothing"]
Explanation = Attribution | str  # or a sentence on why there is none
_NOTES = (
    "The final norm and the head are applied to the stream after each layer. This is a reading, not a "
    "belief: the head was trained for the last layer alone, so that a layer may know more than the lens "
    "shows, early layers above all.",
    "Losses are of one text under one run: they say nothing about seeds. Layers, heads and tokens count "
    "from 0.",
    "Contributions are to the last layer's sum, each norm frozen at its scale on this text: what a head does "
    "through later layers is in their rows, so that this is no causal effect.",
)


@register
class PredictionByDepth(View):
    """One text under one run or two; the second is left out where its tokenizer differs."""

    listed = LOGIT_LENS
    question = "At which depth is the next token known, and which parts wrote it?"
    live = True
    many = True
    one_tokenizer = True
    options = (
        Option(name="text", label="Text", kind="text", default=default_text, examples=example_texts),
        Option(name="first", label="First token of the grid", kind="number", default="0"),
        Option(
            name="token",
            label="Token to explain",
            kind="number",
            default="",
            help="Its number in the text, from 1 on; empty: the last one",
        ),
        Option(
            name="against",
            label="Explain its logit against",
            choices=lambda _: COMPARISONS,
            default=COMPARED,
            help="The most probable other token: a constant added to all logits changes no prediction",
        ),
    )

    def compute(self, scope: Scope, **options: str) -> Result:
        """The view of the runs' final weights; raises ``UserError`` for a text that a run cannot take."""
        subjects = comparable(scope)
        ids = _ids(subjects["run"], options["text"])  # (T,)
        first = whole_number("first", options["first"], len(ids) - 2)
        beside = _beside(scope, subjects["run"])
        sizes = map(window_size, [*subjects.values(), *beside.values()])
        start, window_ids = window(ids, first, min(sizes))
        last = start + len(window_ids) - 1
        token = whole_number("token", options["token"] or str(last), last, start + 1)
        read = {
            role: _LensReading(subject, window_ids[None], start, scope.series[role])
            for role, subject in subjects.items()
        }
        others = {
            role: _LensReading(subject, window_ids[None], start, scope.series[role])
            for role, subject in beside.items()
        }
        position = token - start - 1
        explained = {role: _explained(one, position, options["against"]) for role, one in read.items()}
        panels = (
            *under("Token by token", *(one.grid(slice(first, first + TILE)) for one in read.values())),
            *under("By layer", *_depth(scope, read | others)),
            *_written(read, explained, options["against"]),
        )
        return Result(
            view=self.name,
            title=self.title,
            question=self.question,
            panels=panels,
            source=scope.source(detail=f"tokens {start} to {last} of {len(ids)}"),
            answers=tuple(_answers(scope, read, explained, token, others)),
            notes=_NOTES,
            tables=_tables(read, explained, others),
        )


class _LensReading:
    """One run's lens on the text."""

    def __init__(self, subject: Subject, tokens: torch.Tensor, start: int, series: str) -> None:
        self.subject = subject
        self.tokens = tokens
        self.start = start
        self.series = series
        self.pieces = subject.pieces(tokens[0])
        self.lens: Lens = logit_lens(subject.decoder, tokens)
        self.names = [EMBEDDING, *map(str, range(subject.decoder.config.layers))]

    def table(self) -> pd.DataFrame:
        """A row per layer and position."""
        rows, columns = self.lens.loss.shape
        tops = self.subject.pieces(self.lens.top.flatten())
        return pd.DataFrame(
            {
                "series": self.series,
                "layer": [name for name in self.names for _ in range(columns)],
                "position": list(range(self.start, self.start + columns)) * rows,
                "token": self.pieces[:-1] * rows,
                "next": self.pieces[1:] * rows,
                "probability": self.lens.target.flatten().tolist(),
                "loss": self.lens.loss.flatten().tolist(),
                "divergence": self.lens.divergence.flatten().tolist(),
                "most probable": tops,
            }
        )

    def grid(self, tile: slice) -> Heatmap:
        """Layers from the last one down, a tile of positions from left to right."""
        table = self.table()
        shown = table[(table["position"] >= tile.start) & (table["position"] < tile.stop)]
        shown = shown.iloc[::-1].sort_values("position", kind="stable")
        data = pd.DataFrame(
            {
                "x": [f"{row.position} {row.token}" for row in shown.itertuples()],
                "y": shown["layer"],
                "value": shown["probability"],
                "text": shown["most probable"].str.slice(0, _LETTERS),
                "next": shown["next"],
                "most probable": shown["most probable"],
            }
        )
        end = int(shown["position"].max())
        return Heatmap(
            title=f"{self.series}: probability of the actual next token",
            data=data.reset_index(drop=True),
            x="token",
            y="after layer",
            value="probability",
            domain=(0.0, 1.0),
            note=f"In the cells: the most probable token. Tokens {tile.start} to {end}.",
        )


def _beside(scope: Scope, subject: Subject) -> dict[str, Subject]:
    """The variants beside the two that are looked at, as far as they split text as ``subject`` does."""
    found = {role: scope.subject(role) for role in scope.other_roles}
    return {role: other for role, other in found.items() if other.splits == subject.splits}


def _ids(subject: Subject, text: str) -> torch.Tensor:
    ids = subject.encode(text)[0]  # (T,)
    if len(ids) < 2:
        raise UserError("text: it has one token, and nothing to foretell; give at least two")
    return ids


def _explained(read: _LensReading, position: int, against: str) -> Explanation:
    decoder = read.subject.decoder
    reason = not_additive(decoder)
    if reason:
        return f"{read.series}: who wrote the logit cannot be told: {reason}."
    return attribution(decoder, read.tokens, position, against_rival=against == COMPARED)


def _depth(scope: Scope, read: dict[str, _LensReading]) -> list[Panel]:
    titles = {
        "loss": ("Loss by depth, mean over the text", "loss (nats)"),
        "divergence": ("How far each layer is from the last, mean over the text", "KL divergence (nats)"),
    }
    panels: list[Panel] = []
    for name, (title, y) in titles.items():
        rows = [
            {"series": one.series, "x": layer, "y": value}
            for one in read.values()
            for layer, value in enumerate(getattr(one.lens, name).mean(-1).tolist(), start=-1)
        ]
        data, x = pd.DataFrame(rows), "layer (-1: embedding)"
        panels.append(Lines(title=title, data=data, x=x, y=y, colours=scope.colours))
    return panels


def _written(read: dict[str, _LensReading], explained: dict[str, Explanation], against: str) -> list[Panel]:
    known = {role: one for role, one in explained.items() if isinstance(one, Attribution)}
    if not known:
        return []
    what = "difference of the logits" if against == COMPARED else "logit"
    bars = [_by_layer(one.terms).assign(variant=read[role].series) for role, one in known.items()]
    reach = max(_reach(one.terms) for one in known.values())
    domain = (-reach, reach) if reach > 0 else None
    heads = [_heads(one.terms, read[role].series, what, domain) for role, one in known.items()]
    by_layer = Bars(
        title=f"What wrote the {what}",
        data=pd.concat(bars, ignore_index=True),
        x="part",
        y="contribution",
        facet="variant",
    )
    return [*under("Who wrote it", by_layer), *under("Which heads", *heads)]


def _reach(terms: pd.DataFrame) -> float:
    return float(terms.loc[terms["part"] == HEAD, "value"].abs().max())


def _by_layer(terms: pd.DataFrame) -> pd.DataFrame:
    """Heads of a layer together, beside its feed-forward network; the rest under its name."""
    kinds = {HEAD: "attention", FEEDFORWARD: "feed-forward"}
    places = {TOKEN: "token", POSITION: "position", BIAS: "biases"}
    rows = terms.assign(
        series=terms["part"].map(kinds).fillna("embedding, biases"),
        x=[places.get(row.part) or f"{row.layer:.0f}" for row in terms.itertuples()],
    )
    summed = rows.groupby(["x", "series"], sort=False)["value"].sum().reset_index()
    return summed.rename(columns={"value": "y"})


def _heads(terms: pd.DataFrame, series: str, what: str, domain: tuple[float, float] | None) -> Heatmap:
    own = terms[terms["part"] == HEAD].astype({"layer": int, "head": int})
    data = own.rename(columns={"layer": "y", "head": "x"})[["y", "x", "value"]]
    return Heatmap(
        title=f"{series}: contribution of each head to the {what}",
        data=data.reset_index(drop=True),
        x="head",
        y="layer",
        value="contribution",
        diverging=True,
        domain=domain,
    )


def _answers(
    scope: Scope,
    read: dict[str, _LensReading],
    explained: dict[str, Explanation],
    token: int,
    others: dict[str, _LensReading],
) -> list[str]:
    answers = [_formed(one) for one in read.values()]
    for role, one in explained.items():
        answers.append(one if isinstance(one, str) else _wrote(read[role], one, token))
    answers += [_formed(one) for one in others.values()]
    for role in scope.all_roles:
        if role not in read and role not in others:
            answers.append(
                f"{scope.series[role]} is left out: it has another tokenizer, and its predictions are of "
                "other tokens."
            )
    return answers


def _formed(read: _LensReading) -> str:
    loss, lens = read.lens.loss.mean(-1), read.lens  # (L + 1,)
    agreeing = (lens.top == lens.top[-1]).double().mean(-1)  # (L + 1,)
    half = int((agreeing >= 0.5).nonzero()[0])
    place = "the embedding" if half == 0 else f"layer {half - 1}"
    return (
        f"{read.series}: the loss of the lens goes from {number(float(loss[0]))} nats at the embedding to "
        f"{number(float(loss[-1]))} at the last layer, on these {len(read.pieces)} tokens. {_capital(place)} "
        f"is the first whose most probable token is that of the last layer at half of the positions "
        f"({number(100 * float(agreeing[half]))} %)."
    )


def _capital(words: str) -> str:
    return words[0].upper() + words[1:]


def _wrote(read: _LensReading, found: Attribution, token: int) -> str:
    target, rival = read.subject.pieces(torch.tensor([found.target, found.rival]))
    largest = found.terms.iloc[found.terms["value"].abs().argsort()[::-1][:3]]
    parts = ", ".join(
        f"{_name(row.part, row.layer, row.head)} {number(row.value, sign=True)}"
        for row in largest.itertuples()
    )
    gap = abs(found.logit - found.terms["value"].sum())
    return (
        f"{read.series}: for token {token} ('{target}'; its strongest rival is '{rival}') the value "
        f"explained is {number(found.logit, sign=True)}. The largest contributions: {parts}. All of them add "
        f"up to it within {gap:.0e}."
    )


def _name(part: str, layer: float, head: float) -> str:
    if part == HEAD:
        return f"layer {layer:.0f} head {head:.0f}"
    return f"{part} of layer {layer:.0f}" if part == FEEDFORWARD else part


def _tables(
    read: dict[str, _LensReading], explained: dict[str, Explanation], others: dict[str, _LensReading]
) -> dict[str, pd.DataFrame]:
    every = [one.table() for one in (*read.values(), *others.values())]
    tables = {"lens at every position": pd.concat(every, ignore_index=True)}
    terms = [
        one.terms.assign(series=read[role].series)
        for role, one in explained.items()
        if isinstance(one, Attribution)
    ]
    return tables | ({"contributions": pd.concat(terms, ignore_index=True)} if terms else {})
