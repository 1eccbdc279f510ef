"""Tables over seeds: the run is the unit, never the head or the prompt.

Heads and prompts of one run are no independent samples of a variant; two seeds may even solve one task by
different heads. So each run gives one number, which does not depend on the order of its heads, and intervals
are Student's t over runs.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from scipy.special import stdtrit

from workbench.analysis.statistics import CONFIDENCE, PairedComparison, compare_pairs, mean_interval
from workbench.numbers import plural, with_interval

if TYPE_CHECKING:  # a scope brings torch, which pages of tables need not load
    from workbench.inspection.scope import Scope

_EQUAL = 1e-9  # of a value: seeds that differ by less are the same number


def at_the_end(table: pd.DataFrame) -> pd.DataFrame:
    """The rows of each run's last checkpoint."""
    return table[table["step"] == table.groupby("run_id")["step"].transform("max")]


def spread(table: pd.DataFrame, value: str, by: list[str]) -> pd.DataFrame:
    """Mean of ``value`` over seeds for each group, with ``low, high`` (95 %) and ``seeds``, how many.

    ``table`` has one row per run in each group. Ends are missing where a group has one run, and the columns
    where all have. Groups keep the order of the table.
    """
    groups = table.dropna(subset=value).groupby(by, sort=False)[value]
    found = groups.agg(["mean", "std", "count", "min", "max"]).astype(float)
    reach = _reach(found)
    columns = {value: found["mean"]}
    if reach.notna().any():
        columns |= {"low": found["mean"] - reach, "high": found["mean"] + reach}
    columns["seeds"] = found["count"].astype(int)
    keys = pd.DataFrame(found.index.tolist(), columns=by)
    return keys.assign(**{name: column.to_numpy() for name, column in columns.items()})


def _reach(groups: pd.DataFrame) -> pd.Series:
    """Half of ``mean_interval`` of each group, all at once: tables of profiles have hundreds."""
    constant = groups["max"] - groups["min"] <= _EQUAL * groups[["min", "max"]].abs().max(axis=1)
    deviation = groups["std"].mask(constant & (groups["count"] > 1), 0.0)
    return stdtrit(groups["count"] - 1, (1 + CONFIDENCE) / 2) * deviation / np.sqrt(groups["count"])


def paired_difference(
    scope: "Scope", table: pd.DataFrame, value: str, role: str = "run"
) -> PairedComparison | None:
    """``value`` of the role's variant minus that of ``against``, by seed; None where no seed has both.

    ``table`` has one row per run with ``role`` and ``seed``. Two runs of one variant have no difference.
    """
    differences = seed_differences(scope, table, value, role)
    return compare_pairs(differences.tolist()) if len(differences) else None


def seed_differences(scope: "Scope", table: pd.DataFrame, value: str, role: str = "run") -> pd.Series:
    """The differences behind ``paired_difference``, by seed."""
    if scope.against is None or (role == "run" and one_variant(scope)):
        return pd.Series(dtype=float)
    wide = table.pivot_table(index="seed", columns="role", values=value)
    if not {role, "against"} <= set(wide):
        return pd.Series(dtype=float)
    return (wide[role] - wide["against"]).dropna()


@dataclass(frozen=True)
class Differences:
    """What ``against`` is subtracted from, seed by seed: ``rows`` of ``series, seed`` and further columns.

    ``name`` says what is subtracted: of one series the series itself.
    """

    rows: pd.DataFrame
    name: str
    colours: Mapping[str, str]


def differences(scope: "Scope", table: pd.DataFrame, value: str, by: str | None = None) -> Differences:
    """The paired differences of every variant to ``against``, in a column ``value``; for each of ``by``.

    Where there is one variant its series is named ``alibi minus baseline``; of several each has its own name
    and colour. ``rows`` are empty where no seed has both.
    """
    parts = []
    groups = [(None, table)] if by is None else list(table.groupby(by, sort=False))
    for role in scope.compared:
        for key, group in groups:
            found = seed_differences(scope, group, value, role)
            series = scope.series[role] if scope.others else scope.pair_name
            part = pd.DataFrame({"value": found, "series": series}, index=found.index)
            part = part.rename_axis("seed").reset_index()
            parts.append(part if by is None else part.assign(**{by: key}))
    kept = [part for part in parts if len(part)]
    rows = pd.concat(kept, ignore_index=True) if kept else pd.DataFrame(columns=["seed", "value", "series"])
    if not scope.others:
        return Differences(rows, scope.pair_name, {})
    return Differences(rows, f"each minus {scope.series[scope.roles[-1]]}", scope.colours)


def run_first(scope: "Scope", table: pd.DataFrame) -> pd.DataFrame:
    """``table`` with the rows of the run before those of the others, so that legends name it first."""
    order = {name: place for place, name in enumerate(scope.series.values())}
    return table.sort_values("series", key=lambda names: names.map(order), kind="stable")


def one_variant(scope: "Scope") -> bool:
    """Whether both roles are played by seeds of one variant, so that the same runs are behind both."""
    return scope.against is not None and set(scope.seeds("run")["run_id"]) == set(
        scope.seeds("against")["run_id"]
    )


def difference_sentences(
    scope: "Scope", table: pd.DataFrame, value: str, what: str, unit: str = ""
) -> list[str]:
    """For each variant, how far ``value`` is from that of ``against``: see ``difference_sentence``."""
    found = [
        difference_sentence(scope, paired_difference(scope, table, value, role), what, unit, role)
        for role in scope.compared
    ]
    return [sentence for sentence in found if sentence]


def difference_sentence(
    scope: "Scope", comparison: PairedComparison | None, what: str, unit: str = "", role: str = "run"
) -> str:
    """The difference in words, with its interval and the number of seeds; empty without a second run."""
    if scope.against is None:
        return ""
    if role == "run" and one_variant(scope):
        return "Both runs are seeds of one variant: what they differ by is the spread over seeds."
    names = f"{scope.series[role]} minus {scope.series['against']}"
    if comparison is None:
        beside = f"{names}: no" if scope.others else "No"
        return f"{beside} seed has both variants, so {what} has no paired difference."
    by = with_interval(comparison.mean, comparison.interval, sign=True)
    seeds = plural(comparison.n, "seed")
    return f"{names}: {what} differs by {by}{unit}, paired over {seeds}{_reading(comparison)}."


def mean_in_words(values: Iterable[float], *, sign: bool = False) -> str:
    """``0.42 [0.31, 0.53]``: the mean and, of two seeds or more, its interval; with ``sign`` of a change."""
    known = [float(value) for value in values if not math.isnan(value)]
    if not known:
        return "missing"
    return with_interval(float(np.mean(known)), mean_interval(known), sign=sign)


def percent_in_words(shares: pd.Series) -> str:
    """``42.00 [31.00, 53.00] %``: the mean of shares as a percentage."""
    return f"{mean_in_words(100 * shares)} %"


def _reading(comparison: PairedComparison) -> str:
    if comparison.interval is None:
        return ", too few for an interval"
    return "" if comparison.interval.excludes(0) else "; the interval includes 0"
