"""Numbers of a benchmark: few digits, a unit, and the quartiles beside the median."""

from enum import StrEnum
from typing import Any

from workbench.bench.timing.spread import Spread
from workbench.numbers import BYTES, MISSING, SECONDS, Scale, scale_for


class Form(StrEnum):
    """How a number is written."""

    TEXT = "text"
    COUNT = "count"
    SECONDS = "seconds"
    RATIO = "ratio"
    SHARE = "share"
    BYTES = "bytes"


_UNITS = {Form.SECONDS: SECONDS, Form.BYTES: BYTES}
_SCALES = {
    Form.COUNT: Scale("", 1.0, 0),
    Form.RATIO: Scale("×", 1.0, 2),
    Form.SHARE: Scale(" %", 0.01, 1),
}


def shown(value: Any, form: Form) -> str:
    """``value`` as text: a spread as ``median (quartile–quartile)`` in one unit, None as a dash."""
    if value is None:
        return MISSING
    if isinstance(value, str) or form is Form.TEXT:
        return str(value)
    if not isinstance(value, Spread):
        return _in_unit(value, _scale(value, form))
    scale = _scale(max(map(abs, (value.low, value.median, value.high))), form)
    median = _in_unit(value.median, scale)
    if value.count == 1:
        return median
    return f"{median} ({scale.digits(value.low)}–{scale.digits(value.high)})"


def _in_unit(value: float, scale: Scale) -> str:
    return f"{scale.digits(value)}{scale.unit}"


def _scale(size: float, form: Form) -> Scale:
    """The unit and digits that suit ``size``, a value or the largest of several that stand together."""
    return scale_for(size, _UNITS[form]) if form in _UNITS else _SCALES[form]
