"""The words of a study's comparisons, from its records, by the rule of ``workbench.analysis.deciding``."""

from collections.abc import Mapping
from dataclasses import replace

from workbench.analysis.confirm_outcomes import Outcomes, confirm_outcomes, paired_differences, shared_seeds
from workbench.analysis.deciding.decisions import Decision, decide_study
from workbench.analysis.deciding.looks import Rule
from workbench.analysis.tuned_rates import TunedRate
from workbench.analysis.tuning_choice import tuned_variants
from workbench.analysis.verdicts import fate
from workbench.numbers import plural, with_interval
from workbench.records.index import StudyRecords
from workbench.records.manifest import Manifest

_OPEN = ("running", "not started")


def rule_of(manifest: Manifest) -> Rule:
    """When a study looks at its pairs, and how many comparisons share the error."""
    comparisons = max(1, len(manifest.variants) - 1)
    if manifest.looks:
        return Rule(tuple(manifest.looks), comparisons, until_decided=True)
    return Rule.fixed(len(manifest.seeds.confirm), comparisons)


def confirm_phase(study: StudyRecords) -> tuple[dict[str, TunedRate | None], dict[str, Outcomes]]:
    """The tuned rate and the confirm outcomes of every variant, in the manifest's order.

    Of a study that looks until all is decided, the outcomes at the seeds that are due by now.
    """
    manifest, runs = study.manifest, study.runs
    metric, seeds, names = manifest.metric, manifest.seeds.confirm, manifest.names
    own = {one.name: one.budget.tokens if one.budget else None for one in manifest.variants}
    tuned = tuned_variants(study)
    outcomes = {
        name: confirm_outcomes(runs, name, metric=metric, seeds=seeds, tuned=tuned[name], budget=own[name])
        for name in names
    }
    if manifest.looks:
        due = pairs_due(manifest, outcomes, decisions(manifest, outcomes))
        outcomes = {name: first_seeds(mine, due[name]) for name, mine in outcomes.items()}
    return tuned, outcomes


def decisions(manifest: Manifest, outcomes: Mapping[str, Outcomes]) -> dict[str, Decision]:
    """The decision on every variant but the baseline, from what is known now.

    Of a study that looks until all is decided, seeds that are not due change nothing.
    """
    baseline = outcomes[manifest.baseline]
    differences = {
        name: differences_in_order(mine, baseline)[0]
        for name, mine in outcomes.items()
        if name != manifest.baseline
    }
    margins = {name: manifest.margin_of(name) for name in differences}
    return decide_study(differences, margins, rule_of(manifest))


def pairs_due(
    manifest: Manifest, outcomes: Mapping[str, Outcomes], found: Mapping[str, Decision]
) -> dict[str, int]:
    """How many confirm seeds each variant is to have by now, the baseline as many as the most of the others.

    Of a study that looks until all is decided: an undecided comparison goes on to its next look. One that is
    decided, at the margin, or whose variant or baseline did not train stays at its last. Where a stack is
    taken apart all variants go on together, since what a part contributes takes up to four of them at each
    seed: each word is then that of the last look, which is tested at a level that holds for any look.
    """
    looks = manifest.looks
    due = {}
    for name, decision in found.items():
        reached = looks[max(decision.look, 1) - 1]
        lost = decision.look and any(
            fate(first_seeds(outcomes[one], reached)) for one in (name, manifest.baseline)
        )
        due[name] = looks[decision.look] if decision.goes_on and not lost else reached
    due |= {manifest.baseline: max(due.values(), default=looks[0])}
    if manifest.stack is not None:
        return dict.fromkeys(due, due[manifest.baseline])
    return due


def first_seeds(mine: Outcomes, pairs: int) -> Outcomes:
    """What became of the first ``pairs`` planned seeds."""
    planned = mine.planned[:pairs]
    return replace(
        mine,
        planned=planned,
        values={seed: mine.values[seed] for seed in planned if seed in mine.values},
        states={seed: mine.states[seed] for seed in planned},
        runs={seed: mine.runs[seed] for seed in planned if seed in mine.runs},
    )


def differences_in_order(variant: Outcomes, baseline: Outcomes) -> tuple[list[float], list[str], int]:
    """Differences in the order of the seeds, NaN for a lost pair, up to the first seed that is not over.

    With them a line for each pair that is lost, and how many shared seeds are not over.
    """
    differences, lost = paired_differences(variant, baseline)
    shared = shared_seeds(variant, baseline)
    due = [seed for seed in shared if variant.states[seed] in _OPEN or baseline.states[seed] in _OPEN]
    known = shared[: shared.index(due[0])] if due else shared
    return [differences.get(seed, float("nan")) for seed in known], lost, len(due)


def look_in_words(decision: Decision) -> str:
    """``worse after 8 pairs``, ``not decided after 8 pairs, goes on to the next look``."""
    pairs = plural(decision.n, "pair")
    if decision.goes_on:
        return f"not decided after {pairs}, {_place(decision)}; it goes on"
    return f"{decision.verdict} after {pairs}"


def _place(decision: Decision) -> str:
    """Where the difference lies, with the interval that the word follows from."""
    if decision.mean is None or decision.interval is None:
        return "no difference is known yet"
    return f"difference {with_interval(decision.mean, decision.interval, sign=True)}"
