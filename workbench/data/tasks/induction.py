"""Induction at random periods: a block of random tokens, repeated to the end of the sequence.

Repeated random tokens are how Olsson et al. 2022, "In-context Learning and Induction Heads" (arXiv
2209.11895), find induction heads: the token after the last place of the present one is the next one. Each
sequence has a period of its own: at one fixed period, looking a fixed number of tokens back does as well.
"""

from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np
from pydantic import Field

from workbench.data.tasks.task import (
    LARGEST_LENGTH,
    LARGEST_VOCABULARY,
    Answers,
    GeneratedTask,
    distinct_ids,
    uniform_ids,
)
from workbench.number_types import Whole

if TYPE_CHECKING:  # a page that names tasks draws none
    import torch


class Induction(GeneratedTask):
    """A block of random tokens, none of them twice, that is repeated: every token of a repeat is an answer.

    The first token of the first repeat is none, since nothing says that the block ends. Distance is the
    period, the same for all answers of a sequence.
    """

    formula: ClassVar[str] = "t1 … tp t1 → t2 … tp t1 …"
    paper: ClassVar[str] = "arXiv 2209.11895"
    axis: ClassVar[str] = "period in tokens"
    example: ClassVar[str] = "{generated: induction, length: 64, shortest: 4, longest: 32, vocabulary: 128}"
    generated: Literal["induction"] = Field(description="Repeated random tokens.")
    length: Whole = Field(64, ge=4, le=LARGEST_LENGTH, description="How many tokens a sequence has.")
    shortest: Whole = Field(4, ge=2, le=LARGEST_LENGTH, description="Tokens of the shortest block.")
    longest: Whole = Field(
        32,
        ge=2,
        le=LARGEST_LENGTH,
        description="Tokens of the longest block, at most length - 2; lengths between are equally likely.",
    )
    vocabulary: Whole = Field(
        128, ge=2, le=LARGEST_VOCABULARY, description="Ids, at least as many as the longest block has tokens."
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
        """A token of the longest block, of which each stands there once."""
        return 1 / self.longest

    def problem(self) -> str | None:
        """A period must leave an answer, and its tokens must differ."""
        if self.shortest > self.longest:
            return (
                f"shortest: {self.shortest} is more than longest, {self.longest}; give {self.longest} or less"
            )
        if self.longest > self.length - 2:
            return (
                f"longest: a block of {self.longest} leaves no answer in {self.length} tokens; give "
                f"{self.length - 2} or less, or a greater length"
            )
        if self.longest > self.vocabulary:
            return (
                f"longest: {self.longest} different tokens are more than the vocabulary has, "
                f"{self.vocabulary}; give a vocabulary of {self.longest} or more"
            )
        return None

    def draw(self, count: int, random: "torch.Generator") -> np.ndarray:
        """Each block over and over."""
        periods = uniform_ids((count, 1), self.shortest, self.longest + 1, random)  # (N, 1)
        blocks = distinct_ids(count, self.vocabulary, self.longest, random)  # (N, P)
        return np.take_along_axis(blocks, np.arange(self.length)[None, :] % periods, axis=1)

    def answers(self, sequences: np.ndarray) -> Answers:
        """Every token behind the second place of the first one."""
        count, length = sequences.shape
        # No token stands twice in a block, so that the first one's second place is the period.
        period = 1 + (sequences[:, 1:] == sequences[:, :1]).argmax(1)[:, None]  # (N, 1)
        repeated = np.arange(length)[None, :] > period
        return Answers(np.where(repeated, period, 0), np.full(count, length))
