"""What every generated task has in common: sequences of ids by a seed, and which of their tokens are answers.

A sequence is written as text, ``17 3 40``, so that it is kept, counted and hashed as any document is; the
tokenizer ``{ids: N}`` reads it back. Which tokens are answers follows from the ids alone, so that nothing has
to be kept beside them.
"""

from abc import abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

import numpy as np
from pydantic import Field, ValidationInfo, field_validator, model_validator

from workbench.data.sources.source import KEY, CorpusConfig, Source
from workbench.data.split import Documents, document_keys, fingerprint
from workbench.errors import UserError
from workbench.number_types import Whole
from workbench.seeds import generator
from workbench.user_numbers import LARGEST_SEED

if TYPE_CHECKING:  # a page that names tasks draws none
    import torch

LARGEST_VOCABULARY = 65_000  # ids of 16 bits, and one that ends a document
LARGEST_LENGTH = 2**16
_MOST_SEQUENCES = 10_000_000
_TRAIN, _HELD_OUT = "train", "validation"


@dataclass(frozen=True)
class Answers:
    """Which tokens of sequences ``(N, L)`` are answers.

    ``along (N, L)`` is 0 where a token is none, and else 1 or more: a distance, a place or a depth, as the
    task's ``axis`` says. ``length (N,)`` is how long each sequence is, or what of it has to be remembered, as
    the task's ``length_axis`` says.
    """

    along: np.ndarray
    length: np.ndarray

    @property
    def scored(self) -> np.ndarray:
        """``(N, L)``: whether a token is an answer."""
        return self.along > 0


class GeneratedTask(CorpusConfig):
    """Sequences of token ids that are generated, of which some tokens are answers with one right value each.

    Accuracy is the share of answers that the model gives the highest logit of its whole vocabulary, the
    sequence before them being given. Training and validation are drawn from streams of their own, and a
    sequence that stands in both is not trained on.
    """

    key: ClassVar[str] = "generated"
    unit: ClassVar[str] = "sequences"
    paper: ClassVar[str] = ""
    formula: ClassVar[str] = ""  # a sequence, and what follows it
    axis: ClassVar[str] = "distance in tokens"  # of ``Answers.along``
    length_axis: ClassVar[str] = "tokens of the sequence"  # of ``Answers.length``
    example: ClassVar[str]  # what a study file would give
    # Whether training and validation come from streams of their own, whatever share is held out.
    streams_apart: ClassVar[bool] = True

    generated: str = Field(
        description="The task that sequences are generated for: one of those below.", examples=["recall"]
    )
    loss: Literal["answers", "all"] = Field(
        "answers",
        description="What is trained on: the answers alone, or every token of a sequence. Validation is on "
        "the answers alone.",
    )
    sequences: Whole = Field(
        20_000,
        ge=2,
        le=_MOST_SEQUENCES,
        description="How many sequences there are, those held out for validation among them.",
    )
    seed: Whole = Field(
        0,
        ge=-LARGEST_SEED,
        le=LARGEST_SEED,
        description="What the sequences are drawn from: the same seed gives the same ones on every machine.",
    )

    @field_validator("max_bytes", "treatment", mode="before")
    @classmethod
    def _for_text_only(cls, value: Any) -> None:
        if value is not None:
            raise ValueError("is for corpora of text; a generated task has 'sequences' in its place")

    @field_validator("copies", "near_copies", "decontaminate")
    @classmethod
    def _of_documents_only(cls, value: Any, info: ValidationInfo) -> Any:
        if value != CorpusConfig.model_fields[str(info.field_name)].default:
            raise ValueError("is for corpora of text; remove it")
        return value

    @model_validator(mode="after")
    def _can_be(self) -> Self:
        problem = self.problem()
        if problem:
            raise ValueError(problem)
        return self

    @property
    @abstractmethod
    def tokens(self) -> int:
        """How many tokens a sequence has; a shorter one is filled with a blank at its end."""

    @property
    @abstractmethod
    def ids(self) -> int:
        """How many ids there are: 0 to ``ids - 1``."""

    @property
    @abstractmethod
    def chance(self) -> float:
        """The accuracy of who knows the task's rules and guesses each answer."""

    @abstractmethod
    def draw(self, count: int, random: "torch.Generator") -> np.ndarray:
        """Draw sequences ``(count, tokens)`` of ids."""

    @abstractmethod
    def answers(self, sequences: np.ndarray) -> Answers:
        """Which tokens of ``sequences (N, tokens)`` are answers."""

    def problem(self) -> str | None:
        """Why these options cannot be: the key, what is wrong, and the remedy; None if they can."""
        return None

    @property
    def title(self) -> str:
        """What a report calls it."""
        return f"generated {self.generated} of {self.tokens} tokens"

    @property
    def held_out_count(self) -> int:
        """How many sequences are held out."""
        return max(1, round(self.sequences * self.validation_fraction))

    def open(self) -> Source:
        """All of its sequences, as text."""
        documents = self.documents()
        return Source(self.title, iter([*documents.train, *documents.validation]))

    def documents(self) -> Documents:
        """Both splits as text, a sequence a document."""
        held_out = as_text(self.held_out(self.held_out_count))
        known = set(held_out)
        drawn = [] if self.validation_fraction == 1 else as_text(self.trained_on())
        train = [text for text in drawn if text not in known]
        if not train and self.validation_fraction != 1:
            raise UserError(
                f"{KEY}: {self.title} has no sequence to train on that is not held out too; give longer "
                "ones, or more kinds of tokens"
            )
        return Documents(
            train=train,
            validation=held_out,
            fingerprint=fingerprint(train, held_out),
            description=f"{self.title}, {len(train) + len(held_out):,} {self.unit}",
            dropped_duplicates=len(drawn) - len(train),
            train_keys=document_keys(train),
        )

    def trained_on(self) -> np.ndarray:
        """The sequences ``(N, tokens)`` for training."""
        count = max(1, self.sequences - self.held_out_count)
        return self.draw(count, generator("task", self.generated, self.seed, _TRAIN))

    def held_out(self, count: int) -> np.ndarray:
        """The first ``count`` sequences ``(N, tokens)`` for validation."""
        return self.draw(count, generator("task", self.generated, self.seed, _HELD_OUT))


def as_text(sequences: np.ndarray) -> list[str]:
    """Each of ``sequences (N, L)`` as a line: its ids, a blank between two of them."""
    return [" ".join(map(str, sequence)) + "\n" for sequence in sequences.tolist()]


def from_text(texts: list[str]) -> np.ndarray:
    """``(N, L)``: what ``as_text`` wrote."""
    return np.array([text.split() for text in texts], dtype=np.int64)


def distinct_ids(count: int, among: int, of_each: int, random: "torch.Generator") -> np.ndarray:
    """``(count, of_each)`` ids from 0 to ``among - 1``, none twice in a row."""
    import torch

    return torch.rand(count, among, generator=random).argsort(-1)[:, :of_each].numpy()


def uniform_ids(shape: tuple[int, ...], low: int, high: int, random: "torch.Generator") -> np.ndarray:
    """Ids of ``shape`` from ``low`` to ``high - 1``, each as likely as any other."""
    import torch

    return torch.randint(low, high, shape, generator=random).numpy()
