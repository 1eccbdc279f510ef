"""The report on a terminal."""

from collections.abc import Iterator

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table as Grid

from workbench.bench.formats import Form
from workbench.bench.outcome import Finding, Table
from workbench.bench.report import SPREADS, Report, Result, goal_line
from workbench.bench.timing.goals import Verdict
from workbench.terminal import styled

_STYLES = {Verdict.MET: "green", Verdict.MISSED: "red", Verdict.UNDECIDED: "yellow"}


def render(report: Report) -> RenderableType:
    """Tables and findings of every section, after what they rest on."""
    facts = Grid(box=None, show_header=False, padding=(0, 1))
    for name, text in report.facts_in_words():
        facts.add_row(styled(name, "dim"), styled(text))
    warnings = [styled(f"warning: {text}", "yellow") for text in report.warnings]
    sections = [part for result in report.results for part in _section(result)]
    return Group(facts, styled(SPREADS, "dim"), *warnings, *sections)


def _section(result: Result) -> Iterator[RenderableType]:
    yield styled(f"\n{result.section.title}", "bold")
    yield styled(result.section.about, "dim")
    if result.error:
        yield styled(f"this section failed: {result.error}", "red")
    for table in result.outcome.tables:
        yield Padding(_grid(table), (1, 0, 0, 0))
    yield styled("")
    for finding in result.outcome.findings:
        yield _finding(finding)
    for note in result.outcome.notes:
        yield styled(f"note: {note}", "dim")


def _grid(table: Table) -> Grid:
    grid = Grid(
        title=styled(table.title), title_justify="left", box=None, padding=(0, 1), header_style="bold"
    )
    for column in table.columns:
        grid.add_column(column.heading, justify="left" if column.form is Form.TEXT else "right")
    for row in table.cells():
        grid.add_row(*map(styled, row))
    return grid


def _finding(finding: Finding) -> RenderableType:
    text = styled(finding.text)
    if finding.verdict is not None:
        text.append(f" [{goal_line(finding)}]", style=_STYLES[finding.verdict])
    return text
