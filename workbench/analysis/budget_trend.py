"""How a difference moves along the runs: whether it changed sign, and whether it still grows at the end.

A verdict is of one budget. The validation curves of the same runs show where the difference was before, at
shares of each run's own tokens, so that runs of unequal length are read at the same place of their schedules.
A point inside a run is no run of that length, whose learning rate would have come down by then; what is said
of longer runs is therefore said as a possibility.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from workbench.analysis.confirm_outcomes import Outcomes
from workbench.analysis.flops import validation_curve
from workbench.analysis.notes import Note, method, reading
from workbench.analysis.statistics import CONFIDENCE, Interval, Verdict, mean_interval
from workbench.errors import RecordError
from workbench.numbers import decimals_for, fixed, percent, with_interval

QUARTERS = (25, 50, 75, 100)  # per cent of a run's tokens
_LAST_HALF = 0.5
_DOUBLING = math.log(2)

Curve = tuple[np.ndarray, np.ndarray]  # (P,) shares of the run's tokens, rising to 1; (P,) the metric


@dataclass(frozen=True, kw_only=True)
class BudgetTrend:
    """The mean paired difference along ``pairs`` pairs of runs, in units of the metric.

    ``at`` has it at 25, 50, 75 and 100 % of the tokens, None before the first evaluation. ``slope`` is its
    change for each e-fold of the tokens over the last half of the run, the mean of the seeds' least-squares
    slopes, with its 95 % t interval from two seeds on. ``sign_change`` is the share of the run at which the
    mean difference last changed its sign; None where it did not, or where the difference before or at the
    end is not beyond noise. ``before`` is the mean difference of the other sign where it was largest.
    """

    pairs: int
    at: dict[int, float | None]
    slope: float | None
    interval: Interval | None
    sign_change: float | None
    before: float | None = None

    @property
    def per_doubling(self) -> float | None:
        """The change of the difference over a doubling of the tokens, by the slope at the end."""
        return None if self.slope is None else self.slope * _DOUBLING

    @property
    def per_doubling_interval(self) -> Interval | None:
        """Its 95 % interval."""
        if self.interval is None:
            return None
        return Interval(self.interval.low * _DOUBLING, self.interval.high * _DOUBLING, self.interval.level)

    @property
    def direction(self) -> str | None:
        """``growing`` or ``shrinking`` where the slope's interval excludes zero."""
        end = self.at[100]
        if self.slope is None or end is None or self.interval is None or not self.interval.excludes(0):
            return None
        return "growing" if self.slope * end > 0 else "shrinking"


def budget_trend(
    variant: Outcomes, baseline: Outcomes, differences: Mapping[int, float], metric: str
) -> BudgetTrend | None:
    """The trend of the pairs in ``differences`` (by seed); None where no pair has both curves."""
    pairs = []
    for seed in differences:
        ours = _curve(variant.runs[seed]["path"], metric)
        theirs = _curve(baseline.runs[seed]["path"], metric)
        if ours is not None and theirs is not None:
            pairs.append((ours, theirs))
    return trend_of_curves(pairs) if pairs else None


def trend_of_curves(pairs: list[tuple[Curve, Curve]]) -> BudgetTrend | None:
    """The trend of pairs of curves, variant and baseline; None where they share no part of the run."""
    curves = [curve for pair in pairs for curve in pair]
    begin = max(shares[0] for shares, _ in curves)
    grid = pairs[0][0][0]
    grid = grid[grid >= begin]
    if not len(grid):
        return None
    # Evaluations of all runs stand at the same shares, as a rule; where they do not, in between them.
    read = [[_at(curve, grid) for curve in pair] for pair in pairs]
    along = np.array([ours - theirs for ours, theirs in read])  # (seeds, P)
    slopes = _slopes(grid, along)
    mean = along.mean(axis=0)
    sign_change = _sign_change(grid, along)
    return BudgetTrend(
        pairs=len(pairs),
        at={
            quarter: float(_at((grid, mean), quarter / 100)) if quarter / 100 >= grid[0] else None
            for quarter in QUARTERS
        },
        slope=None if slopes is None else float(slopes.mean()),
        interval=None if slopes is None else mean_interval(slopes.tolist()),
        sign_change=sign_change,
        before=None if sign_change is None else _furthest_of_other_sign(mean),
    )


def trend_notes(trend: BudgetTrend | None, verdict: Verdict | None, margin: float, unit: str) -> list[Note]:
    """What a reader of the verdict must know of other budgets."""
    if trend is None or verdict is None:
        return []
    notes = []
    decimals = decimals_for(margin)
    end = trend.at[100]
    if trend.sign_change is not None and end is not None:
        where = percent(trend.sign_change)
        earlier = fixed(trend.before, decimals, sign=True)
        final = fixed(end, decimals, sign=True)
        changed = (
            f"the difference changed sign at {where} of the run: up to {earlier} {unit} before, {final} at "
            "the end"
        )
        notes.append(reading(changed))
    per_doubling = trend.per_doubling
    if trend.direction is not None and per_doubling is not None:
        moved = with_interval(per_doubling, trend.per_doubling_interval, decimals, sign=True)
        still = f"still {trend.direction} at the end: {moved} {unit} for a doubling of the tokens"
        notes.append(method(still))
    if per_doubling is not None and end is not None and abs(per_doubling) > margin:
        projected = end + per_doubling
        otherwise = "decide otherwise"
        if verdict is Verdict.INCONCLUSIVE:
            otherwise = "decide"
        elif verdict in (Verdict.BETTER, Verdict.WORSE) and per_doubling * end > 0:
            otherwise = "decide otherwise on its size, not its sign"
        longer = (
            f"a run twice as long may {otherwise}: by its slope over the last half of the run the "
            f"difference would be {fixed(projected, decimals, sign=True)} {unit}"
        )
        stays = _is_still(verdict, projected, margin)
        notes.append(method(longer) if stays else reading(longer))
    return notes


def _is_still(verdict: Verdict, difference: float, margin: float) -> bool:
    """Whether a difference lies where the word has it; a word that is open is kept by none."""
    if verdict is Verdict.BETTER:
        return difference < -margin
    if verdict is Verdict.WORSE:
        return difference > margin
    return verdict is Verdict.EQUIVALENT and abs(difference) <= margin


def _curve(path: str, metric: str) -> Curve | None:
    try:
        curve = validation_curve(path, metric)
    except RecordError:  # a curve that cannot be read leaves the trend, not the verdict
        return None
    if "tokens" not in curve:
        return None
    tokens, losses = curve["tokens"].astype(float), curve[metric].astype(float)
    usable = (tokens > 0) & np.isfinite(losses)  # a validation before the first step is no share of the run
    if not usable.any():
        return None
    return tokens[usable] / tokens[-1], losses[usable]


def _at(curve: Curve, share: np.ndarray | float) -> np.ndarray:
    """The curve between its evaluations, linear in the logarithm of tokens."""
    shares, losses = curve
    return np.interp(np.log(share), np.log(shares), losses)


def _slopes(grid: np.ndarray, along: np.ndarray) -> np.ndarray | None:
    """Least-squares slopes on ln tokens over the last half, (seeds,); None with one evaluation there."""
    late = grid >= _LAST_HALF - 1e-9
    if late.sum() < 2:
        return None
    x = np.log(grid[late])
    x = x - x.mean()
    return along[:, late] @ x / (x @ x)


def _sign_change(grid: np.ndarray, along: np.ndarray) -> float | None:
    """Where the mean last crossed zero, if it was beyond noise on both sides.

    Before the crossing any evaluation may show it, so that their intervals hold jointly (Bonferroni).
    """
    mean = along.mean(axis=0)
    end = mean_interval(along[:, -1].tolist())
    opposite = np.flatnonzero(mean * mean[-1] < 0)
    if end is None or not end.excludes(0) or not len(opposite):
        return None
    level = 1 - (1 - CONFIDENCE) / (len(grid) - 1)
    before = [mean_interval(along[:, place].tolist(), level) for place in opposite]
    if not any(interval is not None and interval.excludes(0) for interval in before):
        return None
    last = int(opposite[-1])
    here, there = mean[last], mean[last + 1]
    return float(grid[last] + (grid[last + 1] - grid[last]) * here / (here - there))


def _furthest_of_other_sign(mean: np.ndarray) -> float:
    return float(mean.min() if mean[-1] > 0 else mean.max())
