"""Compute-equivalent gain: how much more compute the baseline needs for a variant's loss, with an interval.

A *rung* is the baseline at one budget, each run with a learning-rate schedule of its own length. A variant
that was trained at the study's budget D reaches the loss L there; the baseline reaches it at gain x D tokens.
With d the mean paired difference of the variant at D and b the slope of the baseline's mean loss on ln
tokens,

    ln gain = d / b,

above 0 where both are negative: the variant saves compute.

**Slope.** A loss falls the less steeply the more compute went into it, so that the slope of a straight line
would depend on which rungs it goes through. Weighted least squares put a parabola through the rungs from D's
own to the first one beyond L, and the next one on the other side of D, three at least; b is its mean slope
between D and where it reaches L. A rung weighs as much as it has runs: their own variances, from three seeds,
would be poor weights. What bends more than a parabola does costs coverage where noise is small: 95 %
intervals of a loss of 1.6 + 0.9 D^-0.44, at budgets a factor of two apart and run noise of 0.01, cover 90 %.

**Interval.** Fieller's (1954), of the ratio of d and b at the level of the variant's own interval: the ratios
r at which d - r b is within its noise. The variance of b is that of the rungs' means, each from its own
seeds, so that rungs may differ in their noise; d and the mean at D share the baseline's runs, and so have a
covariance. The two have different numbers of seeds behind them, so that the quantile at r is Student's t with
the degrees of freedom of d - r b by Welch and Satterthwaite. At no gain, where r is 0, these are the pairs'
own: the interval holds 1 where the variant's interval holds 0.

Nothing is extrapolated. Where L lies beyond the losses of the smallest or the largest budget, a gain is only
said to be smaller, or larger, than the ladder reaches; so is an end of an interval.

**Units.** In tokens it is as above. In FLOPs it is times the ratio of the FLOPs of a token (the baseline's
over the variant's), which is known. In seconds it is times the ratio of the seconds of a token, by pairs of
confirm runs, whose noise joins the interval by MOVER on the logarithms (Zou and Donner 2008).
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import stdtrit

from workbench.analysis.ratios import fieller
from workbench.analysis.statistics import Interval, mean_interval

FEWEST_RUNGS = 3
UNKNOWN_SLOPE = "slope not known well enough"
_FARTHEST = 600.0  # of the logarithm of a gain: what a number holds, and beyond every ladder
_SAME, _MOST_ROUNDS = 1e-4, 50  # of degrees of freedom, which settle within a few rounds


@dataclass(frozen=True, kw_only=True)
class Rung:
    """The baseline at one budget of ``tokens``: final losses by seed, of runs that trained."""

    tokens: float
    losses: Mapping[int, float]

    @property
    def mean(self) -> float:
        """Over seeds."""
        return float(np.mean(list(self.losses.values())))

    @property
    def variance_of_mean(self) -> float:
        """From the spread over seeds, of which there are two at least."""
        return float(np.var(list(self.losses.values()), ddof=1)) / len(self.losses)


@dataclass(frozen=True, kw_only=True)
class Gain:
    """How many times as much the baseline needs, in one unit of compute.

    ``reach`` is the least and the most that the ladder can say: a ``value`` beyond it, and an end of the
    ``interval``, are only known to be beyond. ``interval`` is None where there is none without extrapolating.
    """

    value: float
    interval: Interval | None
    reach: tuple[float, float]

    @property
    def beyond(self) -> str | None:
        """``above`` or ``below`` what the ladder reaches; None within it."""
        if self.value > self.reach[1]:
            return "above"
        return "below" if self.value < self.reach[0] else None

    @property
    def known(self) -> float | None:
        """The gain, where the ladder reaches it."""
        return self.value if self.beyond is None else None

    @property
    def low(self) -> float | None:
        """The lower end of the interval, where the ladder reaches it."""
        return self._within(self.interval.low) if self.interval else None

    @property
    def high(self) -> float | None:
        """The upper end of the interval, where the ladder reaches it."""
        return self._within(self.interval.high) if self.interval else None

    @property
    def text(self) -> str:
        """``2.17x [1.79, 2.91]``, ``3.6x [2.8, >4]``, ``>4x``, ``<1/4x``."""
        if self.beyond is not None:
            return f"{self._end(self.value)}x"
        if self.interval is None:
            return f"{_digits(self.value)}x"
        return f"{_digits(self.value)}x [{self._end(self.interval.low)}, {self._end(self.interval.high)}]"

    @property
    def is_settled(self) -> bool:
        """Whether the baseline needs more, or less, beyond noise."""
        return self.beyond is not None or (self.interval is not None and self.interval.excludes(1.0))

    @property
    def inverse(self) -> "Gain":
        """How many times as much the variant needs as the baseline, for the variant's loss."""
        ends = self.interval and Interval(
            _over(self.interval.high), _over(self.interval.low), self.interval.level
        )
        reach = (1 / self.reach[1], 1 / self.reach[0])
        return Gain(value=_over(self.value), interval=ends, reach=reach)

    def scaled(self, ratio: float) -> "Gain":
        """The same in a unit of which a token of the baseline costs ``ratio`` times that of the variant."""
        ends = self.interval and Interval(
            self.interval.low * ratio, self.interval.high * ratio, self.interval.level
        )
        return Gain(value=self.value * ratio, interval=ends, reach=_scaled(self.reach, ratio))

    def scaled_by_pairs(self, ratios: Sequence[float]) -> "Gain":
        """The same where that ratio was measured, at ``ratios`` by pair; of a single one without interval."""
        logs = [math.log(ratio) for ratio in ratios]
        ratio = math.exp(float(np.mean(logs)))
        reach, value = _scaled(self.reach, ratio), self.value * ratio
        of_ratio = mean_interval(logs, self.interval.level) if self.interval else None
        if self.interval is None or of_ratio is None:
            return Gain(value=value, interval=None, reach=reach)
        half = of_ratio.half_width
        low = math.hypot(math.log(self.value / self.interval.low), half)
        high = math.hypot(math.log(self.interval.high / self.value), half)
        ends = Interval(value * _exp(-low), value * _exp(high), self.interval.level)
        return Gain(value=value, interval=ends, reach=reach)

    def _within(self, end: float) -> float | None:
        return end if self.reach[0] <= end <= self.reach[1] else None

    def _end(self, value: float) -> str:
        """A number of the interval, or that it lies beyond the ladder."""
        if value > self.reach[1]:
            return f">{budget_ratio(self.reach[1])}"
        if value < self.reach[0]:
            return f"<{budget_ratio(self.reach[0])}"
        return _digits(value)


@dataclass(frozen=True, kw_only=True)
class Slope:
    """The mean slope of the baseline's loss on ln tokens between two losses, its standard error, and the
    budgets of the rungs behind it.
    """

    value: float
    error: float
    tokens: tuple[float, ...]


@dataclass(frozen=True, kw_only=True)
class TokenGain:
    """A gain in tokens, and what it was read from.

    ``gain`` is None where ``problem`` says why. ``loss`` is the variant's: that of the baseline at the same
    budget plus the mean difference.
    """

    gain: Gain | None
    problem: str | None
    loss: float | None = None
    slope: Slope | None = None


def budget_ratio(value: float) -> str:
    """One budget over another as it was meant: ``4``, ``1/4``, ``3.70``."""
    for number in (value, 1 / value):
        if abs(number - round(number)) < 1e-3 * number and round(number) >= 1:
            whole = f"{round(number):,}"
            return whole if number == value else f"1/{whole}"
    return _digits(value)


def token_gain(
    rungs: Sequence[Rung], tokens: float, differences: Mapping[int, float], level: float
) -> TokenGain:
    """The gain of a variant whose paired ``differences`` at the budget ``tokens`` are given by seed.

    ``rungs`` are the baseline's, the one at ``tokens`` among them, whose losses are those of the same seeds.
    Those with fewer than two runs are left out, as nothing says how noisy they are. ``level`` is that of the
    interval.
    """
    usable = sorted((rung for rung in rungs if len(rung.losses) > 1), key=lambda rung: rung.tokens)
    own = next((place for place, rung in enumerate(usable) if rung.tokens == tokens), None)
    if own is None or len(differences) < 2:
        return TokenGain(gain=None, problem="fewer than two pairs")
    if len(usable) < FEWEST_RUNGS:
        return TokenGain(
            gain=None, problem=f"fewer than {FEWEST_RUNGS} budgets with two runs of the baseline"
        )
    d = float(np.mean(list(differences.values())))
    loss = usable[own].mean + d
    reach = (usable[0].tokens / tokens, usable[-1].tokens / tokens)
    bracket = _bracket(usable, own, loss, better=d < 0)
    if bracket is None:
        value = math.inf if d < 0 else 0.0
        return TokenGain(gain=Gain(value=value, interval=None, reach=reach), problem=None, loss=loss)

    chosen = usable[slice(*bracket)]
    means = np.array([rung.mean for rung in chosen])
    weights = _chord(chosen, means, tokens, d)
    slope = float(weights @ means)
    parts = np.array([rung.variance_of_mean for rung in chosen]) * weights**2
    found = Slope(
        value=slope,
        error=math.sqrt(float(parts.sum())),
        tokens=tuple(rung.tokens for rung in chosen),
    )
    if slope >= 0:
        return TokenGain(gain=None, problem=UNKNOWN_SLOPE, loss=loss, slope=found)

    # What d and the slope share: the baseline's runs at the own budget.
    here = own - bracket[0]
    own_losses = chosen[here].losses
    shared = [seed for seed in differences if seed in own_losses]
    together = 0.0
    if len(shared) > 1:
        pairs = np.array([(differences[seed], own_losses[seed]) for seed in shared])
        together = float(np.cov(pairs.T)[0, 1]) / len(own_losses)
    covariance = float(weights[here]) * together
    of_difference = float(np.var(list(differences.values()), ddof=1)) / len(differences)

    own_error = float(parts[here])
    others = [
        (float(part), len(rung.losses) - 1)
        for place, (part, rung) in enumerate(zip(parts, chosen, strict=True))
        if place != here
    ]

    def degrees(ratio: float) -> float:
        """Of ``d - ratio * slope``."""
        own_part = of_difference - 2 * ratio * covariance + ratio**2 * own_error
        rest = [(ratio**2 * part, freedom) for part, freedom in others]
        return _satterthwaite([(max(0.0, own_part), len(differences) - 1), *rest])

    interval = gain_interval(
        d,
        slope,
        variances=(of_difference, found.error**2),
        covariance=covariance,
        degrees=degrees,
        level=level,
    )
    if interval is None:
        return TokenGain(gain=None, problem=UNKNOWN_SLOPE, loss=loss, slope=found)
    gain = Gain(value=_exp(d / slope), interval=interval, reach=reach)
    return TokenGain(gain=gain, problem=None, loss=loss, slope=found)


def gain_interval(
    difference: float,
    slope: float,
    *,
    variances: tuple[float, float],
    covariance: float = 0.0,
    degrees: Callable[[float], float],
    level: float,
) -> Interval | None:
    """Of the gain exp(difference / slope), by Fieller; None where the slope may be zero.

    ``variances`` are the squared standard errors of both. ``degrees`` are those of Student's t at a ratio:
    each end has its own.
    """
    ends = []
    for side in ("low", "high"):
        freedom = degrees(difference / slope)
        for _ in range(_MOST_ROUNDS):
            found = fieller(
                difference,
                slope,
                variances=variances,
                covariance=covariance,
                quantile=float(stdtrit(freedom, (1 + level) / 2)),
                level=level,
            )
            if found is None:
                return None
            end = getattr(found, side)
            before, freedom = freedom, degrees(end)
            if abs(freedom - before) < _SAME * before:
                break
        ends.append(_exp(end))
    return Interval(ends[0], ends[1], level)


def _bracket(rungs: Sequence[Rung], own: int, loss: float, *, better: bool) -> tuple[int, int] | None:
    """Where the rungs of the slope begin and end, as a slice does; None where ``loss`` is beyond all of them.

    From the own rung one goes up for a variant that is better, and down for one that is worse, up to the
    first whose mean lies on the other side; the next one on the other side of the own rung is among them.
    """
    way = range(own + 1, len(rungs)) if better else range(own - 1, -1, -1)
    for place in way:
        mean = rungs[place].mean
        if mean <= loss if better else mean >= loss:
            first, last = min(own, place), max(own, place)
            if (better and first > 0) or last == len(rungs) - 1:
                return max(0, first - 1), last + 1
            return first, last + 2
    return None


def _chord(rungs: Sequence[Rung], means: np.ndarray, tokens: float, difference: float) -> np.ndarray:
    """By rung (R,), what its mean counts in the mean slope between ``tokens`` and where L is reached."""
    places = np.log([rung.tokens / tokens for rung in rungs])
    runs = np.array([len(rung.losses) for rung in rungs], dtype=float)
    columns = np.stack([np.ones_like(places), places, places**2], axis=1)  # (R, 3)
    solved = np.linalg.solve(columns.T * runs @ columns, columns.T * runs)  # from means to coefficients
    slope, bend = solved[1:] @ means
    # Where slope x + bend x^2 is the difference: the root that stays where there is no bend.
    root = math.sqrt(max(0.0, slope**2 + 4 * bend * difference))
    denominator = slope - root
    reached = 2 * difference / denominator if denominator < 0 else 0.0
    reached = min(max(reached, places[0]), places[-1])
    return solved[1] + reached * solved[2]


def _satterthwaite(parts: Sequence[tuple[float, int]]) -> float:
    """Degrees of freedom of a sum of estimated variances, each with its own."""
    total = sum(part for part, _ in parts)
    if total == 0:
        return float(parts[0][1])
    return total**2 / sum(part**2 / degrees for part, degrees in parts)


def _scaled(reach: tuple[float, float], ratio: float) -> tuple[float, float]:
    return reach[0] * ratio, reach[1] * ratio


def _over(value: float) -> float:
    return 1 / value if value else math.inf


def _exp(value: float) -> float:
    """An end of an interval may be as good as zero, or as infinite."""
    return math.exp(min(max(value, -_FARTHEST), _FARTHEST))


def _digits(value: float) -> str:
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"
