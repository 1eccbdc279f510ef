"""What the loss loses without each head, and whether the heads that look right are the ones that matter."""

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import cast

import pandas as pd
import torch
from torch import Tensor

from workbench.errors import UserError
from workbench.inspection.activations.ablation import HeadEffects, Mode, effects_of, head_effects, seconds
from workbench.inspection.attention.head_kinds import KINDS, TEXT_IN_CELLS, Kind, of_run, scores_of
from workbench.inspection.attention.repeats import random_repeats, usual_tokens
from workbench.inspection.listed_views import HEAD_ABLATION
from workbench.inspection.measuring import probe_of
from workbench.inspection.panels import Dots, Heatmap, Panel, Result, Rule, under
from workbench.inspection.scope import Scope
from workbench.inspection.seed_spread import at_the_end
from workbench.inspection.subject import Subject
from workbench.inspection.views import Option, View, register
from workbench.model.config import ModelConfig
from workbench.numbers import number

ALL = "all"
TEXT, REPEATS = "validation text", "repeated random tokens"
MODES = {"zero": "zeroed", "mean": "replaced by its mean over the tokens"}
_BUDGET = 2.0  # seconds that the view may take before anything is chosen
_LEAST, _MOST = 64, 2048  # tokens that it is measured on before anything is chosen
_RANKED = 12  # heads in the panel beside a score
_RANKS = ("highest score", "second", "third", "fourth")  # heads of each variant, where all stand together


def _config(scope: Scope, role: str) -> ModelConfig:
    return scope.model(role)


def _cost(scope: Scope, tokens: int, layer: str) -> float:
    """Seconds for every head of the runs that are looked at, and for some of those beside them."""
    whole = sum(seconds(_config(scope, role), tokens, _layers(scope, role, layer)) for role in scope.roles)
    beside = 0.0
    for role in scope.other_roles:
        config = _config(scope, role)
        beside += len(_RANKS) / config.heads * seconds(config, tokens, _layers(scope, role, layer)[:1])
    return whole + beside


def _layers(scope: Scope, role: str, layer: str) -> list[int]:
    known = range(_config(scope, role).layers)
    if layer == ALL:
        return list(known)
    return [int(layer)] if int(layer) in known else []  # the other run may have fewer


def _default_layer(scope: Scope) -> str:
    return ALL if _cost(scope, _LEAST, ALL) <= 2 * _BUDGET else str(_config(scope, "run").layers - 1)


def _default_tokens(scope: Scope) -> str:
    per_token = _cost(scope, 1, _default_layer(scope))
    return str(max(_LEAST, min(_MOST, 64 * int(_BUDGET / per_token / 64))))


@register
class HeadAblation(View):
    """Heads are silenced one at a time; the rest of the decoder computes what follows from it."""

    listed = HEAD_ABLATION
    question = "How much worse is the loss without each head, and do the heads that look right matter?"
    live = True
    many = True
    options = (
        Option(
            name="mode",
            label="A silenced head's output is",
            choices=lambda _: list(MODES),
            words=MODES,
            default="zero",
            help="Zero takes away the constant part of its output too; mean keeps it",
        ),
        Option(
            name="on",
            label="Measured on",
            choices=lambda _: [TEXT, REPEATS],
            default=TEXT,
            help="On repeated random tokens the loss of the second copy counts: that is what induction heads "
            "are for",
        ),
        Option(
            name="layer",
            label="Layer",
            choices=lambda scope: [ALL, *map(str, range(_config(scope, "run").layers))],
            default=_default_layer,
            help="All layers take longest; one layer of a large model is quicker",
        ),
        Option(
            name="tokens",
            label="Tokens",
            kind="number",
            default=_default_tokens,
            help="The time grows in proportion: the number shown first takes about two seconds on one core, "
            "if a model is not too large for that",
        ),
        Option(
            name="score",
            label="Beside the score",
            choices=lambda _: list(KINDS),
            default="induction",
            help="How the head looks, from the measured head scores",
        ),
    )

    def compute(self, scope: Scope, **options: str) -> Result:
        """The view of the runs' final weights; raises ``UserError`` for a number that is none."""
        tokens = _whole(options["tokens"])
        found = {}
        for role in scope.roles:
            layers = _layers(scope, role, options["layer"])
            if layers:
                found[role] = _Effects(scope, role, tokens, layers, options)
        beside = [
            _Strongest(scope, role, tokens, layers, options)
            for role in scope.other_roles
            if (layers := _layers(scope, role, options["layer"]))
        ]
        every: list[_Effects | _Strongest] = [*found.values(), *beside]
        reach = max(float(one.table["change"].abs().max()) for one in found.values())
        domain = (-reach, reach) if reach > 0 else None
        panels = (
            *under("Every head", *(one.map(domain) for one in found.values())),
            *under("Strongest heads", _together(scope, every)),
            *under("Beside the score", *(panel for one in found.values() for panel in one.beside())),
        )
        return Result(
            view=self.name,
            title=f"{self.title}: {options['mode']}",
            question=self.question,
            panels=panels,
            source=scope.source(detail=f"{found['run'].count} tokens of {options['on']}"),
            answers=tuple(sentence for one in every for sentence in one.answers()),
            notes=(
                f"Change of the mean loss when one head's output is {MODES[options['mode']]}, the others as "
                "they "
                f"are. Heads make up for each other: a small change does not say that a head does nothing.",
                "One run each: heads have no identity across seeds. Errors are standard errors over "
                "sequences, and "
                "say how exact the number is for this run alone. Layers and heads count from 0.",
                f"This took about {_cost(scope, tokens, options['layer']):.1f} s of one core, by estimate.",
            ),
            tables={
                "effect of every head": pd.concat([one.table for one in found.values()], ignore_index=True)
            },
        )


class _Effects:
    """One run's effects, beside a score of its heads where that was measured."""

    def __init__(
        self, scope: Scope, role: str, tokens: int, layers: list[int], options: dict[str, str]
    ) -> None:
        self.series = scope.series[role]
        self.colours = scope.colours
        self.kind = KINDS[options["score"]]
        mode = cast(Mode, options["mode"])  # the option's choices are no others
        sequences, counted = _sequences(scope.subject(role), tokens, options["on"])
        self.count = int(counted.sum())
        decoder = scope.subject(role).decoder
        self.found: HeadEffects = head_effects(decoder, sequences, mode, layers=layers, counted=counted)
        self.table = _table(self.found).assign(series=self.series)
        scores = _scores(scope, role, options["score"])
        self.scored = scores is not None
        if scores is not None:
            self.table = self.table.merge(scores, on=["layer", "head"], how="left")

    def map(self, domain: tuple[float, float] | None) -> Heatmap:
        """Layers by heads, on a scale that the runs share."""
        data = self.table.rename(columns={"layer": "y", "head": "x", "change": "value"})
        data = data[["y", "x", "value", "error", *(["score"] if self.scored else [])]].copy()
        if data["x"].max() < TEXT_IN_CELLS:
            data["text"] = [number(value, sign=True) for value in data["value"]]
        return Heatmap(
            title=f"{self.series}: change of the loss without each head",
            data=data,
            x="head",
            y="layer",
            value="change (nats)",
            diverging=True,
            domain=domain,
        )

    def beside(self) -> list[Dots]:
        """The heads with the highest scores in their order: do they matter?"""
        ranked = self._ranked()
        if ranked.empty:
            return []
        top = ranked.head(_RANKED)
        names = [f"{row.layer}.{row.head}: {number(row.score)}" for row in top.itertuples()]
        data = pd.DataFrame({"category": names, "value": top["change"].tolist(), "series": self.series})
        error = top["error"].to_numpy()
        if pd.notna(error).all():
            data = data.assign(low=data["value"] - error, high=data["value"] + error)
        return [
            Dots(
                title=f"{self.series}: heads by their {self.kind.label}, and what the loss loses without "
                "them",
                data=data,
                x="change of the loss (nats)",
                colours=self.colours,
                rules=(Rule(at=0.0, label="no change", axis="x"),),
                note="layer.head and its score, the highest first. Lines: one standard error over sequences.",
            )
        ]

    def strongest(self) -> pd.DataFrame:
        """The heads with the highest scores, ``layer, head, score, change, error``; none without scores."""
        return self._ranked().head(len(_RANKS))

    def answers(self) -> list[str]:
        """Which head matters most, and whether the ones that score highest do."""
        worst = self.table.loc[self.table["change"].idxmax()]
        sentence = (
            f"{self.series}: the loss is {number(self.found.loss)} nats. Without layer {worst['layer']} head "
            f"{worst['head']} it rises most, by "
            f"{number(worst['change'], sign=True)}{_error(worst['error'])}; "
            f"{_matter(self.table)}."
        )
        return [sentence, self._agreement()]

    def _ranked(self) -> pd.DataFrame:
        if not self.scored:
            return pd.DataFrame()
        return self.table.dropna(subset="score").sort_values("score", ascending=False, kind="stable")

    def _agreement(self) -> str:
        ranked = self._ranked()
        if ranked.empty:
            return _unmeasured(self.series, self.kind)
        first = ranked.iloc[0]
        place = int((self.table["change"] > first["change"]).sum()) + 1
        sentence = (
            f"{self.series}: the {self.kind.most}, layer {first['layer']} head {first['head']} "
            f"({number(first['score'])}), changes the loss by {number(first['change'], sign=True)}: number "
            f"{place} "
            f"of {len(self.table)} heads"
        )
        correlation = ranked["score"].corr(ranked["change"], method="spearman")
        if not math.isfinite(correlation):
            return f"{sentence}."
        shown = number(correlation, sign=True)
        return f"{sentence}. Over all heads the rank correlation of score and change is {shown}."


class _Strongest:
    """Of a run that stands beside: what the loss loses without the heads with the highest scores."""

    def __init__(
        self, scope: Scope, role: str, tokens: int, layers: list[int], options: dict[str, str]
    ) -> None:
        self.series = scope.series[role]
        self.kind = KINDS[options["score"]]
        self._table = pd.DataFrame()
        scores = _scores(scope, role, options["score"])
        if scores is None:
            return
        scores = scores[scores["layer"].isin(layers)].dropna(subset="score")
        top = scores.sort_values("score", ascending=False, kind="stable").head(len(_RANKS))
        if top.empty:
            return
        heads = list(zip(top["layer"], top["head"], strict=True))
        subject = scope.subject(role)
        sequences, counted = _sequences(subject, tokens, options["on"])
        mode = cast(Mode, options["mode"])
        _, changes, errors = effects_of(subject.decoder, sequences, heads, mode, counted=counted)
        self._table = top.assign(change=changes.tolist(), error=errors.tolist())

    def strongest(self) -> pd.DataFrame:
        """Its heads, ``layer, head, score, change, error``; none without scores."""
        return self._table

    def answers(self) -> list[str]:
        """What the loss loses without the head with the highest score."""
        if self._table.empty:
            return [_unmeasured(self.series, self.kind)]
        first = self._table.iloc[0]
        return [
            f"{self.series}: without the {self.kind.most}, layer {first['layer']:.0f} head "
            f"{first['head']:.0f} ({number(first['score'])}), the loss changes by "
            f"{number(first['change'], sign=True)}{_error(first['error'])}."
        ]


def _unmeasured(series: str, kind: Kind) -> str:
    return f"{series}: its heads' {kind.label} was not measured; 'workbench probe' does it."


def _together(scope: Scope, all_of: Sequence["_Effects | _Strongest"]) -> Panel | None:
    """The heads with the highest scores of every variant side by side; None unless two have scores."""
    parts = []
    for one in all_of:
        top = one.strongest()
        if len(top):
            ranks = list(_RANKS[: len(top)])
            parts.append(top.assign(category=ranks, series=one.series, value=top["change"]))
    if len(parts) < 2:
        return None
    data = pd.concat(parts, ignore_index=True)
    # Rank by rank, and within a rank the variants in their order.
    data = data.sort_values("category", key=lambda names: names.map(_RANKS.index), kind="stable")
    if data["error"].notna().all():
        data = data.assign(low=data["value"] - data["error"], high=data["value"] + data["error"])
    columns = ["category", "series", "value", "layer", "head", "score"]
    columns += [name for name in ("low", "high") if name in data]
    return Dots(
        title=f"Heads with the highest {all_of[0].kind.label}: what the loss loses without each",
        data=data[columns].reset_index(drop=True),
        x="change of the loss (nats)",
        colours=scope.colours,
        rules=(Rule(at=0.0, label="no change", axis="x"),),
        note="One run of each variant, whose heads are in the order of their scores. Lines: one standard "
        "error over sequences.",
    )


def _sequences(subject: Subject, tokens: int, on: str) -> tuple[Tensor, Tensor]:
    """About ``tokens`` targets: sequences ``(B, T + 1)``, and which targets count ``(B, T)``."""
    probe = probe_of(subject)
    length = min(probe.text.shape[1] - 1, tokens)
    windows = max(1, round(tokens / length))
    if on == TEXT:
        text = probe.text[:windows, : length + 1]
        return text, torch.ones_like(text[:, 1:], dtype=torch.bool)
    length = max(8, length)
    repeats = random_repeats(usual_tokens(probe, least=length // 2), length, count=windows)
    # The first token of the second copy is foretold by nothing.
    target = torch.arange(1, length)
    period = repeats.periods[:, None]
    return repeats.tokens, (target > period) & (target < 2 * period)


def _table(found: HeadEffects) -> pd.DataFrame:
    rows = [
        {"layer": layer, "head": head, "change": change, "error": error}
        for layer, changes, errors in zip(
            found.layers, found.changes.tolist(), found.errors.tolist(), strict=True
        )
        for head, (change, error) in enumerate(zip(changes, errors, strict=True))
    ]
    return pd.DataFrame(rows)


def _scores(scope: Scope, role: str, score: str) -> pd.DataFrame | None:
    # Heads are ranked within one run, so that the other's may be of another probe.
    alone = replace(scope, run=scope.directory(role), against=None, others=())
    try:
        own = of_run(alone, "run", scores_of(at_the_end(alone.table("heads")), score))
    except UserError:  # not measured: the effects stand by themselves
        return None
    return own[["layer", "head", "value"]].rename(columns={"value": "score"})


def _matter(table: pd.DataFrame) -> str:
    """How many heads the data can tell from doing nothing."""
    if table["error"].isna().any():
        return f"on one sequence no error is known for the {len(table)} heads"
    clear = int((table["change"] > 2 * table["error"]).sum())
    return f"{clear} of {len(table)} heads raise it by more than two standard errors"


def _error(error: float) -> str:
    return "" if math.isnan(error) else f" (standard error {number(error)})"


def _whole(text: str) -> int:
    if not text.isdigit() or int(text) < 2:
        raise UserError(f"tokens: {text!r} is no number of tokens; give a whole number from 2 on")
    return int(text)
