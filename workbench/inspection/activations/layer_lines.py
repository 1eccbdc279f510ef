"""One number per layer and run, drawn by layer: a line per variant over its seeds, each seed thin."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from workbench.analysis.contrast import paler
from workbench.analysis.statistics import Interval, mean_interval
from workbench.inspection.panels import Lines, Rule
from workbench.inspection.scope import Scope
from workbench.inspection.seed_spread import (
    difference_sentences,
    mean_in_words,
    run_first,
    spread,
)
from workbench.numbers import plural, with_interval

_PALE = 0.55  # how far the first token's colour is from the variant's to white
_LARGEST = 300.0  # of a logarithm
_SMALLEST = 1e-9  # below it a value is what rounding left of 0
FIRST_TOKEN = "first token"


def of_metric(table: pd.DataFrame, metric: str) -> pd.DataFrame:
    """The rows of ``metric`` by layer, without missing values."""
    found = table[(table["metric"] == metric) & table["layer"].notna()].dropna(subset="value")
    columns = ["role", "series", "seed", "run_id", "layer", "x", "value", "n"]
    return found[columns].astype({"layer": int})


def lines_by_layer(
    scope: Scope,
    table: pd.DataFrame,
    metric: str,
    *,
    title: str,
    y: str,
    first: str | None = None,
    rules: tuple[Rule, ...] = (),
    log: bool = True,
    note: str = "",
) -> Lines:
    """A panel of ``metric`` by layer; ``first`` names the metric of the windows' first tokens, drawn paler.

    First tokens are of the two variants that are looked at, not of those beside them.

    With ``log`` the axis is logarithmic, and means and intervals are of logarithms, unless a value is 0, or
    what rounding left of it.
    """
    rows = run_first(scope, of_metric(table, metric))
    if first is not None:
        own = run_first(scope, of_metric(table, first))
        own = own[own["role"].isin(scope.roles)]  # of many variants twice as many lines would be too many
        rows = pd.concat([rows, own.assign(series=[_first(name) for name in own["series"]])])
    rows = rows.drop(columns="x").rename(columns={"layer": "x", "value": "y"})
    log = log and bool((rows["y"] > _SMALLEST).all())
    return Lines(
        title=title,
        data=_mean(rows, log),
        x="layer (-1: embedding)" if (rows["x"] < 0).any() else "layer",
        y=y,
        log_y=log,
        colours=_colours(scope),
        rules=rules,
        seeds=rows[["x", "y", "series", "seed"]].reset_index(drop=True),
        note=note,
    )


def sentences_by_layer(scope: Scope, table: pd.DataFrame, metric: str, what: str) -> list[str]:
    """For each role, ``metric`` at the last layer over seeds; then the paired difference there."""
    last = at_last_layer(of_metric(table, metric))
    sentences = []
    for role in scope.all_roles:
        values = last.loc[last["role"] == role, "value"]
        if len(values):
            sentences.append(
                f"{scope.series[role]}: {what} at the last layer is {mean_in_words(values)} "
                f"({plural(len(values), 'seed')})."
            )
    if last["role"].nunique() == len(scope.all_roles):
        sentences += difference_sentences(scope, last, "value", f"{what} at the last layer")
    return sentences


def at_last_layer(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows of each run's deepest layer."""
    return rows[rows["layer"] == rows.groupby(["role", "run_id"])["layer"].transform("max")]


def factor_in_words(factors: pd.Series) -> str:
    """``9.3 [7.1, 12.0]``: the geometric mean of positive factors and, of two seeds or more, its interval."""
    logarithms = np.log(factors[factors > 0]).tolist()
    if not logarithms:
        return "missing"
    interval = mean_interval(logarithms)
    if interval is not None:
        # Few seeds that disagree give ends beyond what a number holds.
        low, high = np.exp(np.clip([interval.low, interval.high], -_LARGEST, _LARGEST))
        interval = Interval(float(low), float(high), interval.level)
    return with_interval(float(np.exp(np.mean(logarithms))), interval)


def _mean(rows: pd.DataFrame, log: bool) -> pd.DataFrame:
    if not log:
        return spread(rows, "y", ["series", "x"])
    found = spread(rows.assign(y=np.log(rows["y"])), "y", ["series", "x"])
    ends = [name for name in ("y", "low", "high") if name in found]
    found[ends] = np.exp(found[ends].clip(-_LARGEST, _LARGEST))
    return found


def _first(series: str) -> str:
    return f"{series}, {FIRST_TOKEN}"


def _colours(scope: Scope) -> Mapping[str, str]:
    pale = {_first(name): paler(colour, _PALE) for name, colour in scope.colours.items()}
    return scope.colours | pale
