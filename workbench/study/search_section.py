"""The key ``search`` of a study file: a space over architectures and hyperparameters, and its sampler."""

import math
import re
from dataclasses import dataclass
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from workbench.analysis.hyperband import ETA, rungs_of
from workbench.errors import suggestion
from workbench.number_types import Whole
from workbench.records.space import Range, Space
from workbench.user_numbers import LARGEST_TOKENS, read_number

# Dimensions of the space that are sizes of the model.
SIZES = ("layers", "width", "heads", "key_value_heads", "head_width", "feedforward_width")
# What follows from a configuration alone, and is known before anything is trained.
FIGURES = ("parameters", "nonembedding_parameters", "flops_per_token", "decode_bytes")
SECONDS = "seconds"
HYPERBAND = "hyperband"
MOST_DIMENSIONS = 30
_CONSTRAINT = re.compile(r"\s*([a-z_]+)\s*(<=|>=)\s*([^\s<>=]+?)\s*([kMG]?)\s*")
_USUAL_RUNGS = 2  # below the whole budget
_POWERS = {"": 1.0, "k": 1e3, "M": 1e6, "G": 1e9}


@dataclass(frozen=True, kw_only=True)
class Constraint:
    """A bound on something that follows from a configuration: ``parameters <= 1M``."""

    text: str
    figure: str
    at_most: bool
    bound: float

    def excess(self, value: float) -> float:
        """How far ``value`` is beyond the bound, as a share of it; 0 or less where it keeps to it."""
        beyond = value - self.bound if self.at_most else self.bound - value
        return beyond / self.bound


class SearchSection(BaseModel):
    """What the design ``search`` needs."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    space: Space = Field(
        min_length=1,
        max_length=MOST_DIMENSIONS,
        description="What may vary, by name. A factor has a list of its levels, as under factors; a size "
        "(layers, width, heads, key_value_heads, head_width, feedforward_width) and a hyperparameter have a "
        "list of values or a range, {low, high, log, step}. A combination that makes no model is not "
        "trained, and the report says why.",
        examples=[
            {
                "norm": ["rmsnorm", "layernorm"],
                "heads": [2, 4, 8],
                "learning_rate": {"low": 0.001, "high": 0.01, "log": True},
            }
        ],
    )
    objectives: list[str] = Field(
        ["validation/loss"],
        min_length=1,
        max_length=4,
        description="What is to be low, one or several of validation/loss, validation/bits_per_byte, "
        "flops_per_token (of training), decode_bytes (weights and cache that are read for one more token at "
        "the full context), parameters, nonembedding_parameters, seconds (of training). One at least is "
        "measured by training. Of several the report shows the Pareto front.",
        examples=[["validation/loss", "flops_per_token"]],
    )
    constraints: list[str] = Field(
        [],
        max_length=10,
        description="What a model must keep to, known before it is trained: parameters, "
        "nonembedding_parameters, flops_per_token or decode_bytes, then <= or >=, and a number, which may "
        "end in k, M or G. A point that does not is never trained. Left out: none.",
        examples=[["parameters <= 1M", "flops_per_token <= 2e6"]],
    )
    sampler: Literal["tpe", "gp", "qmc", "random"] = Field(
        "tpe",
        description="Who proposes points. tpe: a tree-structured Parzen estimator (Watanabe 2023, arXiv "
        "2304.11127), for any space; gp: a Gaussian process, for few trials; qmc: Sobol's sequence, as even "
        "as a grid; random: independent draws. tpe and gp learn from the points before.",
    )
    trials: Whole = Field(
        gt=0,
        le=10_000,
        description="How many points are trained, each with every seed of seeds.tune. Points that cannot "
        "be, or that a constraint excludes, do not count.",
        examples=[60],
    )
    pruner: Literal["none", "hyperband"] = Field(
        "none",
        description="Whether poor points stop early. none: every point has training.tokens. hyperband (Li et "
        "al. 2018, arXiv 1603.06560): points begin with few tokens, and of each rung the best third, by the "
        "objective (of several by non-dominated rank, then the first), is trained again with three times as "
        "many, up to training.tokens; some brackets begin with more tokens, in case short trainings mislead. "
        "A rung is a training of its own with a whole schedule, because a curve that is read before its "
        "learning rate has fallen says little. Only points with all tokens are compared, and of those that "
        "stopped nobody knows what they would have become.",
    )
    least_tokens: Whole | None = Field(
        None,
        gt=0,
        le=LARGEST_TOKENS,
        description="Training tokens of hyperband's smallest rung, at most a third of training.tokens. Left "
        "out: with hyperband a ninth of training.tokens, which makes three rungs.",
        examples=[100_000],
    )

    @field_validator("space")
    @classmethod
    def _sound_sizes(cls, value: Space) -> Space:
        for name in SIZES:
            dimension = value.get(name)
            if isinstance(dimension, Range):
                if not dimension.is_whole:
                    raise ValueError(f"{name}: is a whole number; write low and high so, without log")
                numbers: list[Any] = [dimension.low]
            else:
                numbers = dimension or []
            if any(isinstance(one, bool) or not isinstance(one, int) or one < 1 for one in numbers):
                raise ValueError(f"{name}: is a whole number from 1 on; give for example [2, 4, 8]")
        return value

    @field_validator("objectives")
    @classmethod
    def _each_once(cls, value: list[str]) -> list[str]:
        if len(set(value)) < len(value):
            raise ValueError("an objective is there twice; name each once")
        if all(name in FIGURES for name in value):
            raise ValueError(
                f"{', '.join(value)} is known without any training; add one that is measured, for example "
                "validation/loss"
            )
        return value

    @field_validator("constraints")
    @classmethod
    def _sound_constraints(cls, value: list[str]) -> list[str]:
        for text in value:
            read_constraint(text)
        return value

    @field_validator("sampler", mode="before")
    @classmethod
    def _no_distances(cls, value: Any) -> Any:
        if value == "cmaes":
            raise ValueError("cmaes goes by distances, and levels have none; take tpe, or gp for few trials")
        if value == "grid":
            raise ValueError("a grid is the design full_factorial; take that, or tpe, gp, qmc or random here")
        return value

    @model_validator(mode="after")
    def _prunes_soundly(self) -> Self:
        if self.pruner != HYPERBAND:
            if self.least_tokens is not None:
                raise ValueError("least_tokens: is for hyperband; write pruner: hyperband, or remove it")
        elif self.sampler == "gp":
            raise ValueError(
                "sampler: gp learns from points with all tokens alone, of which hyperband leaves few; take "
                "tpe, qmc or random, or no pruner"
            )
        return self

    def rungs(self, tokens: int) -> list[int]:
        """The tokens of hyperband's rungs, fewest first, up to the whole budget ``tokens``; else none."""
        if self.pruner != HYPERBAND:
            return []
        return rungs_of(tokens, self.least_tokens or math.ceil(tokens / ETA**_USUAL_RUNGS))

    @property
    def bounds(self) -> list[Constraint]:
        """The constraints, read."""
        return [read_constraint(text) for text in self.constraints]

    @property
    def sizes(self) -> list[str]:
        """The dimensions that are sizes of the model."""
        return [name for name in self.space if name in SIZES]


def read_constraint(text: str) -> Constraint:
    """``parameters <= 1M`` read; raises ``ValueError`` with the remedy for anything else."""
    found = _CONSTRAINT.fullmatch(text)
    if found is None:
        raise ValueError(f"{text!r} is no constraint; write for example 'parameters <= 1M'")
    figure, sign, digits, power = found.groups()
    if figure not in FIGURES:
        hint = " (seconds are known only after training)" if figure == SECONDS else ""
        raise ValueError(f"{text!r}: unknown {figure!r}{hint}; {suggestion(figure, list(FIGURES))}")
    number = read_number(digits)
    if isinstance(number, str) or not number > 0:
        raise ValueError(f"{text!r}: {digits!r} is no number above 0; write for example 'parameters <= 1M'")
    return Constraint(text=text, figure=figure, at_most=sign == "<=", bound=number * _POWERS[power])
