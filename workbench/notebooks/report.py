"""A study's report in Python: its table of numbers, its sentences, and how a notebook shows it."""

from typing import Any

import pandas as pd

from workbench.analysis.any_report import AnyReport, facts_of, rendered
from workbench.analysis.ladder_effects import LadderReport
from workbench.analysis.report_html import html_report
from workbench.analysis.report_outline import outline
from workbench.analysis.report_tables import verdict_cell
from workbench.analysis.search_report import SearchReport
from workbench.analysis.variant_row import VariantRow, flat
from workbench.errors import UserError

# Of the many numbers of a row those that a verdict is read from; ``facts`` has all.
_COLUMNS = (
    "change",
    "verdict",
    "difference",
    "difference_low",
    "difference_high",
    "difference_level",
    "margin",
    "pairs",
    "wins",
    "holm_p",
    "seeds_needed",
    "mean",
    "sd",
    "parameters",
    "learning_rate",
)
_FORMATS = ("md", "csv", "latex")


class StudyReport:
    """What a study says. ``source`` is the report itself, with everything that was computed."""

    def __init__(self, source: AnyReport) -> None:
        self.source = source
        self._outline = outline(source)

    @property
    def headline(self) -> str:
        """The study in a sentence."""
        return self._outline.headline

    @property
    def sentences(self) -> list[str]:
        """What was found, a sentence each; of a ladder over all its rungs, of a search none."""
        return list(self._outline.sentences)

    @property
    def notes(self) -> list[str]:
        """What to be careful of."""
        return [str(note) for note in self._outline.notes]

    @property
    def method(self) -> list[str]:
        """How the words came about."""
        return [str(note) for note in self._outline.method]

    @property
    def table(self) -> pd.DataFrame:
        """Raw numbers, a row per variant by name, the baseline first; of a ladder by ``rung`` and variant.

        ``verdict`` is the word, or what a row is that has none. ``difference`` is variant minus baseline in
        the metric's unit, with the interval that the verdict follows from (at ``difference_level``).
        Of a search: a row per point, with its state and objectives.
        """
        if isinstance(self.source, SearchReport):
            return self.source.search.trials.drop(columns="per_seed").set_index("variant")
        if isinstance(self.source, LadderReport):
            rows = [
                {"rung": rung.number, "variant": row.called or row.variant, "compute": rung.recorded.compute}
                | _numbers(row)
                for rung in self.source.rungs
                for row in rung.report.rows
            ]
            return pd.DataFrame(rows).set_index(["rung", "variant"])
        rows = [{"variant": row.variant} | _numbers(row) for row in self.source.rows]
        return pd.DataFrame(rows).set_index("variant")

    @property
    def facts(self) -> dict[str, Any]:
        """Everything, as ``workbench report --json`` prints it."""
        return facts_of(self.source)

    def to_text(self, format: str = "md") -> str:
        """The report as ``md``, ``csv`` or ``latex``; raises ``UserError`` for another format."""
        if format not in _FORMATS:
            raise UserError(f"format: {format!r} is none of {', '.join(_FORMATS)}")
        return str(rendered(self.source, format))

    def __repr__(self) -> str:
        """The headline, and a line for each sentence."""
        return "\n".join([f"{self._outline.title}: {self.headline}", *(f"  {one}" for one in self.sentences)])

    def _repr_html_(self) -> str:
        """What a notebook shows: sentences, tables and notes."""
        return html_report(self._outline, level=3)

    def _repr_markdown_(self) -> str:
        """The same for what shows Markdown alone."""
        return self.to_text("md")


def _numbers(row: VariantRow) -> dict[str, Any]:
    values = flat(row) | {"verdict": verdict_cell(row)}
    return {name: values[name] for name in _COLUMNS}
