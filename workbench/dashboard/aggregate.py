"""From metric rows of many runs to a few lines with a band.

Each run is smoothed on its own and only then averaged: smoothing an average would shrink the band. A mean is
of the same runs at all of its points: it is drawn where every one of them has values.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import pandas as pd
from scipy.special import stdtrit

POINTS = 400  # per line: more cannot be told apart on a screen


class Band(StrEnum):
    """What the band around a mean shows."""

    DEVIATION = "± sd"
    INTERVAL = "95 % interval"
    RANGE = "min–max"


@dataclass(frozen=True)
class Trace:
    """One run's metric along an axis: two arrays (points,), x ascending, without gaps."""

    x: np.ndarray
    y: np.ndarray


@dataclass(frozen=True)
class Line:
    """What is drawn for one group of runs: arrays (points,); ``low`` and ``high`` are None without a band.

    ``cut`` says that the mean ends here because a run was lost.
    """

    name: str
    x: np.ndarray
    mean: np.ndarray
    low: np.ndarray | None
    high: np.ndarray | None
    runs: int
    logged: int
    cut: bool = False


def trace(frame: pd.DataFrame, axis: str, metric: str) -> Trace:
    """The rows of ``frame`` where ``metric`` was logged."""
    if metric not in frame or axis not in frame:
        return Trace(np.empty(0), np.empty(0))
    # Column by column, in an eighth of the time of both at once: a chart may be of hundreds of runs.
    x = frame[axis].to_numpy(dtype=float)
    y = frame[metric].to_numpy(dtype=float)
    logged = np.isfinite(x) & np.isfinite(y)
    order = np.argsort(x[logged], kind="stable")
    return Trace(x[logged][order], y[logged][order])


def smooth(run: Trace, weight: float) -> Trace:
    """Exponential moving average with bias correction (Kingma & Ba 2015): the first point stays itself."""
    if weight <= 0 or len(run.y) < 2:
        return run
    from scipy.signal import lfilter  # which takes half a second to import

    averaged = lfilter([1 - weight], [1, -weight], run.y)
    return Trace(run.x, averaged / (1 - weight ** np.arange(1, len(run.y) + 1)))


def part(run: Trace, first: float, last: float) -> Trace:
    """The points whose x lies in [first, last]."""
    inside = (run.x >= first) & (run.x <= last)
    return Trace(run.x[inside], run.y[inside])


def difference(run: Trace, baseline: Trace) -> Trace:
    """``run`` minus ``baseline`` at equal x, where both have values: x as logged by ``run``, up to their end.

    Where budgets agree up to a mismatch, the baseline may end just before the last value of ``run``.
    """
    if not len(run.x) or not len(baseline.x):
        return Trace(np.empty(0), np.empty(0))
    places = part(run, baseline.x[0], baseline.x[-1]).x
    if len(places) and places[-1] < baseline.x[-1] < run.x[-1]:
        places = np.append(places, baseline.x[-1])
    values = np.interp(places, run.x, run.y) - np.interp(places, baseline.x, baseline.y)
    return Trace(places, values)


def aggregate(name: str, runs: Sequence[Trace], band: Band) -> Line | None:
    """Mean over runs and a band, at no more than ``POINTS`` points, where all runs have values.

    None where there is no such place: a run has logged nothing, or ended before another began.
    """
    if not runs or not all(len(run.x) for run in runs):
        return None
    first, last = max(run.x[0] for run in runs), min(run.x[-1] for run in runs)
    if first > last:
        return None
    grid = _grid([part(run, first, last) for run in runs])
    values = np.stack([np.interp(grid, run.x, run.y) for run in runs])  # (runs, points)
    mean, low, high = _summarise(values, band)
    keep = _thin(len(grid))
    return Line(
        name=name,
        x=grid[keep],
        mean=mean[keep],
        low=None if low is None else low[keep],
        high=None if high is None else high[keep],
        runs=len(runs),
        logged=sum(len(run.x) for run in runs),
    )


def single(name: str, run: Trace) -> Line | None:
    """One run as a line of its own; of each bucket of points the extremes are kept, so spikes survive."""
    if not len(run.x):
        return None
    keep = _extremes(run.y)
    return Line(name, run.x[keep], run.y[keep], None, None, 1, len(run.x))


def _grid(runs: Sequence[Trace]) -> np.ndarray:
    """The x that the runs share, if they were logged in step; else an even grid over their range."""
    union = np.unique(np.concatenate([run.x for run in runs]))
    longest = max(runs, key=lambda run: len(run.x))
    if len(union) <= 1.05 * len(longest.x):
        return union
    return np.linspace(union[0], union[-1], min(POINTS, len(longest.x)))


def _summarise(values: np.ndarray, band: Band) -> tuple[np.ndarray, np.ndarray | None, np.ndarray | None]:
    count, mean = len(values), values.mean(axis=0)
    if count < 2:  # one run has no spread
        return mean, None, None
    if band is Band.RANGE:
        return mean, values.min(axis=0), values.max(axis=0)
    half = values.std(axis=0, ddof=1)
    if band is Band.INTERVAL:
        half = half * stdtrit(count - 1, 0.975) / np.sqrt(count)
    return mean, mean - half, mean + half


def _thin(points: int) -> np.ndarray:
    if points <= POINTS:
        return np.arange(points)
    return np.unique(np.linspace(0, points - 1, POINTS).round().astype(int))


def _extremes(values: np.ndarray) -> np.ndarray:
    if len(values) <= POINTS:
        return np.arange(len(values))
    kept = {0, len(values) - 1}
    for bucket in np.array_split(np.arange(len(values)), POINTS // 2 - 1):
        kept |= {int(bucket[values[bucket].argmin()]), int(bucket[values[bucket].argmax()])}
    return np.array(sorted(kept))
