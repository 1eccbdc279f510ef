"""``workbench check``: what a study would run, and how long it would take. Trains nothing."""

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from rich.console import Group, RenderableType
from rich.table import Table

from workbench.analysis.equal_budgets import equal_budget_notes
from workbench.analysis.report_footer import held_equal
from workbench.analysis.report_tables import AT_EQUAL
from workbench.errors import UserError, in_one_line
from workbench.model.config import ModelConfig
from workbench.model.decoder import Decoder, Start
from workbench.model.weights import families
from workbench.numbers import MISSING, byte_size, duration, fixed, percent, plural, scaled
from workbench.records.cells import BLOCKS
from workbench.records.manifest import MEMORY, POOL, SECONDS, Manifest
from workbench.records.run import Phase
from workbench.seeds import generator
from workbench.study.chances import chances_table, comparisons_of, noise_lines, power_warnings
from workbench.study.design import Variant
from workbench.study.devices import execution_lines
from workbench.study.dismantling import Stack
from workbench.study.plan import Plan
from workbench.study.preparation import CHECKED_BLOCKS, make_plan
from workbench.study.rate_spacing import spacing_warnings
from workbench.study.recipe import Recipe
from workbench.study.search_check import check_search, render_search_check, search_lines
from workbench.study.warnings import notes_on_texts, study_warnings, what_is_paired
from workbench.terminal import console
from workbench.training.hardware import default_slots, out_of_memory
from workbench.visible import one_line

_PROBE_PASSES = 3
_LONG_PASS_SECONDS = 2.0  # of such a pass, what warms caches is a small part
_PROBE_FLOPS = {"cpu": 5e10, "cuda": 1e14}  # of a pass, at most: a few seconds


def check_study(path: Path, *, overrides: list[str], workers: int | None, out: Path) -> dict[str, Any]:
    """Facts about a study that is yet to run; raises ``UserError`` for one that cannot."""
    plan = make_plan(path, overrides, console(stderr=True), out, None, CHECKED_BLOCKS)
    return check_plan(plan, seconds_per_token(plan), workers=workers, out=out)


def check_plan(plan: Plan, seconds: Mapping[str, float], *, workers: int | None, out: Path) -> dict[str, Any]:
    """As ``check_study``, of a plan whose variants take so many ``seconds`` for a training token.

    NaN where nobody has measured that yet: times are NaN then, and all else is as it will be.
    """
    execution = plan.study.training.execution
    own = default_slots(plan.device, execution.devices)
    slots = workers or own
    manifest = plan.manifest(command="")
    counts = plan.trial_counts()
    if plan.search is not None:
        each = seconds[plan.baseline.name] * plan.tokens
        return check_search(plan, manifest, seconds=each, slots=slots)
    comparisons = comparisons_of(manifest, out)
    seeds = len(manifest.seeds.confirm)
    trial_seconds = {
        variant.name: seconds[variant.name] * plan.tokens_of(variant) for variant in plan.variants
    }
    return {
        "name": manifest.name,
        "question": manifest.question,
        "hash": manifest.hash,
        "match": manifest.match,
        "variants": [
            item.model_dump(exclude={"model"}, exclude_unset=True)
            | {"steps": plan.steps_of(variant), "tokens": plan.tokens_of(variant)}
            | _reading(plan, variant)
            | _own_parts(variant.model)
            for item, variant in zip(manifest.variants, plan.variants, strict=True)
        ],
        "data": manifest.data,
        **({"dismantle": _stack(plan.stack)} if plan.stack else {}),
        **({"gain": _gain(plan)} if plan.gain else {}),
        **({"rungs": _rungs(plan, manifest, trial_seconds, slots)} if plan.rungs else {}),
        "tokens_per_trial": plan.tokens,
        "steps_per_trial": plan.steps,
        "budget": plan.study.budget,
        "looks": manifest.looks,
        "tuning": _tuning(plan),
        "evaluation": [item.model_dump() for item in manifest.evaluation],
        "passes": plan.passes_of(plan.variants[-1] if plan.rungs else plan.baseline),
        "epochs": plan.epochs_of(plan.variants[-1] if plan.rungs else plan.baseline),
        "trials": {str(phase): count for phase, count in counts.items()} | {"total": sum(counts.values())},
        "device": plan.device,
        "workers": slots,
        "execution": execution.to_dict(),
        "computed": execution_lines(execution),
        "seconds_per_trial": trial_seconds,
        "estimated_seconds": (
            _study_seconds(counts, trial_seconds) + _gain_seconds(manifest, seconds[plan.baseline.name])
        )
        / slots,
        "paired": what_is_paired(plan),
        "decides": [one.chances(seeds) for one in comparisons],
        "notes": [*notes_on_texts(plan), *equal_budget_notes(manifest), *_measured_again(plan)],
        "warnings": [
            *_warnings(plan, manifest, out),
            *power_warnings(comparisons, seeds),
        ],
    }


def _measured_again(plan: Plan) -> list[str]:
    """That step times were measured for this answer alone, in fewer blocks than a run takes."""
    measured = plan.step_times
    if measured is None or len(measured.pairs[0].blocks) != CHECKED_BLOCKS:
        return []
    return [
        f"equal seconds: {CHECKED_BLOCKS} blocks were measured for this answer; run measures {BLOCKS} before "
        "its first trial, and keeps to them"
    ]


def _warnings(plan: Plan, manifest: Manifest, out: Path) -> list[str]:
    """What to mend; of a ladder once for the rungs that it is true of."""
    if not plan.rungs:
        return [*study_warnings(plan, manifest), *spacing_warnings(plan, out)]
    numbers: dict[str, list[int]] = {}
    for number, rung in enumerate(plan.rungs, start=1):
        own = [*study_warnings(rung, rung.manifest(command="")), *spacing_warnings(rung, out)]
        for text in own:
            numbers.setdefault(text, []).append(number)
    found = []
    for text, rungs in numbers.items():
        if len(rungs) == len(plan.rungs):
            found.append(text)
        else:
            found.append(f"rung {' and '.join(map(str, rungs))}: {text}")
    return found


def _rungs(plan: Plan, manifest: Manifest, seconds: dict[str, float], slots: int) -> list[dict[str, Any]]:
    """What each rung of a ladder is, and what its trials take."""
    found = []
    for rung, recorded in zip(plan.rungs, manifest.rungs, strict=True):
        own = {name: seconds[name] for name in recorded.variants}
        counts = rung.trial_counts()
        facts = recorded.model_dump(exclude_unset=True, exclude={"variants"})
        facts["trials"] = sum(counts.values())
        facts["words"] = recorded.words
        facts["estimated_seconds"] = _study_seconds(counts, own) / slots
        found.append(facts)
    return found


def _reading(plan: Plan, variant: Variant) -> dict[str, Any]:
    """How much text a trial reads, and how often; nothing where all read the same at most once."""
    if not plan.repetition_matters:
        return {}
    return {
        "unique_tokens": plan.corpus_of(variant).unique_train_tokens,
        "epochs": plan.epochs_of(variant),
    }


def _stack(stack: Stack) -> dict[str, Any]:
    """The parts between two recipes, and the variants that have each exchanged alone."""
    parts = [{"factors": list(part.factors), "out": part.out, "into": part.into} for part in stack.parts]
    return {"from": stack.origin, "to": stack.whole, "parts": parts}


def _gain(plan: Plan) -> dict[str, Any]:
    """The baseline's other budgets: trials of each, how often they read the text, and all of their tokens."""
    trials = plan.manifest(command="").gain_trials
    size = len(plan.corpus.train)
    rungs = [{"tokens": tokens, "trials": count, "passes": tokens / size} for tokens, count in trials.items()]
    return {
        "rungs": rungs,
        "seeds": plan.study.gain_seeds,
        "tokens": sum(tokens * count for tokens, count in trials.items()),
    }


def _own_parts(model: ModelConfig) -> dict[str, Any]:
    """What the parameters of foreign parts start from, and which are not trained; nothing without any."""
    if not model.foreign_parts:
        return {}
    decoder = Decoder(model)
    found: dict[str, list[str]] = {str(start): [] for start in Start}
    for name, start in decoder.starts().items():
        found[start].append(name)
    found["fixed"] = [name for name, parameter in decoder.named_parameters() if not parameter.requires_grad]
    names = list(dict.fromkeys(part.label for part in model.foreign_parts.values()))
    starts = {key: families(tensors) for key, tensors in found.items() if tensors}
    return {"own_parts": {"names": names, "initialization": model.initialization.label, "starts": starts}}


def seconds_per_token(plan: Plan) -> dict[str, float]:
    """Measured seconds per training token of each variant: a few passes on random tokens, no updates."""
    return {variant.name: probe_seconds(variant, plan.device) for variant in plan.variants}


def probe_seconds(variant: Variant, device: str) -> float:
    """Measured seconds per training token of one variant; raises ``UserError`` for one that cannot train."""
    training = variant.recipe.training
    threads = torch.get_num_threads()
    torch.set_num_threads(training.threads)
    try:
        return _measure(variant.recipe, device)
    except NotImplementedError as error:  # a part of the user's own that lacks a method
        raise UserError(f"{variant.name}: {error}; define it in the class") from error
    except UserError:
        raise
    except Exception as error:
        if not out_of_memory(error):
            if not variant.model.foreign_parts:
                raise
            raise UserError(
                f"{variant.name}: a training step of it fails "
                f"({type(error).__name__}: {in_one_line(error)}); mend its part"
            ) from error
        raise UserError(
            f"{variant.name}: {variant.model.num_parameters():,} parameters at batch_size "
            f"{training.batch_size:,} do not fit into memory; lower training.batch_size, context or size"
        ) from error
    finally:
        torch.set_num_threads(threads)


def _measure(recipe: Recipe, device: str) -> float:
    model, training = recipe.model, recipe.training
    decoder = Decoder(model).to(device)
    decoder.initialize(0)
    decoder.dropout_generator = generator("probe", device=device)
    # The cost of a token does not depend on the batch where a pass takes long.
    sequences = int(_PROBE_FLOPS[device] / (model.flops_per_token() * model.context))
    shape = (max(1, min(training.batch_size // training.execution.pieces, sequences)), model.context)
    tokens = torch.randint(model.vocabulary, shape, generator=generator("probe")).to(device)  # (B, T)
    bf16 = training.precision == "bf16"
    times = [_time_pass(decoder, tokens, device, bf16)]
    while len(times) < _PROBE_PASSES and times[0] < _LONG_PASS_SECONDS:
        times.append(_time_pass(decoder, tokens, device, bf16))
    # The first pass warms caches and the fastest is the least disturbed; a fifth more for the optimizer
    # and evaluation. Of three parts of a step, of which the backward pass is two, one is done again where
    # activations are not kept; what devices lose while they wait for each other is left out.
    again = 4 / 3 if training.activation_checkpointing else 1
    return 1.2 * again * min(times[1:] or times) / tokens.numel() / training.devices


def _time_pass(decoder: Decoder, tokens: torch.Tensor, device: str, bf16: bool) -> float:
    start = time.perf_counter()
    with torch.autocast(device, torch.bfloat16, enabled=bf16):
        logits = decoder(tokens)  # (B, T, V)
    torch.nn.functional.cross_entropy(logits.flatten(0, 1).float(), tokens.flatten()).backward()
    if device == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - start


def _study_seconds(counts: dict[Phase, int], seconds: dict[str, float]) -> float:
    """Trials times what one costs, in the phases that all variants have: each has the same share of them."""
    trials = sum(count for phase, count in counts.items() if phase is not Phase.GAIN)
    return trials * sum(seconds.values()) / len(seconds)


def _gain_seconds(manifest: Manifest, each: float) -> float:
    """What the baseline's other budgets take, at ``each`` seconds of a token."""
    return each * sum(tokens * count for tokens, count in manifest.gain_trials.items())


def render_check(facts: dict[str, Any]) -> Group:
    """The facts for a terminal."""
    if "points" in facts:
        return render_search_check(facts)
    table = Table(title=f"{facts['name']}: {facts['question']}", title_justify="left")
    own = ("tokens", "text", "budget") if "budget" in facts["variants"][0] else ()
    units_differ = any("unit" in variant.get("budget", {}) for variant in facts["variants"])
    own = (*own, AT_EQUAL) if units_differ else own
    read = ("unique tokens", "epochs") if "epochs" in facts["variants"][0] else ()
    for heading in ("variant", "change", "parameters", "FLOPs/token", "mismatch", *own, *read, "time/trial"):
        table.add_column(heading, justify="left" if heading in ("variant", "change", AT_EQUAL) else "right")
    changes = changes_in_a_line(facts)
    for variant in facts["variants"]:
        mismatch = variant["mismatch"]
        table.add_row(
            variant["name"],
            changes[variant["name"]],
            f"{variant['parameters']:,}",
            f"{variant['flops_per_token']:,}",
            percent(mismatch, 2, sign=True),
            *_own_budget(variant),
            *([_equal(variant, facts)] if units_differ else ()),
            *((f"{variant['unique_tokens']:,}", fixed(variant["epochs"], 2)) if read else ()),
            duration(facts["seconds_per_trial"][variant["name"]]),
        )
    return Group(table, *_decides(facts), *check_lines(facts))


def changes_in_a_line(facts: dict[str, Any]) -> dict[str, str]:
    """Each variant's change, by its name: ``norm: rmsnorm → layernorm``; the baseline changes nothing."""
    changes = {
        variant["name"]: ", ".join(f"{key}: {old} → {new}" for key, (old, new) in variant["change"].items())
        for variant in facts["variants"]
    }
    return {name: change or MISSING for name, change in (changes | _added(facts)).items()}


def _added(facts: dict[str, Any]) -> dict[str, str]:
    """By variant that adds one part to the second of two recipes, its change to that recipe."""
    stack = facts.get("dismantle")
    if stack is None or len(stack["parts"]) < 3:
        return {}
    changes = {variant["name"]: variant["change"] for variant in facts["variants"]}
    levels = changes[stack["to"]]
    found = {}
    for part in stack["parts"]:
        back = ", ".join(f"{key}: {levels[key][1]} → {levels[key][0]}" for key in part["factors"])
        found[part["into"]] = f"{stack['to']} with {back}"
    return found


def _dismantle(facts: dict[str, Any]) -> list[str]:
    """Which parts two recipes are taken into, and how; nothing of other designs."""
    stack = facts.get("dismantle")
    if stack is None:
        return []
    ends = f"{stack['from']} → {stack['to']}"
    names = [" + ".join(part["factors"]) for part in stack["parts"]]
    if len(names) == 1:
        return [f"parts:    {ends}: one, {names[0]}"]
    together = "; all variants go on together until every row has its verdict" if facts["looks"] else ""
    each = f"each left out of {stack['from']} alone and added to {stack['to']} alone"
    return [f"parts:    {ends}: {len(names)} ({', '.join(names)}), {each}{together}"]


def _rung_lines(facts: dict[str, Any]) -> list[str]:
    """What each rung of a ladder is, and what it takes; nothing of other studies."""
    lines = []
    for number, rung in enumerate(facts.get("rungs", []), start=1):
        compute = f"{scaled(rung['compute'], 'FLOP')} for a run of the baseline"
        cost = f"{plural(rung['trials'], 'trial')}, about {duration(rung['estimated_seconds'])}"
        lines.append(f"{f'rung {number}:':<9} {rung['words']}, {compute}; {cost}")
    return lines


def _decides(facts: dict[str, Any]) -> list[RenderableType]:
    """What the planned seeds can decide, by the noise that is known; or that none is."""
    known = [row for row in facts["decides"] if row["noise"] is not None]
    if not known:
        return [
            "decides:  not known: no finished study measured this noise; 'workbench plan' takes one as --sd"
        ]
    return [chances_table(facts["decides"]), *noise_lines(facts["decides"])]


def _own_budget(variant: dict[str, Any]) -> list[str]:
    """Tokens and text of a trial, and how far it is from an equal budget; nothing where all have one."""
    budget = variant.get("budget")
    if budget is None:
        return []
    return [f"{budget['tokens']:,}", byte_size(budget["bytes"]), percent(budget["mismatch"], 2, sign=True)]


def _equal(variant: dict[str, Any], facts: dict[str, Any]) -> str:
    """What a variant trains on as much of as the baseline, which comes first."""
    if variant is facts["variants"][0]:
        return MISSING
    return held_equal(variant["budget"].get("unit", facts["budget"]))


def check_lines(facts: dict[str, Any]) -> list[str]:
    """What stands below the table of variants, a line each: ``data:     …`` to ``warning:  …``."""
    if "points" in facts:
        return search_lines(facts)
    trials = ", ".join(f"{phase} {count}" for phase, count in facts["trials"].items() if phase != "total")
    lines = [
        *_dismantle(facts),
        *_rung_lines(facts),
        f"data:     {one_line(facts['data']['description'])}",
        f"budget:   {_budget(facts)} ({_steps(facts)} steps, {_passes(facts)} over the text)",
        *(f"judged:   {item['name']}: {one_line(item['description'])}" for item in facts["evaluation"]),
        f"trials:   {facts['trials']['total']} ({trials}); {_more(facts)}",
        *_other_budgets(facts),
        f"time:     about {duration(facts['estimated_seconds'])} on {_workers(facts)}",
        *(f"computed: {text}" for text in facts["computed"]),
        f"manifest: {facts['hash']}",
    ]
    if facts["paired"]:
        lines.append(f"paired:   {facts['paired']}")
    lines += [_start(variant) for variant in facts["variants"] if "start" in variant]
    lines += [_own(variant) for variant in facts["variants"] if "own_parts" in variant]
    lines += [f"note:     {text}" for text in facts["notes"]]
    return lines + [f"warning:  {text}" for text in facts["warnings"]]


def _other_budgets(facts: dict[str, Any]) -> list[str]:
    """What compute-equivalent gains cost; nothing of a study that asks for none."""
    gain = facts.get("gain")
    if gain is None:
        return []
    rungs = gain["rungs"]
    budgets = ", ".join(f"{rung['tokens']:,}" for rung in rungs)
    share = gain["tokens"] / facts["tokens_per_trial"]
    again = rungs[0]["trials"] > len(gain["seeds"])
    tuned = ", the learning rate chosen anew at the first and the last" if again else ""
    return [
        f"gain:     the baseline at {budgets} tokens too, {plural(len(gain['seeds']), 'seed')} each{tuned}: "
        f"as many tokens as {share:,.0f} trials of the study; up to {rungs[-1]['passes']:.2f} passes over "
        "the text"
    ]


def _tuning(plan: Plan) -> str | None:
    """How the tuning trials of a study with a space come about; None for one without."""
    tuning = plan.study.tuning
    if tuning is None:
        return None
    seeds = len(plan.study.seeds.lists()[Phase.TUNE])
    points = f"{tuning.points} points of every variant by {tuning.sampler}"
    text = f"{points}, each on {plural(seeds, 'tuning seed')}"
    if tuning.again:
        text += f", and the best {tuning.again} on {plural(len(plan.study.fresh_seeds), 'fresh one')}"
    return text


def _more(facts: dict[str, Any]) -> str:
    """What may add trials to those that are counted."""
    grows = facts["tuning"] or "more if a learning-rate grid grows"
    if not facts["looks"]:
        return grows
    first, last = facts["looks"][0], facts["looks"][-1]
    most = last * len(facts["variants"])
    left_open = f"what they leave open goes on to at most {last} ({most} trials)"
    return f"those are {first} pairs, and {left_open}; {grows}"


def _budget(facts: dict[str, Any]) -> str:
    """What is equal for all, and what else for some."""
    if "rungs" in facts:
        equal = (
            "" if facts["budget"] == "tokens" else f", as many {held_equal(facts['budget'])} for all of it"
        )
        return f"each rung's own{equal}"
    words = {
        "tokens": "tokens",
        "bytes": "bytes of text",
        "flops": "FLOPs",
        POOL: "passes over its own text",
        SECONDS: "seconds",
        MEMORY: "bytes in memory",
    }
    text = f"{facts['tokens_per_trial']:,} tokens per trial"
    if facts["budget"] == MEMORY:
        return f"{text} and {words[MEMORY]} as many as the baseline's, by the batch size"
    if facts["budget"] != "tokens":
        tokens = f"the baseline's {facts['tokens_per_trial']:,} tokens"
        text = f"as many {words[facts['budget']]} per trial as {tokens}"
    for variant in facts["variants"]:
        if unit := variant.get("budget", {}).get("unit"):
            text += f"; of {variant['name']} as many {words[unit]}"
    return text


def _steps(facts: dict[str, Any]) -> str:
    """How many a trial has; with batches of several sizes from fewest to most."""
    steps = sorted({variant["steps"] for variant in facts["variants"]})
    return str(steps[0]) if len(steps) == 1 else f"{steps[0]} to {steps[-1]}"


def _passes(facts: dict[str, Any]) -> str:
    """``0.05 passes``; of a ladder at the top rung."""
    most = "at most " if "rungs" in facts else ""
    return f"{most}{facts['passes']:.2f} passes"


def _workers(facts: dict[str, Any]) -> str:
    less = ", trial by trial; populations take less" if facts["device"] == "cuda" else ""
    return f"{plural(facts['workers'], 'worker')}{less}"


def _start(variant: dict[str, Any]) -> str:
    """What a variant keeps of the weights that the study starts from."""
    start = variant["start"]
    fresh = (
        f"{start['fresh']:,} fresh ({', '.join(start['fresh_names'])})" if start["fresh"] else "none fresh"
    )
    unused = f"; unused: {', '.join(start['unused_names'])}" if start["unused_names"] else ""
    return f"start:    {variant['name']}: {start['kept']:,} parameters kept, {fresh}{unused}"


def _own(variant: dict[str, Any]) -> str:
    """Where the initial values of a variant's own parts are from."""
    own = variant["own_parts"]
    words = {
        Start.CONSTRUCTOR: "kept as the constructor sets them",
        Start.PART: "by their initial_value",
        Start.LEVEL: f"drawn or set by the initialisation {own['initialization']}",
        Start.REDRAWN: "drawn by the constructor, anew for each seed",
        "fixed": "not trained",
    }
    starts = own["starts"]
    described = [f"{text}: {', '.join(starts[key])}" for key, text in words.items() if key in starts]
    return (
        f"own part: {variant['name']} ({', '.join(own['names'])}): {'; '.join(described) or 'no parameters'}"
    )
