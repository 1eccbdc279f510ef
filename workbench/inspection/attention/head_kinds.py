"""The head scores in words, and one number per run from those of its heads."""

import math
from collections.abc import Hashable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from workbench.errors import UserError
from workbench.inspection.measured import measured_version
from workbench.inspection.panels import Rule
from workbench.inspection.seed_spread import at_the_end
from workbench.numbers import number

if TYPE_CHECKING:  # which brings torch
    from workbench.inspection.scope import Scope

# Scores that are attention to certain tokens, of which uniform attention has little.
ATTENDED = ("induction", "induction_fixed", "previous_token", "duplicate_token", "sink")
_KEPT = 64  # answers to which score to open with
TEXT_IN_CELLS = 16  # heads, at most: more leave no room for numbers in a heatmap


@dataclass(frozen=True)
class Kind:
    """A score in words: its axis, the head that has most of it, and how it is measured."""

    label: str
    most: str
    measured: str


KINDS = {
    "induction": Kind(
        "induction score (random periods)",
        "strongest induction head",
        "attention to the token after the earlier copy, on random tokens that repeat at a period of their "
        "own in each sequence",
    ),
    "induction_fixed": Kind(
        "induction score (fixed period)",
        "strongest induction head at the fixed period",
        "the induction score with one period for all sequences: heads with a fixed offset pass this test too",
    ),
    "previous_token": Kind(
        "previous-token score", "strongest previous-token head", "attention to the token before, on text"
    ),
    "duplicate_token": Kind(
        "duplicate-token score",
        "strongest duplicate-token head",
        "attention to the same token in the earlier copy, on repeated random tokens",
    ),
    "sink": Kind(
        "attention to the first token", "strongest sink", "attention to the window's first token, on text"
    ),
    "positional_fraction": Kind(
        "share of queries at one offset",
        "most positional head",
        "share of queries whose most attended key is at the head's favourite offset, on text",
    ),
    "positional_share": Kind(
        "positional share of the score variance",
        "head with the largest positional share",
        "how much of the variance of the scores before the softmax the distance explains, on text",
    ),
    "entropy": Kind(
        "entropy (uniform attention: 1)", "widest head", "entropy over that of uniform attention, on text"
    ),
    "distance": Kind(
        "distance (uniform attention: 1)",
        "head that looks farthest",
        "mean distance over that of uniform attention, on text",
    ),
    "max_score": Kind(
        "largest score before the softmax",
        "head with the largest score",
        "largest scaled product of a query and a key in reach, on text",
    ),
}


def threshold(text: str) -> float:
    """The number in ``text``; raises ``UserError`` if it is none."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise UserError(f"threshold: {text!r} is no number; write for example 0.3")
    return value


def scores_of(table: pd.DataFrame, score: str) -> pd.DataFrame:
    """The rows of ``score`` for single heads; heads that cannot reach what is scored are missing values.

    Raises ``UserError`` if the table has none.
    """
    found = table[(table["metric"] == score) & table["head"].notna()]
    if found.empty:
        raise UserError(f"score: the probes hold no {score!r}; measure again with 'workbench probe --again'")
    columns = ["role", "series", "seed", "run_id", "step", "layer", "head", "value", "n"]
    return found[columns].astype({"layer": int, "head": int})


def of_run(scope: "Scope", role: str, table: pd.DataFrame) -> pd.DataFrame:
    """The rows of the run that plays ``role``; raises ``UserError`` if there are none."""
    run_id = scope.directory(role).run_id
    own = table[(table["role"] == role) & (table["run_id"] == run_id)]
    if own.empty:
        raise UserError(f"run: {run_id} was not measured; 'workbench probe {run_id}' does it")
    return own


def chance_of(table: pd.DataFrame, score: str) -> float | None:
    """What uniform attention scores: the largest over layers, whose windows may differ; None if unknown."""
    values = table.loc[table["metric"] == f"{score}_chance", "value"].dropna()
    return float(values.max()) if len(values) else None


def reference_lines(table: pd.DataFrame, score: str, least: float) -> tuple[Rule, ...]:
    """The threshold, and chance where it is known."""
    chance = chance_of(table, score)
    lines = [Rule(at=least, label=f"threshold {least:g}")]
    return tuple([*lines, Rule(at=chance, label=f"chance {number(chance)}")] if chance is not None else lines)


def usual_score(scope: "Scope") -> str:
    """The score to open with: induction where there are induction heads, else the kind that differs most.

    There are heads of a kind where one of a run has twice what uniform attention gives. Kept until there is
    other to be read of the runs.
    """
    paths = [(role, Path(path)) for role in scope.roles for path in scope.seeds(role)["path"]]
    key = tuple((role, measured_version(path)) for role, path in paths)
    if key not in _USUAL:
        if len(_USUAL) >= _KEPT:
            _USUAL.pop(next(iter(_USUAL)))
        _USUAL[key] = _most_telling(scope)
    return _USUAL[key]


_USUAL: dict[Hashable, str] = {}


def _most_telling(scope: "Scope") -> str:
    try:
        table = at_the_end(replace(scope, others=()).table("heads"))
    except UserError:  # nothing is measured: the view says so
        return ATTENDED[0]
    best, sizes = ATTENDED[0], {}
    for score in ATTENDED:
        chance = chance_of(table, score)
        strongest = table[(table["metric"] == score) & table["head"].notna()]
        strongest = strongest.groupby(["role", "run_id"])["value"].max()
        if chance is None or strongest.empty or strongest.max() <= 2 * chance:
            continue
        means = strongest.groupby("role").mean()
        spread = strongest.groupby("role").std().mean()
        apart = float(means.max() - means.min()) if len(means) > 1 else float(strongest.max() / chance)
        sizes[score] = apart / spread if len(means) > 1 and spread > 0 else apart
    if sizes and best not in sizes:
        best = max(sizes, key=sizes.__getitem__)
    return best


def run_statistics(heads: pd.DataFrame, least: float) -> pd.DataFrame:
    """One row per run: ``strongest``, ``three`` (mean of the three strongest), ``above`` (from ``least`` on).

    None depends on the order of the heads.
    """
    keys = ["role", "series", "seed", "run_id"]
    ranked = heads.assign(reached=(heads["value"] >= least).astype(float))
    ranked = ranked.sort_values("value", ascending=False)
    groups = ranked.groupby(keys, sort=False)
    found = groups.agg(strongest=("value", "max"), above=("reached", "sum"))
    found.insert(1, "three", groups.head(3).groupby(keys, sort=False)["value"].mean())
    order = heads[keys].drop_duplicates()
    return order.merge(found.reset_index(), on=keys)
