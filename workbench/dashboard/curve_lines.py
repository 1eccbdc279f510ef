"""Which lines a curve chart draws: groups of runs, differences to the baseline's run of the same seed."""

import math
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field, replace
from itertools import cycle
from typing import Any

import pandas as pd

from workbench.analysis.colours import PALETTE
from workbench.analysis.curve_seeds import Seed, ending, is_lost, mean_over
from workbench.analysis.metric_units import BITS_PER_BYTE, named_set
from workbench.dashboard.aggregate import Band, Trace, aggregate, difference, part, single, smooth, trace
from workbench.dashboard.curve_charts import Curve
from workbench.numbers import rate
from workbench.records.hyperparameters import LEARNING_RATE, described, key_of
from workbench.records.metrics import RATE, rates_of_steps
from workbench.records.run import Phase, State

AXES = {
    "tokens": ("Training tokens", ""),
    "flops": ("Training FLOPs", ""),
    "bytes": ("Training text read", "B"),
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
PHASES = (Phase.CONFIRM, Phase.TUNE, Phase.PILOT, Phase.GAIN)  # the last is looked at where it is asked for
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
    """The curves, how much they rest on, and how many runs had no partner to be compared with.

    ``notes`` say of a line what its mean does not show: seeds that were lost, or are under way.
    """

    curves: list[Curve]
    runs: int
    points: int
    unpaired: int
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Study:
    """What a drawing needs to know of a study; ``read`` gives a run's metrics by its path.

    ``bytes_per_token``, by variant, is what the axis of text read is made with; empty where it is not known.
    """

    baseline: str
    labels: Mapping[str, str]
    colours: Mapping[str, str]
    read: Callable[[str], pd.DataFrame]
    runs: pd.DataFrame = field(repr=False)
    bytes_per_token: Mapping[str, float] = field(default_factory=dict)


# Of a generated task, in runs that are judged on it: title, with the set's name in it, and unit.
_OF_A_TASK = {
    "error": ("Wrong answers of {}", "errors/answer"),
    "accuracy": ("Right answers of {}", "right/answer"),
    "exact_match": ("Sequences of {} that are right as a whole", "right/sequence"),
}


def is_of_a_task(metric: str) -> bool:
    """Whether a metric is a share of the answers, or of the sequences, of a generated task."""
    name, _, kind = metric.rpartition("/")
    return bool(name) and kind in _OF_A_TASK


def latest_phase(runs: pd.DataFrame) -> str:
    """The latest phase in which anything has started; before that, the latest that is planned."""
    begun = runs[runs["state"] != "queued"]
    return phases_of(begun if len(begun) else runs)[0]


def phases_of(runs: pd.DataFrame) -> list[str]:
    """The phases that ``runs`` belong to, the latest first."""
    return [phase for phase in PHASES if (runs["phase"] == phase).any()]


def metric_words(metric: str) -> tuple[str, str, int]:
    """Title, unit and decimals of a metric."""
    name, _, kind = metric.rpartition("/")
    if is_of_a_task(metric):
        return _OF_A_TASK[kind][0].format(name), _OF_A_TASK[kind][1], 3
    return METRICS[metric] if named_set(metric) is None else (f"Bits per byte on {name}", "bits/byte", 4)


def available_metrics(
    runs: pd.DataFrame, read: Callable[[str], pd.DataFrame], first: str = "validation/loss"
) -> list[str]:
    """Known metrics that at least one of ``runs`` has logged; first of all ``first``, the study's own."""
    logged = {name: None for path in runs["path"] for name in read(path).columns}
    known = [name for name in METRICS if name in logged]
    sets = [name for name in logged if named_set(name) is not None or is_of_a_task(name)]
    place = known.index(BITS_PER_BYTE) + 1 if BITS_PER_BYTE in known else 0
    return sorted([*known[:place], *sets, *known[place:]], key=lambda name: name != first)


def draw(study: Study, runs: pd.DataFrame, choice: Choice) -> Drawing:
    """The curves of ``runs``: one per variant (and rate) with a band, or one per run."""
    rows = runs.to_dict("records")
    traces = {row["run_id"]: _trace(study, row, choice) for row in rows}
    unpaired = 0
    if choice.difference:
        rows, traces, unpaired = _differences(study, rows, traces, choice)
    longest = max((run.x[-1] for run in traces.values() if len(run.x)), default=0.0)
    shown = {name: part(run, choice.first * longest, choice.last * longest) for name, run in traces.items()}
    used = [row for row in rows if len(shown[row["run_id"]].x)]
    notes: list[str] = []
    if choice.each_run:
        curves = _each(study, used, shown)
    else:
        members = [_Member(row, traces[row["run_id"]], shown[row["run_id"]]) for row in rows]
        curves, notes = _grouped(study, members, choice, (choice.first * longest, choice.last * longest))
    points = sum(len(shown[row["run_id"]].x) for row in used)
    return Drawing(curves, len(used), points, unpaired, tuple(notes))


@dataclass(frozen=True)
class _Member:
    """A run of a group, or the pair that it is compared in: all of its values, and those that are shown."""

    row: Mapping[str, Any]
    whole: Trace
    shown: Trace

    @property
    def seed(self) -> Seed:
        """What the group's mean must know of it."""
        end = float(self.whole.x[-1]) if len(self.whole.x) else None
        return Seed(state=self.row["state"], end=end, ending=self.row.get("ending") or _ending(self.row))

    @property
    def begun(self) -> bool:
        """Whether there is anything to say of it: values, or an early end."""
        return bool(len(self.whole.x)) or is_lost(self.row["state"])


def _ending(row: Mapping[str, Any]) -> str:
    return ending(row["state"], _step(row))


def _step(row: Mapping[str, Any]) -> float:
    step = row.get("step")
    return math.nan if step is None else float(step)


def _trace(study: Study, row: Mapping[str, Any], choice: Choice) -> Trace:
    table = study.read(row["path"])
    if choice.metric == RATE and RATE in table:
        table = rates_of_steps(table, row.get("provenance") or {})
    if choice.axis == "bytes" and "tokens" in table:
        table = table.assign(bytes=table["tokens"] * study.bytes_per_token[row["variant"]])
    return smooth(trace(table, choice.axis, choice.metric), choice.smoothing)


def _differences(
    study: Study, rows: list[dict[str, Any]], traces: dict[str, Trace], choice: Choice
) -> tuple[list[dict[str, Any]], dict[str, Trace], int]:
    """The rows of pairs, with the state of the pair; their differences; and runs that have none."""
    partners = _partners(study, rows)
    others = [row for row in rows if row["variant"] != study.baseline]
    pairs = []
    differences = {}
    for row in others:
        if row["run_id"] in partners:
            partner = partners[row["run_id"]]
            baseline = traces.get(partner["run_id"]) or _trace(study, partner, choice)
            differences[row["run_id"]] = difference(traces[row["run_id"]], baseline)
            pairs.append(_as_pair(row, partner))
    # What has not logged anything yet is not missing a partner, and of a lost pair a note says why.
    found = {row["run_id"] for row in pairs if len(differences[row["run_id"]].x) or is_lost(row["state"])}
    begun = [row for row in others if len(traces[row["run_id"]].x)]
    return pairs, differences, sum(row["run_id"] not in found for row in begun)


def _as_pair(row: dict[str, Any], partner: dict[str, Any]) -> dict[str, Any]:
    """``row`` as a pair: lost with the first of both that is, complete when both are."""
    lost = [one for one in (row, partner) if is_lost(one["state"])]
    if lost:
        first = min(lost, key=_step)
        whose = "" if first is row else "baseline "
        return row | {"state": first["state"], "ending": f"{whose}{_ending(first)}"}
    complete = row["state"] == partner["state"] == State.COMPLETE
    return row | {"state": str(State.COMPLETE if complete else State.RUNNING)}


def _pair(row: Mapping[str, Any]) -> Hashable:
    # Tuning runs of one seed differ in their point; elsewhere each variant has its chosen one.
    point = key_of(row["hyperparameters"]) if row["phase"] == Phase.TUNE else None
    return (row["phase"], row["seed"], point)


def _partners(study: Study, rows: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """The baseline's run for each run of another variant."""
    baseline = study.runs[study.runs["variant"] == study.baseline].to_dict("records")
    by_pair = {_pair(row): row for row in baseline}
    return {row["run_id"]: by_pair[_pair(row)] for row in rows if _pair(row) in by_pair}


def _grouped(
    study: Study, members: list[_Member], choice: Choice, limits: tuple[float, float]
) -> tuple[list[Curve], list[str]]:
    begun = [member for member in members if member.begun]
    variants = [name for name in study.labels if any(member.row["variant"] == name for member in begun)]
    groups = {
        name: _by_point([member for member in begun if member.row["variant"] == name]) for name in variants
    }
    with_band = sum(map(len, groups.values())) <= BANDS
    curves: list[Curve] = []
    notes = []
    for variant, by_point in groups.items():
        for (point, group), dash in zip(by_point.items(), cycle(_DASHES), strict=False):
            name = study.labels[variant] + (f" at {point}" if len(by_point) > 1 else "")
            colour = study.colours[variant]
            drawn, note = _group(name, group, choice, limits, colour=colour, dash=dash, with_band=with_band)
            curves += drawn
            notes += [f"{name}: {note}"] if note else []
    return curves, notes


def _by_point(members: list[_Member]) -> dict[str, list[_Member]]:
    """Those of each point by what it is called, ascending by learning rate: ``0.003``, or all by name."""
    found: dict[str, list[_Member]] = {}
    for member in sorted(members, key=lambda one: one.row["learning_rate"]):
        point = member.row["hyperparameters"]
        name = described(point) if len(point) > 1 else rate(point[LEARNING_RATE])
        found.setdefault(name, []).append(member)
    return found


def _group(
    name: str,
    group: list[_Member],
    choice: Choice,
    limits: tuple[float, float],
    *,
    colour: str,
    dash: str,
    with_band: bool,
) -> tuple[list[Curve], str]:
    """The curves of one line's runs, and what a reader must know of their mean."""
    chosen = mean_over([member.seed for member in group], *limits)
    line = aggregate(name, [group[place].shown for place in chosen.members], choice.band)
    curves = []
    if choice.seeds or chosen.singly:
        faint = line is not None  # else there is no mean to carry the name in legend and tooltip
        for member in group:
            if one := single(name, member.shown):
                run = _run_name(name, member.row)
                curves.append(Curve(one, colour, faint=faint, dash="solid" if faint else dash, run=run))
    if line is not None:
        drawn = line if with_band else replace(line, low=None, high=None)
        cut = bool(chosen.lost) and chosen.lost[0].reached <= line.x[-1]
        curves.append(Curve(replace(drawn, cut=cut), colour, dash=dash))
    return curves, chosen.note(drawn=line is not None, what="pair" if choice.difference else "seed")


def _run_name(of: str, row: Mapping[str, Any]) -> str:
    return f"{of} · seed {row['seed']} · {row['run_id'][:6]}"


def _each(study: Study, rows: list[dict[str, Any]], traces: dict[str, Trace]) -> list[Curve]:
    taken: set[str] = set()
    curves = []
    for row in rows:
        own = study.colours[row["variant"]]
        colour = own if own not in taken else next((c for c in PALETTE if c not in taken), own)
        taken.add(colour)
        name = _run_name(study.labels[row["variant"]], row)
        if line := single(name, traces[row["run_id"]]):
            curves.append(Curve(line, colour))
    return curves
