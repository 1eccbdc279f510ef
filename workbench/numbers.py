"""Numbers as a reader sees them: in sentences, tables, on pages and while something is going on.

Every room writes its numbers with these, so that one kind of number looks alike wherever it stands; what is
not there is a dash. Two things are no text for readers and stay outside: what programs read (JSON, CSV) has
plain numbers, and the labels of an axis share one notation (``analysis.ticks``). A whole number with commas
is Python's ``f"{count:,}"``.
"""

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Protocol

MISSING = "—"
ABSURD = 1e5  # no loss, and no difference of two, that a table has decimals for
SECONDS = (("s", 1.0), ("ms", 1e-3), ("µs", 1e-6))  # of what was timed
BYTES = (("GB", 1e9), ("MB", 1e6), ("kB", 1e3), ("B", 1.0))
_PREFIXES = ((1e18, "E"), (1e15, "P"), (1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"))
_MINUTE = 60.0
_DAY = 24 * 3600.0
_YEAR = 365.25 * _DAY


class Ends(Protocol):
    """The ends of an interval."""

    @property
    def low(self) -> float:
        """The lower one."""

    @property
    def high(self) -> float:
        """The upper one."""


@dataclass(frozen=True)
class Scale:
    """A unit as it stands behind a number, how much it is of the base unit, and decimals to write in it."""

    unit: str
    size: float
    decimals: int

    def digits(self, value: float) -> str:
        """``value``, which is in the base unit, in this one, without its name."""
        return f"{value / self.size:,.{self.decimals}f}"


def fixed(value: float | None, decimals: int, *, sign: bool = False) -> str:
    """A loss, or with ``sign`` a difference: ``decimals`` places, and ``2.531e+08`` for an absurd one."""
    if value is None or math.isnan(value):
        return MISSING
    if abs(value) >= ABSURD:
        return f"{value:+.3e}" if sign else f"{value:.3e}"
    rounded = round(value, decimals) + 0.0  # no "-0.000"
    return f"{rounded:+.{decimals}f}" if sign and rounded else f"{rounded:.{decimals}f}"


def decimals_for(margin: float) -> int:
    """Decimals that show a hundredth of the margin, between 3 and 6."""
    return min(6, max(3, 2 + math.ceil(-math.log10(margin)))) if margin > 0 else 4


def number(value: float, *, sign: bool = False) -> str:
    """A measured value of any size: ``0.42``, ``0.031`` below 0.1, and ``1,234`` from a hundred on."""
    if not math.isfinite(value):
        return "missing"
    return f"{value:{'+' if sign else ''},.{_decimals(abs(value))}f}"


def with_interval(
    value: float, interval: Ends | None, decimals: int | None = None, *, sign: bool = False
) -> str:
    """``0.42 [0.31, 0.53]``, of a difference ``+0.12 [-0.02, 0.26]``; the value alone without an interval.

    With ``decimals`` as ``fixed`` writes it, else as ``number`` does, both ends with equally many.
    """
    text = number(value, sign=sign) if decimals is None else fixed(value, decimals, sign=sign)
    if interval is None:
        return text
    if decimals is not None:
        return f"{text} [{fixed(interval.low, decimals)}, {fixed(interval.high, decimals)}]"
    places = _decimals(max(abs(interval.low), abs(interval.high)))
    low, high = (round(end, places) + 0.0 for end in (interval.low, interval.high))  # no "-0.00"
    return f"{text} [{low:,.{places}f}, {high:,.{places}f}]"


def span(values: Collection[float], decimals: int) -> str:
    """``28.98``, or ``28.98 to 31.20``: the smallest and the largest of ``values``."""
    ends = dict.fromkeys(fixed(value, decimals) for value in (min(values), max(values)))
    return " to ".join(ends)


def percent(fraction: float | None, decimals: int = 0, *, sign: bool = False) -> str:
    """A fraction as a percentage: ``12 %``, with a sign ``+0.32 %``."""
    if fraction is None:
        return MISSING
    return f"{100 * fraction:{'+' if sign else ''}.{decimals}f} %"


def probability(value: float | None) -> str:
    """A p value: three decimals, or ``<0.001``."""
    if value is None:
        return MISSING
    return "<0.001" if value < 0.001 else f"{value:.3f}"


def rate(value: float | None) -> str:
    """A learning rate without trailing zeros: ``0.006``, ``3e-05``."""
    return MISSING if value is None else f"{value:g}"


def count(value: float | None) -> str:
    """A whole number with commas between thousands."""
    return MISSING if value is None else f"{int(value):,}"


def plural(count: int, noun: str) -> str:
    """``1 run``, ``2 runs``."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def scaled(value: float | None, unit: str) -> str:
    """``value`` with an SI prefix before ``unit``, no smaller one than M: ``80,216 FLOP``, ``2.30 TFLOP``."""
    if value is None:
        return MISSING
    if abs(value) < 1e5:
        return f"{value:,.0f} {unit}" if abs(value) >= 1000 else f"{value:.3g} {unit}"
    factor, prefix = prefix_for(max(abs(value), 1e6))
    return f"{value / factor:.3g} {prefix}{unit}"


def prefix_for(largest: float) -> tuple[float, str]:
    """The SI factor and prefix under which ``largest`` has one to three digits before the point."""
    for factor, prefix in _PREFIXES:
        if abs(largest) >= factor:
            return factor, prefix
    return 1.0, ""


def duration(seconds: float | None) -> str:
    """How long something takes, for whoever waits: ``8 s``, ``4 min``, ``2 h 05 min``, ``3 days``."""
    if seconds is None or not math.isfinite(seconds):
        return MISSING
    if seconds < 1.5 * _MINUTE:
        return f"{seconds:.0f} s"
    minutes = round(seconds / _MINUTE)
    if minutes < 120:
        return f"{minutes} min"
    if minutes < 48 * 60:
        return f"{minutes // 60} h {minutes % 60:02d} min"
    if seconds <= 2 * _YEAR:
        return f"{seconds / _DAY:.0f} days"
    return f"{seconds / _YEAR:,.0f} years"


def time_left(seconds: float | None) -> str:
    """``about 4 min left``; empty where nobody knows, or nothing is left."""
    return f"about {duration(seconds)} left" if seconds else ""


def byte_size(count: float) -> str:
    """Bytes with three digits: ``4.10 kB``, ``16.9 GB``."""
    scale = scale_for(count, BYTES)
    return f"{scale.digits(count)}{scale.unit}"


def scale_for(value: float, units: Sequence[tuple[str, float]]) -> Scale:
    """The one of ``units``, the largest first, in which ``value`` is written with three digits."""
    rounded = float(f"{abs(value):.3g}")  # 999.9 ms is 1.00 s
    unit, size = next(((unit, size) for unit, size in units if rounded >= size), units[-1])
    if rounded >= 100 * size or unit == "B":
        decimals = 0
    elif rounded >= 10 * size:
        decimals = 1
    else:
        decimals = 2
    return Scale(f" {unit}", size, decimals)


def _decimals(size: float) -> int:
    if size >= 100:
        return 0
    if size >= 0.1 or size == 0:
        return 2
    return 3 if size >= 0.01 else 4
