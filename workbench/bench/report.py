"""The report of one call: what was measured, on what, and the sections' results; as JSON and as Markdown."""

from dataclasses import dataclass, field
from typing import Any

from workbench.analysis.text_escapes import escape_markdown
from workbench.bench.formats import Form, shown
from workbench.bench.outcome import Finding, Outcome, Table
from workbench.bench.section import Section
from workbench.numbers import duration, percent

FORMAT = 1  # of the JSON file; raise it when a reader of the present one would misread the next
SPREADS = (
    "Numbers are medians of repeated measurements with the lower and upper quartile in brackets (the JSON "
    "file says of how many). Ratios and differences are between things measured in turn in the same run, "
    "taken round by round. A goal is met or missed where both quartiles lie on one side of it, and undecided "
    "where it lies between them."
)


@dataclass(frozen=True, kw_only=True)
class Result:
    """What became of a section: ``error`` says why one that failed found nothing."""

    section: Section
    outcome: Outcome
    seconds: float
    error: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """Ready for JSON."""
        return {
            "name": self.section.name,
            "title": self.section.title,
            "about": self.section.about,
            "state": "failed" if self.error else "done",
            "error": self.error,
            "seconds": round(self.seconds, 1),
            **self.outcome.to_dict(),
        }


@dataclass(kw_only=True)
class Report:
    """``facts``: date, command, effort, machine, load, versions, commit. Results come one by one."""

    facts: dict[str, Any]
    warnings: list[str]
    results: list[Result] = field(default_factory=list)

    def to_dict(self) -> dict[str, Any]:
        """Ready for JSON."""
        sections = [result.to_dict() for result in self.results]
        return {"format": FORMAT, **self.facts, "warnings": self.warnings, "sections": sections}

    def facts_in_words(self) -> list[tuple[str, str]]:
        """What the numbers rest on, as names and texts."""
        facts = self.facts
        commit = facts["git_commit"] or "not in a git repository"
        return [
            ("date", facts["date"]),
            ("command", facts["command"]),
            ("machine", _machine(facts["machine"])),
            ("load before", _load(facts["load"])),
            ("versions", ", ".join(f"{name} {number}" for name, number in facts["versions"].items())),
            ("commit", commit + (", with uncommitted changes" if facts["git_dirty"] else "")),
        ]

    def markdown(self) -> str:
        """The whole report for a reader."""
        head = [f"# Benchmark, {self.facts['effort']}, {self.facts['date'][:10]}", ""]
        head += [f"- {name}: {text}" for name, text in self.facts_in_words()]
        head += ["", SPREADS, *(f"\n> Warning: {text}." for text in self.warnings)]
        return "\n".join([*head, *(_section(result) for result in self.results)]) + "\n"


def goal_line(finding: Finding) -> str:
    """``goal met: at least ...``; empty for a finding without one."""
    return f"goal {finding.verdict}: {finding.goal.text}" if finding.goal else ""


def _machine(machine: dict[str, Any]) -> str:
    memory = shown(machine["memory_bytes"], Form.BYTES)
    text = f"{machine['processor']}, {machine['cores']} cores, {memory} memory, {machine['system']}"
    if "gpu" not in machine:
        return text
    sizes = [shown(machine[key], Form.BYTES) for key in ("gpu_memory_bytes", "gpu_free_bytes")]
    return f"{machine['gpu']}, {sizes[0]} ({sizes[1]} free), CUDA {machine['cuda']}; {text}"


def _load(load: dict[str, Any]) -> str:
    average = load["average_1_minute"]
    described = "no load average" if average is None else f"load average {average:.2f}"
    return f"{described}, {percent(load['processor_share'])} of the cores busy"


def _section(result: Result) -> str:
    lines = [f"\n## {result.section.title}", "", result.section.about, ""]
    if result.error:
        lines += [f"**This section failed: {escape_markdown(result.error)}**", ""]
    for table in result.outcome.tables:
        lines += [*_table(table), ""]
    for finding in result.outcome.findings:
        goal = goal_line(finding)
        lines.append(f"- {finding.text}" + (f" **{goal[0].upper()}{goal[1:]}.**" if goal else ""))
    lines += [f"- Note: {note}" for note in result.outcome.notes]
    return "\n".join([*lines, "", f"({duration(result.seconds)})"])


def _table(table: Table) -> list[str]:
    rows = [[column.heading for column in table.columns], ["---"] * len(table.columns), *table.cells()]
    return [f"**{table.title}**", "", *("| " + " | ".join(row) + " |" for row in rows)]
