"""Numbers of a run's behaviour, one per run, for the table of effects: compared by seed like the loss.

Heads have no identity across runs, so that a score of heads becomes its largest and its mean; what layers
have becomes its mean and the last layer's.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from workbench.analysis.statistics import PairedComparison, compare_pairs
from workbench.inspection.measured import common_probe, read_measured
from workbench.inspection.seed_spread import at_the_end
from workbench.numbers import number, with_interval
from workbench.records.run import Phase, RunDirectory


class Behaviour(dict[str, float]):
    """Numbers of one run by name, and the hashes of the ``probes`` that they were measured on."""

    def __init__(self, numbers: Mapping[str, float], probes: Iterable[str]) -> None:
        super().__init__(numbers)
        self.probes = frozenset(probes)


Values = dict[tuple[str, int], Behaviour]  # by variant and seed


def behaviours(table: pd.DataFrame, context: int) -> dict[str, float]:
    """Every number by its name, from the measured ``table`` of one run trained at ``context``."""
    last = at_the_end(table.assign(run_id=""))
    last = last[np.isfinite(last["value"]) & ~last["metric"].str.endswith("_chance")]
    found = _heads(last[last["head"].notna() & (last["table"] == "heads")])
    found |= _whole(last[last["layer"].isna() & (last["table"] == "heads")])
    found |= _extrapolation(last[(last["table"] == "extrapolation") & (last["metric"] == "tail")], context)
    single = last["head"].isna() & last["layer"].notna() & last["x"].isna() & (last["table"] != "heads")
    return found | _layers(last[single])


def _heads(rows: pd.DataFrame) -> dict[str, float]:
    found: dict[str, float] = {}
    for metric, largest, mean in (
        rows.groupby("metric", sort=False)["value"].agg(["max", "mean"]).itertuples()
    ):
        name = metric.replace("_", " ")
        found |= {f"largest {name}": largest, f"mean {name}": mean}
    return found


def _whole(rows: pd.DataFrame) -> dict[str, float]:
    return {row.metric.replace("_", " "): row.value for row in rows.itertuples()}


def _extrapolation(rows: pd.DataFrame, context: int) -> dict[str, float]:
    losses = dict(zip(rows["x"], rows["value"], strict=True))
    if context not in losses:
        return {}
    return {
        f"ΔCE at {x / context:g}×": value - losses[context] for x, value in losses.items() if x != context
    }


def _layers(rows: pd.DataFrame) -> dict[str, float]:
    keys = ["table", "metric"]
    means = rows.groupby(keys, sort=False)["value"].mean()
    last = (
        rows.sort_values("layer", kind="stable").drop_duplicates(keys, keep="last").set_index(keys)["value"]
    )
    found = {}
    for table, metric in means.index:
        name = f"{table}: {metric.replace('_', ' ')}"
        found[f"{name}, mean"] = means[table, metric]
        found[f"{name}, last layer"] = last[table, metric]
    return found


def read_behaviours(runs: pd.DataFrame) -> Values:
    """Of the complete confirm runs among ``runs`` (rows of ``StudyRecords.runs``) that were measured.

    Each table of a variant is of one probe: of the one that most of its seeds were measured on.
    """
    chosen = runs[(runs["state"] == "complete") & (runs["phase"] == Phase.CONFIRM)]
    found: Values = {}
    for variant, group in chosen.groupby("variant", sort=False):
        context = {row.seed: row.config["model"]["context"] for row in group.itertuples()}
        tables = [
            read_measured(RunDirectory(Path(row.path))).assign(run_id=row.path, seed=row.seed, role="run")
            for row in group.itertuples()
        ]
        known = pd.concat(tables, ignore_index=True)
        if known.empty:
            continue
        probe = known.groupby("table").apply(common_probe, include_groups=False)
        known = known[known["probe_hash"] == known["table"].map(probe)]
        for seed, table in known.groupby("seed"):
            found[variant, seed] = Behaviour(behaviours(table, context[seed]), table["probe_hash"])
    return found


def names(values: Values) -> list[str]:
    """Every name that some run has, in their order."""
    return list(dict.fromkeys(name for run in values.values() for name in run))


def paired(values: Values, name: str, variant: str, baseline: str) -> PairedComparison | None:
    """``variant`` minus ``baseline`` seed by seed; None where no seed has both.

    Nor is there a difference of what was measured on different probes, as where the variant has another
    tokenizer, corpus or context.
    """
    found = differences(values, name, variant, baseline)
    return compare_pairs(found) if found else None


def differences(values: Values, name: str, variant: str, baseline: str) -> list[float]:
    """The same as a list, by seed; empty where no seed has both."""
    found = []
    for other, seed in sorted(values):
        if other != variant or (baseline, seed) not in values:
            continue
        own, base = values[variant, seed], values[baseline, seed]
        if name in own and name in base and own.probes & base.probes:
            found.append(own[name] - base[name])
    return found


def columns(values: Values, chosen: Iterable[str], variants: list[str], baseline: str) -> pd.DataFrame:
    """Two columns for each name: mean ± sd over seeds, and the paired difference with its 95 % interval.

    One row for each of ``variants``, in their order. Text, so that both can be read in one cell; ``-`` where
    nothing was measured.
    """
    found = {}
    for name in chosen:
        own = [_own(values, name, variant) for variant in variants]
        found[name] = [_spread(numbers) for numbers in own]
        found[f"{name}: difference [95 % CI]"] = [
            "—" if variant == baseline else _difference(paired(values, name, variant, baseline))
            for variant in variants
        ]
    return pd.DataFrame(found, index=range(len(variants)))


def _own(values: Values, name: str, variant: str) -> pd.Series:
    return pd.Series(
        [run[name] for (other, _), run in values.items() if other == variant and name in run], dtype=float
    )


def _spread(numbers: pd.Series) -> str:
    if numbers.empty:
        return "-"
    return number(numbers.mean()) + (f" ± {number(numbers.std())}" if len(numbers) > 1 else "")


def _difference(comparison: PairedComparison | None) -> str:
    if comparison is None:
        return "-"
    return with_interval(comparison.mean, comparison.interval, sign=True)
