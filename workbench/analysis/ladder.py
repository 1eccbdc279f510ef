"""Whether an effect holds as models and budgets grow: effects of a ladder's rungs against their compute.

Each rung k has a mean paired difference d_k with its standard error se_k, from n_k pairs, at C_k FLOPs of a
training of its baseline. Nothing here reads records.

* *Heterogeneity*: Cochran's Q, its p by chi square with r - 1 degrees of freedom, I², and the variance tau²
  between rungs by DerSimonian and Laird (1986). The pooled mean has the interval of Hartung, Knapp, Sidik and
  Jonkman, whose scale is never below 1, and the prediction interval for a rung like these: t with r - 2
  degrees of freedom (Higgins, Thompson and Spiegelhalter 2009). Both are wide with three rungs, as they
  should be.
* *Trend*: the line of d on ln C by weighted least squares, variances se_k² + tau². Here tau² is what is left
  *around the line* (the same moment estimator, for a regression: Raudenbush 2009), since a trend is no
  scatter. The slope's interval is Student's t with Satterthwaite's degrees of freedom: n_k - 1 for the noise
  of each rung, r - 2 for tau². Where the effect is the same at all rungs, zero is excluded in about 4 % of
  ladders with three rungs of eight pairs, and in at most 6 % with two to five rungs of four pairs or more
  (simulated; a test holds it). Where effects scatter from rung to rung without a trend, by as much as their
  own standard errors, it is in 8 to 10 %, and in 14 % with two rungs: so few cannot tell the two apart.
* *Word*: ``flips`` where one rung's verdict is better and another's worse; ``shrinks`` or ``grows`` where the
  slope's interval excludes zero, by whether it leads the mean effect towards zero or away from it; ``holds``
  where it does not and every rung has the same verdict, better or worse; else ``unclear``. *Beyond the
  margin* is a rung's verdict, not its estimate. A rung's verdicts hold jointly among its own rows, as in a
  study of that rung alone, and not over the ladder; the word of a trend is by itself at 95 %.
* *Beyond the top rung* a line is followed only with four rungs or more over 1.5 decades of compute or more,
  by one decade at most, with the t prediction interval of r - 2 degrees of freedom; and only beside a
  *backtest*: the line of all rungs but the top one, and whether what was measured there lies within its
  prediction.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import numpy.typing as npt
from scipy.special import chdtrc

from workbench.analysis.statistics import Interval, Verdict, t_interval, wilson

FEWEST_TO_EXTRAPOLATE = 4  # rungs
DECADES_TO_EXTRAPOLATE = 1.5  # of compute, from the first rung to the top one
DECADE = math.log(10)
_Array = npt.NDArray[np.float64]


class LadderWord(StrEnum):
    """What becomes of an effect from rung to rung."""

    HOLDS = "holds"
    SHRINKS = "shrinks"
    GROWS = "grows"
    FLIPS = "flips"
    UNCLEAR = "unclear"


@dataclass(frozen=True, kw_only=True)
class RungEffect:
    """One rung: training FLOPs of its baseline, and the mean of ``n`` paired differences with its error.

    ``verdict`` is the word of the rung's own report on it.
    """

    compute: float
    mean: float
    error: float
    n: int
    verdict: Verdict | None = None


@dataclass(frozen=True, kw_only=True)
class Pooled:
    """The effects of all rungs as draws around one mean.

    ``tau2`` is the variance between rungs, ``i2`` its share of the whole. ``prediction`` is for one more rung
    like these; None below three.
    """

    q: float
    p: float
    i2: float
    tau2: float
    mean: float
    interval: Interval
    prediction: Interval | None


@dataclass(frozen=True, kw_only=True)
class Trend:
    """The line of the effect on ln compute: ``slope`` for a factor e, with its interval.

    ``level`` is its height at ``center``, the weighted mean of ln compute; the variances of the two are
    ``slope_variance`` and ``level_variance``. ``degrees`` are those of the slope's interval. ``tau2`` is what
    is left around the line.
    """

    center: float
    level: float
    slope: float
    interval: Interval
    degrees: float
    tau2: float
    level_variance: float
    slope_variance: float

    @property
    def per_decade(self) -> float:
        """The change of the effect for ten times the compute."""
        return self.slope * DECADE

    @property
    def per_decade_interval(self) -> Interval:
        """The 95 % interval of ``per_decade``."""
        return Interval(self.interval.low * DECADE, self.interval.high * DECADE, self.interval.level)

    def per_decade_at(self, level: float) -> Interval:
        """The interval of ``per_decade`` at another level of confidence."""
        error = math.sqrt(self.slope_variance) * DECADE
        return t_interval(self.per_decade, error, self.degrees, level)

    def at(self, compute: float) -> float:
        """The height of the line at so many FLOPs."""
        return self.level + self.slope * (math.log(compute) - self.center)

    def variance_at(self, compute: float) -> float:
        """The variance of that height."""
        return self.level_variance + self.slope_variance * (math.log(compute) - self.center) ** 2


@dataclass(frozen=True, kw_only=True)
class Backtest:
    """What the line of all rungs but the top one says of the top one, and what was measured there."""

    predicted: float
    interval: Interval
    measured: float

    @property
    def inside(self) -> bool:
        """Whether what was measured lies within what was predicted."""
        return not self.interval.excludes(self.measured)


@dataclass(frozen=True, kw_only=True)
class Extrapolation:
    """The effect at ``compute`` FLOPs, beyond the top rung, with its prediction interval and the backtest."""

    compute: float
    mean: float
    interval: Interval
    backtest: Backtest


@dataclass(frozen=True, kw_only=True)
class OrderedPairs:
    """How many pairs of variants a rung orders as the top one does, with Wilson's interval of the share."""

    same: int
    pairs: int

    @property
    def interval(self) -> Interval:
        """Of the share, 95 %."""
        return wilson(self.same, self.pairs)

    @property
    def share(self) -> float:
        """The share of pairs."""
        return self.same / self.pairs


def pooled(effects: Sequence[RungEffect]) -> Pooled | None:
    """Heterogeneity and the pooled mean of two rungs or more; None where an error is zero or not known."""
    if len(effects) < 2 or not _are_known(effects):
        return None
    means, variances = _means(effects), _variances(effects)
    degrees = len(effects) - 1
    q = _around_mean(means, 1 / variances)[1]
    weights = 1 / variances
    tau2 = max(0.0, (q - degrees) / float(weights.sum() - (weights**2).sum() / weights.sum()))
    weights = 1 / (variances + tau2)
    mean, spread = _around_mean(means, weights)
    error = math.sqrt(max(1.0, spread / degrees) / float(weights.sum()))
    prediction = None
    if degrees > 1:
        reach = math.sqrt(tau2 + 1 / float(weights.sum()))
        prediction = t_interval(mean, reach, degrees - 1)
    return Pooled(
        q=q,
        p=float(chdtrc(degrees, q)),
        i2=max(0.0, 1 - degrees / q) if q else 0.0,
        tau2=tau2,
        mean=mean,
        interval=t_interval(mean, error, degrees),
        prediction=prediction,
    )


def trend(effects: Sequence[RungEffect]) -> Trend | None:
    """The line through two rungs or more; None where an error is zero or not known, or all compute is one."""
    if len(effects) < 2 or not _are_known(effects):
        return None
    x = np.log([one.compute for one in effects])  # (r,)
    if float(np.ptp(x)) == 0.0:
        return None
    means, variances = _means(effects), _variances(effects)
    free = len(effects) - 2
    tau2 = 0.0
    if free:
        weights = 1 / variances
        center, spread, residuals = _line(x, means, weights)
        # The trace of the matrix that turns effects into weighted residuals: E Q = free + tau2 * trace.
        trace = float((weights - weights**2 * (1 / weights.sum() + (x - center) ** 2 / spread)).sum())
        tau2 = max(0.0, (float((weights * residuals**2).sum()) - free) / trace)
    total = variances + tau2
    weights = 1 / total
    center, spread, _ = _line(x, means, weights)
    shares = weights * (x - center) / spread  # of each effect in the slope
    slope = float((shares * means).sum())
    variance = float((shares**2 * total).sum())
    noise = (shares**2 * variances) ** 2 / np.array([one.n - 1 for one in effects])
    lost = float(noise.sum())
    if tau2:
        lost += float((shares**2).sum() * tau2) ** 2 / free
    degrees = variance**2 / lost
    return Trend(
        center=center,
        level=float((weights * means).sum() / weights.sum()),
        slope=slope,
        interval=t_interval(slope, math.sqrt(variance), degrees),
        degrees=degrees,
        tau2=tau2,
        level_variance=1 / float(weights.sum()),
        slope_variance=variance,
    )


def ladder_word(effects: Sequence[RungEffect]) -> LadderWord:
    """The word of an effect from its rungs."""
    words = {one.verdict for one in effects}
    if {Verdict.BETTER, Verdict.WORSE} <= words:
        return LadderWord.FLIPS
    line, whole = trend(effects), pooled(effects)
    if line is None or whole is None:
        return LadderWord.UNCLEAR
    if line.interval.excludes(0.0):
        away = line.slope * whole.mean > 0
        return LadderWord.GROWS if away else LadderWord.SHRINKS
    if len(words) == 1 and words <= {Verdict.BETTER, Verdict.WORSE}:
        return LadderWord.HOLDS
    return LadderWord.UNCLEAR


def extrapolation(effects: Sequence[RungEffect], decades: float = 1.0) -> Extrapolation | None:
    """The effect ``decades`` of compute beyond the top rung; None where rungs are too few or too near.

    Raises ``ValueError`` for more than one decade.
    """
    if not 0 < decades <= 1:
        raise ValueError(f"a line is followed by one decade at most, not by {decades:g}")
    ordered = sorted(effects, key=lambda one: one.compute)
    if len(ordered) < FEWEST_TO_EXTRAPOLATE or not _are_known(ordered):
        return None
    reach = math.log10(ordered[-1].compute / ordered[0].compute)
    if reach < DECADES_TO_EXTRAPOLATE:
        return None
    line, before = trend(ordered), trend(ordered[:-1])
    if line is None or before is None:
        return None
    compute = ordered[-1].compute * 10**decades
    top = ordered[-1]
    # What is predicted is a measurement, whose own noise is that of the top rung.
    spread = math.sqrt(before.variance_at(top.compute) + before.tau2 + top.error**2)
    return Extrapolation(
        compute=compute,
        mean=line.at(compute),
        interval=t_interval(
            line.at(compute), math.sqrt(line.variance_at(compute) + line.tau2), len(ordered) - 2
        ),
        backtest=Backtest(
            predicted=before.at(top.compute),
            interval=t_interval(before.at(top.compute), spread, len(ordered) - 3),
            measured=top.mean,
        ),
    )


def ordered_pairs(rung: Mapping[str, float], top: Mapping[str, float]) -> OrderedPairs | None:
    """How many of the pairs of variants that both know are ordered alike by their means; None without any."""
    names = [name for name in top if name in rung]
    pairs = [(one, other) for place, one in enumerate(names) for other in names[place + 1 :]]
    if not pairs:
        return None
    same = sum((rung[one] - rung[other]) * (top[one] - top[other]) > 0 for one, other in pairs)
    return OrderedPairs(same=same, pairs=len(pairs))


def _are_known(effects: Sequence[RungEffect]) -> bool:
    return all(one.n > 1 and one.error > 0 and one.compute > 0 for one in effects)


def _means(effects: Sequence[RungEffect]) -> _Array:
    return np.array([one.mean for one in effects])


def _variances(effects: Sequence[RungEffect]) -> _Array:
    return np.array([one.error**2 for one in effects])


def _around_mean(means: _Array, weights: _Array) -> tuple[float, float]:
    """The weighted mean, and the weighted sum of squares around it."""
    mean = float((weights * means).sum() / weights.sum())
    return mean, float((weights * (means - mean) ** 2).sum())


def _line(x: _Array, means: _Array, weights: _Array) -> tuple[float, float, _Array]:
    """Of the weighted line of ``means`` (r,) on ``x``: the mean of x, its spread, and the residuals (r,)."""
    center = float((weights * x).sum() / weights.sum())
    spread = float((weights * (x - center) ** 2).sum())
    level = (weights * means).sum() / weights.sum()
    slope = (weights * (x - center) * means).sum() / spread
    return center, spread, means - level - slope * (x - center)
