"""Copying a random string: Jelassi et al. 2024, "Repeat After Me" (arXiv 2402.01032).

A string of random length over an alphabet stands between a mark that begins it and one that asks for a copy;
its copy is the answer, a character at a time. The paper fills a window with many such strings; here a
sequence has one, and is filled with a blank.
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

_BLANK, _BEGIN, _COPY, _FIRST = 0, 1, 2, 3


class Copying(GeneratedTask):
    """A random string, a mark, and the string again, which is the answer, a token at a time.

    Answers are told apart by their place in the string, sequences by the string's length.
    """

    formula: ClassVar[str] = "[begin] s1 … sn [copy] → s1 … sn"
    paper: ClassVar[str] = "arXiv 2402.01032"
    axis: ClassVar[str] = "place in the string"
    length_axis: ClassVar[str] = "tokens of the string"
    example: ClassVar[str] = "{generated: copying, shortest: 1, longest: 31, symbols: 26}"
    generated: Literal["copying"] = Field(description="Copying a random string.")
    shortest: Whole = Field(1, ge=1, le=LARGEST_LENGTH, description="Tokens of the shortest string.")
    longest: Whole = Field(
        31,
        ge=1,
        le=LARGEST_LENGTH // 2 - 1,
        description="Tokens of the longest string; lengths between are equally likely. A sequence has twice "
        "as many and two marks.",
    )
    symbols: Whole = Field(
        26,
        ge=2,
        le=LARGEST_VOCABULARY - _FIRST,
        description="How many tokens the alphabet has; beside them are a blank and two marks.",
    )

    @property
    def tokens(self) -> int:
        """The longest string twice, and two marks."""
        return 2 * self.longest + 2

    @property
    def ids(self) -> int:
        """The alphabet, the blank and the marks."""
        return _FIRST + self.symbols

    @property
    def chance(self) -> float:
        """A symbol of the alphabet."""
        return 1 / self.symbols

    def problem(self) -> str | None:
        """A length must lie between the two."""
        if self.shortest > self.longest:
            return (
                f"shortest: {self.shortest} is more than longest, {self.longest}; give {self.longest} or less"
            )
        return None

    def draw(self, count: int, random: "torch.Generator") -> np.ndarray:
        """Each string with its marks, its copy, and blanks."""
        lengths = uniform_ids((count, 1), self.shortest, self.longest + 1, random)  # (N, 1)
        strings = uniform_ids((count, self.longest), _FIRST, self.ids, random)  # (N, S)
        place = np.arange(self.tokens)[None, :]  # (1, L)
        again = place - lengths - 2  # (N, L): which token of the string's copy stands here
        sequences = np.full((count, self.tokens), _BLANK, dtype=np.int64)
        sequences[:, 0] = _BEGIN
        first = (place >= 1) & (place <= lengths)
        second = (again >= 0) & (again < lengths)
        taken = np.where(second, again, np.minimum(np.maximum(place - 1, 0), self.longest - 1))
        tokens = np.take_along_axis(strings, np.clip(taken, 0, self.longest - 1), axis=1)
        sequences[first | second] = tokens[first | second]
        np.put_along_axis(sequences, lengths + 1, _COPY, axis=1)
        return sequences

    def answers(self, sequences: np.ndarray) -> Answers:
        """The string's tokens after the mark that asks for them."""
        mark = (sequences == _COPY).argmax(1)[:, None]  # (N, 1)
        place = np.arange(sequences.shape[1])[None, :] - mark  # (N, L): 1 is the copy's first token
        length = mark - 1
        return Answers(np.where((place >= 1) & (place <= length), place, 0), length[:, 0])
