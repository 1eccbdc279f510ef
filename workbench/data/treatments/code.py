"""Cleaning: rules for source code, against data and what a program wrote."""

import zlib

from pydantic import Field

from workbench.data.generated_files import says_generated
from workbench.data.treatments.treatment import Filter
from workbench.number_types import Number, Whole


class Code(Filter):
    """Drops files of very long lines, of few letters, that are generated, or that are very repetitive."""

    name = "code"
    formula = "drop where mean line > 100, longest > 1000, letters < 0.25, generated, or compressed < 0.1"
    paper = "Li et al. 2023 (StarCoder), arXiv 2305.06161; Guo et al. 2024 (DeepSeek-Coder), arXiv 2401.14196"

    mean_line: Number = Field(100, gt=0, description="Characters: the largest mean length of a line.")
    longest_line: Whole = Field(1_000, gt=0, description="Characters: the longest line that is kept.")
    letters: Number = Field(0.25, ge=0, le=1, description="The least share of characters that are letters.")
    generated: bool = Field(
        True, description='Whether files whose first five lines have the word "generated" are dropped.'
    )
    compressed: Number = Field(
        0.1,
        ge=0,
        le=1,
        description="The least size that zlib makes of a file, as a share of its own: less is the same text "
        "over and over.",
    )

    def rule_against(self, text: str) -> str:
        """The first rule that drops the file."""
        lines = text.splitlines()
        if sum(map(len, lines)) > self.mean_line * len(lines):
            return "mean_line"
        if max(map(len, lines)) > self.longest_line:
            return "longest_line"
        if sum(map(str.isalpha, text)) < self.letters * len(text):
            return "few_letters"
        if self.generated and says_generated(text):
            return "generated"
        content = text.encode("utf-8")
        if len(zlib.compress(content)) < self.compressed * len(content):
            return "repetitive"
        return ""
