"""The scales of the chart of curves: those of its file, which has them of the same numbers, for ECharts.

ECharts chooses ticks by itself; ends, and into how many parts it divides what lies between, say which. It
does that again for a part that is zoomed into. A logarithmic axis takes ticks as they are.
"""

import math
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from workbench.analysis.ticks import Ticks, decades, doublings, linear

_UP = 5  # ticks of the vertical axis, as of a panel's
_MOST_PARTS = 60
_ROUND = ((1.5, 1.0), (2.5, 2.0), (4.0, 3.0), (7.0, 5.0), (math.inf, 10.0))  # below, a step's first digit


def x_ticks(places: Sequence[np.ndarray], *, log: bool = False) -> Ticks:
    """The horizontal axis of lines that have values at ``places``, one array for each line."""
    known = np.unique(_finite(places))
    if log:
        return doublings(known)
    ends = [float(place) for place in known[[0, -1]]] if len(known) else []
    ticks = linear(ends)
    return ticks.within(ends[0], ends[1]) if len(known) > 1 else ticks


def y_ticks(values: Sequence[np.ndarray], *, log: bool = False, zero: bool = False) -> Ticks:
    """The vertical axis of lines and bands with these ``values``; ``zero``: of 0 too."""
    known = _finite(values)
    if log:
        known = known[known > 0]
    ends = [float(known.min()), float(known.max())] if len(known) else []
    return decades(ends, count=_UP) if log else linear([*ends, 0.0] if zero else ends, count=_UP)


def scale_option(ticks: Ticks, *, log: bool = False) -> dict[str, Any]:
    """What an axis of ECharts is told, so that it ends and has its ticks where ``ticks`` says."""
    if not ticks.values:
        return {}
    ends = {"min": ticks.low, "max": ticks.high}
    if log or len(ticks.values) < 2:
        places = {"customValues": list(ticks.values)}
        return ends | {"axisLabel": places, "axisTick": places}
    # Ends get a tick of their own, whose odd value is not to be read.
    labels = {"showMinLabel": ticks.low in ticks.values, "showMaxLabel": ticks.high in ticks.values}
    return ends | {"splitNumber": _parts(ticks), "axisLabel": labels}


def _parts(ticks: Ticks) -> int:
    """Into how many parts ECharts is to divide the axis, so that its round steps are those of ``ticks``."""
    step = (ticks.values[-1] - ticks.values[0]) / (len(ticks.values) - 1)
    span = ticks.high - ticks.low
    first = max(1, round(span / step))
    parts = sorted(range(1, _MOST_PARTS), key=lambda count: abs(count - first))
    return next(count for count in parts if math.isclose(echarts_step(span / count), step, rel_tol=1e-6))


def echarts_step(least: float) -> float:
    """ECharts' round step near ``least`` (``nice`` in its ``util/number.ts``)."""
    power = math.floor(math.log10(least) + 1e-12)
    size = 10.0**power
    return next(digit for below, digit in _ROUND if least / size < below * (1 - 1e-12)) * size


def _finite(parts: Iterable[np.ndarray]) -> np.ndarray:
    found = np.concatenate([np.asarray(part, dtype=float) for part in parts] or [np.empty(0)])
    return found[np.isfinite(found)]
