"""What a section found: tables, and sentences about what they mean."""

from dataclasses import dataclass, field
from typing import Any

from workbench.bench.formats import Form, shown
from workbench.bench.timing.goals import Goal, Verdict
from workbench.bench.timing.spread import Spread


@dataclass(frozen=True)
class Column:
    """A column: its key in the rows, its heading, and how its numbers are written."""

    key: str
    heading: str
    form: Form = Form.TEXT


@dataclass(frozen=True)
class Table:
    """Rows map keys of ``columns`` to a text, a number, a ``Spread``, or None for what was not measured."""

    title: str
    columns: tuple[Column, ...]
    rows: list[dict[str, Any]]

    def cells(self) -> list[list[str]]:
        """The rows as a reader sees them."""
        return [[shown(row.get(column.key), column.form) for column in self.columns] for row in self.rows]

    def to_dict(self) -> dict[str, Any]:
        """Ready for JSON, with all digits."""
        columns = [{"key": column.key, "heading": column.heading} for column in self.columns]
        return {"title": self.title, "columns": columns, "rows": [_plain(row) for row in self.rows]}


@dataclass(frozen=True)
class Finding:
    """A sentence about the numbers; with a goal, whether they meet it."""

    text: str
    goal: Goal | None = None
    verdict: Verdict | None = None

    @classmethod
    def judged(cls, text: str, goal: Goal, measured: Spread) -> "Finding":
        """``text`` and whether ``measured`` meets ``goal``."""
        return cls(text, goal, goal.verdict(measured))

    def to_dict(self) -> dict[str, Any]:
        """Ready for JSON."""
        verdict = str(self.verdict) if self.verdict else None
        return {"text": self.text, "goal": self.goal.text if self.goal else None, "verdict": verdict}


@dataclass
class Outcome:
    """All that a section found. ``notes`` say what was left out, failed, or limits the numbers."""

    tables: list[Table] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def to_dict(self) -> dict[str, Any]:
        """Ready for JSON."""
        return {
            "tables": [table.to_dict() for table in self.tables],
            "findings": [finding.to_dict() for finding in self.findings],
            "notes": self.notes,
        }


def _plain(row: dict[str, Any]) -> dict[str, Any]:
    return {key: value.to_dict() if isinstance(value, Spread) else value for key, value in row.items()}
