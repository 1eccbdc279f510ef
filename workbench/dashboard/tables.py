"""The frames behind the dashboard's tables. Numbers stay numbers, so that a click on a heading sorts them."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import pandas as pd

from workbench.analysis.effects import Report
from workbench.analysis.metric_units import named_set
from workbench.analysis.report_tables import (
    AT_EQUAL,
    TextTable,
    budgets_table,
    effects_table,
    variants_table,
)
from workbench.dashboard.config_differences import flatten, varying
from workbench.dashboard.study_progress import shown_state
from workbench.numbers import fixed
from workbench.records.training_outcome import DID_NOT_TRAIN, untrained

IDENTITY = ["variant", "phase", "seed", "learning_rate", "state"]
METRICS = ["validation/loss", "validation/bits_per_byte", "train/loss"]
COSTS = [
    "step",
    "tokens",
    "flops",
    "seconds",
    "tokens_per_second",
    "parameters",
    "flops_per_token",
    "peak_memory_bytes",
]


def metrics_of(runs: pd.DataFrame) -> list[str]:
    """The metrics of a table of runs: those that every study has, and of named evaluation sets."""
    return [*METRICS[:2], *(name for name in runs if named_set(str(name)) is not None), *METRICS[2:]]


def text_frame(table: TextTable) -> pd.DataFrame:
    """A report's table as a frame of text cells, so that page, terminal and paper say the same."""
    return pd.DataFrame(list(table.rows), columns=[" ".join(name.split()) for name in table.headings])


def verdict_table(report: Report) -> pd.DataFrame:
    """What decides: one row per variant, the difference and its verdict first.

    Where variants differ in what they train on, that stands at the end of the row.
    """
    table = text_frame(effects_table(report))
    if any(row.bytes_read is not None for row in report.rows):
        budgets = text_frame(budgets_table(report))
        table = table.join(budgets.drop(columns=[name for name in budgets if name in table]))
    difference = [name for name in table if name.startswith("difference [")]  # its level may differ
    first = [name for name in ("change", "verdict", *difference, AT_EQUAL) if name in table]
    return table[first + [name for name in table if name not in first]]


def full_table(report: Report) -> pd.DataFrame:
    """The verdicts and, in the same row, size, tuning and sensitivity of each variant."""
    verdicts, sizes = verdict_table(report), text_frame(variants_table(report))
    return verdicts.join(sizes[[name for name in sizes if name not in ("variant", *verdicts)]])


def filter_runs(runs: pd.DataFrame, **choices: Sequence[Any]) -> pd.DataFrame:
    """Rows whose column holds one of the chosen values; an empty choice leaves a column free."""
    for column, chosen in choices.items():
        if chosen:
            runs = runs[runs[column].isin(list(chosen))]
    return runs


def with_live_steps(runs: pd.DataFrame, read: Callable[[str], pd.DataFrame]) -> pd.DataFrame:
    """``runs`` with the latest logged step and costs of those that are running, whose records lag behind."""
    runs = runs.copy()
    for index, path in runs.loc[runs["state"] == "running", "path"].items():
        rows = read(path)
        for name in ("step", "tokens", "flops", "seconds"):
            if name in rows and len(rows):
                runs.loc[index, name] = rows[name].max()
    return runs


def with_outcomes(runs: pd.DataFrame, *, live: bool) -> pd.DataFrame:
    """``runs`` with *did not train* as the state of those that are complete and did not.

    And *interrupted* where a run was begun and the study is not ``live``.
    """
    states = runs["state"].mask(untrained(runs), DID_NOT_TRAIN)
    return runs.assign(state=states.map(partial(shown_state, live=live)))


def run_table(runs: pd.DataFrame) -> pd.DataFrame:
    """One row per run, indexed by run id: columns whose value varies first, those that are the same last."""
    columns = [*IDENTITY, *metrics_of(runs), *COSTS]
    table = runs.reindex(columns=columns).set_axis(runs["run_id"], axis=0)
    table = table.join(_varying_settings(runs))
    table = table.dropna(axis=1, how="all")
    return table[varying_first(table)]


def varying_first(table: pd.DataFrame) -> list[str]:
    """Columns with more than one value, then those with one, each in their own order."""
    several = [name for name in table if table[name].nunique(dropna=False) > 1]
    return several + [name for name in table if name not in several]


def _varying_settings(runs: pd.DataFrame) -> pd.DataFrame:
    """The configuration keys in which these runs differ, one column each."""
    by_hash = {key: config for key, config in zip(runs["config_hash"], runs["config"], strict=True) if config}
    flat = {key: flatten(config) for key, config in by_hash.items()}
    keys = varying(list(flat.values()))
    rows = [{key: _plain(flat.get(digest, {}).get(key)) for key in keys} for digest in runs["config_hash"]]
    return pd.DataFrame(rows, index=runs["run_id"], columns=keys)


def _plain(value: Any) -> str | None:
    return None if value is None else str(value)


def group_table(runs: pd.DataFrame) -> pd.DataFrame:
    """One row per variant, phase and hyperparameters: means with their spread over complete seeds."""
    tuned = [name for point in runs["hyperparameters"] for name in point]
    keys = list(dict.fromkeys(["variant", "phase", "learning_rate", *tuned]))
    rows = [
        dict(zip(keys, key, strict=True)) | _group_row(group)
        for key, group in runs.groupby(keys, sort=False, dropna=False)
    ]
    table = pd.DataFrame(rows)
    return table.dropna(axis=1, how="all") if len(table) else table


def _group_row(group: pd.DataFrame) -> dict[str, Any]:
    complete = group[group["state"] == "complete"]
    row: dict[str, Any] = {"runs": len(group), "complete": len(complete)}
    row["lost"] = int(group["state"].isin(["diverged", DID_NOT_TRAIN, "failed", "pruned"]).sum())
    for name in metrics_of(group):
        values = complete[name].dropna() if name in complete else pd.Series(dtype=float)
        row[name] = values.mean() if len(values) else None
        row[f"{name} sd"] = values.std() if len(values) > 1 else None
        row[f"{name} text"] = mean_and_spread(values)
    for name in ("seconds", "tokens_per_second"):
        row[name] = complete[name].mean() if name in complete and len(complete) else None
    return row


def mean_and_spread(values: pd.Series, places: int = 4) -> str | None:
    """``2.1420 ± 0.0210 (5)``: mean, sd and how many; None for no value."""
    if not len(values):
        return None
    spread = f" ± {fixed(values.std(), places)}" if len(values) > 1 else ""
    return f"{fixed(values.mean(), places)}{spread} ({len(values)})"
