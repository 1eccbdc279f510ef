"""When heads form while a run trains, beside its losses on the same axis."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from workbench.inspection.attention.formation import RUN, formation, strongest
from workbench.inspection.attention.head_kinds import (
    KINDS,
    Kind,
    chance_of,
    reference_lines,
    threshold,
    usual_score,
)
from workbench.inspection.listed_views import FORMATION
from workbench.inspection.panels import Dots, Lines, Result, Rule, under
from workbench.inspection.scope import Scope
from workbench.inspection.seed_spread import (
    difference_sentence,
    mean_in_words,
    paired_difference,
    run_first,
    seed_differences,
    spread,
)
from workbench.inspection.views import Option, View, register
from workbench.numbers import number, plural
from workbench.records.run import RunDirectory

_BINS_PER_OCTAVE = 6  # of training losses: a single batch's is noise
_LOSSES = {"train/loss": "training loss", "validation/loss": "validation loss"}
_BEHAVIOUR = {"copy_loss_gap": "copy loss gap", "icl_score": "in-context learning score"}


@dataclass(frozen=True)
class Unit:
    """What the axis of training tokens counts in."""

    size: float
    name: str

    @property
    def axis(self) -> str:
        """``training tokens (millions)``."""
        return f"training tokens ({self.name})"


@register
class Formation(View):
    """The strongest head's score by training tokens, a thin line per seed; formation; losses."""

    listed = FORMATION
    question = "When do heads of a kind form, and do they form at all?"
    tables = ("heads",)
    checkpoints = True
    many = True
    options = (
        Option(name="score", label="Score", choices=lambda _: list(KINDS), default=usual_score),
        Option(
            name="threshold",
            label="Threshold",
            kind="number",
            default="0.3",
            help="Formed: the strongest head stays at it or above",
        ),
    )

    def available(self, scope: Scope) -> str | None:
        """It needs checkpoints; a run that was measured after training has one, or none before it was."""
        if len(scope.measured("run", "heads", checkpoints=True)):
            return None
        when = "measured once, at their end" if len(scope.measured("run", "heads")) else "not measured"
        return f"these runs were {when}; only runs measured while they train can show it"

    def compute(self, scope: Scope, **options: str) -> Result:
        """The view; raises ``UserError`` for a threshold that is no number."""
        kind, least = KINDS[options["score"]], threshold(options["threshold"])
        table = _with_tokens(scope, scope.table("heads", checkpoints=True))
        unit = _unit(table["tokens"].max())
        values = strongest(table, options["score"])
        values = values.merge(table[["run_id", "role", "step", "tokens"]].drop_duplicates())
        formed = formation(values, least)
        rules = reference_lines(table, options["score"], least)
        heads = _curves(scope, values, kind, rules, unit), _formation(scope, formed, unit)
        model = _losses(scope, table, unit), _behaviour(scope, table, unit)
        panels = (*under("The strongest head", *heads), *under("The whole model", *model))
        return Result(
            view=self.name,
            title=f"{self.title}: {kind.label}",
            question=self.question,
            panels=tuple(panel for panel in panels if len(panel.data)),
            source=scope.source(seeds=table, detail=f"{table['step'].nunique()} checkpoints"),
            answers=tuple(_answers(scope, table, values, formed, least, options["score"])),
            notes=_notes(kind),
            tables={"strongest head of every run": values, "formation of every run": formed},
        )


def _notes(kind: Kind) -> tuple[str, ...]:
    return (
        f"Measured as {kind.measured}. Formed: the first checkpoint from which the strongest head stays at "
        f"the threshold. A run where it has not has no dot and is counted: the median is of the others.",
        "Thin lines are seeds, bands 95 % t intervals over seeds. The measurement before training, at 0 "
        "tokens, has no place on a logarithmic axis: it is in the table.",
        "Copy loss gap: nats lost on the first copy of repeated random tokens minus on the second. "
        "In-context learning score: loss late in the context minus early; below 0 where context helps.",
    )


def _with_tokens(scope: Scope, table: pd.DataFrame) -> pd.DataFrame:
    rates = {role: _tokens_per_step(scope, role) for role in scope.all_roles}
    return table.assign(tokens=table["step"] * table["role"].map(rates).astype(int))


def _tokens_per_step(scope: Scope, role: str) -> int:
    config = scope.record(role).config
    return config["training"].get("batch_size", 1) * config["model"]["context"]


def _unit(most: float) -> Unit:
    return Unit(1e6, "millions") if most >= 2e6 else Unit(1e3, "thousands")


def _over_tokens(table: pd.DataFrame, unit: Unit) -> pd.DataFrame:
    trained = table[table["tokens"] > 0]
    return trained.assign(x=trained["tokens"] / unit.size)


def _curves(scope: Scope, values: pd.DataFrame, kind: Kind, rules: tuple[Rule, ...], unit: Unit) -> Lines:
    data = _over_tokens(values, unit).rename(columns={"value": "y"})
    return Lines(
        title=f"{kind.most[0].upper()}{kind.most[1:]}: its score while training",
        data=spread(run_first(scope, data), "y", ["series", "x", "step"]),
        x=unit.axis,
        y=kind.label,
        log_x=True,
        colours=scope.colours,
        rules=rules,
        seeds=data[["x", "y", "series", "seed", "step"]],
    )


def _behaviour(scope: Scope, table: pd.DataFrame, unit: Unit) -> Lines | None:
    """What the whole model does, beside what its heads look like."""
    rows = _over_tokens(table[table["metric"].isin(_BEHAVIOUR)], unit)
    if rows.empty:
        return None
    rows = rows.assign(measure=rows["metric"].map(_BEHAVIOUR)).rename(columns={"value": "y"})
    return Lines(
        title="Copying and in-context learning",
        data=spread(
            run_first(scope, rows).sort_values("metric", kind="stable"),
            "y",
            ["measure", "series", "x", "step"],
        ),
        x=unit.axis,
        y="nats per token",
        log_x=True,
        colours=scope.colours,
        facet="measure",
    )


def _losses(scope: Scope, table: pd.DataFrame, unit: Unit) -> Lines | None:
    """Of the runs in ``table``: what stands beside the curves is of the same seeds."""
    shown = set(table["run_id"])
    parts = [
        _losses_of(RunDirectory(row.path), row.seed).assign(series=scope.series[role])
        for role in scope.all_roles
        for row in scope.seeds(role).itertuples()
        if row.run_id in shown
    ]
    rows = _over_tokens(pd.concat(parts, ignore_index=True), unit)
    if rows.empty:
        return None
    return Lines(
        title="Losses",
        data=spread(rows, "y", ["loss", "series", "x"]),
        x=unit.axis,
        y="nats per token",
        log_x=True,
        colours=scope.colours,
        facet="loss",
    )


def _losses_of(run: RunDirectory, seed: int) -> pd.DataFrame:
    """``loss, tokens, y, seed``; training losses are means over parts of an octave of tokens."""
    metrics = run.metrics()
    found = []
    for metric, loss in _LOSSES.items():
        if metric in metrics:
            rows = metrics[["tokens", metric]].dropna().rename(columns={metric: "y"})
            rows = rows[rows["tokens"] > 0]
            found.append((_binned(rows) if metric == "train/loss" else rows).assign(loss=loss))
    empty = pd.DataFrame({"loss": [], "tokens": [], "y": []})
    return (pd.concat(found, ignore_index=True) if found else empty).assign(seed=seed)


def _binned(rows: pd.DataFrame) -> pd.DataFrame:
    bins = np.floor(_BINS_PER_OCTAVE * np.log2(rows["tokens"].astype(float)))
    return rows.groupby(bins)[["tokens", "y"]].mean().reset_index(drop=True)


def _formation(scope: Scope, formed: pd.DataFrame, unit: Unit) -> Dots:
    """Seeds that have formed; those that have not are counted in the name of their row, and have no dot."""
    formed = run_first(scope, formed)
    rates = formed["role"].map({role: _tokens_per_step(scope, role) for role in scope.all_roles}).astype(int)
    single = pd.DataFrame(
        {
            "category": formed["series"].map(_counts(formed)),
            "value": formed["step"] * rates / unit.size,
            "series": formed["series"],
            "seed": formed["seed"],
        }
    )
    groups = single.groupby(["category", "series"], sort=False)["value"]
    return Dots(
        title="Formed for good: every seed that has, and their median",
        data=groups.agg(value="median", formed="count", seeds="size").reset_index(),
        x=unit.axis,
        colours=scope.colours,
        seeds=single,
        nothing=f"No run has formed by its end: {', '.join(_counts(formed).values())}.",
    )


def _counts(formed: pd.DataFrame) -> dict[str, str]:
    """The name of each series' row: ``baseline: 5 of 8 seeds``."""
    return {
        name: f"{name}: {steps.count() or 'none'} of {plural(len(steps), 'seed')}"
        for name, steps in formed.groupby("series", sort=False)["step"]
    }


def _answers(
    scope: Scope,
    table: pd.DataFrame,
    values: pd.DataFrame,
    formed: pd.DataFrame,
    least: float,
    score: str,
) -> list[str]:
    chance = chance_of(table, score)
    sentences = [_when(scope, role, values, formed, least, chance) for role in scope.all_roles]
    sentences += [_difference(scope, formed, role) for role in scope.compared]
    if score == "induction":
        earlier = formation(strongest(table, "previous_token"), least)
        sentences += [_order(scope, role, formed, earlier) for role in scope.all_roles]
    return sentences


def _when(
    scope: Scope,
    role: str,
    values: pd.DataFrame,
    formed: pd.DataFrame,
    least: float,
    chance: float | None,
) -> str:
    mine, name = formed[formed["role"] == role], scope.series[role]
    steps, last = mine["step"].dropna(), mine["last"].max()
    if steps.empty:
        final = values[values["role"] == role].groupby("run_id")["value"].last()
        beside = f" (chance {number(chance)})" if chance is not None else ""
        return (
            f"{name}: not by step {last:,} in any of {plural(len(mine), 'seed')}; at the end the strongest "
            f"head has {mean_in_words(final)}{beside}."
        )
    late = len(mine) - len(steps)
    return (
        f"{name}: {least:g} or more for good {_steps(steps)}, in {len(steps)} of {plural(len(mine), 'seed')}"
        + (f"; not by step {last:,} in {late}." if late else ".")
    )


def _steps(steps: pd.Series) -> str:
    """``from step 400``, or ``from step 400 (median; 300 to 600)``."""
    if steps.min() == steps.max():
        return f"from step {steps.min():,.0f}"
    return f"from step {steps.median():,.0f} (median; {steps.min():,.0f} to {steps.max():,.0f})"


def _difference(scope: Scope, formed: pd.DataFrame, role: str) -> str:
    known = seed_differences(scope, formed.assign(one=1.0), "one", role).index
    own = formed[formed["seed"].isin(known) & formed["role"].isin([role, "against"])]
    if own["step"].isna().any():
        whose = (
            f"{scope.series[role]} minus {scope.series['against']}: formation"
            if scope.others
            else "Formation"
        )
        return (
            f"{whose} has no mean difference: there are seeds without it by the end, and leaving them out "
            "would favour the variant that fails more often."
        )
    comparison = paired_difference(scope, formed, "step", role)
    what = "the step of formation (below 0: earlier)"
    return difference_sentence(scope, comparison, what, " steps", role)


def _order(scope: Scope, role: str, formed: pd.DataFrame, earlier: pd.DataFrame) -> str:
    """Whether previous-token heads, which induction is built from, come first."""
    both = formed.merge(earlier, on=[*RUN, "last"], suffixes=("", "_previous"))
    both = both[both["role"] == role]
    lags = (both["step"] - both["step_previous"]).dropna()
    name = scope.series[role]
    if len(lags):
        return (
            f"{name}: a previous-token head comes before the induction head in {int((lags > 0).sum())} of "
            f"{plural(len(lags), 'seed')} that form both, by {lags.median():,.0f} steps in the median."
        )
    steps = both["step_previous"].dropna()
    found = f"{_steps(steps)} in {len(steps)} of {plural(len(both), 'seed')}" if len(steps) else "in no seed"
    return f"{name}: a previous-token head reaches the threshold {found}."
