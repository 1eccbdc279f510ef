"""Well-nested brackets of several kinds and bounded depth: Dyck-(k, D).

Hewitt et al. 2020 (arXiv 2010.07515) and Yao et al. 2021, "Self-Attention Networks Can Process Bounded
Hierarchical Languages" (arXiv 2105.11115): a model that reads the language has to know, wherever a bracket
closes, which kind is open. It is trained on every token there, since a language model has to say as well
when brackets open.
"""

from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np
from pydantic import Field

from workbench.data.tasks.task import LARGEST_LENGTH, LARGEST_VOCABULARY, Answers, GeneratedTask, uniform_ids
from workbench.number_types import Whole

if TYPE_CHECKING:  # a page that names tasks draws none
    import torch


class Dyck(GeneratedTask):
    """Brackets of several kinds, well nested: each closing one is an answer, told apart by its depth.

    An opening bracket follows with probability one half wherever both may follow. With several kinds the one
    right closing bracket is then likelier than any opening one, so that a perfect predictor has all answers
    right. Its loss is not 0: nothing says whether a bracket opens or closes.
    """

    formula: ClassVar[str] = "( [ → ] { → } → )"
    paper: ClassVar[str] = "arXiv 2010.07515, 2105.11115"
    axis: ClassVar[str] = "depth of the bracket that closes"
    example: ClassVar[str] = "{generated: dyck, length: 64, kinds: 8, depth: 5}"
    generated: Literal["dyck"] = Field(description="Well-nested brackets.")
    loss: Literal["answers", "all"] = Field(
        "all",
        description="What is trained on: the closing brackets alone, or every token of a sequence. "
        "Validation is on the closing brackets alone.",
    )
    length: Whole = Field(
        64, ge=2, le=LARGEST_LENGTH, multiple_of=2, description="Tokens of a sequence: an even number."
    )
    kinds: Whole = Field(
        8, ge=2, le=LARGEST_VOCABULARY // 2, description="How many kinds of brackets there are: k."
    )
    depth: Whole = Field(5, ge=1, le=LARGEST_LENGTH, description="How many brackets may be open at once: D.")

    @property
    def tokens(self) -> int:
        """The option."""
        return self.length

    @property
    def ids(self) -> int:
        """An opening and a closing one of each kind."""
        return 2 * self.kinds

    @property
    def chance(self) -> float:
        """A kind."""
        return 1 / self.kinds

    def draw(self, count: int, random: "torch.Generator") -> np.ndarray:
        """A walk over depths that ends at 0, and kinds for its steps up."""
        ups = uniform_ids((count, self.length), 0, 2, random).astype(bool)  # (N, L)
        kinds = uniform_ids((count, self.length), 0, self.kinds, random)
        sequences = np.empty((count, self.length), dtype=np.int64)
        stacks = np.zeros((count, self.depth + 1), dtype=np.int64)  # kinds that are open
        depth = np.zeros(count, dtype=np.int64)
        rows = np.arange(count)
        for place in range(self.length):
            must_close = (depth == self.depth) | (depth == self.length - place)
            up = (depth == 0) | (ups[:, place] & ~must_close)
            open_kind = stacks[rows, np.maximum(depth - 1, 0)]
            sequences[:, place] = np.where(up, kinds[:, place], self.kinds + open_kind)
            stacks[rows[up], depth[up]] = kinds[up, place]
            depth += np.where(up, 1, -1)
        return sequences

    def answers(self, sequences: np.ndarray) -> Answers:
        """The closing brackets, by the depth that they close."""
        closes = sequences >= self.kinds
        after = np.cumsum(np.where(closes, -1, 1), axis=1)
        count, length = sequences.shape
        return Answers(np.where(closes, after + 1, 0), np.full(count, length))
