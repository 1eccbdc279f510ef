"""From a search to the study that confirms it: what looked best against the baseline, on fresh seeds.

A search chose its best points among many by the same seeds that it measured them with, so that their lead is
luck in part. The study that is written here has a margin declared before its first run, tunes every variant
alone, and confirms on seeds of which the search used none.
"""

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from workbench.analysis.search import Search, searched
from workbench.analysis.search_frames import architecture
from workbench.errors import UserError, suggestion
from workbench.files import read_yaml, to_yaml, write_atomically
from workbench.numbers import number, plural, rate
from workbench.records.hyperparameters import LEARNING_RATE
from workbench.records.index import StudyRecords, load_study
from workbench.records.manifest import MANIFEST, Manifest
from workbench.study.overrides import apply_override
from workbench.study.paths import find_results
from workbench.study.plan import Plan
from workbench.study.preparation import plan_of
from workbench.study.recipe import SIZE
from workbench.study.schema import (
    RATES,
    UNTIL_DECIDED,
    Seeds,
    find_named_file,
    parse_study,
)
from workbench.terminal import Terminal
from workbench.visible import one_line

LEAST_RATES, MOST_RATES = 3, 5
_OFFSET = 10_000
_TUNING_SEEDS = 3
# Keys of a search's file that the study after it has of its own, or has no use for.
_OWN = ("name", "question", "design", "search", "learning_rates", "seeds", "margin", "match", "metric")
# Sizes that the factor ``size`` sets, and those that no key of a variant sets.
_SIZES, _UNSAID = ("layers", "width", "heads", "feedforward_width"), "head_width"
_FOLLOWING = ("feedforward_width", "key_value_heads")
# What the machine decides, and no part of what was found.
_OF_MACHINE = ("device", "precision", "compile", "threads", "probes")


@dataclass(frozen=True, kw_only=True)
class Promotion:
    """A study file that was written: its path, the trials behind its variants by name, and what to know."""

    path: Path
    variants: dict[str, int]
    notes: list[str]


@dataclass(frozen=True, kw_only=True)
class _Chosen:
    """A point that becomes a variant: its row of the search, and its name in the study."""

    name: str
    row: dict[str, Any]

    @property
    def number(self) -> int:
        return int(self.row["number"])


def promote(
    study: str,
    *,
    top: int,
    by: str | None,
    margin: float | None,
    output: Path | None,
    overrides: Sequence[str],
    out: Path,
    console: Terminal,
) -> Promotion:
    """Write the confirmatory study of the ``top`` architectures of a search.

    They are the best in the objective ``by``; left out, of one objective the best, and of several the Pareto
    front's, from its best point in the first objective on. Raises ``UserError`` where the search has no
    result yet, where a point cannot be written as a variant, where the file is there already, and where the
    study file no longer is what was searched.
    """
    records = load_study(find_results(study, out))
    search = searched(records)
    if search is None:
        raise UserError(
            f"{study}: is no search, whose best trials are promoted; its variants are compared already, see "
            f"'workbench report {study}'"
        )
    if margin is None:
        raise UserError(
            "--margin: is missing; say how large a difference must be to matter to you, in units of "
            f"{records.manifest.metric}, for example --margin 0.02"
        )
    source = _source(study, records)
    path = output or source.with_name(f"{source.stem}-confirmed.yaml")
    if path.exists():
        raise UserError(f"{path}: is there already, and stays as it is; give another --output")
    if (out / path.stem / MANIFEST).exists():
        raise UserError(
            f"{path}: {out / path.stem} has results of a study of that name; give another --output, for "
            f"example {path.with_name(f'{path.stem}-2{path.suffix}')}"
        )
    chosen, notes = _choose(records, search, top, by)
    values = read_yaml(source)
    for override in overrides:
        apply_override(values, override)
    written = _study(values, records.manifest, search, chosen, margin)
    parsed = parse_study({"name": path.stem} | written, source=str(path))
    _require_same(plan_of(parsed, console, out), records, search, chosen, source)
    write_atomically(path, _preface(records, search, chosen, by) + to_yaml(written))
    return Promotion(path=path, variants={one.name: one.number for one in chosen}, notes=notes)


def _source(study: str, records: StudyRecords) -> Path:
    """The search's study file: it says what the manifest has only resolved."""
    beside = f"{records.name}.yaml"  # in the present folder
    names = (study, records.name, beside)
    found = next((file for name in names if (file := find_named_file(name)) is not None), None)
    if found is None:
        raise UserError(
            f"{study}: the study file of this search is not here, and what it says beside the space goes "
            f"into the new one; name the file, for example 'workbench promote ablations/{records.name}.yaml'"
        )
    return found


def _choose(
    records: StudyRecords, search: Search, top: int, by: str | None
) -> tuple[list[_Chosen], list[str]]:
    """The best points of distinct architectures, the baseline's own left out, and what to say of that."""
    known = [one.name for one in search.objectives]
    if by is not None and by not in known:
        raise UserError(f"--by: {by!r} is no objective of this search; {suggestion(by, known)}")
    complete = search.complete
    if complete.empty:
        raise UserError(f"{records.title}: no trial of this search is complete; run it first")
    ranked = search.best(len(complete)) if by is None else complete.sort_values([by, "number"], kind="stable")
    configs = {run["run_id"]: run["config"] for run in records.runs.to_dict("records")}
    baseline = records.manifest.baseline_variant
    # What of the space is no part of the model, and yet no hyperparameter: an optimizer, a schedule.
    trained = [name for name in architecture(search) if name in records.manifest.training]
    seen = {_key(baseline.model, [baseline.levels.get(name) for name in trained]): "the baseline"}
    chosen: list[_Chosen] = []
    twins: dict[str, list[str]] = {}
    for row in ranked.to_dict("records"):
        if len(chosen) == top:
            break
        name = f"trial {int(row['number'])}"
        model = configs[row["run_ids"][0]]["model"]
        twin = seen.setdefault(_key(model, [row[factor] for factor in trained]), name)
        if twin == name:
            chosen.append(_Chosen(name=name, row=row))
        else:
            twins.setdefault(twin, []).append(name)
    notes = [
        f"{', '.join(names)}: as {twin} but for hyperparameters, and no variant of its own"
        for twin, names in twins.items()
    ]
    if not chosen:
        raise UserError(
            f"{records.title}: what looked best is the baseline itself; there is nothing to confirm"
            + ("" if by else ", unless another order is asked for with --by")
        )
    if len(chosen) < top:
        where = "on the Pareto front" if by is None and len(known) > 1 else "among the complete trials"
        more = "; --by OBJECTIVE goes beyond the front" if by is None and len(known) > 1 else ""
        notes.append(f"only {plural(len(chosen), 'architecture')} {where} beside the baseline's{more}")
    return chosen, notes


def _key(model: dict[str, Any], levels: Sequence[object]) -> str:
    """What makes two points one architecture: the model, and levels of how it is trained."""
    return json.dumps([model, [str(level) for level in levels]], sort_keys=True)


def _study(
    values: dict[str, Any], manifest: Manifest, search: Search, chosen: Sequence[_Chosen], margin: float
) -> dict[str, Any]:
    """The study as its file has it, in the order in which a reader asks."""
    asked = manifest.question or f"What looks best in {manifest.name}?"
    count = plural(len(chosen), "trial")
    rates = octave_rates([_rate(one.row, manifest) for one in chosen])
    tuned: dict[str, Any] = {"learning_rates": rates}
    if others := _others(search):
        # For the baseline as for all: a variant with its trial's values would be ahead by them.
        space = {name: _spread({one.row[name] for one in chosen}) for name in others}
        tuned = {"tuning": {"space": {LEARNING_RATE: rates, **space}, "sampler": "grid"}}
    return {
        "question": f"{asked} And does what looked best in that search, {count}, beat the baseline?",
        **{key: value for key, value in values.items() if key not in _OWN},
        "design": "explicit",
        "variants": [{"name": one.name} | _levels(one, manifest, search) for one in chosen],
        "match": manifest.match or "none",
        **tuned,
        "seeds": {
            "tune": _TUNING_SEEDS,
            "confirm": UNTIL_DECIDED,
            "offset": fresh_offset(manifest.seeds.tune),
        },
        "metric": manifest.metric,
        "margin": margin,
    }


def _levels(one: _Chosen, manifest: Manifest, search: Search) -> dict[str, Any]:
    """Where a point differs from the baseline, as a variant of the design explicit says it."""
    plan, baseline = search.plan, manifest.baseline_variant
    width, heads = (one.row.get(name, baseline.model.get(name)) for name in ("width", "heads"))
    if _UNSAID in plan.sizes and one.row[_UNSAID] * heads != width:
        raise UserError(
            f"{one.name}: {_UNSAID}: is {one.row[_UNSAID]}, and heads of a study's variants share the width; "
            f"search without {_UNSAID}, or promote others with --by"
        )
    # What would follow from another part, were it not named, is named though it is the baseline's.
    sizes = {
        name: one.row[name]
        for name in plan.sizes
        if name != _UNSAID and (one.row[name] != baseline.model.get(name) or name in _FOLLOWING)
    }
    levels: dict[str, Any] = {}
    if together := {name: int(sizes.pop(name)) for name in _SIZES if name in sizes}:
        levels[SIZE] = together
    levels |= {name: int(value) for name, value in sizes.items()}
    for name in search.dimensions:
        if name in (*plan.sizes, *plan.hyperparameters) or str(one.row[name]) == baseline.levels.get(name):
            continue
        value = one.row[name]
        known = plan.levels.get(name)
        labels = search.space[name]
        levels[name] = known[labels.index(value)] if known is not None and isinstance(labels, list) else value
    return levels


def _others(search: Search) -> list[str]:
    """The hyperparameters that were searched beside the learning rate."""
    return [name for name in search.plan.hyperparameters if name != LEARNING_RATE]


def _spread(found: set[Any]) -> list[Any]:
    """The values of a hyperparameter to tune among: at most three, from the lowest to the highest."""
    values = sorted(found)
    if len(values) <= LEAST_RATES:
        return values
    return [values[0], values[len(values) // 2], values[-1]]


def _rate(row: dict[str, Any], manifest: Manifest) -> float:
    """The learning rate of a point; where the search had one for all, that."""
    if LEARNING_RATE in row:
        return float(row[LEARNING_RATE])
    rates = manifest.learning_rates
    assert isinstance(rates, list), "a search has one rate for all, or searches it"
    return float(rates[0])


def octave_rates(found: Sequence[float]) -> list[float]:
    """Three to five rates an octave apart, around those that the search found: the same for all variants.

    Where these are more than four octaves apart five rates are spread evenly over them.
    """
    low, high = min(found), max(found)
    octaves = math.log2(high / low)
    count = min(MOST_RATES, max(LEAST_RATES, math.ceil(octaves - 1e-9) + 2))
    step = max(1.0, octaves / (count - 1))
    middle = math.sqrt(low * high)
    rates = [middle * 2 ** (step * (place - (count - 1) / 2)) for place in range(count)]
    return sorted({float(f"{min(max(one, RATES[0]), RATES[1]):.2g}") for one in rates})


def fresh_offset(used: Sequence[int]) -> int:
    """The first offset of which no seed was the search's."""
    taken = set(used)
    offset = _OFFSET
    while True:
        seeds = Seeds.model_validate({"tune": _TUNING_SEEDS, "confirm": UNTIL_DECIDED, "offset": offset})
        if not any(taken & set(own) for own in seeds.lists().values()):
            return offset
        offset += _OFFSET


def _require_same(
    plan: Plan, records: StudyRecords, search: Search, chosen: Sequence[_Chosen], source: Path
) -> None:
    """Raise ``UserError`` where a variant is another model, or is trained otherwise, than its trial."""
    configs = {run["run_id"]: run["config"] for run in records.runs.to_dict("records")}
    numbers = {one.name: one for one in chosen}
    free = {*_OF_MACHINE, *search.plan.hyperparameters}
    if search.plan.pruner != "none":
        free.add("tokens")  # a trial that was stopped early has fewer
    for variant in plan.variants:
        if variant.name not in numbers:
            continue
        one, now = numbers[variant.name], plan.config(variant)
        before = configs[one.row["run_ids"][0]]
        for part in ("model", "training"):
            differing = sorted(
                key
                for key in {*now[part], *before[part]}
                if key not in free and _plain(now[part].get(key)) != _plain(before[part].get(key))
            )
            if differing:
                key = differing[0]
                raise UserError(
                    f"{source}: {part}.{key}: is {now[part].get(key)!r} for {variant.name} by this file, and "
                    f"was {before[part].get(key)!r} in the search; give the file as it was searched, with "
                    "the same --set"
                )


def _plain(value: Any) -> Any:
    """A value as JSON keeps it: a tuple is a list there."""
    return json.loads(json.dumps(value))


def _preface(records: StudyRecords, search: Search, chosen: Sequence[_Chosen], by: str | None) -> str:
    """Where the study comes from, as comments: each line is one, whatever a name holds."""
    manifest = records.manifest
    last = records.runs["finished"].dropna().max() if len(records.runs) else None
    when = f", last run {str(last)[:10]}" if isinstance(last, str) else ""
    order = f"that are the best in {by}" if by else "that are the best"
    if by is None and len(search.objectives) > 1:
        order = "on its Pareto front"
    lines = [
        f"Promoted from the search {records.title} (hash {manifest.hash}{when}): "
        f"{plural(len(chosen), 'trial')} {order}, of {len(search.complete):,} that are complete.",
        "A search gives no verdict: its best are lucky as well as good. This study decides, on seeds that",
        "the search did not use, with the margin below, declared before its first run.",
    ]
    for one in chosen:
        found = ", ".join(
            f"{objective.name} {number(float(one.row[objective.name]))}" for objective in search.objectives
        )
        own = [f"{name} {rate(one.row[name])}" for name in _others(search)]
        tuned = ", ".join([f"learning rate {rate(_rate(one.row, manifest))}", *own])
        lines.append(f"  {one.name}: {found}, {tuned}")
    return "".join(f"# {one_line(line)}\n" for line in lines)
