"""The space that tuning or a search tries: what each hyperparameter may be, as a study file writes it.

A dimension is a ``Range`` or a list of choices. It stands here, and not beside the study file's schema,
because a manifest keeps it and reports read it.
"""

import math
from collections.abc import Sequence
from itertools import product
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    Tag,
    model_validator,
)

from workbench.user_numbers import read_number

Choice = str | bool | int | float | list[Any] | dict[str, Any] | None
Point = dict[str, Any]  # a value for each dimension

_MOST_CHOICES = 100
_DIGITS = 3  # of a value in a range: the file, the table and the run's identity show the same number
_ROUNDING = 1e-9
_End = Annotated[int | float, BeforeValidator(read_number), Field(allow_inf_nan=False)]


class Range(BaseModel):
    """All numbers from ``low`` to ``high``, both included.

    They are whole numbers where both ends, and the step, are written so and ``log`` is not asked for.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    low: _End = Field(description="The smallest value.", examples=[1e-3])
    high: _End = Field(description="The largest value.", examples=[1e-2])
    log: bool = Field(
        False,
        description="Whether a value is as likely to lie between 1 and 2 as between 2 and 4. Fits learning "
        "rates, and whatever ranges over powers of ten.",
    )
    step: _End | None = Field(
        None,
        gt=0,
        description="The distance of two values that lie side by side. Left out: 1 between whole "
        "numbers, else none.",
    )

    @model_validator(mode="after")
    def _is_sound(self) -> "Range":
        if self.low >= self.high:
            raise ValueError(
                f"low is {self.low:g}, and high, {self.high:g}, is not larger; give a larger one, or "
                f"[{self.low:g}] for a fixed value"
            )
        if self.log and self.low <= 0:
            raise ValueError(f"log needs a low above 0, and it is {self.low:g}; give a larger one, or no log")
        if self.step is None:
            return self
        if self.log:
            raise ValueError("log and step exclude each other; remove one of them")
        steps = (self.high - self.low) / self.step
        if abs(steps - round(steps)) > _ROUNDING * steps or steps < 1:
            last = self.low + max(1, math.floor(steps)) * self.step
            raise ValueError(
                f"high is no whole number of steps above low; give a high of {last:g}, or another step"
            )
        return self

    @property
    def is_whole(self) -> bool:
        """Whether its values are whole numbers."""
        given = [self.low, self.high] + ([] if self.step is None else [self.step])
        return not self.log and all(isinstance(number, int) for number in given)

    @property
    def size(self) -> int | None:
        """How many values it has; None where there is no end of them."""
        step = self._step
        return None if step is None else round((self.high - self.low) / step) + 1

    @property
    def _step(self) -> int | float | None:
        return 1 if self.step is None and self.is_whole else self.step

    def at(self, share: float) -> int | float:
        """The value below which ``share`` (0 to 1) of the range lies, by its logarithm where asked."""
        step = self._step
        if step is not None:
            assert self.size is not None
            return self._value(self.low + min(int(share * self.size), self.size - 1) * step)
        if self.log:
            return self.rounded(self.low * (self.high / self.low) ** share)
        return self.rounded(self.low + (self.high - self.low) * share)

    def share(self, value: float) -> float:
        """How much of the range (0 to 1) lies below ``value``: what ``at`` turns back into it."""
        size = self.size
        if size is not None:
            return (round((value - self.low) / (self._step or 1)) + 0.5) / size
        if self.log:
            return math.log(value / self.low) / math.log(self.high / self.low)
        return (value - self.low) / (self.high - self.low)

    def rounded(self, value: float) -> int | float:
        """``value`` as a trial has it: a value of the range, to three digits where they are not counted."""
        if self._step is not None:
            steps = round((value - self.low) / self._step)
            return self._value(self.low + steps * self._step)
        return min(max(float(f"{value:.{_DIGITS}g}"), float(self.low)), float(self.high))

    def _value(self, value: float) -> int | float:
        # Twelve digits: 0.1 + 2 * 0.1 is 0.3.
        return int(value) if self.is_whole else float(f"{value:.12g}")

    def has(self, value: Any) -> bool:
        """Whether ``value`` lies in it."""
        if isinstance(value, bool) or not isinstance(value, int | float):
            return False
        if not self.low <= value <= self.high:
            return False
        return self._step is None or abs(self.rounded(value) - value) <= _ROUNDING * abs(self.high)

    def values(self) -> list[int | float] | None:
        """All of them, ascending; None where there is no end of them."""
        size = self.size
        return None if size is None else [self.at((place + 0.5) / size) for place in range(size)]


def _as_number(value: Any) -> Any:
    """A choice that is a number as text, ``1e-3`` to YAML 1.1, as the number."""
    return read_number(value) if isinstance(value, str) else value


def _each_once(choices: list[Choice]) -> list[Choice]:
    for place, choice in enumerate(choices):
        if choice in choices[:place]:
            raise ValueError(f"{choice!r} is there twice; name each choice once")
    return choices


Choices = Annotated[
    list[Annotated[Choice, BeforeValidator(_as_number)]],
    Field(min_length=1, max_length=_MOST_CHOICES, strict=True),
    AfterValidator(_each_once),
]
# Tags as pydantic names the branches of a union, so that an error's key leaves them out.
Dimension = Annotated[
    Annotated[Range, Tag("dict[range]")] | Annotated[Choices, Tag("list[choices]")],
    Discriminator(lambda value: "dict[range]" if isinstance(value, dict | Range) else "list[choices]"),
]
Space = dict[str, Dimension]


def values_of(dimension: Range | list[Choice]) -> list[Any] | None:
    """All values of a dimension in its order; None where there is no end of them."""
    return dimension.values() if isinstance(dimension, Range) else list(dimension)


def has(dimension: Range | list[Choice], value: Any) -> bool:
    """Whether ``value`` is one of the dimension's."""
    if isinstance(dimension, Range):
        return dimension.has(value)
    return value in dimension


def contains(space: Space, point: Point) -> bool:
    """Whether ``point`` has a value for each dimension of ``space``, and each lies in it."""
    return set(point) == set(space) and all(has(space[name], value) for name, value in point.items())


def free(space: Space) -> list[str]:
    """The dimensions that have more than one value, in order: a list of one says that it is fixed."""
    return [name for name, one in space.items() if isinstance(one, Range) or len(one) > 1]


def size(space: Space) -> int | None:
    """How many points it has; None where there is no end of them."""
    values = [values_of(dimension) for dimension in space.values()]
    counts = [len(own) for own in values if own is not None]
    return math.prod(counts) if len(counts) == len(values) else None


def points(space: Space) -> list[Point]:
    """All points of a space that has an end, the last dimension the fastest."""
    values = [values_of(dimension) or [] for dimension in space.values()]
    return [dict(zip(space, point, strict=True)) for point in product(*values)]


def point_at(space: Space, shares: Sequence[float]) -> Point:
    """The point at ``shares`` (each 0 to 1) of the dimensions, in their order."""
    found: Point = {}
    for (name, dimension), share in zip(space.items(), shares, strict=True):
        if isinstance(dimension, Range):
            found[name] = dimension.at(share)
        else:
            found[name] = dimension[min(int(share * len(dimension)), len(dimension) - 1)]
    return found


def middle(space: Space) -> Point:
    """The point in the middle of all dimensions."""
    return point_at(space, [0.5] * len(space))
