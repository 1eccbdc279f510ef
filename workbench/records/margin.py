"""How large a difference has to be to matter: one margin for a study, or one by factor with a default.

A change of several factors has the smallest of their margins, so that no part of it is judged more leniently
than alone.
"""

import math
from collections.abc import Iterable
from typing import Annotated, Any

from pydantic import PlainValidator

DEFAULT = "default"  # the margin of factors that have none of their own
Margins = float | dict[str, float]  # as a study declares it


def margin_for(margins: Margins, factors: Iterable[str]) -> float:
    """The margin of a change of ``factors``, in units of the metric: the smallest of theirs."""
    if not isinstance(margins, dict):
        return margins
    default = margins[DEFAULT]
    return min((margins.get(factor, default) for factor in factors), default=default)


def smallest_margin(margins: Margins) -> float:
    """The smallest that is declared; it says how many decimals a difference needs."""
    return min(margins.values()) if isinstance(margins, dict) else margins


def margin_text(margins: Margins) -> str:
    """``±0.02``; by factor ``±0.02 (norm ±0.04)``, the default first."""
    if not isinstance(margins, dict):
        return f"±{margins:g}"
    own = ", ".join(f"{factor} ±{margin:g}" for factor, margin in margins.items() if factor != DEFAULT)
    default = f"±{margins[DEFAULT]:g}"
    return f"{default} ({own})" if own else default


def _sound(value: Any) -> Margins:
    """What a manifest may hold; ``ValueError`` for anything else."""
    if not isinstance(value, dict):
        return _number(value)
    if DEFAULT not in value:
        raise ValueError(f"should have a key {DEFAULT!r}")
    return {str(factor): _number(margin, f"of {factor} ") for factor, margin in value.items()}


def _number(value: Any, whose: str = "") -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"{whose}should be a valid number")
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise ValueError(f"{whose}should be a finite number")
    if number <= 0:
        raise ValueError(f"{whose}should be greater than 0")
    return number


DeclaredMargins = Annotated[Margins, PlainValidator(_sound)]
