"""The metrics that a verdict can rest on, their units, and how numbers are written."""

import math
from collections.abc import Collection

from workbench.errors import UserError

UNITS = {
    "validation/loss": "nats/token",
    "train/loss": "nats/token",
    "validation/bits_per_byte": "bits/byte",
}
MISSING = "—"
ABSURD = 1e5  # no loss, and no difference of two, that a table has decimals for


def unit_of(metric: str) -> str:
    """The unit of ``metric``; raises ``UserError`` for one that is not known to be better when lower."""
    if metric not in UNITS:
        raise UserError(
            f"metric: {metric!r} is not supported: a verdict reads lower as better. "
            f"Use one of: {', '.join(UNITS)}"
        )
    return UNITS[metric]


def decimals_for(margin: float) -> int:
    """Decimals that show a hundredth of the margin, between 3 and 6."""
    return min(6, max(3, 2 + math.ceil(-math.log10(margin)))) if margin > 0 else 4


def fixed(value: float | None, decimals: int, *, sign: bool = False) -> str:
    """``value`` with ``decimals`` places; a dash for no number, ``2.531e+08`` for an absurd one."""
    if value is None or math.isnan(value):
        return MISSING
    if abs(value) >= ABSURD:
        return f"{value:+.3e}" if sign else f"{value:.3e}"
    rounded = round(value, decimals) + 0.0  # no "-0.000"
    return f"{rounded:+.{decimals}f}" if sign and rounded else f"{rounded:.{decimals}f}"


def percent(value: float | None, *, decimals: int = 1) -> str:
    """A fraction as a signed percentage."""
    return MISSING if value is None else f"{100 * value:+.{decimals}f} %"


def plural(count: int, noun: str) -> str:
    """``1 run``, ``2 runs``."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def duration(seconds: float | None) -> str:
    """``8 s``, ``4 min``, ``2 h 05 min``, ``3 days``."""
    if seconds is None or not math.isfinite(seconds):
        return MISSING
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    if minutes < 120:
        return f"{minutes} min"
    hours = minutes // 60
    return f"{hours} h {minutes % 60:02d} min" if hours < 48 else f"{hours // 24} days"


def span(values: Collection[float], decimals: int) -> str:
    """``28.98``, or ``28.98 to 31.20``: the smallest and the largest of ``values``."""
    ends = dict.fromkeys(fixed(value, decimals) for value in (min(values), max(values)))
    return " to ".join(ends)


def probability(value: float | None) -> str:
    """A p value: three decimals, or ``<0.001``."""
    if value is None:
        return MISSING
    return "<0.001" if value < 0.001 else f"{value:.3f}"


def scaled(value: float | None, unit: str) -> str:
    """``value`` with an SI prefix before ``unit``: ``0.81 MFLOP``, ``2.30 TFLOP``."""
    if value is None:
        return MISSING
    for factor, prefix in ((1e18, "E"), (1e15, "P"), (1e12, "T"), (1e9, "G"), (1e5, "M")):
        if abs(value) >= factor:
            divisor = 1e6 if prefix == "M" else factor
            return f"{value / divisor:.3g} {prefix}{unit}"
    return f"{value:.3g} {unit}"


def count(value: float | None) -> str:
    """A whole number with thousands separators."""
    return MISSING if value is None else f"{int(value):,}"
