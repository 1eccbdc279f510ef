"""Damage with a dose: what a word stands beside is lost, and nothing else."""

import random
import re
from collections.abc import Iterator, Sequence

from pydantic import Field

from workbench.data.treatments.treatment import Treatment
from workbench.seeds import stable_hash
from workbench.user_numbers import Number

_WORD = re.compile(r"\S+")


class ShuffledWords(Treatment):
    """In a share of the documents the words change places; white space stays where it was."""

    name = "shuffled_words"
    paper = "Sinha et al. 2021, arXiv 2104.06644"
    formula = "words := permuted words, with probability share for each document"

    share: Number = Field(0.3, gt=0, le=1, description="Share of the documents whose words are shuffled.")

    def apply(self, documents: Sequence[str]) -> Iterator[str]:
        """The documents, some of them shuffled: which, and how, follows from a document's content."""
        for text in documents:
            draw = random.Random(stable_hash(self.name, text))
            yield _shuffled(text, draw) if draw.random() < self.share else text


def _shuffled(text: str, draw: random.Random) -> str:
    words = _WORD.findall(text)
    draw.shuffle(words)
    following = iter(words)
    return _WORD.sub(lambda _: next(following), text)
