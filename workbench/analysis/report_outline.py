"""What a report of any design says, in the order of reading: what is drawn as a page is drawn from this."""

from dataclasses import dataclass

from workbench.analysis.answer_sentences import answers, headline
from workbench.analysis.any_report import AnyReport
from workbench.analysis.effects import Report
from workbench.analysis.ladder_effects import LadderReport, named
from workbench.analysis.ladder_sentences import ladder_headline, ladder_sentences
from workbench.analysis.ladder_tables import ladder_tables
from workbench.analysis.report_footer import footer_lines
from workbench.analysis.report_tables import TextTable, pilot_line, report_tables
from workbench.analysis.search_report import SearchReport, search_footer_lines, search_tables, spend_line
from workbench.analysis.search_report import headline as search_headline


@dataclass(frozen=True, kw_only=True)
class Outline:
    """A report in parts. ``sentences`` state what was found; ``lines`` stand behind the tables.

    ``notes`` change how a word is to be read, ``method`` says how words came about, ``facts`` are what all
    rests on, as (name, text) pairs. ``parts`` are the rungs of a ladder.
    """

    title: str
    question: str
    headline: str
    sentences: tuple[str, ...]
    tables: tuple[TextTable, ...]
    lines: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    method: tuple[str, ...] = ()
    facts: tuple[tuple[str, str], ...] = ()
    parts: tuple["Outline", ...] = ()


def outline(report: AnyReport) -> Outline:
    """The parts of ``report``."""
    if isinstance(report, SearchReport):
        return _of_a_search(report)
    if isinstance(report, LadderReport):
        return _of_a_ladder(report)
    return _of_a_study(report)


def _of_a_study(report: Report) -> Outline:
    pilot = pilot_line(report)
    return Outline(
        title=report.study,
        question=report.question,
        headline=headline(report),
        sentences=tuple(answers(report)),
        tables=tuple(report_tables(report)),
        lines=(pilot,) if pilot else (),
        notes=report.reading,
        method=report.method,
        facts=tuple(footer_lines(report.footer)),
    )


def _of_a_ladder(found: LadderReport) -> Outline:
    return Outline(
        title=found.study,
        question=found.question,
        headline=ladder_headline(found),
        sentences=tuple(ladder_sentences(found)),
        tables=tuple(ladder_tables(found)),
        method=tuple(found.notes),
        facts=tuple(found.footer_lines),
        parts=tuple(_of_a_study(named(rung, found.study)) for rung in found.rungs),
    )


def _of_a_search(report: SearchReport) -> Outline:
    return Outline(
        title=report.study,
        question=report.question,
        headline=search_headline(report),
        sentences=(),
        tables=tuple(search_tables(report)),
        lines=(spend_line(report),),
        notes=report.notes,
        facts=tuple(search_footer_lines(report)),
    )
