"""Damage with a dose: what a word stands beside is lost, and nothing else."""

import random
import re
from collections.abc import Iterator, Sequence

from pydantic import Field

from workbench.data.treatments.treatment import NOTHING_ELSE, Outcome, Resources, Treatment
from workbench.number_types import Number
from workbench.seeds import stable_hash

_WORD = re.compile(r"\S+")


class ShuffledWords(Treatment):
    """In a share of the documents the words change places; white space stays where it was."""

    name = "shuffled_words"
    paper = "Sinha et al. 2021, arXiv 2104.06644"
    formula = "words := permuted words, with probability share for each document"

    share: Number = Field(0.3, gt=0, le=1, description="Share of the documents whose words are shuffled.")

    def apply(self, documents: Sequence[str], resources: Resources = NOTHING_ELSE) -> Iterator[Outcome]:
        """The documents, some of them shuffled: which, and how, follows from a document's content."""
        for text in documents:
            draw = random.Random(stable_hash(self.name, text))
            chosen = draw.random() < self.share
            yield Outcome(_shuffled(text, draw), "shuffled") if chosen else Outcome(text)


def _shuffled(text: str, draw: random.Random) -> str:
    words = _WORD.findall(text)
    draw.shuffle(words)
    following = iter(words)
    return _WORD.sub(lambda _: next(following), text)
