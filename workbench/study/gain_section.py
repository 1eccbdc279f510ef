"""``gain`` of a study file: other budgets at which the baseline is trained, for compute-equivalent gains."""

from pydantic import BaseModel, ConfigDict, Field, field_validator

from workbench.number_types import Whole
from workbench.numbers import plural
from workbench.user_numbers import LARGEST_TOKENS

FEWEST_BUDGETS = 3  # beside the study's own: a slope through fewer rungs than three says nothing of its noise
_MOST_BUDGETS = 16


class GainSection(BaseModel):
    """The baseline's other budgets."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    tokens: list[Whole] = Field(
        max_length=_MOST_BUDGETS,
        description="The budgets at which the baseline is trained too, in training tokens: at least three "
        "beside training.tokens, some below and some above it. A gain is read between the smallest and the "
        "largest, and beyond them only said to be larger or smaller; a quarter to four times training.tokens "
        "suits most swaps. Each run has a learning-rate schedule of its own length.",
        examples=[[100_000, 200_000, 800_000, 1_600_000]],
    )
    seeds: Whole = Field(
        3,
        ge=2,
        le=100,
        description="How many seeds each of these budgets is trained with. They are fresh ones, and say how "
        "well the slope of the baseline's loss is known.",
    )

    @field_validator("tokens")
    @classmethod
    def _ascending(cls, tokens: list[int]) -> list[int]:
        for budget in tokens:
            if not 0 < budget <= LARGEST_TOKENS:
                raise ValueError(f"{budget:,} is no budget of tokens; give from 1 to {LARGEST_TOKENS:,}")
        if len(set(tokens)) < len(tokens):
            raise ValueError("name each budget once")
        if len(tokens) < FEWEST_BUDGETS:
            raise ValueError(
                f"{plural(len(tokens), 'budget')} beside training.tokens give no slope with its noise; name "
                f"{FEWEST_BUDGETS} or more"
            )
        return sorted(tokens)
