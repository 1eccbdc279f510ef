"""Which lines a curve chart draws: groups of runs, differences to the baseline's run of the same seed."""

from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field, replace
from itertools import cycle
from typing import Any

import pandas as pd

from workbench.analysis.colours import PALETTE
from workbench.dashboard.aggregate import Band, Trace, aggregate, difference, part, single, smooth, trace
from workbench.dashboard.charts import Curve
from workbench.dashboard.formats import rate

AXES = {
    "tokens": ("Training tokens", ""),
    "flops": ("Training FLOPs", ""),
    "seconds": ("Training time", "s"),
    "step": ("Step", ""),
}
METRICS = {
    "validation/loss": ("Validation loss", "nats/token", 4),
    "validation/bits_per_byte": ("Validation bits per byte", "bits/byte", 4),
    "train/loss": ("Training loss", "nats/token", 4),
    "gradient_norm": ("Gradient norm", "", 3),
    "learning_rate": ("Learning rate", "", 6),
    "tokens_per_second": ("Throughput", "tokens/s", 0),
    "mfu": ("Model FLOPs utilisation", "", 3),
    "memory_bytes": ("Memory", "bytes", 0),
}
PHASES = ("confirm", "tune", "pilot")
BANDS = 8  # with more lines than that, bands hide one another
_DASHES = ("solid", "dashed", "dotted")  # one colour per variant, one dash per learning rate


@dataclass(frozen=True, kw_only=True)
class Choice:
    """What a reader chose to see. ``first`` and ``last`` are fractions of the axis's range."""

    metric: str
    axis: str
    difference: bool
    band: Band
    smoothing: float = 0.0
    first: float = 0.0
    last: float = 1.0
    seeds: bool = False
    each_run: bool = False


@dataclass(frozen=True)
class Drawing:
    """The curves, how much they rest on, and how many runs had no partner to be compared with."""

    curves: list[Curve]
    runs: int
    points: int
    unpaired: int


@dataclass(frozen=True, kw_only=True)
class Study:
    """What a drawing needs to know of a study; ``read`` gives a run's metrics by its path."""

    baseline: str
    labels: Mapping[str, str]
    colours: Mapping[str, str]
    read: Callable[[str], pd.DataFrame]
    runs: pd.DataFrame = field(repr=False)


def latest_phase(runs: pd.DataFrame) -> str:
    """The latest phase in which anything has started; before that, the latest that is planned."""
    begun = runs[runs["state"] != "queued"]
    return phases_of(begun if len(begun) else runs)[0]


def phases_of(runs: pd.DataFrame) -> list[str]:
    """The phases that ``runs`` belong to, the latest first."""
    return [phase for phase in PHASES if (runs["phase"] == phase).any()]


def available_metrics(runs: pd.DataFrame, read: Callable[[str], pd.DataFrame]) -> list[str]:
    """Known metrics that at least one of ``runs`` has logged."""
    logged = {name for path in runs["path"] for name in read(path).columns}
    return [name for name in METRICS if name in logged]


def draw(study: Study, runs: pd.DataFrame, choice: Choice) -> Drawing:
    """The curves of ``runs``: one per variant (and rate) with a band, or one per run."""
    rows = runs.to_dict("records")
    traces = {row["run_id"]: _trace(study, row, choice) for row in rows}
    if choice.difference:
        partners = _partners(study, rows)
        # What has not logged anything yet is not missing a partner.
        begun = [row for row in rows if len(traces[row["run_id"]].x)]
        rows = [row for row in begun if row["variant"] != study.baseline]
        kept = [row for row in rows if row["run_id"] in partners]
        traces = {row["run_id"]: _difference(study, row, partners, traces, choice) for row in kept}
    traces = _cut(traces, choice)
    used = [row for row in rows if len(traces.get(row["run_id"], _NOTHING).x)]
    curves = _each(study, used, traces) if choice.each_run else _grouped(study, used, traces, choice)
    points = sum(len(traces[row["run_id"]].x) for row in used)
    return Drawing(curves, len(used), points, len(rows) - len(used) if choice.difference else 0)


_NOTHING = trace(pd.DataFrame(), "", "")


def _trace(study: Study, row: Mapping[str, Any], choice: Choice) -> Trace:
    return smooth(trace(study.read(row["path"]), choice.axis, choice.metric), choice.smoothing)


def _pair(row: Mapping[str, Any]) -> Hashable:
    # Tuning runs of one seed differ in their rate; elsewhere each variant has its chosen rate.
    return (row["phase"], row["seed"], row["learning_rate"] if row["phase"] == "tune" else None)


def _partners(study: Study, rows: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """The baseline's run for each run of another variant."""
    baseline = study.runs[study.runs["variant"] == study.baseline].to_dict("records")
    by_pair = {_pair(row): row for row in baseline}
    return {row["run_id"]: by_pair[_pair(row)] for row in rows if _pair(row) in by_pair}


def _difference(
    study: Study,
    row: dict[str, Any],
    partners: dict[str, dict[str, Any]],
    traces: dict[str, Trace],
    choice: Choice,
) -> Trace:
    partner = partners[row["run_id"]]
    baseline = traces.get(partner["run_id"]) or _trace(study, partner, choice)
    return difference(traces[row["run_id"]], baseline)


def _cut(traces: dict[str, Trace], choice: Choice) -> dict[str, Trace]:
    longest = max((run.x[-1] for run in traces.values() if len(run.x)), default=0.0)
    return {
        run_id: part(run, choice.first * longest, choice.last * longest) for run_id, run in traces.items()
    }


def _grouped(
    study: Study, rows: list[dict[str, Any]], traces: dict[str, Trace], choice: Choice
) -> list[Curve]:
    variants = [name for name in study.labels if any(row["variant"] == name for row in rows)]
    groups = {name: _by_rate([row for row in rows if row["variant"] == name]) for name in variants}
    with_band = sum(map(len, groups.values())) <= BANDS
    curves: list[Curve] = []
    for variant, by_rate in groups.items():
        for (learning_rate, members), dash in zip(by_rate.items(), cycle(_DASHES), strict=False):
            name = study.labels[variant] + (f" at {rate(learning_rate)}" if len(by_rate) > 1 else "")
            runs = [traces[row["run_id"]] for row in members]
            curves += _group(name, study.colours[variant], dash, runs, choice, with_band=with_band)
    return curves


def _by_rate(rows: list[dict[str, Any]]) -> dict[float, list[dict[str, Any]]]:
    rates = sorted({row["learning_rate"] for row in rows})
    return {value: [row for row in rows if row["learning_rate"] == value] for value in rates}


def _group(
    name: str, colour: str, dash: str, runs: list[Trace], choice: Choice, *, with_band: bool
) -> list[Curve]:
    curves = []
    if choice.seeds:
        curves += [Curve(line, colour, faint=True) for run in runs if (line := single(name, run))]
    if line := aggregate(name, runs, choice.band):
        drawn = line if with_band else replace(line, low=None, high=None)
        curves.append(Curve(drawn, colour, dash=dash))
    return curves


def _each(study: Study, rows: list[dict[str, Any]], traces: dict[str, Trace]) -> list[Curve]:
    taken: set[str] = set()
    curves = []
    for row in rows:
        own = study.colours[row["variant"]]
        colour = own if own not in taken else next((c for c in PALETTE if c not in taken), own)
        taken.add(colour)
        name = f"{study.labels[row['variant']]} · seed {row['seed']} · {row['run_id'][:6]}"
        if line := single(name, traces[row["run_id"]]):
            curves.append(Curve(line, colour))
    return curves
