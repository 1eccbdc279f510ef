"""Small generated tasks that need no files: a model that learns has to copy, or to look up.

Associative recall is the probe of Arora et al. 2023, "Zoology" (arXiv 2312.04927), as plain text.
"""

from collections.abc import Iterator
from random import Random
from typing import ClassVar, Literal

from pydantic import Field

from workbench.data.sources.source import CorpusConfig, Example, Source
from workbench.number_types import Whole
from workbench.seeds import stable_hash
from workbench.user_numbers import LARGEST_SEED

_MOST_DOCUMENTS = 10_000_000  # half a gigabyte, and minutes to draw; all of it is in memory at once
_SYLLABLES = [consonant + vowel for consonant in "bdfgklmnprst" for vowel in "aeiou"]


class Task(CorpusConfig):
    """Documents drawn from a seed of their own: the same on every machine."""

    key: ClassVar[str] = "task"
    examples: ClassVar[tuple[Example, ...]] = (
        Example(
            "copy", "generated: random words, then the same words again", "{task: copy, documents: 20_000}"
        ),
        Example(
            "recall", "generated: keys and values, then the keys again", "{task: recall, documents: 20_000}"
        ),
    )
    task: Literal["copy", "recall"] = Field(
        description="What a document asks of the model. copy: random words, then the same words again; "
        "recall: keys with values, then the keys again in another order.",
        examples=["copy"],
    )
    documents: Whole = Field(
        20_000,
        ge=2,
        le=_MOST_DOCUMENTS,
        description="How many documents are drawn, each a line of a few words.",
    )
    seed: Whole = Field(
        0,
        ge=-LARGEST_SEED,
        le=LARGEST_SEED,
        description="What the documents are drawn from: the same seed gives the same corpus on every "
        "machine.",
    )

    def open(self) -> Source:
        """Start drawing."""
        return Source(f"generated task '{self.task}', seed {self.seed}", self._draw())

    def _draw(self) -> Iterator[str]:
        random = Random(stable_hash("task", self.task, self.seed))
        for _ in range(self.documents):
            yield _DOCUMENTS[self.task](random)


def _words(random: Random, count: int) -> list[str]:
    return ["".join(random.choices(_SYLLABLES, k=2)) for _ in range(count)]


def _copy(random: Random) -> str:
    """``kito mela | kito mela``: random words, then the same words again."""
    words = " ".join(_words(random, random.randint(4, 8)))
    return f"{words} | {words}"


def _recall(random: Random) -> str:
    """``kito 3, mela 7; mela 7, kito 3``: pairs of key and value, then the keys again in another order."""
    keys = list(dict.fromkeys(_words(random, random.randint(4, 8))))
    pairs = [f"{key} {random.randint(0, 9)}" for key in keys]
    again = random.sample(pairs, len(pairs))
    return f"{', '.join(pairs)}; {', '.join(again)}"


_DOCUMENTS = {"copy": _copy, "recall": _recall}
