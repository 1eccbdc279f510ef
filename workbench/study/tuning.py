"""``tuning`` of a study file: more than the learning rate, tuned for each variant alike."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from workbench.number_types import Whole
from workbench.records.hyperparameters import LEARNING_RATE
from workbench.records.space import Range, Space, free, size
from workbench.study.sampling import GRID, ROUND, SHARED, unfit
from workbench.training.tuned_values import SCHEDULE, field_of, refusal

HALVING = "halving"
RATES = (1e-9, 10.0)  # the smallest and largest learning rate, a grown grid's too
AGAIN = 3  # of several dimensions, the points that are run again, and on as many fresh seeds
FEWEST_TO_RACE = 5  # tuning seeds: after four, the signed-rank test can stop a candidate for the first time
_MOST_TRIALS = 1_000


class Tuning(BaseModel):
    """What is tuned for each variant, and how."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    space: Space = Field(
        min_length=1,
        description="What each hyperparameter may be: a list of values, or a range {low, high} with log: "
        "true where it goes by powers of ten. learning_rate is needed; a list of one value fixes it. The "
        "others are numbers of training (weight_decay, clip, warmup, final_rate, epsilon, beta1, beta2), the "
        "schedule by its name, or one of its options (schedule.decay). What a variant varies cannot be tuned "
        "too.",
        examples=[
            {"learning_rate": {"low": 0.001, "high": 0.01, "log": True}, "weight_decay": [0, 0.1, 0.3]}
        ],
    )
    sampler: Literal["grid", "qmc", "tpe", "gp", "cmaes", "random"] = Field(
        "grid",
        description="How points of the space are chosen. grid: all of them, of lists alone; qmc: spread "
        "evenly (Sobol's sequence); random: at random; these give all variants the same points. tpe "
        "(Parzen estimators), gp (a Gaussian process) and cmaes (CMA-ES, of ranges alone) go by what a "
        f"variant's points gave so far; they propose in rounds of {ROUND}, whatever the number of workers.",
    )
    trials: Whole | None = Field(
        None,
        ge=2,
        le=_MOST_TRIALS,
        description="Points that each variant tries, each at every seed of seeds.tune. Left out: with grid, "
        "all points; every other sampler needs it.",
        examples=[12],
    )
    pruner: Literal["none", "halving", "wilcoxon"] = Field(
        "none",
        description="Whether tuning stops what looks bad early. halving: as the key halving does, among the "
        "points of a round; wilcoxon: a point gets no further tuning seeds once a signed-rank test calls it "
        "worse than the best so far. Either may lose a point that would have been the best, and the report "
        "says how much that could have cost.",
    )

    @field_validator("space")
    @classmethod
    def _of_hyperparameters(cls, space: Space) -> Space:
        if LEARNING_RATE not in space:
            raise ValueError(
                f"{LEARNING_RATE} is missing, and every trial has one; give {{low: 1e-3, high: 1e-2, log: "
                "true}, or a list of one value to fix it"
            )
        for name in space:
            why = refusal(name)
            if why is not None:
                raise ValueError(f"{name} {why}")
        return {name: _of_numbers(name, dimension) for name, dimension in space.items()}

    @model_validator(mode="after")
    def _fits(self) -> "Tuning":
        why = unfit(self.space, self.sampler)
        if why is not None:
            raise ValueError(f"space.{why}")
        if not free(self.space):
            raise ValueError(
                "space: every value is fixed, so that nothing is tuned; give learning_rates of one value"
            )
        most = size(self.space)
        if self.trials is None and self.sampler != GRID:
            raise ValueError(
                f"trials: how many points the sampler {self.sampler} tries is missing; give for example 12"
            )
        if self.trials is not None and self.sampler == GRID and self.trials != most:
            raise ValueError(
                f"trials: the grid has {most:,} points, and not {self.trials:,}; leave trials out"
            )
        if most is not None and self.points > most:
            raise ValueError(
                f"trials: {self.points:,} are more than the {most:,} points of the space; give fewer"
            )
        self._check_halving()
        return self

    def _check_halving(self) -> None:
        bends = [name for name in free(self.space) if field_of(name) in (SCHEDULE, "warmup", "final_rate")]
        if self.pruner == HALVING and bends:
            raise ValueError(
                f"pruner: halving compares points at one step of one schedule, and {bends[0]} changes that; "
                "fix it, or take another pruner"
            )

    @property
    def points(self) -> int:
        """How many points each variant tries."""
        count = self.trials if self.trials is not None else size(self.space)
        assert count is not None  # a grid has an end, and other samplers need a number
        return count

    @property
    def again(self) -> int:
        """How many points each variant runs again on as many fresh seeds."""
        return min(AGAIN, self.points) if len(free(self.space)) > 1 else 0

    @property
    def round_size(self) -> int:
        """How many points of each variant are proposed at once."""
        return self.points if self.is_shared else ROUND

    @property
    def is_shared(self) -> bool:
        """Whether all variants try the same points."""
        return self.sampler in SHARED


def _of_numbers(name: str, dimension: Range | list[Any]) -> Range | list[Any]:
    """A dimension of what can be tuned: floats, within what a trial can have; and the names of schedules."""
    if isinstance(dimension, Range):
        if name == SCHEDULE:
            raise ValueError(f"{name}: a schedule is known by its name; give a list of names")
        ends = [float(dimension.low), float(dimension.high)]
    elif name == SCHEDULE or (
        name.startswith(f"{SCHEDULE}.") and all(isinstance(one, str) for one in dimension)
    ):
        if not all(isinstance(one, str) for one in dimension):
            raise ValueError(f"{name}: a schedule is known by its name; give a list of names")
        return dimension
    else:
        for choice in dimension:
            if isinstance(choice, bool) or not isinstance(choice, int | float):
                raise ValueError(f"{name}: {choice!r} is no number; give numbers")
        ends = [float(one) for one in dimension]
    if name == LEARNING_RATE and not all(RATES[0] <= one <= RATES[1] for one in ends):
        raise ValueError(f"{name}: is from {RATES[0]:g} to {RATES[1]:g}; give other values")
    if not isinstance(dimension, Range):
        return ends
    step = None if dimension.step is None else float(dimension.step)
    return Range(low=ends[0], high=ends[1], log=dimension.log, step=step)
