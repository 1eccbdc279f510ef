"""Numbers of a run's behaviour, one per run, for the table of effects: compared by seed like the loss.

Heads have no identity across runs, so that a score of heads becomes its largest and its mean; what layers
have becomes its mean and the last layer's.
"""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from workbench.analysis.statistics import PairedComparison, compare_pairs
from workbench.inspection.measured import common_probe, read_measured
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
    return _behaviours(table.assign(cell=0), [context])[0]


def _behaviours(table: pd.DataFrame, contexts: Sequence[int]) -> list[dict[str, float]]:
    """The same of many runs: ``cell`` numbers the run that a row is of, and ``contexts`` has that of each.

    All at once: a study has a hundred runs, and pandas takes as long for the groups of one of them.
    """
    last = table[table["step"] == table.groupby("cell")["step"].transform("max")]
    last = last[np.isfinite(last["value"]) & ~last["metric"].str.endswith("_chance")]
    found: list[dict[str, float]] = [{} for _ in contexts]
    of_heads = last["table"] == "heads"
    _add_heads(found, last[last["head"].notna() & of_heads])
    _add_whole(found, last[last["layer"].isna() & of_heads])
    _add_extrapolation(found, last[(last["table"] == "extrapolation") & (last["metric"] == "tail")], contexts)
    single = last["head"].isna() & last["layer"].notna() & last["x"].isna() & ~of_heads
    _add_layers(found, last[single])
    return found


def _add_heads(found: list[dict[str, float]], rows: pd.DataFrame) -> None:
    groups = rows.groupby(["cell", "metric"], sort=False)["value"].agg(["max", "mean"])
    for (cell, metric), largest, mean in groups.itertuples():
        name = metric.replace("_", " ")
        found[cell] |= {f"largest {name}": largest, f"mean {name}": mean}


def _add_whole(found: list[dict[str, float]], rows: pd.DataFrame) -> None:
    for cell, metric, value in zip(rows["cell"], rows["metric"], rows["value"], strict=True):
        found[cell][metric.replace("_", " ")] = value


def _add_extrapolation(found: list[dict[str, float]], rows: pd.DataFrame, contexts: Sequence[int]) -> None:
    losses: list[dict[float, float]] = [{} for _ in contexts]
    for cell, x, value in zip(rows["cell"], rows["x"], rows["value"], strict=True):
        losses[cell][x] = value
    for own, known, context in zip(found, losses, contexts, strict=True):
        for x, value in known.items():
            if context in known and x != context:
                own[f"ΔCE at {x / context:g}×"] = value - known[context]


def _add_layers(found: list[dict[str, float]], rows: pd.DataFrame) -> None:
    keys = ["cell", "table", "metric"]
    means = rows.groupby(keys, sort=False)["value"].mean()
    ordered = rows.sort_values("layer", kind="stable").drop_duplicates(keys, keep="last")
    last = ordered.set_index(keys)["value"].to_dict()
    for (cell, table, metric), mean in means.items():
        name = f"{table}: {metric.replace('_', ' ')}"
        found[cell][f"{name}, mean"] = mean
        found[cell][f"{name}, last layer"] = last[cell, table, metric]


def read_behaviours(runs: pd.DataFrame) -> Values:
    """Of the complete confirm runs among ``runs`` (rows of ``StudyRecords.runs``) that were measured.

    Each table of a variant is of one probe: of the one that most of its seeds were measured on.
    """
    chosen = runs[(runs["state"] == "complete") & (runs["phase"] == Phase.CONFIRM)]
    cells: list[tuple[str, int]] = []
    contexts: list[int] = []
    tables: list[pd.DataFrame] = []
    for variant, group in chosen.groupby("variant", sort=False):
        context = {row.seed: row.config["model"]["context"] for row in group.itertuples()}
        place = {seed: len(cells) + number for number, seed in enumerate(sorted(context))}
        cells += [(variant, seed) for seed in sorted(context)]
        contexts += [context[seed] for seed in sorted(context)]
        found = [(row, read_measured(RunDirectory(Path(row.path)))) for row in group.itertuples()]
        measured = [
            table.assign(run_id=row.path, cell=place[row.seed]) for row, table in found if not table.empty
        ]
        if measured:
            tables.append(_of_one_probe(pd.concat(measured, ignore_index=True)))
    if not tables:
        return {}
    everything = pd.concat(tables, ignore_index=True)
    probes = everything.groupby("cell")["probe_hash"].unique()
    numbers = _behaviours(everything, contexts)
    return {cells[cell]: Behaviour(numbers[cell], own) for cell, own in probes.items()}


def _of_one_probe(known: pd.DataFrame) -> pd.DataFrame:
    """The rows of a variant's runs that are of the probe of their table."""
    hashes = known.groupby("table")["probe_hash"].unique()
    if (hashes.str.len() == 1).all():  # as nearly always
        return known
    probe = known.assign(role="run").groupby("table").apply(common_probe, include_groups=False)
    return known[known["probe_hash"] == known["table"].map(probe)]


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
