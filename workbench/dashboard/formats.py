"""Numbers as people read them: short, aligned in meaning, with their unit."""

import math

from workbench.analysis.units import MISSING, duration, plural

__all__ = ["MISSING", "compact", "duration", "plural", "prefix_for", "rate"]

_PREFIXES = ((1e18, "E"), (1e15, "P"), (1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"))


def prefix_for(largest: float) -> tuple[float, str]:
    """The SI factor and prefix under which ``largest`` has one to three digits before the point."""
    for factor, prefix in _PREFIXES:
        if abs(largest) >= factor:
            return factor, prefix
    return 1.0, ""


def compact(value: float | None, unit: str = "") -> str:
    """Three significant digits and an SI prefix: ``400k``, ``2.31 TFLOPs``."""
    if value is None or not math.isfinite(value):
        return MISSING
    factor, prefix = prefix_for(value)
    number = f"{value / factor:.3g}"
    return f"{number} {prefix}{unit}" if unit else f"{number}{prefix}"


def rate(value: float) -> str:
    """A learning rate without trailing zeros: ``0.006``, ``3e-05``."""
    return f"{value:g}"
