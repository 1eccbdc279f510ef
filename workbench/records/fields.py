"""What the fields of records may hold, and what is wrong with one that does not, in a sentence.

Types are strict: a number is no text that looks like one. Numbers are bounded by what a table can hold.
"""

from collections.abc import Callable
from datetime import datetime
from reprlib import Repr
from typing import Annotated, Any

from pydantic import AfterValidator, Field, ValidationError, WrapValidator

from workbench.errors import in_one_line

_LARGEST = 2**63 - 1  # a table's whole numbers have 64 bits
_SHOWN = 60  # characters of a value
_REPR = Repr()
_REPR.maxlevel = 2
_REPR.maxstring = _SHOWN

Count = Annotated[int, Field(ge=0, le=_LARGEST)]
# A metric or a cost. None stands for a number that is not known, NaN for one that became none.
Figure = Annotated[int, Field(ge=-_LARGEST, le=_LARGEST)] | float | None
FiniteNumber = Annotated[float, Field(allow_inf_nan=False)]


def _day(text: str) -> str:
    try:
        datetime.fromisoformat(text)
    except ValueError:
        raise ValueError("should be a moment in ISO 8601") from None
    return text


def _moment(text: str) -> str:
    if datetime.fromisoformat(_day(text)).tzinfo is None:
        raise ValueError("should be a moment in ISO 8601 with its time zone")
    return text


Day = Annotated[str, AfterValidator(_day)]  # ISO 8601, perhaps without a time: 2025-11-03
Moment = Annotated[str, AfterValidator(_moment)]  # ISO 8601 with its zone: 2025-11-03T09:30:00+00:00


def _checked(value: Any, check: Callable[[Any], Any]) -> Any:
    check(value)
    return value


# Behind a TypedDict: the mapping is checked and then taken as it is, in its own order, with all of its keys.
AsItIs = WrapValidator(_checked)


def damage(error: ValidationError) -> str:
    """The first field that is wrong, in a line: ``seed: should be a valid integer, got 'x'``."""
    first = error.errors(include_url=False)[0]
    location = list(first["loc"])
    if first["type"] == "missing":
        return f"has no key {_key(location)!r}"
    what = first["msg"].removeprefix("Value error, ").removeprefix("Input ")
    if location[-1:] == ["constrained-int"]:  # a branch of Figure, which the file knows nothing of
        location.pop()
        what = "should be a number, or null"
    if location[-1:] == ["[key]"]:
        location.pop()
    shown = in_one_line(_REPR.repr(first["input"]))[:_SHOWN]
    return f"{_key(location)}: {what[:1].lower()}{what[1:]}, got {shown}"


def _key(location: list[Any]) -> str:
    return ".".join(map(str, location))
