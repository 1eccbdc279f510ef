"""Building the report's rows: a variant's sizes, tuning, outcomes, and its comparison with the baseline."""

import math
from collections.abc import Iterable
from dataclasses import replace
from statistics import mean, median, stdev
from typing import Any

from workbench.analysis.budget_trend import budget_trend, trend_notes
from workbench.analysis.confirm_outcomes import Outcomes, paired_differences
from workbench.analysis.deciding.decisions import Decision
from workbench.analysis.deciding.foresight import PairsNeeded, pairs_for_fixed, pairs_until_decided
from workbench.analysis.divergence import DivergenceComparison
from workbench.analysis.metric_units import BITS_PER_BYTE, is_per_token, unit_of
from workbench.analysis.notes import Note, method, reading
from workbench.analysis.pilot import PilotSummary
from workbench.analysis.statistics import (
    FATES,
    PairedComparison,
    Verdict,
    compare_pairs,
    detectable_effect,
)
from workbench.analysis.text_uncertainty import (
    UNLIKE_TEXTS,
    has_unlike_texts,
    text_notes,
    text_uncertainty,
)
from workbench.analysis.trimmed_means import compare_trimmed, trimmed_notes
from workbench.analysis.tuned_rates import ALL_LOST, AT_EDGE, ONE_SIDE_LOST, TunedRate, unequal_tuning
from workbench.analysis.tuning_report import edge_notes
from workbench.analysis.variant_row import VariantRow
from workbench.analysis.verdicts import decide, fate
from workbench.analysis.without_result import describe_blown_up, describe_fate, remedy
from workbench.numbers import plural, rate
from workbench.records.index import StudyRecords
from workbench.records.manifest import ManifestVariant, is_null_twin
from workbench.records.run import Phase, State


def build_row(
    variant: ManifestVariant,
    study: StudyRecords,
    tuned: dict[str, TunedRate | None],
    outcomes: dict[str, Outcomes],
    pilot: PilotSummary | None,
    decision: Decision | None = None,
    divergence: DivergenceComparison | None = None,
) -> VariantRow:
    """The row of ``variant`` from the tuned rates and outcomes of all.

    ``decision`` is the word of its pairs among those of all comparisons, and ``divergence`` compares who
    trained; None for the baseline.
    """
    name, manifest, budget = variant.name, study.manifest, variant.budget
    mine, baseline = outcomes[name], outcomes[manifest.baseline]
    rate = tuned[name]
    values = list(mine.values.values())
    row = VariantRow(
        # What it is, how large, and what it is judged by.
        variant=name,
        called=study.rung.variants.get(name) if study.rung else None,
        is_baseline=name == manifest.baseline,
        change={factor: (old, new) for factor, (old, new) in variant.change.items()},
        metric=manifest.metric,
        unit=unit_of(manifest.metric),
        margin=manifest.margin_of(name),
        tokens=manifest.tokens_of(variant),
        bytes_read=budget.bytes if budget else None,
        training_flops=budget.flops if budget else None,
        budget_mismatch=budget.mismatch if budget else None,
        budget_unit=manifest.budget_unit(variant) if manifest.budget_units_differ else None,
        unique_tokens=manifest.unique_tokens.get(name),
        epochs=manifest.epochs_of(variant),
        parameters=variant.parameters,
        nonembedding_parameters=variant.nonembedding_parameters,
        flops_per_token=variant.flops_per_token,
        mismatch=variant.mismatch,
        # Its learning rate: the tuned one, or where nothing was tuned the one that all of its runs have.
        learning_rate=rate.learning_rate if rate else _only_rate(mine),
        interior=rate.interior if rate and not rate.is_point else None,
        rate_place=rate.place if rate and not rate.is_point else None,
        **_curve_columns(rate),
        tuning_trials=rate.trials if rate else 0,
        tuning_tokens=rate.tokens if rate else 0.0,
        tuning_flops=rate.flops if rate else 0.0,
        # What became of its confirm runs. In the median those that did not train count as infinitely bad.
        status=mine.status,
        seeds_planned=len(mine.planned),
        seeds_done=len(values),
        running=mine.count("running"),
        diverged=mine.count("diverged"),
        failed=mine.crashed,
        lost_at_once=mine.lost_at_once,
        untrained=mine.untrained,
        uniform_loss=mine.uniform_loss,
        fate=fate(mine),
        error=mine.error,
        mean=mean(values) if values else None,
        sd=stdev(values) if len(values) > 1 else None,
        median=median(values + [math.inf] * mine.blown_up) if values else None,
        worst=max(values) if values else None,
        seconds=sum(_seconds(run) for run in mine.runs.values()),
        values=mine.values,
    )
    row = replace(row, notes=(*_tuning_notes(study, rate), *mine.notes, *_outcome_notes(row)))

    # What that says beside the baseline.
    if row.is_baseline or divergence is None:
        return row
    refusal = why_not_judged(study, tuned, name)
    return _compared(row, mine, baseline, decision, divergence, refusal=refusal, pilot=pilot)


def _only_rate(mine: Outcomes) -> float | None:
    used = {run["learning_rate"] for run in mine.runs.values()}
    return used.pop() if len(used) == 1 else None


def _seconds(run: dict[str, Any]) -> float:
    value = run.get("seconds")
    return 0.0 if value is None or math.isnan(value) else float(value)


def _curve_columns(tuned: TunedRate | None) -> dict[str, Any]:
    """What the quadratic through the tuning losses says; the chosen rate need not be its optimum."""
    curve = tuned.curve if tuned else None
    if curve is None or curve.optimum is None:
        return {}
    low, high = curve.interval or (None, None)
    return {
        "rate_optimum": curve.optimum,
        "rate_low": low,
        "rate_high": high,
        "rate_curvature": curve.curvature,
        "rate_curvature_error": curve.curvature_error,
        "rate_grid_regret": curve.grid_regret,
    }


def _tuning_notes(study: StudyRecords, tuned: TunedRate | None) -> list[Note]:
    if tuned is None or _tuning(study):
        return []
    chosen = rate(tuned.learning_rate)
    notes = []
    if tuned.kept:
        stays = (
            f"learning rate {chosen} stays, as it was confirmed at; the tuning runs now point to "
            f"{rate(tuned.by_rule)}, and do not contradict it beyond noise"
        )
        notes.append(method(stays))
    notes += map(reading, edge_notes(tuned, study.manifest.tuning))
    if tuned.place == ALL_LOST and tuned.is_point:
        notes.append(reading("no point that was tried gave a result at every tuning seed"))
    elif tuned.place == ALL_LOST:
        notes.append(reading(f"no learning rate that was tried gave a result ({_rates(tuned.losses)})"))
    elif tuned.place == ONE_SIDE_LOST:
        beside = (
            f"learning rate {chosen} lies beside one without a result ({_rates(tuned.bounded_by)}): the "
            "best may lie between them"
        )
        notes.append(reading(beside))
    elif tuned.place == AT_EDGE and tuned.flat_throughout:
        flat = f"learning rate {chosen} is at the edge of what was tried, where no rate is worse beyond noise"
        notes.append(method(flat))
    elif tuned.place == AT_EDGE:
        edge = f"learning rate {chosen} is at the edge of what was tried: perhaps not the best"
        notes.append(reading(edge))
    return notes


def _rates(rates: Iterable[float]) -> str:
    return ", ".join(map(rate, sorted(rates)))


def _outcome_notes(row: VariantRow) -> list[Note]:
    notes = []
    if row.fate:
        notes.append(reading(f"{describe_fate(row)}; {remedy(row)}"))
    elif row.blown_up:
        how = describe_blown_up(row)
        notes.append(reading(f"{row.blown_up} of {row.seeds_planned} seeds did not train: {how}"))
    elif row.error:
        notes.append(reading(f"{row.failed} of {plural(row.seeds_planned, 'trial')} failed: {row.error}"))
    if row.blown_up and row.median is not None:
        shown = f"{row.median:.4f}" if math.isfinite(row.median) else "none"
        median_of_all = (
            f"with seeds that did not train counted as worst the median is {shown}; worst that trained "
            f"{row.worst:.4f}"
        )
        notes.append(method(median_of_all))
    return notes


def _tuning(study: StudyRecords) -> bool:
    """Whether tuning is still going on, so that its sums are not final."""
    tune = study.runs[study.runs["phase"] == Phase.TUNE]
    unfinished = tune["state"].isin([str(State.QUEUED), str(State.RUNNING)]).any()
    if unfinished:
        return True
    driver = study.driver
    return driver is not None and driver.is_live and driver.phase in (Phase.PILOT, Phase.TUNE)


def why_not_judged(study: StudyRecords, tuned: dict[str, TunedRate | None], name: str) -> str | None:
    """Why there is no verdict on a variant, whatever the pairs say; None where there may be one."""
    manifest = study.manifest
    if is_per_token(manifest.metric) and manifest.tokenizer_of(name) != manifest.tokenizer_of(
        manifest.baseline
    ):
        return f"no verdict on nats per token of two tokenizers: judge them by {BITS_PER_BYTE}"
    if _tuning(study):
        return None
    return unequal_tuning(tuned[name], tuned[manifest.baseline])


def _compared(
    row: VariantRow,
    mine: Outcomes,
    baseline: Outcomes,
    decision: Decision | None,
    divergence: DivergenceComparison,
    *,
    refusal: str | None,
    pilot: PilotSummary | None,
) -> VariantRow:
    # Who trained how often, which is told even where one of the two leaves no losses to compare.
    row = replace(row, divergence=divergence)
    if divergence.note:
        row = replace(row, notes=(reading(divergence.note), *row.notes))
    against = fate(baseline)
    if row.fate or against:
        verdict, notes = decide(None, mine, baseline, row.margin, reliability=divergence.verdict)
        if verdict and not row.fate and refusal:
            verdict, notes = None, [reading(refusal)]
        why = None if verdict else f"the baseline {against}"
        return replace(row, verdict=verdict, no_verdict=why, notes=(*row.notes, *notes))

    # The test of divergence decides, or else the pairs do, unless the two were not tuned alike.
    differences, lost = paired_differences(mine, baseline)
    comparison = compare_pairs(list(differences.values())) if differences else None
    word = decision.verdict if decision else None
    reliability = divergence.verdict
    verdict, notes = decide(comparison, mine, baseline, row.margin, reliability=reliability, word=word)
    if verdict in FATES:
        row = replace(row, fate=verdict)
    elif verdict and refusal:
        verdict = Verdict.INCONCLUSIVE
        notes = [*notes, reading(refusal)]

    # What a reader must know beside the verdict: of lost pairs, unusual runs and other budgets.
    trimmed = compare_trimmed(differences)
    trend = budget_trend(mine, baseline, differences, row.metric)
    text = text_uncertainty(mine, baseline, differences, comparison, row.metric)
    notes += text_notes(text, verdict, row.margin, row.unit)
    if has_unlike_texts(mine, baseline, differences, row.metric):
        notes.append(method(UNLIKE_TEXTS))
    if comparison:
        notes += trimmed_notes(trimmed, comparison, row.margin)
        notes += trend_notes(trend, verdict, row.margin, row.unit)
    if lost:
        notes.append(reading(f"lost pairs: {'; '.join(lost)}"))
    if comparison and {mine.status, baseline.status} != {"done"}:
        so_far = f"{comparison.n} of {row.seeds_planned} pairs so far"
        notes.append(reading(f"{so_far}: the verdict may change, and is no reason to stop"))
    if decision and decision.stopped:
        notes.append(method(decision.stopped))
    if is_null_twin(row.change) and verdict in (Verdict.BETTER, Verdict.WORSE):
        notes.append(
            reading(f"a null twin is neither better nor worse than the baseline: {verdict} is a false word")
        )
    row = replace(
        row,
        verdict=verdict,
        differences=differences,
        trimmed=trimmed,
        trend=trend,
        text=text,
        notes=(*row.notes, *notes),
    )
    if comparison is None:
        return row

    # How large the difference is, what so many pairs can see, and how many an open question would need.
    noise = _noise(comparison, pilot)
    row = replace(
        row,
        comparison=comparison,
        relative=_relative(comparison, baseline, differences),
        detectable_effect=None if noise is None else detectable_effect(noise, comparison.n),
    )
    if decision is None or decision.sd is None or decision.mean is None:
        return row
    # The interval that is shown is the one that the word follows from.
    shown = replace(
        comparison, interval=decision.interval, equivalence_interval=decision.equivalence_interval
    )
    row = replace(row, decision=decision, comparison=shown)
    # More seeds mend a wide interval; they do not mend unequal tuning, nor divergence.
    if refusal or verdict is not decision.verdict or decision.is_decided or decision.sd == 0:
        return row
    return replace(row, pairs_needed=_pairs_needed(decision, decision.mean, decision.sd))


def _pairs_needed(decision: Decision, mean: float, sd: float) -> PairsNeeded | None:
    """How many pairs an open question takes; None where the study has taken all that it may."""
    n, margin, rule = decision.n, decision.margin, decision.rule
    if not rule.until_decided:
        return pairs_for_fixed(n, mean, sd, margin, rule.comparisons)
    if not decision.goes_on or not decision.look:
        return None
    return pairs_until_decided(n, mean, sd, margin, rule=rule, look=decision.look, levels=decision.levels)


def _relative(
    comparison: PairedComparison, baseline: Outcomes, differences: dict[int, float]
) -> float | None:
    level = mean(baseline.values[seed] for seed in differences)
    return comparison.mean / level if level else None


def _noise(comparison: PairedComparison, pilot: PilotSummary | None) -> float | None:
    """The sd of a paired difference; of a single pair, which has none, the pilot's bound on it."""
    if comparison.sd is not None:
        return comparison.sd
    return pilot.paired_sd_bound if pilot else None
