"""Multi-query associative recall (MQAR): Arora et al. 2023, "Zoology" (arXiv 2312.04927).

Pairs of a key and its value, then every key once more at a place that is drawn by a power law; its value has
to be recalled. As in the paper's generator keys and values are halves of the vocabulary, no key and no value
stands twice among the pairs, and id 0 fills the rest. What differs: the paper's generator gives the value as
a label alone, here it follows the key in the sequence too; and its ``random_non_queries``, which fills with
random tokens, is left out, since a random token may be a key that was never asked.
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
)
from workbench.number_types import Number, Whole

if TYPE_CHECKING:  # a page that names tasks draws none
    import torch

_BLANK = 0


class Recall(GeneratedTask):
    """Multi-query associative recall: pairs of key and value, then each key again, whose value is the answer.

    Distance is counted between a key's two places. Chance is one of the values shown.
    """

    formula: ClassVar[str] = "k1 v1 k2 v2 … k2 → v2 … k1 → v1"
    paper: ClassVar[str] = "arXiv 2312.04927"
    axis: ClassVar[str] = "distance between a key's two places"
    example: ClassVar[str] = "{generated: recall, length: 64, pairs: 8, vocabulary: 128}"
    generated: Literal["recall"] = Field(description="Multi-query associative recall.")
    length: Whole = Field(
        64,
        ge=4,
        le=LARGEST_LENGTH,
        multiple_of=2,
        description="Tokens of a sequence: an even number, at least four for each pair.",
    )
    pairs: Whole = Field(
        8, ge=1, le=LARGEST_LENGTH, description="Pairs of key and value; each key is asked for once."
    )
    vocabulary: Whole = Field(
        128,
        ge=4,
        le=LARGEST_VOCABULARY,
        description="Ids: the blank, as many keys as fill the lower half, and the values of the upper half.",
    )
    power: Number = Field(
        0.01,
        gt=0,
        le=1,
        description="Where a key is asked for, after the pairs: the g-th free place with a probability as "
        "g^(power - 1). 1 makes all places as likely.",
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
        """One of the values that stand in the sequence."""
        return 1 / self.pairs

    def problem(self) -> str | None:
        """There must be room for every key twice, and a key and a value for every pair."""
        if 4 * self.pairs > self.length:
            return (
                f"pairs: {self.pairs} pairs, shown and asked for, need {4 * self.pairs} tokens and length is "
                f"{self.length}; give {self.length // 4} or fewer, or a greater length"
            )
        if self.pairs > self._first_value - 1:
            return (
                f"pairs: {self.pairs} pairs need as many keys, and vocabulary {self.vocabulary} has "
                f"{self._first_value - 1}; give a vocabulary of {2 * self.pairs + 2} or more"
            )
        return None

    def draw(self, count: int, random: "torch.Generator") -> np.ndarray:
        """Pairs first, then each key with its value at its own place among blanks."""
        import torch

        keys = 1 + distinct_ids(count, self._first_value - 1, self.pairs, random)  # (N, P)
        values = self._first_value + distinct_ids(
            count, self.vocabulary - self._first_value, self.pairs, random
        )
        sequences = np.full((count, self.length), _BLANK, dtype=np.int64)
        shown = 2 * self.pairs
        sequences[:, 0:shown:2] = keys
        sequences[:, 1:shown:2] = values
        free = (self.length - shown) // 2
        weights = torch.arange(1, free + 1, dtype=torch.float64) ** (self.power - 1)  # (F,)
        gaps = torch.multinomial(weights.expand(count, -1), self.pairs, generator=random).numpy()  # (N, P)
        places = shown + 2 * gaps
        np.put_along_axis(sequences, places, keys, axis=1)
        np.put_along_axis(sequences, places + 1, values, axis=1)
        return sequences

    def answers(self, sequences: np.ndarray) -> Answers:
        """The tokens behind keys that stand after the pairs."""
        count, length = sequences.shape
        along = np.zeros((count, length), dtype=np.int64)
        shown = 2 * self.pairs
        keys = sequences[:, 0:shown:2]  # (N, P)
        for pair in range(self.pairs):
            asked = sequences[:, shown:-1] == keys[:, pair, None]  # (N, L - 2 P - 1)
            rows, places = np.nonzero(asked)
            along[rows, shown + places + 1] = shown + places - 2 * pair
        return Answers(along, np.full(count, length))

    @property
    def _first_value(self) -> int:
        return self.vocabulary // 2
