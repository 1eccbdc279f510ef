"""Cleaning: several treatments in turn, as a pipeline for web text has them."""

from collections.abc import Iterator, Sequence
from typing import Any

from pydantic import Field, field_serializer, field_validator

from workbench.data.treatments.c4 import C4
from workbench.data.treatments.exact_dedup import ExactDedup
from workbench.data.treatments.fineweb import FineWeb
from workbench.data.treatments.gopher import Gopher
from workbench.data.treatments.gopher_repetition import GopherRepetition
from workbench.data.treatments.near_dedup import NearDedup
from workbench.data.treatments.steps import STEPS
from workbench.data.treatments.treatment import (
    NOTHING_ELSE,
    Outcome,
    Resources,
    Treatment,
    read_treatment,
)
from workbench.errors import UserError

_FINEWEB = (
    ExactDedup(),
    GopherRepetition(),
    Gopher(),
    C4(ends_of_sentences=False),
    FineWeb(),
    NearDedup(),
)


class Curated(Treatment):
    """Several treatments, each of what the one before has left: by default FineWeb's, made for web pages."""

    name = "curated"
    formula = "text := the last of steps of ... of the first of steps of text"
    paper = "Penedo et al. 2024, arXiv 2406.17557"

    steps: tuple[Any, ...] = Field(
        _FINEWEB,
        min_length=1,
        description="The treatments in their order, each as treatment itself is given. Left out: "
        "exact_dedup, gopher_repetition, gopher, c4 without its rule on the ends of lines, fineweb, "
        "near_dedup.",
        examples=[["exact_dedup", "code", "near_dedup"]],
    )

    @field_validator("steps", mode="before")
    @classmethod
    def _known_steps(cls, value: Any) -> tuple[Treatment, ...]:
        if not isinstance(value, list | tuple) or not value:
            raise ValueError(
                f"{value!r} is no list of treatments; give for example [exact_dedup, near_dedup]"
            )
        try:
            return tuple(read_treatment(step, STEPS) for step in value)
        except UserError as error:
            raise ValueError(str(error)) from error

    @field_serializer("steps")
    def _written_steps(self, steps: tuple[Treatment, ...]) -> list[dict[str, Any]]:
        return [step.spec() for step in steps]

    def references(self) -> dict[str, Any]:
        """What its steps read, by the number of each and the option."""
        return {
            f"steps.{number}.{option}": spec
            for number, step in enumerate(self.steps)
            for option, spec in step.references().items()
        }

    def apply(self, documents: Sequence[str], resources: Resources = NOTHING_ELSE) -> Iterator[Outcome]:
        """What all steps leave; the rule is that of the last step that changed or dropped a document."""
        outcomes = [Outcome(text) for text in documents]
        for number, step in enumerate(self.steps):
            left = [place for place, outcome in enumerate(outcomes) if outcome.text.strip()]
            texts = [outcomes[place].text for place in left]
            own = self._resources(number, resources)
            for place, outcome in zip(left, step.apply(texts, own), strict=True):
                if outcome.rule:
                    outcomes[place] = Outcome(outcome.text, f"{step.name}: {outcome.rule}")
            own.report(1.0)
        return iter(outcomes)

    def _resources(self, number: int, whole: Resources) -> Resources:
        """What is for one of the steps."""
        prefix = f"steps.{number}."
        own = {
            option.removeprefix(prefix): texts
            for option, texts in whole.references.items()
            if option.startswith(prefix)
        }
        return Resources(own, lambda part: whole.report((number + part) / len(self.steps)))
