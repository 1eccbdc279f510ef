"""Cleaning: Gopher's rules against documents that repeat themselves."""

import re
from collections import Counter
from collections.abc import Sequence

from pydantic import Field

from workbench.data.treatments.treatment import Filter
from workbench.number_types import Number

_TOP_RUNS = {2: 0.20, 3: 0.18, 4: 0.16}
_REPEATED_RUNS = {5: 0.15, 6: 0.14, 7: 0.13, 8: 0.12, 9: 0.11, 10: 0.10}


class GopherRepetition(Filter):
    """Drops documents much of which is the same lines, paragraphs or runs of words again."""

    name = "gopher_repetition"
    formula = "drop where repeated lines, paragraphs or runs of 2 to 10 words exceed their share of the text"
    paper = "Rae et al. 2021, arXiv 2112.11446, table A1"

    parts: Number = Field(
        0.3,
        ge=0,
        le=1,
        description="The largest share of lines, and of paragraphs, that stood in the document before.",
    )
    characters: Number = Field(
        0.2, ge=0, le=1, description="The largest share of the text that such lines, or paragraphs, have."
    )
    runs: Number = Field(
        1,
        gt=0,
        description="What Gopher's shares of repeated runs of words are multiplied by: of the commonest run "
        "of 2, 3 and 4 words .20, .18 and .16 of the text, of all repeated runs of 5 to 10 words .15 to .10.",
    )

    def rule_against(self, text: str) -> str:
        """The first of Gopher's rules of repetition that drops ``text``."""
        for name, pattern in (("lines", r"\n+"), ("paragraphs", r"\n{2,}")):
            parts = re.split(pattern, text.strip())
            repeated = _repeated(parts)
            if len(repeated) > self.parts * len(parts):
                return f"repeated_{name}"
            if sum(map(len, repeated)) > self.characters * len(text):
                return f"characters_of_repeated_{name}"
        words = text.split()
        for length, share in _TOP_RUNS.items():
            if _of_commonest_run(words, length) > self.runs * share * len(text):
                return f"commonest_run_of_{length}"
        for length, share in _REPEATED_RUNS.items():
            if _of_repeated_runs(words, length) > self.runs * share * len(text):
                return f"repeated_runs_of_{length}"
        return ""


def _repeated(parts: Sequence[str]) -> list[str]:
    """The parts that stood there before."""
    seen: set[str] = set()
    repeated = []
    for part in parts:
        if part in seen:
            repeated.append(part)
        seen.add(part)
    return repeated


def _of_commonest_run(words: list[str], length: int) -> int:
    """Characters of the run of words that stands most often, in all its places; 0 where none stands twice."""
    runs = Counter(" ".join(words[start : start + length]) for start in range(len(words) - length + 1))
    if not runs:
        return 0
    run, times = runs.most_common(1)[0]
    return len(run) * times if times > 1 else 0


def _of_repeated_runs(words: list[str], length: int) -> int:
    """Characters of the runs of words that stood there before, none of which is counted twice."""
    seen: set[int] = set()
    characters = place = 0
    while place <= len(words) - length:
        run = tuple(words[place : place + length])
        key = hash(run)  # of text it differs from process to process, and is only compared with others here
        if key in seen:
            characters += sum(map(len, run))
            place += length
        else:
            seen.add(key)
            place += 1
    return characters
