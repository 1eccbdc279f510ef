"""Addition modulo a prime: Power et al. 2022, "Grokking" (arXiv 2201.02177).

All pairs of residues are equations ``a + b = c``; a share of them is trained on and the others are held out,
with loss and accuracy on the answer alone, as in the paper.
"""

from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
from pydantic import Field, field_validator

from workbench.data.tasks.task import Answers, GeneratedTask
from workbench.number_types import Number, Whole
from workbench.seeds import generator

if TYPE_CHECKING:  # a page that names tasks draws none
    import torch

_LARGEST = 1_009  # a million equations


class ModularAddition(GeneratedTask):
    """Equations a + b = c modulo a number: c is the answer.

    No pair (a, b) stands on both sides; its mirror image (b, a) may, as in the paper.
    """

    formula: ClassVar[str] = "a + b = → (a + b) mod p"
    paper: ClassVar[str] = "arXiv 2201.02177"
    axis: ClassVar[str] = "1: below the modulus, 2: the sum wraps around"
    example: ClassVar[str] = "{generated: modular_addition, modulus: 97, validation_fraction: 0.5}"
    streams_apart: ClassVar[bool] = False
    generated: Literal["modular_addition"] = Field(description="Addition modulo a number.")
    modulus: Whole = Field(97, ge=3, le=_LARGEST, description="What the sum is taken modulo of; a prime.")
    validation_fraction: Number = Field(
        0.5,
        gt=0,
        le=1,
        description="Share of the equations that is held out; a smaller share is a part of a larger one.",
    )
    sequences: Any = Field(None, exclude=True, description="All equations there are. Left out: all.")
    seed: Any = Field(None, exclude=True, description="The split is the same for all. Left out: none.")

    @field_validator("sequences", "seed", mode="before")
    @classmethod
    def _fixed(cls, value: Any) -> None:
        if value is not None:
            raise ValueError("the equations are all that there are; remove it")

    @property
    def tokens(self) -> int:
        """``a + b = c``."""
        return 5

    @property
    def ids(self) -> int:
        """The residues, the plus and the equals sign."""
        return self.modulus + 2

    @property
    def chance(self) -> float:
        """A residue."""
        return 1 / self.modulus

    def draw(self, count: int, random: "torch.Generator") -> np.ndarray:
        """The first ``count`` equations in an order of ``random``."""
        import torch

        order = torch.randperm(self.modulus**2, generator=random).numpy()[:count]
        first, second = np.divmod(order, self.modulus)
        plus, equals = np.full_like(first, self.modulus), np.full_like(first, self.modulus + 1)
        return np.stack([first, plus, second, equals, (first + second) % self.modulus], axis=1)

    def trained_on(self) -> np.ndarray:
        """What is not held out."""
        return self.draw(self.modulus**2, self._order())[self.held_out_count :]

    def held_out(self, count: int) -> np.ndarray:
        """The first ones."""
        return self.draw(count, self._order())

    def answers(self, sequences: np.ndarray) -> Answers:
        """The last token."""
        along = np.zeros_like(sequences)
        along[:, -1] = 1 + (sequences[:, 0] + sequences[:, 2] >= self.modulus)
        return Answers(along, np.full(len(sequences), sequences.shape[1]))

    def _order(self) -> "torch.Generator":
        return generator("task", self.generated, self.modulus)

    @property
    def held_out_count(self) -> int:
        """Of the equations that there are."""
        return min(max(1, round(self.modulus**2 * self.validation_fraction)), self.modulus**2)
