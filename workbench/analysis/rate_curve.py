"""The loss as a function of the learning rate: a quadratic in log2(rate) near its optimum.

The lowest of a few noisy means lies at a rate that was lucky, and its own mean is too good by that luck. A
quadratic through the rates around it uses all of their runs, so that two equal variants get nearly equal
rates; what it does not know it can say: the optimum has an interval, and each rate a distance from it.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from scipy.special import fdtrc, stdtrit

OCTAVES = 2.0  # from the best rate that was tried: further away no loss is a quadratic
FEWEST_RATES = 3
FEWEST_SEEDS = 2
BEYOND_NOISE = 2.0  # standard errors
_LEVEL = 0.95
_MISFIT = 0.01
_SLACK = 0.05  # octaves: the rates that a grid grows by are rounded to three digits
_LEAST_VARIANCE = 1e-12  # of a loss that is summed in single precision


@dataclass(frozen=True, kw_only=True)
class RunNoise:
    """The variance of one run's loss at one rate, and its degrees of freedom; what seeds share is no part."""

    variance: float
    df: int


@dataclass(frozen=True, kw_only=True)
class RateCurve:
    """The quadratic through the mean losses at ``rates`` (ascending), which ``seeds`` runs each were made of.

    ``curvature`` is in units of the metric per octave squared; where it is not above 0 there is no optimum.
    ``noise`` is None where a single seed leaves it unknown, and with it every standard error.
    """

    rates: tuple[float, ...]
    curvature: float
    slope: float  # at ``centre``, per octave
    level: float  # at ``centre``
    centre: float  # log2 of a rate
    seeds: int
    noise: RunNoise | None
    covariance: np.ndarray = field(repr=False, compare=False)  # of (curvature, slope), for noise of 1 a mean

    @property
    def optimum(self) -> float | None:
        """The rate of the lowest point, within what was tried, to two digits; None without a lowest point."""
        if self.curvature <= 0:
            return None
        place = self.centre - self.slope / (2 * self.curvature)
        lowest, highest = self.rates[0], self.rates[-1]
        if place <= math.log2(lowest):
            return lowest
        if place >= math.log2(highest):
            return highest
        # Rounded first and cut then: two digits of a rate at the end may lie beyond the end.
        return min(max(float(f"{2**place:.2g}"), lowest), highest)

    @property
    def interval(self) -> tuple[float | None, float | None] | None:
        """The 95 % interval of the optimum (Fieller 1954); an end that is None lies beyond what was tried.

        None where the noise is not known, or there is no optimum.
        """
        if self.noise is None or self.curvature <= 0:
            return None
        t = float(stdtrit(self.noise.df, (1 + _LEVEL) / 2))
        (aa, ab), (_, bb) = t**2 * self._variance * self.covariance
        # The slope at z octaves from the centre is 2 a z + b; the interval has all z at which it may be zero.
        square = 4 * (self.curvature**2 - aa)
        linear = 4 * (self.curvature * self.slope - ab)
        constant = self.slope**2 - bb
        discriminant = linear**2 - 4 * square * constant
        if discriminant < 0 or square == 0:
            return None, None
        ends = sorted((-linear + sign * math.sqrt(discriminant)) / (2 * square) for sign in (-1, 1))
        if square > 0:
            return self._tried(ends[0]), self._tried(ends[1])
        # The curvature may be zero: all that lies beyond one end, on the side on which the curve falls.
        if -self.slope / (2 * self.curvature) >= ends[1]:
            return self._tried(ends[1]), None
        return None, self._tried(ends[0])

    def _tried(self, octaves: float) -> float | None:
        rate = float(2.0 ** min(max(self.centre + octaves, -60.0), 60.0))
        return rate if self.rates[0] <= rate <= self.rates[-1] else None

    def loss(self, rate: float) -> float:
        """The curve's height at ``rate``."""
        octaves = math.log2(rate) - self.centre
        return self.level + self.slope * octaves + self.curvature * octaves**2

    def excess(self, rate: float, than: float) -> tuple[float, float | None]:
        """How much worse the curve is at ``rate`` than at ``than``, and the standard error of that."""
        at, from_ = (math.log2(value) - self.centre for value in (rate, than))
        contrast = np.array([at**2 - from_**2, at - from_])
        difference = float(contrast @ [self.curvature, self.slope])
        if self.noise is None:
            return difference, None
        return difference, math.sqrt(self._variance * float(contrast @ self.covariance @ contrast))

    @property
    def curvature_error(self) -> float | None:
        """The standard error of the curvature; None where the noise is not known."""
        return None if self.noise is None else math.sqrt(self._variance * float(self.covariance[0, 0]))

    @property
    def grid_regret(self) -> float | None:
        """What the best of the rates may lose at most against the optimum between two of them.

        The curvature times the square of half the widest step: a/4 for rates a factor 2 apart (on average a
        third of it). None without an optimum.
        """
        return coarseness(self.curvature, self.rates) if self.curvature > 0 else None

    @property
    def _variance(self) -> float:
        assert self.noise is not None  # who asks looks first
        return self.noise.variance / self.seeds


def coarseness(curvature: float, rates: Sequence[float]) -> float:
    """The largest loss that a grid's best rate may have above an optimum between two of its rates."""
    octaves = np.log2(np.asarray(sorted(rates), dtype=float))
    widest = float(np.diff(octaves).max()) if len(octaves) > 1 else 0.0
    return curvature * (widest / 2) ** 2


def fit_curve(losses: Mapping[float, Sequence[float]], noise: RunNoise | None) -> RateCurve | None:
    """The quadratic through the rates within two octaves of the one with the lowest mean.

    ``losses`` maps rates to one finite loss per seed, the same seeds at each, so that all means have one
    variance and weights of 1/variance are equal. Where the quadratic misses them by more than noise (p below
    1 %), the rate furthest from the best is left out, down to three: a rate at which training nearly breaks
    says nothing of where the optimum lies. With one seed the noise is unknown, and the three nearest are
    taken. None for fewer than three rates.
    """
    means = {rate: float(np.mean(values)) for rate, values in losses.items()}
    best = min(means, key=lambda rate: (means[rate], rate))
    away = {rate: abs(math.log2(rate / best)) for rate in means}
    near = sorted(means, key=lambda rate: (away[rate], means[rate]))
    near = [rate for rate in near if is_near(rate, best)]
    if len(near) < FEWEST_RATES:
        return None
    seeds = min(len(losses[rate]) for rate in near)
    if noise is None:
        return _through({rate: means[rate] for rate in near[:FEWEST_RATES]}, seeds, noise)[0]
    while True:
        curve, squares = _through({rate: means[rate] for rate in near}, seeds, noise)
        spare = len(near) - FEWEST_RATES
        if not spare or fdtrc(spare, noise.df, squares / spare * seeds / noise.variance) >= _MISFIT:
            return curve
        near = near[:-1]


def is_near(rate: float, best: float) -> bool:
    """Whether a quadratic through the losses at ``best`` can hold at ``rate``."""
    return abs(math.log2(rate / best)) <= OCTAVES + _SLACK


def _through(means: dict[float, float], seeds: int, noise: RunNoise | None) -> tuple[RateCurve, float]:
    """The least-squares quadratic through ``means``, and the sum of squares that it leaves."""
    rates = tuple(sorted(means))
    places = np.log2(rates)
    centre = float(places.mean())
    design = np.vander(places - centre, 3)  # (K, 3): square, linear, constant
    values = np.array([means[rate] for rate in rates])
    inverse = np.linalg.inv(design.T @ design)
    found = inverse @ (design.T @ values)
    curve = RateCurve(
        rates=rates,
        curvature=float(found[0]),
        slope=float(found[1]),
        level=float(found[2]),
        centre=centre,
        seeds=seeds,
        noise=noise,
        covariance=inverse[:2, :2],
    )
    return curve, float(((values - design @ found) ** 2).sum())


def pooled_noise(tables: Sequence[np.ndarray]) -> RunNoise | None:
    """The noise of one run from several variants' losses (rates, seeds), all finite.

    What is left when the means of each rate and of each seed are taken out: a seed that is good at every rate
    does not move the choice between rates. None where no variant has two rates and two seeds.
    """
    squares, df = 0.0, 0
    for table in tables:
        if not table.size:
            continue
        rates, seeds = table.shape
        left = table - table.mean(1, keepdims=True) - table.mean(0, keepdims=True) + table.mean()
        squares += float((left**2).sum())
        df += (rates - 1) * (seeds - 1)
    return RunNoise(variance=max(squares / df, _LEAST_VARIANCE), df=df) if df else None


def best_of(losses: Sequence[float]) -> list[float]:
    """The expected lowest loss of k of ``losses``, drawn without replacement, for k = 1, 2, ...

    Dodge et al. 2019 (arXiv 1909.03004); in the unbiased form, by order statistics (Tang et al. 2020).
    """
    ascending = sorted(losses)
    n = len(ascending)
    return [
        sum(math.comb(n - place, k - 1) * loss for place, loss in enumerate(ascending, 1)) / math.comb(n, k)
        for k in range(1, n + 1)
    ]


def crossing(ours: Sequence[float], theirs: Sequence[float]) -> int | None:
    """The largest k at which two ``best_of`` curves have another order than at their common end.

    With so few rates tried, the comparison would have come out the other way round. None if there is none.
    """
    pairs = list(zip(best_of(ours), best_of(theirs), strict=False))
    if not pairs:
        return None
    last = pairs[-1][0] - pairs[-1][1]
    for k in range(len(pairs) - 1, 0, -1):
        mine, other = pairs[k - 1]
        if (mine - other) * last < 0:
            return k
    return None
