"""Where a report's numbers come from: everything that a reader needs to trust or repeat them."""

from collections.abc import Callable, Iterable
from typing import Any, cast

import pandas as pd

from workbench.analysis.decisions import rule_of
from workbench.analysis.metric_units import BITS_PER_BYTE, is_error, set_metrics, unit_of
from workbench.analysis.notes import Note, method, reading
from workbench.numbers import byte_size, count, fixed, percent, plural, scaled
from workbench.records.execution import USUAL, Execution
from workbench.records.index import StudyRecords
from workbench.records.manifest import (
    MEMORY,
    NOTHING,
    POOL,
    SECONDS,
    WILCOXON,
    EvaluationSet,
    Manifest,
    PlannedTuning,
    TextData,
)
from workbench.records.margin import margin_text

TEST = "paired t over seeds; equivalence by two one-sided t tests"
HALVED = "the worse half of the learning rates was stopped early, and again the worse half of those left"
_SHORT = 10
_NAMED = 3  # variants that a line on their text names


def footer(study: StudyRecords) -> dict[str, Any]:
    """The facts below the table, raw; what a study does not record is None."""
    manifest, runs = study.manifest, study.runs
    return {
        "margin": manifest.margin,
        "metric": manifest.metric,
        "unit": unit_of(manifest.metric),
        "test": f"{TEST}; {rule_of(manifest).promise}",
        "family_size": len(manifest.variants) - 1,
        "design": manifest.design,
        "match": manifest.match,
        "seeds": manifest.seeds.model_dump(exclude_unset=True)
        | ({"gain": manifest.gain.seeds} if manifest.gain else {}),
        "data": _describe_texts(manifest),
        "evaluation": [_evaluation_set(metric, one) for metric, one in set_metrics(manifest).items()],
        "budget_unit": manifest.budget,
        **_own_units(manifest),
        "budgets": _budgets(manifest),
        "passes": manifest.passes_of(manifest.baseline_variant) if manifest.budget == POOL else None,
        "unique_tokens": _ends(manifest.unique_tokens.values()),
        "epochs": _ends(map(manifest.epochs_of, manifest.variants)),
        "tokens_per_run": manifest.tokens_of(manifest.baseline_variant),
        "parameters": manifest.baseline_variant.parameters,
        "context": manifest.context,
        "contexts": sorted({context for one in manifest.variants if (context := one.model.get("context"))}),
        "manifest": manifest.hash,
        "versions": manifest.versions,
        "commit": manifest.git_commit,
        "dirty": manifest.git_dirty,
        "hardware": hardware_of(runs),
        "precision": _distinct(runs, "precision"),
        "computed": _computed(runs),
        "populations": _populations(runs),
        "halving": manifest.halving,
        "tuning_plan": _tuning_plan(manifest.tuning),
        **_compute(runs),
        "command": manifest.command,
    }


def provenance_warnings(study: StudyRecords) -> list[Note]:
    """What about the records themselves should make a reader careful."""
    warnings = [method(text) for text in _mixed(study.runs, study.manifest)]
    warnings += [reading(text) for text in _amendments(study.manifest)]
    if study.manifest.git_dirty:
        warnings.append(method("the code had uncommitted changes when the study was started"))
    if study.superseded:
        left_out = f"{plural(study.superseded, 'run')} of an earlier version of this study left out"
        warnings.append(method(left_out))
    return warnings + [reading(problem.message) for problem in study.problems]


def describe_data(data: TextData) -> str | None:
    """One line on the corpus and its tokenizer."""
    if data.get("description"):
        return str(data["description"])
    parts = [_name(data.get("corpus")), _name(data.get("tokenizer"))]
    return ", ".join(part for part in parts if part) or None


def _describe_texts(manifest: Manifest) -> str | None:
    """What runs are trained on; where variants differ in that, each text with the names of its variants."""
    names: dict[str, list[str]] = {}
    for variant in manifest.variants:
        text = manifest.text_of(variant)
        # A description of the study's text says nothing of a text of one's own.
        own = {**text, "description": variant.data.get("description")} if variant.data else text
        names.setdefault(describe_data(cast(TextData, own)) or "", []).append(variant.name)
    if len(names) < 2:
        return describe_data(manifest.data)
    return "; ".join(f"{_some(own)}: {text or 'not recorded'}" for text, own in names.items())


def _some(names: list[str]) -> str:
    shown = ", ".join(names[:_NAMED])
    return shown if len(names) <= _NAMED else f"{shown} and {len(names) - _NAMED} more"


def _tuning_plan(plan: PlannedTuning | None) -> str | None:
    """How points were found and chosen, in a line; None where learning rates alone are tuned."""
    if plan is None:
        return None
    text = f"{plan.trials} points of {', '.join(plan.dimensions)} for every variant by {plan.sampler}"
    if plan.pruner == "halving":
        text += "; of a round the worse half was stopped early, and again the worse half of those left"
    if plan.pruner == WILCOXON:
        text += "; points that a signed-rank test called worse than the best got no further seeds"
    if not plan.again:
        return text
    # Why fresh: the best of many owes its place to luck too, on the seeds that it was found by.
    return f"{text}; the {plan.again} best ran again on {len(plan.fresh)} fresh seeds, which alone decide"


def _evaluation_set(metric: str, one: EvaluationSet) -> dict[str, Any]:
    return {
        "name": one.name,
        "metric": metric,
        "description": one.description,
        "bytes": one.bytes,
        "fingerprint": one.fingerprint,
    }


def _budgets(manifest: Manifest) -> dict[str, Any] | None:
    """The least and the most that runs train on, and the largest mismatch; None where all have the same."""
    found = [variant.budget for variant in manifest.variants if variant.budget]
    if not found:
        return None
    return {
        "tokens": [min(one.tokens for one in found), max(one.tokens for one in found)],
        "bytes": [min(one.bytes for one in found), max(one.bytes for one in found)],
        "flops": [min(one.flops for one in found), max(one.flops for one in found)],
        "largest_mismatch": max(abs(one.mismatch) for one in found),
    }


def _own_units(manifest: Manifest) -> dict[str, Any]:
    """What else than the study's budget is equal for which variants; nothing where it is the same for all."""
    units = {one.name: manifest.budget_unit(one) for one in manifest.variants}
    own = {name: unit for name, unit in units.items() if unit != manifest.budget}
    return {"own_budget_units": own} if own else {}


def _ends(values: Iterable[float | None]) -> list[float] | None:
    """The least and the most of those that are known; None where none is."""
    known = [value for value in values if value is not None]
    return [min(known), max(known)] if known else None


def held_equal(unit: str) -> str:
    """What a study holds equal, in words."""
    words = {
        "tokens": "training tokens",
        "bytes": "bytes of text",
        "flops": "FLOPs",
        POOL: "passes over the training text",
        SECONDS: "seconds of training",
        MEMORY: "bytes in memory",
    }
    return words.get(unit, unit)


def at_equal(unit: str) -> str:
    """``at equal FLOPs``: how a comparison that holds that equal is called."""
    return "at no equal budget" if unit == NOTHING else f"at equal {held_equal(unit)}"


def _name(spec: Any) -> str:
    if isinstance(spec, dict):
        return str(spec.get("description") or " ".join(f"{key}: {value}" for key, value in spec.items()))
    return str(spec or "")


def _provenance(runs: pd.DataFrame) -> list[dict[str, Any]]:
    return [item for item in runs.get("provenance", []) if isinstance(item, dict) and item]


def _distinct(runs: pd.DataFrame, key: str) -> list[str]:
    return sorted({str(item[key]) for item in _provenance(runs) if item.get(key) is not None})


def hardware_of(runs: pd.DataFrame) -> list[str]:
    """The machines that ``runs`` were made on, each once."""
    return sorted({machine_words(item["hardware"]) for item in _provenance(runs) if item.get("hardware")})


def machine_words(hardware: Any) -> str:
    """The GPU, or the processor with its cores, of a run's or a measurement's ``hardware``."""
    if not isinstance(hardware, dict):
        return str(hardware)
    if hardware.get("gpu"):
        return str(hardware["gpu"])
    cores = f", {hardware['cores']} cores" if hardware.get("cores") else ""
    return f"{hardware.get('processor') or hardware.get('device') or 'unknown processor'}{cores}"


def _compute(runs: pd.DataFrame) -> dict[str, float]:
    """Training time of every run of every phase, in hours of a core or of a GPU; and all FLOPs."""
    core = gpu = flops = 0.0
    for run in runs.to_dict("records"):
        training = (
            (run.get("config") or {}).get("training", {}) if isinstance(run.get("config"), dict) else {}
        )
        hours = _number(run.get("seconds")) / 3600
        devices = _ways(run.get("provenance"))[-1].devices
        flops += _number(run.get("flops"))
        if str(training.get("device", "cpu")).startswith("cuda"):
            gpu += hours * devices
        else:
            core += hours * devices * training.get("threads", 1)
    return {"core_hours": core, "gpu_hours": gpu, "flops": flops}


def _ways(provenance: Any) -> list[Execution]:
    """How a run was computed, the last way at the end."""
    kept = provenance.get("execution") if isinstance(provenance, dict) else None
    return [Execution.model_validate(way) for way in kept] if kept else [USUAL]


def _computed(runs: pd.DataFrame) -> list[str]:
    """The ways in which runs were computed; nothing where all that began were in the usual one."""
    ways = sorted({way.words() for provenance in _provenance(runs) for way in _ways(provenance)})
    return [] if ways == [USUAL.words()] else ways


def _number(value: Any) -> float:
    return 0.0 if value is None or pd.isna(value) else float(value)


def _mixed(runs: pd.DataFrame, manifest: Manifest) -> list[str]:
    """Of what runs should have in common and do not; where the precision is a factor, it is asked about."""
    commits = _distinct(runs, "git_commit")
    found = {
        "commits": [commit[:_SHORT] for commit in commits],
        "kinds of hardware": hardware_of(runs),
        "ways of computing, which differ by rounding": _computed(runs),
        "precisions": [] if "precision" in manifest.factors else _distinct(runs, "precision"),
        "torch versions": sorted(
            {str(item["versions"].get("torch")) for item in _provenance(runs) if item.get("versions")}
        ),
    }
    return [f"runs come from {len(v)} {k}: {', '.join(v)}" for k, v in found.items() if len(v) > 1]


def _shared(sizes: list[int]) -> str:
    if not sizes:
        return ""
    most = f"{sizes[0]} to {sizes[-1]}" if len(sizes) > 1 else str(sizes[0])
    return f"{most} runs trained in one program; seconds, memory and speed are each run's share"


def _populations(runs: pd.DataFrame) -> list[int]:
    """How many runs trained in one program, the sizes that occur; nothing where all trained alone."""
    sizes = {int(item["population"]) for item in _provenance(runs) if item.get("population")}
    return sorted(size for size in sizes if size > 1)


def _amendments(manifest: Manifest) -> list[str]:
    """What was changed after the start; of a margin whose values are known ``changed_margin`` speaks."""
    lines = []
    for item in manifest.amendments:
        keys = [key for key in item.keys if key != "margin" or item.margin is None]
        if keys:
            lines.append(
                f"amended {item.time or 'after its start'}: {', '.join(keys)} changed; "
                "comparisons added then are exploratory"
            )
    return lines


def footer_lines(facts: dict[str, Any]) -> list[tuple[str, str]]:
    """The footer for people: (name, text) pairs, without what is not known."""
    lines = [
        ("metric", f"{facts['metric']} ({facts['unit']}, lower is better)"),
        ("margin", f"{margin_text(facts['margin'])} {facts['unit']}: smaller differences do not matter here"),
        ("test", facts["test"]),
        ("budget", _budget(facts)),
        ("seeds", "; ".join(f"{phase} {_seeds(seeds)}" for phase, seeds in facts["seeds"].items() if seeds)),
        ("data", facts["data"] or ""),
        ("evaluation", "; ".join(_scored(one) for one in facts["evaluation"])),
        ("hardware", "; ".join(facts["hardware"])),
        ("precision", ", ".join(facts["precision"])),
        ("computed", "; ".join(facts["computed"])),
        ("populations", _shared(facts["populations"])),
        ("tuning", HALVED if facts["halving"] else facts["tuning_plan"] or ""),
        ("compute", _hours(facts)),
        ("versions", ", ".join(f"{name} {version}" for name, version in facts["versions"].items())),
        ("commit", _commit(facts)),
        ("manifest", facts["manifest"] or ""),
        ("command", facts["command"] or ""),
    ]
    return [(name, text) for name, text in lines if text]


def _commit(facts: dict[str, Any]) -> str:
    if not facts["commit"]:
        return ""
    return f"{facts['commit']} + uncommitted changes" if facts["dirty"] else str(facts["commit"])


def _scored(one: dict[str, Any]) -> str:
    metrics = "validation/" if one["metric"] == BITS_PER_BYTE else one["metric"]
    text = f"{one['name']} ({metrics}): {one['description']}"
    said = f"{one['bytes']:,} bytes" in one["description"]  # as evaluation texts describe themselves
    if is_error(one["metric"]):  # a task's: what is scored are answers
        return text
    return text if said else f"{text}, {byte_size(one['bytes'])} scored"


def _budget(facts: dict[str, Any]) -> str:
    budgets = facts["budgets"]
    parts = []
    if budgets:
        parts.append(f"{_span(budgets['tokens'], count)} training tokens")
        parts.append(f"{_span(budgets['bytes'], byte_size)} of text")
        parts.append(f"{_span(budgets['flops'], lambda flops: scaled(flops, 'FLOP'))} per run")
    elif facts["tokens_per_run"]:
        parts.append(f"{facts['tokens_per_run']:,} training tokens per run")
    if facts["epochs"]:
        often = _span(facts["epochs"], lambda epochs: fixed(epochs, 2))
        parts.append(f"{often} epochs of {_span(facts['unique_tokens'], count)} unique tokens")
    if facts["parameters"]:
        parts.append(f"{facts['parameters']:,} parameters (baseline)")
    if len(facts["contexts"]) > 1:
        parts.append(f"context {facts['contexts'][0]} to {facts['contexts'][-1]}")
    elif facts["context"]:
        parts.append(f"context {facts['context']}")
    text = ", ".join(parts)
    if not budgets and facts["budget_unit"] == "tokens":
        return text
    names: dict[str, list[str]] = {}
    for name, unit in facts.get("own_budget_units", {}).items():
        names.setdefault(unit, []).append(name)
    beside = [f"{held_equal(unit)} of {_some(own)}" for unit, own in names.items()]
    if budgets:
        beside.append(f"largest mismatch {percent(budgets['largest_mismatch'], 1)}")
    said = f" ({'; '.join(beside)})" if beside else ""
    return f"equal {held_equal(facts['budget_unit'])} per run{said}: {text}"


def _span(ends: list[float], write: Callable[[float], str]) -> str:
    low, high = map(write, ends)
    return low if low == high else f"{low} to {high}"


def _seeds(seeds: list[int]) -> str:
    consecutive = seeds == list(range(seeds[0], seeds[0] + len(seeds)))
    return f"{seeds[0]}–{seeds[-1]}" if consecutive and len(seeds) > 2 else ", ".join(map(str, seeds))


def _hours(facts: dict[str, Any]) -> str:
    parts = [
        f"{facts[f'{kind}_hours']:.2f} {kind.upper() if kind == 'gpu' else kind} hours"
        for kind in ("core", "gpu")
        if facts[f"{kind}_hours"]
    ]
    return ", ".join([*parts, f"{scaled(facts['flops'], 'FLOP')} in all phases"]) if parts else ""
