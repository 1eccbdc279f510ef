"""Cleaning: the rules that FineWeb added to those of Gopher and C4."""

from pydantic import Field

from workbench.data.treatments.treatment import Filter
from workbench.number_types import Number, Whole

_MARKS = (".", "!", "?", '"', "'", "…", "。", "！", "？", "”", "’")


class FineWeb(Filter):
    """Drops documents of lines without a last mark, of repeated and of short lines. Made for web pages."""

    name = "fineweb"
    formula = (
        "drop where lines with a last mark <= 0.12, characters of repeated lines >= 0.1, short lines >= 0.67"
    )
    paper = "Penedo et al. 2024, arXiv 2406.17557, section 3.6"

    marked_lines: Number = Field(
        0.12,
        ge=0,
        le=1,
        description="A document is dropped where this share of its lines, or less, end in a "
        "mark of punctuation.",
    )
    repeated: Number = Field(
        0.1,
        ge=0,
        le=1,
        description="A document is dropped where lines that stood in it before have this share of its "
        "characters, or more. It is the paper's; the code that came with it says 0.01.",
    )
    short_lines: Number = Field(
        0.67,
        ge=0,
        le=1,
        description="A document is dropped where this share of its lines, or more, are short.",
    )
    short: Whole = Field(30, ge=1, description="Characters: lines with fewer are short.")

    def rule_against(self, text: str) -> str:
        """The first of FineWeb's own rules that drops ``text``."""
        lines = [line.strip() for line in text.splitlines() if line.strip()]
        if sum(line.endswith(_MARKS) for line in lines) <= self.marked_lines * len(lines):
            return "lines_without_mark"
        seen: set[str] = set()
        repeated = 0
        for line in lines:
            if line in seen:
                repeated += len(line)
            seen.add(line)
        if repeated >= self.repeated * sum(map(len, lines)):
            return "repeated_lines"
        if sum(len(line) < self.short for line in lines) >= self.short_lines * len(lines):
            return "short_lines"
        return ""
