"""Numbers as a reader sees them: few digits, a unit, and the quartiles beside the median."""

from enum import StrEnum
from typing import Any

from workbench.bench.timing.spread import Spread

MISSING = "—"


class Form(StrEnum):
    """How a number is written."""

    TEXT = "text"
    COUNT = "count"
    SECONDS = "seconds"
    RATIO = "ratio"
    SHARE = "share"
    BYTES = "bytes"


_UNITS = {
    Form.SECONDS: (("s", 1.0), ("ms", 1e-3), ("µs", 1e-6)),
    Form.BYTES: (("GB", 1e9), ("MB", 1e6), ("kB", 1e3), ("B", 1)),
}


def shown(value: Any, form: Form) -> str:
    """``value`` as text: a spread as ``median (quartile–quartile)`` in one unit, None as a dash."""
    if value is None:
        return MISSING
    if isinstance(value, str) or form is Form.TEXT:
        return str(value)
    if not isinstance(value, Spread):
        return _written(value, value, form)
    largest = max(map(abs, (value.low, value.median, value.high)))
    low, high = (_written(number, largest, form, unit=False) for number in (value.low, value.high))
    median = _written(value.median, largest, form)
    return median if value.count == 1 else f"{median} ({low}–{high})"


def _written(number: float, beside: float, form: Form, *, unit: bool = True) -> str:
    """``number`` in the unit and with the digits that suit ``beside``."""
    name, scale, digits = _scale(beside, form)
    return f"{number / scale:,.{digits}f}{name if unit else ''}"


def _scale(value: float, form: Form) -> tuple[str, float, int]:
    """The unit's name, how many it has of the base unit, and digits after the point: three in all."""
    if form not in _UNITS:
        return {Form.COUNT: ("", 1, 0), Form.RATIO: ("×", 1, 2), Form.SHARE: (" %", 0.01, 1)}[form]
    rounded = float(f"{abs(value):.3g}")  # 999.9 ms is 1.00 s
    units = _UNITS[form]
    name, scale = next(((name, scale) for name, scale in units if rounded >= scale), units[-1])
    whole = scale == 1 and form is Form.BYTES
    return f" {name}", scale, 0 if whole or rounded >= 100 * scale else 1 if rounded >= 10 * scale else 2
