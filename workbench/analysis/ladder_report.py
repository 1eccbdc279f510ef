"""What a ladder says when it is asked: the report of each rung."""

from rich.console import Group, RenderableType

from workbench.analysis.effects import Report, study_report
from workbench.analysis.report import render
from workbench.records.index import StudyRecords


def ladder_report(study: StudyRecords) -> list[Report]:
    """The report of each rung, from the least compute to the most."""
    return [study_report(rung) for rung in study.compared]


def render_ladder(found: list[Report], format: str) -> RenderableType:
    """The reports, one after another."""
    return Group(*[render(one, format) for one in found])
