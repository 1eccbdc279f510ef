"""The report of a study, finished or not: every variant against the baseline, at the same seeds.

A study that is still running, or of which nothing has run, has a valid report with None where nothing
is known yet. A run that diverged, failed or is missing is counted and named, never dropped.
"""

from dataclasses import dataclass, replace
from typing import Any

from workbench.analysis.changed_margin import changed_margins
from workbench.analysis.deciding.decisions import remark
from workbench.analysis.decisions import confirm_phase, decisions
from workbench.analysis.dismantling import Dismantled, dismantled
from workbench.analysis.divergence import compare_divergences
from workbench.analysis.equal_budgets import equal_budget_notes
from workbench.analysis.factorial import FactorialEffects, factorial_effects, missing_effects
from workbench.analysis.flops import EqualFlops, flops_differ, loss_at_flops
from workbench.analysis.gain_ladder import ComputeGains, compute_gains
from workbench.analysis.halving_cost import halving_warnings
from workbench.analysis.metric_units import study_unit, why_not_comparable
from workbench.analysis.notes import Note, NoteKind, method, reading
from workbench.analysis.other_sets import SetRow, other_sets
from workbench.analysis.pilot import PilotSummary, pilot_summary, pilot_warnings
from workbench.analysis.rate_robustness import tuning_warnings, with_rate_notes
from workbench.analysis.recovery import RecoveryRow, recovery, start_warnings
from workbench.analysis.report_footer import footer, provenance_warnings
from workbench.analysis.row_building import build_row, why_not_judged
from workbench.analysis.statistics import holm
from workbench.analysis.tuning_report import TuningReport, racing_warnings, tuning_report
from workbench.analysis.variant_row import VariantRow
from workbench.analysis.verdicts import fate
from workbench.records.index import StudyRecords
from workbench.records.manifest import Manifest
from workbench.records.margin import Margins, margin_text


@dataclass(frozen=True, kw_only=True)
class Report:
    """Everything that a study says. ``rows`` has the baseline first; ``notes`` are what to be careful of
    (``reading``), and how the words came about (``method``).

    ``state`` is ``complete``, ``running``, ``stopped`` or ``not started``. ``factorial`` is there for full
    factorial designs, ``dismantled`` where two recipes are taken apart, ``equal_flops`` where variants differ
    in FLOPs by more than 1 % and the study does not hold them equal, ``recovery`` for studies that start from
    a run, ``gains`` where the baseline is trained at other budgets; none of them where the baseline failed or
    did not train. ``other_sets`` is empty for a study with one evaluation text. ``tuning`` is there for
    studies that tune over a space.
    """

    study: str
    question: str
    metric: str
    unit: str
    margin: float  # the smallest: it says how many decimals a difference has; a row has its own
    margins: Margins  # as declared: by factor where factors have their own
    state: str
    rows: tuple[VariantRow, ...]
    family_size: int
    pilot: PilotSummary | None
    factorial: FactorialEffects | None
    dismantled: Dismantled | None
    equal_flops: EqualFlops | None
    other_sets: tuple[SetRow, ...]
    recovery: tuple[RecoveryRow, ...] | None
    tuning: TuningReport | None
    gains: ComputeGains | None
    notes: tuple[Note, ...]
    footer: dict[str, Any]

    @property
    def baseline(self) -> VariantRow:
        """The baseline's row."""
        return next(row for row in self.rows if row.is_baseline)

    @property
    def margin_text(self) -> str:
        """``±0.02``; by factor ``±0.02 (norm ±0.04)``."""
        return margin_text(self.margins)

    @property
    def reading(self) -> tuple[Note, ...]:
        """The notes that change how a word is to be read."""
        return tuple(note for note in self.notes if note.kind is NoteKind.READING)

    @property
    def method(self) -> tuple[Note, ...]:
        """The notes on how words came about."""
        return tuple(note for note in self.notes if note.kind is NoteKind.METHOD)

    @property
    def paired(self) -> tuple[VariantRow, ...]:
        """The comparisons of two pairs or more: fewer have no spread, and there is no effect to draw."""
        return tuple(row for row in self.comparisons if row.pairs >= 2)

    @property
    def comparisons(self) -> tuple[VariantRow, ...]:
        """The rows of all other variants."""
        return tuple(row for row in self.rows if not row.is_baseline)


def study_report(study: StudyRecords) -> Report:
    """Analyse a study in whatever state it is.

    Raises ``UserError`` for a metric that is not supported, and for a manifest that lacks what is needed.
    """
    study.require_comparable()
    manifest = study.manifest
    unit, margin = study_unit(manifest), manifest.smallest_margin
    tuned, outcomes = confirm_phase(study)
    pilot = pilot_summary(study)

    reliability = compare_divergences(outcomes, manifest.baseline, manifest.looks)

    def judged(declared: Manifest) -> list[VariantRow]:
        under = replace(study, manifest=declared)
        found = decisions(declared, outcomes)
        return _adjust(
            [
                build_row(
                    variant,
                    under,
                    tuned,
                    outcomes,
                    pilot,
                    found.get(variant.name),
                    reliability.get(variant.name),
                )
                for variant in declared.variants
            ]
        )

    rows = judged(manifest)
    rows = with_rate_notes(rows, tuned, by_place=isinstance(manifest.learning_rates, dict))
    comparable = fate(outcomes[manifest.baseline]) is None
    effects = factorial_effects(manifest, outcomes) if comparable else None
    refusals = {name: why_not_judged(study, tuned, name) for name in manifest.names}
    unjudged = {name: why for name, why in refusals.items() if why is not None}
    apart = dismantled(manifest, outcomes, unjudged) if comparable else None
    gains = compute_gains(study, rows, outcomes, unjudged) if comparable else None
    equal_flops = loss_at_flops(study, outcomes=outcomes) if comparable and flops_differ(study) else None
    notes = [
        *map(reading, filter(None, [why_not_comparable(manifest, manifest.metric)])),
        *map(reading, start_warnings(study, outcomes)),
        *equal_budget_notes(manifest),
        *map(method, pilot_warnings(pilot, margin, unit)),
        *tuning_warnings(tuned, margin, unit),
        *map(method, halving_warnings(study, tuned)),
        *map(method, racing_warnings(manifest, tuned, unit)),
        *[note.of(row.variant) for row in rows for note in row.notes],
        *(effects.warnings if effects else map(reading, missing_effects(manifest, outcomes))),
        *(apart.notes if apart else ()),
        *(gains.notes if gains else ()),
        *map(method, equal_flops.notes if equal_flops else ()),
        *changed_margins(manifest, rows, judged),
        *provenance_warnings(study),
    ]
    return Report(
        study=study.name,
        question=manifest.question,
        metric=manifest.metric,
        unit=unit,
        margin=margin,
        margins=manifest.margin,
        state=_state(study, rows, gains),
        rows=tuple(rows),
        family_size=len(rows) - 1,
        pilot=pilot,
        factorial=effects,
        dismantled=apart,
        equal_flops=equal_flops,
        other_sets=other_sets(manifest, outcomes),
        recovery=recovery(study) if comparable else None,
        tuning=tuning_report(manifest, tuned),
        gains=gains,
        notes=tuple(notes),
        footer=footer(study),
    )


def _state(study: StudyRecords, rows: list[VariantRow], gains: ComputeGains | None) -> str:
    if all(row.status == "done" for row in rows) and (gains is None or gains.is_done):
        return "complete"
    if study.is_live:
        return "running"
    return "stopped" if len(study.runs) else "not started"


def _adjust(rows: list[VariantRow]) -> list[VariantRow]:
    """Holm over the declared family: a variant without a p value yet holds its place with p = 1."""
    family = [row for row in rows if not row.is_baseline]
    p_values = [row.comparison.p if row.comparison else None for row in family]
    held = holm([1.0 if p is None else p for p in p_values])
    adjusted = dict(zip((row.variant for row in family), held, strict=True))
    found = []
    for row in rows:
        if row.comparison is not None and row.comparison.p is not None:
            row = _with_holm(row, adjusted[row.variant])
        found.append(row)
    return found


def _with_holm(row: VariantRow, p: float) -> VariantRow:
    decision = row.decision
    if decision is None or row.verdict is not decision.verdict:
        return replace(row, holm_p=p)
    # Pairs that were looked at again and again have no p value of a single look.
    held = None if decision.rule.until_decided else p
    said = remark(decision)
    return replace(row, holm_p=held, notes=(*row.notes, reading(said)) if said else row.notes)
