"""``workbench plan``: how many seeds a question needs, what they cost, and what a given time can decide."""

import math
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table

from workbench.analysis.power import (
    BEYOND_LIMIT,
    POWER,
    SEED_LIMIT,
    seeds_for_equivalence,
    seeds_needed,
    seeds_text,
)
from workbench.errors import UserError
from workbench.numbers import decimals_for, duration, fixed, percent, plural
from workbench.records.index import StudyRecords, list_studies, load_study, study_title
from workbench.records.manifest import Manifest
from workbench.records.run import Phase, State
from workbench.study.chances import (
    Comparison,
    both,
    chance,
    chances_table,
    comparisons_of,
    noise_cell,
    noise_lines,
    words_table,
)
from workbench.study.check import seconds_per_token
from workbench.study.known_noise import Noise
from workbench.study.paths import find_results
from workbench.study.preparation import CHECKED_BLOCKS, make_plan
from workbench.study.schema import find_named_file, study_files
from workbench.terminal import console, styled
from workbench.training.hardware import default_slots
from workbench.visible import one_line

DIFFERENT, EQUIVALENT = "different", "equivalent"
_TRUE_MARGINS = (0, 0.5, 1, 1.5, 2)  # true differences of which it is said how often each word is
_WORDS = {"equivalent": "equivalent", "at_the_margin": "at the margin", "inconclusive": "inconclusive"}
_COOLING = 1.1  # power drawn for each watt of the machine: Touvron et al. 2023, arXiv 2302.13971, table 15


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What the seeds are to decide.

    ``verdict`` is ``different`` (an ``effect`` beyond the margin is called better or worse) or ``equivalent``
    (a difference of ``effect``, zero if left out, is called equivalent); None means what ``effect`` asks for.
    ``margin`` and ``effect`` are in units of the metric, and so is ``sd``, an assumed noise of a paired
    difference. ``price`` is per hour and ``watts`` those of the machine, or of one GPU.
    """

    margin: float | None = None
    effect: float | None = None
    verdict: str | None = None
    power: float = POWER
    sd: float | None = None
    minutes: float | None = None
    price: float | None = None
    watts: float | None = None

    @property
    def question(self) -> str:
        """``different`` or ``equivalent``."""
        if self.verdict is not None:
            return self.verdict
        return EQUIVALENT if self.effect is None else DIFFERENT


@dataclass(frozen=True, kw_only=True)
class Costs:
    """What a study's trials take: seconds of one trial by variant, how many there are, on what they run."""

    manifest: Manifest
    seconds: dict[str, float]
    source: str
    device: str
    slots: int

    @property
    def tuning(self) -> int:
        """Trials of each variant before its rate is chosen, if no grid grows."""
        manifest = self.manifest
        tunes = manifest.rates_tried > 1 if manifest.phases is None else Phase.TUNE in manifest.phases
        return manifest.tuning_trials if tunes else 0

    @property
    def seconds_before(self) -> float:
        """Of all trials that no number of seeds changes: tuning, and the baseline's other budgets."""
        baseline = self.manifest.baseline_variant
        own = self.manifest.tokens_of(baseline)
        other = sum(tokens * count for tokens, count in self.manifest.gain_trials.items())
        ladder = self.seconds[baseline.name] * other / own if own else 0.0
        return self.tuning * self.seconds_a_seed + ladder

    @property
    def seconds_a_seed(self) -> float:
        """Of one trial of every variant."""
        return sum(self.seconds.values())

    def seeds_within(self, seconds: float) -> int:
        """How many seeds of every variant are trained in so long, tuning before; at most 1,000."""
        left = seconds * self.slots - self.seconds_before
        return min(SEED_LIMIT, max(0, math.floor(left / self.seconds_a_seed + 1e-9)))

    def of(self, seeds: int, wanted: Wanted) -> dict[str, Any]:
        """Trials, time and cost of the whole study with so many seeds; None where they are beyond 1,000."""
        if seeds > SEED_LIMIT:
            keys = ("trials", "seconds", "machine_hours", "cost", "kwh")
            return {"seeds": seeds} | dict.fromkeys(keys)
        return {"seeds": seeds} | self.of_each(dict.fromkeys(self.seconds, seeds), wanted)

    def of_each(self, seeds: dict[str, int], wanted: Wanted) -> dict[str, Any]:
        """Trials, time and cost of the whole study where each variant has a number of seeds of its own."""
        confirm = sum(count * self.seconds[name] for name, count in seeds.items())
        seconds = (self.seconds_before + confirm) / self.slots
        # A GPU's trials have it for themselves, one for each worker; a CPU's share the machine.
        machines = min(self.slots, max(1, default_slots(self.device))) if self.device == "cuda" else 1
        hours = machines * seconds / 3600
        tuning = self.tuning * len(self.manifest.variants)
        return {
            "trials": tuning + sum(self.manifest.gain_trials.values()) + sum(seeds.values()),
            "seconds": seconds,
            "machine_hours": hours,
            "cost": None if wanted.price is None else hours * wanted.price,
            "kwh": None if wanted.watts is None else hours * wanted.watts * _COOLING / 1000,
        }


def plan_seeds(
    study: str, wanted: Wanted, *, overrides: list[str], workers: int | None, out: Path
) -> dict[str, Any]:
    """Facts about how many seeds ``study``, a study file or a study with results, needs.

    Raises ``UserError`` for a question that no number of seeds answers, and where no noise is known.
    """
    file = find_named_file(study)
    costs = _planned(file, overrides, workers, out) if file else _measured(study, overrides, workers, out)
    manifest = costs.manifest
    comparisons = [_asked(one, wanted) for one in comparisons_of(manifest, out)]
    if not comparisons:
        raise UserError(f"{study}: has no variant beside its baseline; give a study that compares some")
    _require_noise(comparisons, manifest, out)
    planned = len(manifest.seeds.confirm)
    decides = _decides(comparisons, planned, wanted)
    facts: dict[str, Any] = {
        "name": manifest.name,
        "question": manifest.question,
        "metric": manifest.metric,
        "verdict": wanted.question,
        "power": wanted.power,
        "family": comparisons[0].family,
        "seconds_per_trial": costs.seconds,
        "seconds_from": costs.source,
        "device": costs.device,
        "workers": costs.slots,
        "looks": manifest.looks,
        "planned": costs.of(planned, wanted) | {"decides": decides},
    }
    if manifest.looks:
        facts |= _until_decided(comparisons, costs, wanted, decides)
    else:
        facts |= _fixed(comparisons, costs, wanted)
    if wanted.minutes is not None:
        seeds = costs.seeds_within(60 * wanted.minutes)
        if manifest.looks:
            seeds = min(seeds, planned)
        facts["within"] = costs.of(seeds, wanted) | {
            "minutes": wanted.minutes,
            "decides": _decides(comparisons, seeds, wanted),
        }
    return facts


def _fixed(comparisons: list[Comparison], costs: Costs, wanted: Wanted) -> dict[str, Any]:
    """How many seeds each comparison needs, and what the most demanding one makes the study cost."""
    rows = [_row(one, wanted) for one in comparisons]
    needed = {key: max(row["seeds"][key] for row in rows) for key in ("likely", "safe")}
    return {
        "comparisons": rows,
        "needed": {key: costs.of(seeds, wanted) for key, seeds in needed.items()},
    }


def _until_decided(
    comparisons: list[Comparison], costs: Costs, wanted: Wanted, decides: list[dict[str, Any]]
) -> dict[str, Any]:
    """What each comparison is called by what is true, and what the study costs if all variants are equal.

    The numbers of pairs are those that half of such studies stay within; the baseline has as many as the
    most of the others.
    """
    asked = abs(wanted.effect or 0.0)
    rows = []
    for one in comparisons:
        differences = sorted({share * one.margin for share in _TRUE_MARGINS} | {asked})
        rows.append(
            {
                "variant": one.variant,
                "margin": one.margin,
                "noise": one.noise.to_dict() if one.noise else None,
                "words": one.words(differences),
            }
        )
    usual = {}
    for key in ("likely", "safe"):
        pairs = {row["variant"]: row["if_equal"][key]["pairs"] for row in decides}
        pairs[costs.manifest.baseline] = max(pairs.values())
        if costs.manifest.stack is not None:  # whose variants go on together
            pairs = dict.fromkeys(pairs, max(pairs.values()))
        usual[key] = {"pairs": pairs} | costs.of_each(pairs, wanted)
    return {"comparisons": rows, "if_equal": usual}


def _decides(comparisons: list[Comparison], seeds: int, wanted: Wanted) -> list[dict[str, Any]]:
    return [one.chances(seeds, wanted.power) for one in comparisons]


def _planned(file: Path, overrides: list[str], workers: int | None, out: Path) -> Costs:
    """Those of a study file: a few passes of each variant are timed, as ``workbench check`` does."""
    plan = make_plan(file, overrides, console(stderr=True), out, None, CHECKED_BLOCKS)
    if plan.search is not None:
        name = plan.study.name
        raise UserError(
            f"{name}: a search gives no verdict, and no number of seeds decides it; run it, promote what "
            f"looks best ('workbench promote {name} --top 3'), and plan that study"
        )
    each = seconds_per_token(plan)
    return Costs(
        manifest=plan.manifest(command=""),
        seconds={one.name: each[one.name] * plan.tokens_of(one) for one in plan.variants},
        source="measured now, a few passes of each variant",
        device=plan.device,
        slots=workers or default_slots(plan.device, plan.study.training.devices),
    )


def _measured(study: str, overrides: list[str], workers: int | None, out: Path) -> Costs:
    """Those of a study that ran: what its complete trials took."""
    records = load_study(_results_of(study, out))
    for compared in records.compared:
        compared.require_comparable()
    if records.manifest.is_import:
        raise UserError(f"{study}: holds models from elsewhere, and nothing is compared; give a study file")
    if overrides:
        raise UserError(f"--set: {study} is a study with results, which are as they are; give its study file")
    complete = records.runs[records.runs["state"] == State.COMPLETE]
    timed = complete[complete["seconds"] > 0] if "seconds" in complete else complete.iloc[:0]
    if timed.empty:
        raise UserError(
            f"{study}: no trial of it is complete, so that nothing says how long one takes; give its study "
            "file"
        )
    known = timed.groupby("variant")["seconds"].mean()
    typical = float(known.mean())
    device = _device(records)
    return Costs(
        manifest=records.manifest,
        seconds={name: float(known.get(name, typical)) for name in records.manifest.names},
        source=f"of the trials of {study_title(records.path)}",
        device=device,
        slots=workers or max(1, default_slots(device)),
    )


def _results_of(study: str, out: Path) -> Path:
    try:
        return find_results(study, out)
    except UserError:
        files = ", ".join(file.stem for file in study_files())
        known = ", ".join(study_title(path) for path in list_studies(out))
        raise UserError(
            f"{study}: is neither a study file nor a study with results under {out}; study files at hand: "
            f"{files or 'none'}; with results: {known or 'none'}"
        ) from None


def _device(records: StudyRecords) -> str:
    trainings = [config.get("training", {}) for config in records.runs["config"] if isinstance(config, dict)]
    device = next((str(one["device"]) for one in trainings if one.get("device")), "cpu")
    return "cuda" if device.startswith("cuda") else "cpu"


def _asked(comparison: Comparison, wanted: Wanted) -> Comparison:
    """``comparison`` with the margin and the noise that were given, where they were."""
    if wanted.margin is not None:
        comparison = replace(comparison, margin=wanted.margin)
    if wanted.sd is not None:
        comparison = replace(comparison, noise=Noise(sd=wanted.sd, degrees=None, source="--sd, assumed"))
    _require_an_answer(comparison, wanted)
    return comparison


def _require_an_answer(comparison: Comparison, wanted: Wanted) -> None:
    effect, margin, name = abs(wanted.effect or 0.0), comparison.margin, comparison.variant
    if wanted.question == DIFFERENT and wanted.effect is None:
        raise UserError(
            f"--effect: how large a difference is to be found? Give one beyond the margin {margin:g}, for "
            f"example --effect {2 * margin:g}"
        )
    if wanted.question == DIFFERENT and effect <= margin:
        raise UserError(
            f"--effect: {effect:g} is not beyond the margin {margin:g} of {name}, so that no number of seeds "
            f"shows it to matter; give a larger effect, a smaller --margin, or --verdict {EQUIVALENT}"
        )
    if wanted.question == EQUIVALENT and effect >= margin:
        raise UserError(
            f"--effect: {effect:g} is not within the margin {margin:g} of {name}, so that no number of seeds "
            f"shows it to be equivalent; give a smaller effect, a larger --margin, or --verdict {DIFFERENT}"
        )


def _require_noise(comparisons: list[Comparison], manifest: Manifest, out: Path) -> None:
    unknown = [one.variant for one in comparisons if one.noise is None]
    if unknown:
        raise UserError(
            f"--sd: no finished study under {out} has measured the noise of {manifest.metric} for "
            f"{', '.join(unknown)}; give the sd of a paired difference that you expect, for example "
            "--sd 0.03, or run this study with few seeds first"
        )


def _row(comparison: Comparison, wanted: Wanted) -> dict[str, Any]:
    """The seeds that one comparison needs, by its likely noise and by the safe one."""
    noise = comparison.noise
    assert noise is not None  # _require_noise
    family, power = comparison.family, wanted.power
    effect = abs(wanted.effect or 0.0)
    if wanted.question == DIFFERENT:
        seeds = partial(seeds_needed, effect=effect - comparison.margin, comparisons=family, power=power)
    else:
        seeds = partial(
            seeds_for_equivalence, comparison.margin, true=effect, comparisons=family, power=power
        )
    return {
        "variant": comparison.variant,
        "margin": comparison.margin,
        "effect": effect,
        "noise": noise.to_dict(),
        "seeds": {"likely": seeds(sd=noise.sd), "safe": seeds(sd=noise.safe)},
    }


def render_seed_plan(facts: dict[str, Any]) -> Group:
    """The facts for a terminal."""
    heading = f"{facts['name']}: {facts['question']}"
    noise = [styled(line) for line in noise_lines(facts["comparisons"])]
    planned = chances_table(facts["planned"]["decides"])
    parts: list[RenderableType] = [styled(heading, "bold")]
    if facts["looks"]:
        parts += [styled(_in_a_sentence(facts)), styled(""), planned, styled("")]
        parts += [words_table(facts["comparisons"]), *noise, *map(styled, _expected_lines(facts))]
    else:
        parts += [_needed_table(facts), *noise, *map(styled, _needed_lines(facts)), styled(""), planned]
        parts.append(styled(f"as planned: {_cost(facts['planned'], facts)}"))
    if "within" in facts:
        parts += [styled(""), *_within(facts)]
    return Group(*parts)


def _in_a_sentence(facts: dict[str, Any]) -> str:
    """What a study with looks will likely say of changes that do nothing, by the likely noise."""
    said: dict[str, list[str]] = {}
    for row in facts["planned"]["decides"]:
        words = row["if_equal"]["likely"]
        word = max(_WORDS, key=lambda name: words[name])
        said.setdefault(_WORDS[word], []).append(f"{row['variant']} ({chance(words[word])})")
    parts = [f"{word} for {', '.join(variants)}" for word, variants in said.items()]
    return f"Of a change that does nothing the likeliest verdict is {'; '.join(parts)}."


def _expected_lines(facts: dict[str, Any]) -> list[str]:
    """What the study costs where all variants are equal, by both noises, and what it may cost at most."""
    lines = []
    for key, usual in facts["if_equal"].items():
        lines.append(f"{key + ':':<9} if all are equal, usually {_cost_text(usual, facts)}")
    return [*lines, f"at most:  {_cost(facts['planned'], facts)}", _time_line(facts)]


def _needed_table(facts: dict[str, Any]) -> Table:
    family = plural(facts["family"], "comparison")
    share = f" ({family} share an error of 5 %)" if facts["family"] > 1 else ""
    title = f"{facts['metric']}: seeds for a chance of {percent(facts['power'])} to say so{share}"
    table = Table(title=title, title_justify="left")
    table.add_column("variant", overflow="fold")
    for heading in ("margin", "noise (95 % range)", "to say", "seeds,\nlikely", "seeds,\nsafe"):
        table.add_column(heading, justify="right")
    for row in facts["comparisons"]:
        decimals = decimals_for(row["margin"])
        table.add_row(
            one_line(row["variant"]),
            f"±{row['margin']:g}",
            noise_cell(row["noise"], decimals),
            _to_say(facts["verdict"], row["effect"], decimals),
            seeds_text(row["seeds"]["likely"]),
            seeds_text(row["seeds"]["safe"]),
        )
    return table


def _to_say(verdict: str, effect: float, decimals: int) -> str:
    if verdict == DIFFERENT:
        return f"better or worse, of ±{fixed(effect, decimals)}"
    return "equivalent, of equals" if not effect else f"equivalent, of ±{fixed(effect, decimals)}"


def _needed_lines(facts: dict[str, Any]) -> list[str]:
    lines = [f"{key + ':':<9} {_cost(needed, facts)}" for key, needed in facts["needed"].items()]
    return [*lines, _time_line(facts)]


def _time_line(facts: dict[str, Any]) -> str:
    """What a trial takes, and what the times above leave out."""
    each = sorted(facts["seconds_per_trial"].values())
    ends = " to ".join(dict.fromkeys([duration(each[0]), duration(each[-1])]))
    others = "more if a grid grows"
    if facts["device"] == "cuda":
        others += ", less in populations"
    return f"time:     {ends} a trial ({facts['seconds_from']}); tuning included; {others}"


def _cost(needed: dict[str, Any], facts: dict[str, Any]) -> str:
    """``51 seeds: 224 trials, 1 h 05 min on 2 workers, 1.1 machine hours``."""
    if needed["seeds"] >= BEYOND_LIMIT:
        return f"{seeds_text(needed['seeds'])} seeds"
    return f"{plural(needed['seeds'], 'seed')}: {_cost_text(needed, facts)}"


def _cost_text(needed: dict[str, Any], facts: dict[str, Any]) -> str:
    what = "GPU" if facts["device"] == "cuda" else "machine"
    parts = [
        plural(needed["trials"], "trial"),
        f"{duration(needed['seconds'])} on {plural(facts['workers'], 'worker')}",
        f"{needed['machine_hours']:.2f} {what} hours",
    ]
    if needed["cost"] is not None:
        parts.append(f"cost {needed['cost']:,.2f}")
    if needed["kwh"] is not None:
        parts.append(f"{needed['kwh']:.3g} kWh")
    return ", ".join(parts)


def _within(facts: dict[str, Any]) -> list[RenderableType]:
    """What a given time decides: ``in 30 min: n = 6, decides |effect| ≥ 0.031``."""
    within = facts["within"]
    time, seeds = duration(60 * within["minutes"]), within["seeds"]
    first = facts["looks"][0] if facts["looks"] else 2
    if seeds < first:
        needs = f"the first look is at {first} pairs" if facts["looks"] else "a difference needs two pairs"
        return [
            styled(
                f"in {time}: n = {seeds}, decides nothing: {needs}, after the tuning of every variant; give "
                "more --minutes or --workers, or a smaller study"
            )
        ]
    line = styled(f"in {time}: n = {seeds}, decides {_smallest(within['decides'])}")
    if within["decides"] == facts["planned"]["decides"]:
        return [line]  # which stands above
    return [line, chances_table(within["decides"])]


def _smallest(decides: list[dict[str, Any]]) -> str:
    """The effect that every comparison would decide, likely and safe."""
    decimals = max(decimals_for(row["margin"]) for row in decides)
    likely, safe = (max(row["smallest_effect"][key] for row in decides) for key in ("likely", "safe"))
    shown = both(fixed(likely, decimals), fixed(safe, decimals))
    return f"|effect| ≥ {shown}" + ("" if likely == safe else " (likely / safe)")
