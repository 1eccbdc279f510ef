"""A needle in filler: the pass key of Mohtashami and Jaggi 2023, "Landmark Attention" (arXiv 2305.16300).

A number of a few digits stands behind a mark somewhere in filler; the mark at the end asks for it. The paper
writes it in English; here mark, digits and filler are ids, so that a small model can be trained on it.
"""

from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np
from pydantic import Field

from workbench.data.tasks.task import (
    LARGEST_LENGTH,
    LARGEST_VOCABULARY,
    Answers,
    GeneratedTask,
    uniform_ids,
)
from workbench.number_types import Whole

if TYPE_CHECKING:  # a page that names tasks draws none
    import torch

_MARK, _DIGITS = 0, 10
_FIRST_FILLER = 1 + _DIGITS


class Needle(GeneratedTask):
    """A mark and a number of a few digits somewhere in filler, and the mark at the end: the number is asked.

    Distance is counted between the two marks, the same for all digits of a number.
    """

    formula: ClassVar[str] = "filler [mark] d1 … dn filler [mark] → d1 … dn"
    paper: ClassVar[str] = "arXiv 2305.16300"
    axis: ClassVar[str] = "distance between the two marks"
    example: ClassVar[str] = "{generated: needle, length: 128, digits: 5, vocabulary: 64}"
    generated: Literal["needle"] = Field(description="A number hidden in filler.")
    length: Whole = Field(128, ge=4, le=LARGEST_LENGTH, description="How many tokens a sequence has.")
    digits: Whole = Field(5, ge=1, le=64, description="Digits of the number, each an answer.")
    vocabulary: Whole = Field(
        64,
        ge=_FIRST_FILLER + 1,
        le=LARGEST_VOCABULARY,
        description="Ids: a mark, ten digits, and the rest, of which filler is drawn.",
    )

    @property
    def tokens(self) -> int:
        """The option."""
        return self.length

    @property
    def ids(self) -> int:
        """The option."""
        return self.vocabulary

    @property
    def chance(self) -> float:
        """A digit."""
        return 1 / _DIGITS

    def problem(self) -> str | None:
        """The number must stand there twice."""
        if 2 * self.digits + 2 > self.length:
            return (
                f"length: {self.length} tokens have no room for {self.digits} digits and a mark, twice; give "
                f"{2 * self.digits + 2} or more"
            )
        return None

    def draw(self, count: int, random: "torch.Generator") -> np.ndarray:
        """Filler, the number at a place of its own, and the question."""
        sequences = uniform_ids((count, self.length), _FIRST_FILLER, self.vocabulary, random)
        number = uniform_ids((count, self.digits), 1, _FIRST_FILLER, random)  # (N, D)
        needle = np.concatenate([np.full((count, 1), _MARK), number], axis=1)  # (N, 1 + D)
        size = 1 + self.digits
        place = uniform_ids((count, 1), 0, self.length - 2 * size + 1, random)  # (N, 1)
        np.put_along_axis(sequences, place + np.arange(size), needle, axis=1)
        sequences[:, -size:] = needle
        return sequences

    def answers(self, sequences: np.ndarray) -> Answers:
        """The digits behind the last mark."""
        count, length = sequences.shape
        along = np.zeros((count, length), dtype=np.int64)
        asked = length - self.digits - 1
        first = (sequences == _MARK).argmax(1)[:, None]  # (N, 1)
        along[:, asked + 1 :] = asked - first
        return Answers(along, np.full(count, length))
