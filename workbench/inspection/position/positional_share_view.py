"""How positional each head's scores are, across position codes, beside each code's own picture."""

from dataclasses import dataclass

import pandas as pd

from workbench.inspection.attention.head_kinds import KINDS, chance_of, of_run, scores_of
from workbench.inspection.listed_views import POSITIONAL_SHARE
from workbench.inspection.measuring import probe_of
from workbench.inspection.panels import Bars, Dots, Lines, Panel, Result, Rule, under
from workbench.inspection.position.linear_probe import LEAST, WINDOWS, position_table
from workbench.inspection.position.picture_panels import pictures
from workbench.inspection.scope import Scope
from workbench.inspection.seed_spread import (
    at_the_end,
    difference_sentences,
    differences,
    mean_in_words,
    run_first,
    spread,
)
from workbench.inspection.views import Option, View, register
from workbench.numbers import number, plural

SCORE = "positional_share"
LABEL = KINDS[SCORE].label
WHOLE = "all layers"
READABLE = 0.05  # R², below which nothing is said to be read
_RUN = ["role", "series", "seed", "run_id"]


@register
class PositionalShare(View):
    """The share of the score variance that distance explains, the codes' pictures, and a linear probe."""

    listed = POSITIONAL_SHARE
    question = "How positional is each head, and what does the position code look like?"
    tables = ("heads",)
    many = True
    options = (
        Option(
            name="probe",
            label="Read positions from states",
            kind="toggle",
            default="False",
            help=f"Fits a linear map from each layer's states to positions: a pass over {WINDOWS} windows, "
            f"about ten seconds per run for 10 million parameters on a CPU",
        ),
    )

    def compute(self, scope: Scope, **options: str) -> Result:
        """The view of each run's last checkpoint; pictures and the probe are of the chosen runs."""
        table = at_the_end(scope.table("heads"))
        heads, chance = scores_of(table, SCORE), chance_of(table, SCORE)
        layers = _layers(run_first(scope, heads))
        picture = pictures(scope)
        probe = _linear_probe(scope) if options["probe"] == "True" else _LinearProbe()
        return Result(
            view=self.name,
            title=self.title,
            question=self.question,
            panels=(
                *_shares(scope, heads, layers, chance),
                *under("Read from states", *probe.panels),
                *picture.panels,
            ),
            source=scope.source(seeds=heads, detail=f"{int(heads['n'].max())} windows of validation text"),
            answers=(*_answers(scope, heads, layers, chance), *probe.answers, *picture.answers),
            notes=(
                f"Positional share: {KINDS[SCORE].measured}, the code's bias included. It says why "
                f"scores vary, not how much: a head whose scores hardly vary can be all positional.",
                "Layers and heads count from 0. Intervals: 95 %, Student's t over runs. Pictures of codes "
                "are of the chosen runs.",
                *probe.notes,
                *picture.notes,
            ),
            tables={"positional share of every head and seed": heads},
        )


@dataclass(frozen=True)
class _LinearProbe:
    """What the linear probe adds to the view; nothing if it was not asked for."""

    panels: tuple[Lines, ...] = ()
    answers: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def _layers(heads: pd.DataFrame) -> pd.DataFrame:
    """One row per run and layer, and per run over all layers: the mean over heads, ``category, value``."""
    by_layer = heads.groupby([*_RUN, "layer"], sort=False)["value"].mean().reset_index()
    by_layer = by_layer.sort_values("layer", kind="stable")
    by_layer["category"] = [f"layer {layer}" for layer in by_layer["layer"]]
    whole = heads.groupby(_RUN, sort=False)["value"].mean().reset_index().assign(category=WHOLE)
    return pd.concat([whole, by_layer], ignore_index=True).dropna(subset="value")


def _shares(scope: Scope, heads: pd.DataFrame, layers: pd.DataFrame, chance: float | None) -> list[Panel]:
    label = f"chance {number(chance)}" if chance is not None else ""
    rules = () if chance is None else (Rule(at=chance, label=label, axis="x"),)
    means = Dots(
        title="Positional share, mean over heads",
        data=spread(layers, "value", ["category", "series"]),
        x=LABEL,
        colours=scope.colours,
        rules=rules,
        seeds=layers[["category", "value", "series", "seed"]],
    )
    ranked = _ranked_over_seeds(scope, heads) if scope.others else _ranked(scope, heads)
    found = [
        *under("Positional share", ranked),
        *under("By layer", means, _differences(scope, layers)),
    ]
    return [panel for panel in found if len(panel.data)]


def _ranked(scope: Scope, heads: pd.DataFrame) -> Bars:
    """Heads of the chosen runs by rank: a head has no identity across runs."""
    chosen = pd.concat([of_run(scope, role, heads) for role in scope.roles], ignore_index=True)
    chosen = chosen.dropna(subset="value").sort_values("value", ascending=False)
    chosen = chosen.assign(x=chosen.groupby("role").cumcount() + 1).rename(columns={"value": "y"})
    return Bars(
        title="Heads of the chosen run" + "s" * (len(scope.roles) - 1) + ", sorted",
        data=run_first(scope, chosen.sort_values("x"))[["x", "y", "series", "seed", "layer", "head"]],
        x="rank of the head",
        y=LABEL,
        colours=scope.colours,
    )


def _ranked_over_seeds(scope: Scope, heads: pd.DataFrame) -> Lines:
    """Heads of every run by rank, over seeds: bars of many variants would be too thin to compare."""
    ranked = heads.dropna(subset="value").sort_values("value", ascending=False)
    ranked = ranked.assign(x=ranked.groupby(["role", "run_id"]).cumcount() + 1).rename(columns={"value": "y"})
    return Lines(
        title="Heads sorted by their positional share: mean over seeds, each seed thin",
        data=spread(run_first(scope, ranked.sort_values("x", kind="stable")), "y", ["series", "x"]),
        x="rank of the head",
        y=LABEL,
        colours=scope.colours,
        seeds=ranked[["x", "y", "series", "seed", "layer", "head"]],
    )


def _differences(scope: Scope, layers: pd.DataFrame) -> Dots | None:
    found = differences(scope, layers, "value", by="category")
    single = found.rows
    if single.empty:
        return None
    return Dots(
        title="Difference of the means, paired by seed",
        data=spread(single, "value", ["category", "series"]),
        x=f"{found.name}: {LABEL}" if scope.others else f"difference of the {LABEL}",
        colours=found.colours,
        rules=(Rule(at=0.0, label="no difference", axis="x"),),
        seeds=single,
    )


def _answers(scope: Scope, heads: pd.DataFrame, layers: pd.DataFrame, chance: float | None) -> list[str]:
    whole = layers[layers["category"] == WHOLE]
    sentences = [_share(scope, role, heads, whole, chance) for role in scope.all_roles]
    return sentences + difference_sentences(scope, whole, "value", "the mean positional share")


def _share(scope: Scope, role: str, heads: pd.DataFrame, whole: pd.DataFrame, chance: float | None) -> str:
    own, mine = of_run(scope, role, heads).dropna(subset="value"), whole[whole["role"] == role]
    if own.empty:
        return f"{scope.series[role]}: scores do not vary, so distance explains nothing of them."
    least, most = own.loc[own["value"].idxmin()], own.loc[own["value"].idxmax()]
    beside = f"; chance {number(chance)}" if chance is not None else ""
    return (
        f"{scope.series[role]}: distance explains {mean_in_words(mine['value'])} of the score variance "
        f"(mean over heads, {plural(len(mine), 'seed')}{beside}); in the chosen run from "
        f"{number(least['value'])} (layer {least['layer']} head {least['head']}) to {number(most['value'])} "
        f"(layer {most['layer']} head {most['head']})."
    )


def _linear_probe(scope: Scope) -> _LinearProbe:
    frames, sentences = [], []
    for role in scope.all_roles:
        name = scope.series[role]
        if not scope.directory(role).weights.exists():
            sentences.append(
                f"{name}: the run's weights are gone, so positions cannot be read from its states."
            )
            continue
        subject = scope.subject(role)
        text = probe_of(subject).text[:WINDOWS, :-1]
        if len(text) < LEAST:
            sentences.append(
                f"{name}: {len(text)} windows of text are too few to read positions from states."
            )
            continue
        frames.append(position_table(subject.decoder, text).assign(series=name))
        sentences.append(_readable(name, frames[-1]))
    return _LinearProbe(_curves(scope, frames), tuple(sentences), _PROBE_NOTES if frames else ())


_PROBE_NOTES = (
    "Positions are read by ridge regression, fitted on some windows and tested on others, of one run per "
    "variant. What a linear map cannot read may be there all the same.",
)


def _curves(scope: Scope, frames: list[pd.DataFrame]) -> tuple[Lines, ...]:
    if not frames:
        return ()
    data = pd.concat(frames, ignore_index=True).rename(columns={"layer": "x", "r2": "y"})
    panel = Lines(
        title="How well a linear map reads the position from the states",
        data=data[["x", "y", "series"]],
        x="blocks passed",
        y="R² on held-out windows",
        colours=scope.colours,
        rules=(Rule(at=0.0, label="nothing known"),),
    )
    return (panel,)


def _readable(name: str, table: pd.DataFrame) -> str:
    best, first, last = table.loc[table["r2"].idxmax()], table.iloc[0]["r2"], table.iloc[-1]["r2"]
    if best["r2"] < READABLE:
        return (
            f"{name}: a linear map reads next to nothing of the position (R² below {READABLE:g} everywhere)."
        )
    return (
        f"{name}: a linear map reads the position from the states with R² {number(first)} before the first "
        f"block and {number(last)} after the last; the most is {number(best['r2'])}, "
        f"{_where(int(best['layer']))}."
    )


def _where(blocks: int) -> str:
    return "before the first block" if blocks == 0 else f"after block {blocks - 1}"
