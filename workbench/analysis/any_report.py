"""The report of a study of any design: verdicts, a ladder's effects, or the points that a search found."""

from typing import Any

from rich.console import RenderableType

from workbench.analysis.effects import Report, study_report
from workbench.analysis.ladder_effects import LadderReport, ladder_report
from workbench.analysis.ladder_report import ladder_to_json, render_ladder
from workbench.analysis.report import render, to_json
from workbench.analysis.search_report import SearchReport, render_search, search_report, search_to_json
from workbench.errors import UserError
from workbench.records.index import StudyRecords

AnyReport = Report | LadderReport | SearchReport


def report_of(study: StudyRecords) -> AnyReport:
    """Analyse a study in whatever state it is.

    Raises ``UserError`` for a folder of models from elsewhere, and for a manifest that cannot be compared by.
    """
    if study.manifest.is_import:
        raise UserError(
            f"{study.title}: holds models from elsewhere, and nothing is compared; evaluate one with "
            f"'workbench evaluate {study.title}/NAME', or start a study from it with the key 'start'"
        )
    if study.manifest.is_search:
        return search_report(study)
    return ladder_report(study) if study.manifest.is_ladder else study_report(study)


def rendered(report: AnyReport, format: str, *, notes: bool = False) -> RenderableType:
    """The report as ``terminal`` (a rich renderable), ``md``, ``csv`` or ``latex`` (text).

    ``notes``: on a terminal write out those on method too.
    """
    if isinstance(report, SearchReport):
        return render_search(report, format)
    if isinstance(report, LadderReport):
        return render_ladder(report, format, notes=notes)
    return render(report, format, notes=notes)


def facts_of(report: AnyReport) -> dict[str, Any]:
    """The whole report as JSON can hold it, numbers raw; what is not known is null."""
    if isinstance(report, SearchReport):
        return search_to_json(report)
    if isinstance(report, LadderReport):
        return ladder_to_json(report)
    return to_json(report)
