"""``workbench check`` of a search: what its space holds, how much of it can be trained, how long it takes."""

import random
from collections import Counter
from typing import Any

from rich.console import Group
from rich.table import Table

from workbench.analysis.hyperband import brackets, sweep
from workbench.numbers import duration, percent, plural, rate, scaled
from workbench.records.hyperparameters import LEARNING_RATE
from workbench.records.manifest import Manifest
from workbench.records.run import Phase
from workbench.records.space import Range, point_at, size
from workbench.seeds import stable_hash
from workbench.study.devices import execution_lines
from workbench.study.plan import Plan
from workbench.study.search import Candidate, ResolvedSearch, at_rung
from workbench.study.warnings import study_warnings
from workbench.terminal import styled
from workbench.visible import one_line

_DRAWN = 128  # points that say what the space is like
_FEW_FEASIBLE = 0.2
_STARTUP = 10  # points that tpe and gp draw at random before they learn
_PER_DIMENSION = 5  # trials: fewer say next to nothing of a dimension


def check_search(plan: Plan, manifest: Manifest, *, seconds: float, slots: int) -> dict[str, Any]:
    """Facts about a search that is yet to run; ``seconds`` is what a trial of the baseline takes."""
    search = plan.search
    assert search is not None, "the plan of a search has one"
    drawn = _drawn(search)
    flops = [one.recorded.figures["flops_per_token"] for one in drawn if one.recorded.infeasible is None]
    own = plan.baseline.model.flops_per_token()
    # A trial's time goes with its FLOPs, roughly: small models have a floor that this leaves out.
    each = seconds * (sum(flops) / len(flops) / own if flops else 1.0)
    reasons = Counter(one.recorded.infeasible for one in drawn if one.recorded.infeasible is not None)
    trials = plan.trial_counts()[Phase.SEARCH]
    hyperband = _hyperband(plan, search)
    # A rung's time goes with its tokens.
    whole_trainings = trials if hyperband is None else hyperband["tokens"] / plan.tokens
    return {
        "name": manifest.name,
        "question": manifest.question,
        "hash": manifest.hash,
        "space": {name: _shown(dimension) for name, dimension in search.space.items()},
        "combinations": size(search.space),
        "objectives": search.section.objectives,
        "constraints": search.section.constraints,
        "sampler": search.section.sampler,
        "points": search.section.trials,
        "seeds": manifest.seeds.tune,
        "trials": {"search": trials, "total": trials},
        "hyperband": hyperband,
        "feasible_share": len(flops) / len(drawn),
        "excluded": [{"reason": reason, "of": count} for reason, count in reasons.most_common(3)],
        "drawn": len(drawn),
        "flops_per_token": [min(flops), max(flops)] if flops else None,
        "data": manifest.data,
        "execution": plan.study.training.execution.to_dict(),
        "computed": execution_lines(plan.study.training.execution),
        "tokens_per_trial": plan.tokens,
        "device": plan.device,
        "workers": slots,
        "seconds_per_trial": {"baseline": seconds, "mean": each},
        "estimated_seconds": each * whole_trainings / slots,
        "warnings": [*_warnings(search, drawn, len(flops)), *study_warnings(plan, manifest)],
    }


def _hyperband(plan: Plan, search: ResolvedSearch) -> dict[str, Any] | None:
    """Brackets, rungs and tokens of a search that is pruned, against all points with the whole budget."""
    if not search.rungs:
        return None
    points, seeds = search.section.trials, len(plan.study.seeds.lists()[Phase.TUNE])
    # As they are trained: in whole steps between evaluations.
    trained = {tokens: plan.tokens_of(at_rung(plan.baseline, tokens)) for tokens in search.rungs}
    planned = brackets(search.rungs, points)
    spent = sum(
        size * trained[tokens] * seeds
        for one in planned
        for size, tokens in zip(one.sizes, one.rungs, strict=True)
    )
    return {
        "rungs": list(trained.values()),
        "brackets": [
            {"points": one.sizes, "tokens": [trained[tokens] for tokens in one.rungs]} for one in planned
        ],
        "whole_budget": sum(one.sizes[-1] for one in planned),
        "tokens": spent,
        "tokens_without": points * plan.tokens * seeds,
    }


def _drawn(search: ResolvedSearch) -> list[Candidate]:
    numbers = random.Random(stable_hash(search.study.name, "check"))
    points = [point_at(search.space, [numbers.random() for _ in search.space]) for _ in range(_DRAWN)]
    return [search.candidate(number, point) for number, point in enumerate(points)]


def _shown(dimension: Range | list[Any]) -> str:
    if not isinstance(dimension, Range):
        return ", ".join(rate(one) if isinstance(one, int | float) else str(one) for one in dimension)
    steps = f", in steps of {dimension.step:g}" if dimension.step else ""
    return f"{dimension.low:g} to {dimension.high:g}{', by its logarithm' if dimension.log else ''}{steps}"


def _warnings(search: ResolvedSearch, drawn: list[Candidate], feasible: int) -> list[str]:
    section, combinations = search.section, size(search.space)
    found = []
    if feasible < _FEW_FEASIBLE * len(drawn):
        found.append(
            f"search.constraints: {feasible} of {len(drawn)} points drawn at random can be trained; the "
            "sampler looks long for each, so loosen a constraint, or leave out values that cannot be"
        )
    if combinations is not None and combinations <= section.trials:
        found.append(
            f"search.trials: the space has no more than {plural(combinations, 'point')}; the design "
            "full_factorial compares them all, with a verdict"
        )
    if section.trials <= _STARTUP and section.sampler in ("tpe", "gp"):
        found.append(
            f"search.trials: {section.sampler} draws the first {_STARTUP} points at random and learns from "
            "then on; give more trials, or take the sampler qmc"
        )
    elif section.trials < _PER_DIMENSION * len(search.space):
        found.append(
            f"search.trials: {section.trials} points for {len(search.space)} dimensions say little of each; "
            f"give {_PER_DIMENSION * len(search.space)} or more"
        )
    if search.rungs and section.trials < sweep(search.rungs):
        found.append(
            f"search.trials: {section.trials} points do not fill hyperband's {len(search.rungs)} brackets, "
            f"and leave out those that begin with more tokens; give {sweep(search.rungs)} or more, or a "
            "larger least_tokens"
        )
    if LEARNING_RATE not in search.space:
        found.append(
            "search.space: without learning_rate all points have one, which suits some levels better than "
            "others; give {low: 1e-3, high: 1e-2, log: true}"
        )
    return found


def render_search_check(facts: dict[str, Any]) -> Group:
    """The facts for a terminal."""
    table = Table(title=one_line(f"{facts['name']}: {facts['question']}"), title_justify="left")
    table.add_column("dimension")
    table.add_column("values", overflow="fold")
    for name, values in facts["space"].items():
        table.add_row(one_line(name), one_line(values))
    return Group(table, *(styled(one_line(line)) for line in search_lines(facts)))


def search_lines(facts: dict[str, Any]) -> list[str]:
    """What stands below the table of dimensions, a line each."""
    combinations = facts["combinations"]
    of = "unlimited (it has a range)" if combinations is None else f"{combinations:,}"
    seeds = plural(len(facts["seeds"]), "seed")
    lines = [
        f"space:    {plural(len(facts['space']), 'dimension')}; combinations: {of}",
        f"can be:   {percent(facts['feasible_share'])} of {facts['drawn']} points drawn at random",
        *(f"excluded: {one['of']} of them: {one['reason']}" for one in facts["excluded"]),
        f"lowers:   {', '.join(facts['objectives'])}",
        f"keeps to: {', '.join(facts['constraints']) or 'no constraint'}",
        f"trials:   {facts['points']} points × {seeds} by {facts['sampler']}; what cannot be does not count",
        f"data:     {facts['data'].get('description')}",
        f"budget:   {facts['tokens_per_trial']:,} tokens a trial",
        f"time:     about {duration(facts['estimated_seconds'])} on {plural(facts['workers'], 'worker')}, "
        f"{duration(facts['seconds_per_trial']['mean'])} a trial on the average",
        *(f"computed: {text}" for text in facts["computed"]),
        f"manifest: {facts['hash']}",
        "verdict:  none, a search is exploratory; 'workbench promote' writes the study that gives one",
    ]
    if facts["flops_per_token"]:
        low, high = facts["flops_per_token"]
        lines.insert(3, f"FLOPs:    {scaled(low, 'FLOP')} to {scaled(high, 'FLOP')} per token")
    if facts["hyperband"]:
        lines[-5:-5] = _hyperband_lines(facts["hyperband"])
    return lines + [f"warning:  {text}" for text in facts["warnings"]]


def _hyperband_lines(facts: dict[str, Any]) -> list[str]:
    """Each bracket once, however often it comes, and what all of them take."""
    shapes = Counter(
        ", ".join(
            f"{points} × {tokens:,}" for points, tokens in zip(one["points"], one["tokens"], strict=True)
        )
        for one in facts["brackets"]
    )
    share = percent(facts["tokens"] / facts["tokens_without"])
    return [
        *(
            f"bracket:  {shape} tokens{f' ({count} times)' if count > 1 else ''}"
            for shape, count in shapes.items()
        ),
        f"in all:   {facts['tokens']:,} tokens, {share} of {facts['tokens_without']:,} without hyperband; "
        f"{plural(facts['whole_budget'], 'point')} with the whole budget",
    ]
