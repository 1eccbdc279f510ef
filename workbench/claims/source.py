"""A number of the literature, as a claim card gives it."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from workbench.number_types import Number

Text = Annotated[str, Field(min_length=1)]


class Section(BaseModel):
    """A mapping of a card, which has no keys but its own."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Source(Section):
    """A number of the literature."""

    paper: Text = Field(
        description="Who found it: authors and year, or title, with the address of the paper.",
        examples=["Shazeer 2020, arXiv 2002.05202"],
    )
    where: Text = Field(
        description="Where it stands there, and at what size it was found.",
        examples=["table 1, T5 base, 524,288 steps"],
    )
    number: Text = Field(
        description="The number as the literature gives it, with its unit.",
        examples=["SwiGLU 1.636 against ReLU 1.677 nats"],
    )
    certainty: Literal[
        "primary text read",
        "secondary source",
        "from memory, to be checked",
        "derived",
        "run for this project",
    ] = Field(description="How sure it is that the source says so.")
    prediction: str | None = Field(
        None,
        min_length=1,
        description="The prediction that the number can be drawn beside: its id. Left out: none; the number "
        "is of another unit, or of another comparison.",
        examples=["relu-is-higher"],
    )
    value: Number | None = Field(
        None,
        description="The number in that prediction's unit and sense, variant minus the other side. Left out: "
        "the source gives no single number.",
        examples=[0.041],
    )
    interval: tuple[Number, Number] | None = Field(
        None,
        description="The lowest and the highest that the source gives, in the same unit. Left out: it gives "
        "no range.",
        examples=[[0.02, 0.06]],
    )

    @model_validator(mode="after")
    def _drawable(self) -> "Source":
        numbers = self.value is not None or self.interval is not None
        if numbers and self.prediction is None:
            raise ValueError("prediction: a value is drawn beside one; name it, or remove value and interval")
        if self.prediction is not None and not numbers:
            raise ValueError("value: nothing can be drawn without a number; give it, or remove prediction")
        if self.interval is not None and self.interval[0] > self.interval[1]:
            raise ValueError("interval: write the lower number first")
        return self
