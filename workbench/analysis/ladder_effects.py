"""The effects of a ladder from its records: the report of each rung, and what becomes of effects over them.

A rung is reported as a study of its own, with the verdicts that such a study would have: one family for each
rung. They hold jointly for the rows of that rung, so that a false word is among them in at most 5 % of such
rungs; of r rungs some may have one in up to r times as many ladders.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from workbench.analysis.answer_sentences import describe_change
from workbench.analysis.effects import Report, study_report
from workbench.analysis.ladder import (
    DECADES_TO_EXTRAPOLATE,
    FEWEST_TO_EXTRAPOLATE,
    Extrapolation,
    LadderWord,
    OrderedPairs,
    Pooled,
    RungEffect,
    Trend,
    extrapolation,
    ladder_word,
    ordered_pairs,
    pooled,
    trend,
)
from workbench.analysis.notes import Note, method
from workbench.analysis.report_footer import footer, footer_lines
from workbench.analysis.variant_row import VariantRow
from workbench.errors import UserError
from workbench.numbers import plural
from workbench.records.index import StudyRecords
from workbench.records.manifest import RecordedRung
from workbench.records.margin import Margins, margin_text

_FEW = 4  # rungs below which scatter and trend are hardly told apart


@dataclass(frozen=True, kw_only=True)
class RungReport:
    """One rung, the first is number 1: what it is, its report, and how it orders variants.

    ``order`` compares that order with the top rung's; None for the top rung, and where nothing is known.
    """

    number: int
    recorded: RecordedRung
    report: Report
    order: OrderedPairs | None

    @property
    def name(self) -> str:
        """``rung 2``."""
        return f"rung {self.number}"

    @property
    def words(self) -> str:
        """``rung 2: 2 layers, width 64, 300,000 tokens``."""
        return f"{self.name}: {self.recorded.words}"


@dataclass(frozen=True, kw_only=True)
class LadderRow:
    """One change at all rungs: its row of each, and what becomes of its effect.

    ``effects`` are those of ``rows`` that have two pairs or more. ``word`` is None where ``why_not`` says why
    there is none yet, or for good.
    """

    called: str
    rows: tuple[VariantRow, ...]
    effects: tuple[RungEffect, ...]
    pooled: Pooled | None
    trend: Trend | None
    extrapolation: Extrapolation | None
    word: LadderWord | None
    why_not: str | None

    @property
    def label(self) -> str:
        """What a reader sees: ``norm: rmsnorm → layernorm``."""
        return self.rows[0].label

    @property
    def subject(self) -> str:
        """The change in words: ``LayerNorm instead of RMSNorm``."""
        return describe_change(self.rows[0])

    @property
    def margin(self) -> float:
        """What it is judged by at every rung, in units of the metric."""
        return self.rows[0].margin


@dataclass(frozen=True, kw_only=True)
class LadderReport:
    """Everything that a ladder says; ``rungs`` go from the least compute to the most."""

    study: str
    question: str
    metric: str
    unit: str
    margin: float  # the smallest: it says how many decimals a difference has
    margins: Margins
    state: str  # complete, running, stopped or not started
    rungs: tuple[RungReport, ...]
    rows: tuple[LadderRow, ...]
    notes: tuple[Note, ...]
    footer: dict[str, Any]

    @property
    def margin_text(self) -> str:
        """``±0.02``; by factor ``±0.02 (norm ±0.04)``."""
        return margin_text(self.margins)

    @property
    def footer_lines(self) -> list[tuple[str, str]]:
        """The footer for people: what the rungs are, and what all of them have in common."""
        rungs = "; ".join(rung.words for rung in self.rungs)
        return [("rungs", rungs), *footer_lines(self.footer)]


def ladder_report(study: StudyRecords) -> LadderReport:
    """Analyse a ladder in whatever state it is; raises ``UserError`` for a study that is none.

    Raises ``RecordError`` where the manifest's rungs are damaged.
    """
    recorded = study.manifest.rungs
    if not recorded:
        raise UserError(f"{study.title}: is no ladder; its rows are in 'workbench report {study.title}'")
    reports = [study_report(rung) for rung in study.compared]
    levels = [_levels(report) for report in reports]
    rungs = []
    for place, (one, report) in enumerate(zip(recorded, reports, strict=True)):
        is_top = place == len(recorded) - 1
        order = None if is_top else ordered_pairs(levels[place], levels[-1])
        rungs.append(RungReport(number=place + 1, recorded=one, report=report, order=order))
    by_name = [{_called(row): row for row in report.rows} for report in reports]
    rows = tuple(
        _row([own[_called(row)] for own in by_name], recorded)
        for row in reports[0].rows
        if not row.is_baseline
    )
    top = reports[-1]
    return LadderReport(
        study=study.name,
        question=study.manifest.question,
        metric=top.metric,
        unit=top.unit,
        margin=top.margin,
        margins=top.margins,
        state=_state(study, reports),
        rungs=tuple(rungs),
        rows=rows,
        notes=tuple(_notes(rows, recorded)),
        footer=_footer(study, top),
    )


def _levels(report: Report) -> dict[str, float]:
    """By variant, as all rungs call it, its effect; the baseline's is zero. What was not judged has none."""
    found = {}
    for row in report.rows:
        if row.is_baseline:
            found[_called(row)] = 0.0
        elif row.difference is not None and row.no_verdict is None:
            found[_called(row)] = row.difference
    return found


def _called(row: VariantRow) -> str:
    return row.called or row.variant


def _row(across: Sequence[VariantRow], recorded: Sequence[RecordedRung]) -> LadderRow:
    effects = [_effect(row, rung) for row, rung in zip(across, recorded, strict=True)]
    known = [effect for effect in effects if effect is not None]
    why_not = _why_not(across)
    return LadderRow(
        called=_called(across[0]),
        rows=tuple(across),
        effects=tuple(known),
        pooled=pooled(known),
        trend=trend(known),
        extrapolation=extrapolation(known),
        word=None if why_not else ladder_word(known),
        why_not=why_not,
    )


def _effect(row: VariantRow, rung: RecordedRung) -> RungEffect | None:
    """The paired difference with its standard error; None below two pairs, and where rates were not alike."""
    found = row.comparison
    if found is None or found.sd is None or row.no_verdict is not None:
        return None
    error = found.sd / math.sqrt(found.n)
    return RungEffect(compute=rung.compute, mean=found.mean, error=error, n=found.n, verdict=row.verdict)


def _why_not(across: Sequence[VariantRow]) -> str | None:
    """Why nothing can be said over the ladder, by the first rung that lacks its part."""
    for number, row in enumerate(across, start=1):
        if row.fate is not None:
            return f"rung {number}: {row.fate}"
        if row.no_verdict is not None:
            return f"rung {number}: {row.no_verdict}"
        if row.verdict is None or row.status != "done":
            done = f"{row.seeds_done} of {plural(row.seeds_planned, 'seed')} complete"
            return f"rung {number} is not done: {done}"
        if row.diverges:
            return f"rung {number}: {row.verdict} there means that it diverges {row.diverges}"
        if row.pairs < 2:
            return f"rung {number}: {plural(row.pairs, 'pair')} of complete runs"
    return None


def _state(study: StudyRecords, reports: Sequence[Report]) -> str:
    if all(report.state == "complete" for report in reports):
        return "complete"
    if study.is_live:
        return "running"
    return "stopped" if len(study.runs) else "not started"


def _notes(rows: Sequence[LadderRow], recorded: Sequence[RecordedRung]) -> list[Note]:
    rungs = len(recorded)
    notes = []
    if rungs < _FEW:
        notes.append(
            method(
                f"{rungs} rungs: an effect that is the same at all of them is called a trend in 4 to 5 % of "
                "such ladders; one that scatters from rung to rung without a trend, more often"
            )
        )
    if rows and all(row.extrapolation is None for row in rows):
        notes.append(
            method(
                f"nothing is said beyond the top rung: that takes {FEWEST_TO_EXTRAPOLATE} rungs or more over "
                f"{DECADES_TO_EXTRAPOLATE} decades of compute"
            )
        )
    return notes


def _footer(study: StudyRecords, top: Report) -> dict[str, Any]:
    """What is true of all rungs: sizes and tokens are said by rung, and words hold within each."""
    own = {
        "test": f"{top.footer['test']}, within each rung",
        "family_size": top.family_size,
        "tokens_per_run": None,
        "parameters": None,
        "budgets": None,
        "epochs": None,
        "rungs": [rung.model_dump(exclude_unset=True) for rung in study.manifest.rungs],
    }
    return footer(study) | own


def named(found: RungReport, study: str) -> Report:
    """The rung's report under a title of its own, for where several stand in one document."""
    return replace(found.report, study=f"{study}, {found.name}", question=found.recorded.words)
