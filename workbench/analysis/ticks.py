"""Where the ticks of an axis are and what they are called, for figures and for the dashboard alike.

One notation on an axis, no two labels alike, no noise of floats: 2,048 and not 2,050 or 2047.9999999999998.
An axis on which everything has one value has that value as its only tick.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise

MANY, FEW = 8, 4  # ticks on an axis as wide as a page, and on one of several side by side
_SAME = 1e-9  # of a value: what differs by less is one value
_STEPS = (1, 2, 5, 10)
_SIGNIFICANT = 4  # digits of a value that stands where it stands
_PLAIN_FROM, _PLAIN_BELOW = 1e-3, 1e7  # sizes that are written without an exponent


@dataclass(frozen=True)
class Ticks:
    """Places with their labels, and the ends of the axis."""

    values: tuple[float, ...]
    labels: tuple[str, ...]
    low: float
    high: float

    @property
    def signed(self) -> tuple[str, ...]:
        """The labels with a plus before what is above 0, for differences."""
        pairs = zip(self.values, self.labels, strict=True)
        return tuple(f"+{label}" if value > 0 else label for value, label in pairs)

    def place(self, value: float, *, log: bool = False) -> float:
        """Where ``value`` is on the axis: 0 at its low end, 1 at its high one."""
        if log:
            return math.log(value / self.low) / math.log(self.high / self.low)
        return (value - self.low) / (self.high - self.low)

    def value_at(self, place: float, *, log: bool = False) -> float:
        """The value at ``place``, from 0 at the axis' low end to 1 at its high one."""
        if log:
            return self.low * (self.high / self.low) ** place
        return self.low + place * (self.high - self.low)

    def within(self, low: float, high: float) -> "Ticks":
        """Those from ``low`` to ``high``, on an axis that ends there."""
        pairs = zip(self.values, self.labels, strict=True)
        inside = [(value, label) for value, label in pairs if low <= value <= high]
        return Ticks(tuple(value for value, _ in inside), tuple(label for _, label in inside), low, high)


def linear(values: Iterable[float], *, count: int = MANY, whole: bool = False, zero: bool = False) -> Ticks:
    """Round steps around ``values``, about ``count`` of them; ``whole``: no fractions; ``zero``: from 0 on.

    The axis ends at ticks, but at the values themselves if they are whole. Values that are not finite are
    left out; without any the axis has no ticks.
    """
    known = [float(value) for value in values if math.isfinite(value)]
    if zero:
        known.append(0.0)
    if not known:
        return Ticks((), (), 0.0, 1.0)
    low, high = min(known), max(known)
    if high - low <= _SAME * max(abs(low), abs(high)):
        return _single(high, whole or zero)
    step = _step((high - low) / count)
    if whole:
        step = max(1.0, _step((high - low) / (2 * count)))  # whole numbers are short
    first, last = math.floor(low / step + _SAME), math.ceil(high / step - _SAME)
    places = [_multiple(number, step) for number in range(first, last + 1)]
    if whole:
        places = [place for place in places if low <= place <= high]
        return Ticks(tuple(places), _labels(places, step), low, high)
    return Ticks(tuple(places), _labels(places, step), places[0], places[-1])


def doublings(values: Iterable[float], *, count: int = MANY) -> Ticks:
    """Ticks of a logarithmic axis of tokens: each of a few places that have room, else powers of two."""
    places = sorted({float(value) for value in values if math.isfinite(value) and value > 0})
    if len(places) < 2 or places[-1] / places[0] <= 1 + _SAME:
        return _alone(places[-1:], 2.0)
    low, high = places[0], places[-1]
    room = math.log2(high / low) / (1.5 * count)
    if all(math.log2(after / before) >= room for before, after in pairwise(places)):
        return Ticks(tuple(places), exact(places), low, high)
    powers = range(math.ceil(math.log2(low) - _SAME), math.floor(math.log2(high) + _SAME) + 1)
    chosen = [2.0**power for power in _thinned(list(powers), count)]
    if len(chosen) < 2:
        return Ticks((low, high), exact([low, high]), low, high)
    return Ticks(tuple(chosen), exact(chosen), low, high)


def decades(values: Iterable[float], *, count: int = MANY) -> Ticks:
    """Ticks of a logarithmic axis: powers of ten, or on a short one 1, 2 and 5 times those, or just steps."""
    places = sorted({float(value) for value in values if math.isfinite(value) and value > 0})
    if len(places) < 2 or places[-1] / places[0] <= 1 + _SAME:
        return _alone(places[-1:], 10.0)
    low, high = places[0], places[-1]
    ends = (max(low * (low / high) ** 0.04, 1e-300), min(high * (high / low) ** 0.04, 1e300))
    powers = range(math.ceil(math.log10(ends[0]) - _SAME), math.floor(math.log10(ends[1]) + _SAME) + 1)
    chosen = [_power(power) for power in _thinned(list(powers), count)]
    if len(chosen) < 3:
        wider = range(math.floor(math.log10(ends[0])), math.ceil(math.log10(ends[1])) + 1)
        near = [_multiple(factor, _power(power)) for power in wider for factor in _STEPS[:-1]]
        chosen = [place for place in near if ends[0] <= place <= ends[1]]
    if len(chosen) < 3:
        return linear(ends, count=min(count, 5)).within(*ends)
    return Ticks(tuple(chosen), exact(chosen), *ends)


def exact(values: Iterable[float]) -> tuple[str, ...]:
    """A label for each of ``values`` as it is, all in one notation; four digits of what has more."""
    known = list(values)
    plain = all(value == 0 or _PLAIN_FROM <= abs(value) < _PLAIN_BELOW for value in known)
    digits = _SIGNIFICANT
    while True:  # until no two are alike
        labels = tuple(_exact(value, plain, digits) for value in known)
        if len(set(labels)) == len(set(known)) or digits > 16:
            return labels
        digits += 1


def every(count: int, room: int) -> int:
    """Of ``count`` labels with room for ``room``, that every n-th is to be drawn, from the first on."""
    least = max(1, math.ceil(count / max(1, room)))
    return next(step for step in _round_steps() if step >= least)


def _round_steps() -> Iterable[int]:
    size = 1
    while True:
        yield from (size, 2 * size, 4 * size, 5 * size)
        size *= 10


def _single(value: float, whole: bool) -> Ticks:
    around = abs(value) / 2 or 1.0
    if whole:
        around = max(1.0, around)
    return Ticks((value,), exact([value]), value - around, value + around)


def _alone(places: list[float], factor: float) -> Ticks:
    if not places:
        return Ticks((), (), 1.0, factor)
    (value,) = places
    return Ticks((value,), exact([value]), value / factor, value * factor)


def _thinned(powers: list[int], count: int) -> list[int]:
    """Every n-th power: regular, and 1 among them where it is on the axis."""
    step = max(1, math.ceil(len(powers) / (count + 2)))
    return [power for power in powers if power % step == 0] if step > 1 else powers


def _step(least: float) -> float:
    power = math.floor(math.log10(least))
    factor = next(one for one in _STEPS if one * 10.0**power >= least * (1 - _SAME))
    return _multiple(factor, _power(power))


def _power(power: int) -> float:
    return float(f"1e{power}")  # 10.0 ** -5 is not 1e-5


def _multiple(number: int, step: float) -> float:
    """``number`` times a round ``step``, without what multiplying floats leaves behind."""
    return float(f"{number * step:.12g}")


def _labels(places: list[float], step: float) -> tuple[str, ...]:
    """Multiples of ``step``: as many decimals as that has."""
    size = max(map(abs, places))
    if not _PLAIN_FROM <= size < _PLAIN_BELOW:
        digits = max(0, math.floor(math.log10(size)) - math.floor(math.log10(step)))
        return tuple(_with_exponent(place, digits) for place in places)
    decimals = max(0, -math.floor(math.log10(step) + _SAME))
    return tuple(_minus(f"{place:,.{decimals}f}") if place else "0" for place in places)


def _exact(value: float, plain: bool, digits: int) -> str:
    if not plain:
        return _with_exponent(value, digits - 1)
    if value == round(value):
        return _minus(f"{value:,.0f}")
    decimals = max(0, digits - 1 - math.floor(math.log10(abs(value))))
    return _minus(f"{value:,.{decimals}f}".rstrip("0").rstrip("."))


def _with_exponent(value: float, digits: int) -> str:
    """``2e-7``, ``1.5e8``; and 0 is 0."""
    if value == 0:
        return "0"
    mantissa, _, exponent = f"{value:.{digits}e}".partition("e")
    if "." in mantissa:
        mantissa = mantissa.rstrip("0").rstrip(".")
    return _minus(f"{mantissa}e{int(exponent)}")


def _minus(text: str) -> str:
    """A sign as long as a plus; that of an exponent stays as it is."""
    return f"−{text[1:]}" if text.startswith("-") else text
