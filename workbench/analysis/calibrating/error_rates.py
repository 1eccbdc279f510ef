"""How often the shipped rule says something false, from studies that are drawn from a pool of differences."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import hypot

import numpy as np

from workbench.analysis.deciding.looks import Rule
from workbench.analysis.deciding.noise import Noise, NormalNoise, PooledNoise
from workbench.analysis.deciding.simulated_studies import SimulatedStudies, simulate_studies
from workbench.analysis.power import difference_power, equivalence_power

STUDIES = 20_000  # of each design and truth
_SLOWER = 4  # so many fewer of a design that runs until all is decided: each takes a hundred times as long
POOLS = 50  # that are resampled from a pool, for what another sample of seeds would have given
STUDIES_EACH = 1_000  # of each of these pools, where there are so many studies
_CHUNK = 10_000  # studies in memory at once; a multiple of POOLS

_SDS = 5  # of pools, at which power is predicted

Seed = int | Sequence[int]

NONE = "none"
ABOVE, BELOW = "at the margin, above", "at the margin, below"
BOTH = "at the margin, rows on both sides"
TWO_ABOVE, TWO_BELOW = "two margins above", "two margins below"
AT_MARGIN = (ABOVE, BELOW, BOTH)
TWO_MARGINS = (TWO_ABOVE, TWO_BELOW)


@dataclass(frozen=True, kw_only=True)
class Share:
    """How often something is so, and the standard errors of that.

    ``monte_carlo`` is of the number of simulated studies, ``seeds`` of the seeds of the pool; None where
    there is no pool, as the noise is a distribution.
    """

    value: float
    monte_carlo: float
    seeds: float | None = None

    @property
    def error(self) -> float:
        """Both standard errors together."""
        return hypot(self.monte_carlo, self.seeds or 0.0)


def averaged(shares: Sequence[Share]) -> Share:
    """Their mean. Simulations are independent; the seeds are the same, so that their part stays."""
    number = len(shares)
    known = [one.seeds for one in shares if one.seeds is not None]
    return Share(
        value=sum(one.value for one in shares) / number,
        monte_carlo=hypot(*(one.monte_carlo for one in shares)) / number,
        seeds=sum(known) / number if known else None,
    )


@dataclass(frozen=True, kw_only=True)
class TruthRates:
    """What becomes of studies in which all comparisons truly differ as ``truth`` says.

    ``false_difference``: any better or worse that is false, in the whole study; ``false_equivalent``: any
    equivalent that is. ``covered``: printed intervals that hold the truth. ``right``: rows with the word that
    is true (equivalent where there is no difference). Of one comparison ``predicted`` is that share by normal
    theory, and ``beyond_prediction`` the one minus the other: another pool has another sd, and another
    prediction with it. All three are None at the margin, where no word is true. ``pairs``: taken by half of
    the rows at most, and ``predicted_pairs`` by normal theory, where one looks several times.
    """

    truth: str
    false_difference: Share
    false_equivalent: Share
    covered: Share
    right: Share | None = None
    predicted: float | None = None
    beyond_prediction: Share | None = None
    pairs: int
    predicted_pairs: int | None = None

    @property
    def is_at_margin(self) -> bool:
        """Whether the true differences lie exactly at the margin."""
        return self.truth in AT_MARGIN


@dataclass(frozen=True, kw_only=True)
class DesignRates:
    """The same for each truth of one design: ``looks`` at numbers of pairs, one margin, some comparisons."""

    looks: tuple[int, ...]
    comparisons: int
    until_decided: bool
    margin: float
    sd: float
    truths: tuple[TruthRates, ...]

    @property
    def design(self) -> str:
        """``8 seeds``, ``until decided, 4 to 64``."""
        if self.until_decided:
            return f"until decided, {self.looks[0]} to {self.looks[-1]}"
        return f"{self.looks[0]} seeds"

    def at(self, truth: str) -> TruthRates:
        """What was found where ``truth`` is true."""
        return next(one for one in self.truths if one.truth == truth)


class PairNoise:
    """The noise of a study's comparisons for simulations: measured differences, or any source.

    ``sd`` is that of a paired difference of the first comparison, ``comparisons`` how many there are.
    """

    def __init__(self, noise: Noise, sd: float, comparisons: int) -> None:
        self.noise = noise
        self.sd = sd
        self.comparisons = comparisons
        self.pools: Noise | None = None  # resampled ones, where the noise is a pool
        self.pool_sds = np.empty(0)

    @classmethod
    def measured(cls, differences: np.ndarray, seed: int = 0, pools: int = POOLS) -> "PairNoise":
        """Of paired differences (seeds, comparisons), of which means are taken out."""
        seeds, comparisons = differences.shape
        made = cls(PooledNoise(differences), float(differences[:, 0].std(ddof=1)), comparisons)
        drawn = np.random.default_rng((seed, 1)).integers(seeds, size=(pools, seeds))
        resampled = differences[drawn]  # (pools, seeds, comparisons)
        made.pools = PooledNoise(resampled)
        made.pool_sds = resampled[..., 0].std(axis=1, ddof=1)
        return made


def design_rates(
    noise: PairNoise,
    rule: Rule,
    margin: float,
    *,
    studies: int = STUDIES,
    studies_each: int = STUDIES_EACH,
    seed: int = 0,
) -> DesignRates:
    """Decide studies by ``rule`` at each truth; ``margin`` is in units of the noise, for all comparisons.

    Power is asked of one comparison alone. What another sample of seeds would have given is reckoned, of a
    study that runs until all is decided, by the rule without its stop at the margin: that one is slow, and
    can only lower both errors.
    """
    rows = rule.comparisons
    if rule.until_decided:
        studies = max(studies // _SLOWER, 1)
    signs = {NONE: [0] * rows, ABOVE: [1] * rows, BELOW: [-1] * rows}
    if rows > 1:
        signs[BOTH] = [(-1) ** place for place in range(rows)]
    else:
        signs |= {TWO_ABOVE: [2], TWO_BELOW: [-2]}
    found = []
    for place, (name, multiples) in enumerate(signs.items()):
        truths = margin * np.array(multiples, float)
        tally = _decided(noise.noise, rule, truths, margin, studies, (seed, place))
        again = None
        if noise.pools is not None:
            pools = len(noise.pool_sds)
            again = _decided(
                noise.pools,
                rule,
                truths,
                margin,
                pools * studies_each,
                (seed, place, 1),
                pools=pools,
                stops=False,
            )
        shares = {key: tally.share(key, again) for key in tally.sums}
        right = predicted = beyond = predicted_pairs = None
        if name not in AT_MARGIN:
            right = shares["right"]
            if rows == 1:
                predicted, predicted_pairs = _predicted(rule, float(truths[0]), margin, noise.sd, studies)
                beyond = _beyond(right, predicted, again, noise.pool_sds, rule, float(truths[0]), margin)
        found.append(
            TruthRates(
                truth=name,
                false_difference=shares["false_difference"],
                false_equivalent=shares["false_equivalent"],
                covered=shares["covered"],
                right=right,
                predicted=predicted,
                beyond_prediction=beyond,
                pairs=tally.usual_pairs,
                predicted_pairs=predicted_pairs,
            )
        )
    return DesignRates(
        looks=rule.looks,
        comparisons=rows,
        until_decided=rule.until_decided,
        margin=margin,
        sd=noise.sd,
        truths=tuple(found),
    )


def right_word(noise: Noise, rule: Rule, truth: float, margin: float, studies: int, seed: Seed = 0) -> Share:
    """How often one comparison is called what it truly is, by ``rule``."""
    return _decided(noise, rule, np.array([truth]), margin, studies, seed).share("right")


def power_beyond_prediction(
    noise: PairNoise, rule: Rule, truth: float, margin: float, *, studies: int, studies_each: int, seed: Seed
) -> tuple[Share, Share]:
    """The power of a fixed number of pairs at ``truth``, and what it is above its prediction."""
    right = right_word(noise.noise, rule, truth, margin, studies, seed)
    again = None
    if noise.pools is not None:
        pools = len(noise.pool_sds)
        many = pools * studies_each
        again = _decided(
            noise.pools, rule, np.array([truth]), margin, many, (*np.atleast_1d(seed), 1), pools=pools
        )
    predicted, _ = _predicted(rule, truth, margin, noise.sd, studies)
    return right, _beyond(right, predicted, again, noise.pool_sds, rule, truth, margin)


def _beyond(
    right: Share,
    predicted: float,
    again: "_Tally | None",
    sds: np.ndarray,
    rule: Rule,
    truth: float,
    margin: float,
) -> Share:
    """Power minus prediction, which other pools change both."""
    seeds = None
    if again is not None:
        # The prediction is smooth in the sd: of a few it is reckoned, between them it is nearly straight.
        known = np.linspace(sds.min(), sds.max(), _SDS)
        each = again.studies // again.pools
        values = [_predicted(rule, truth, margin, float(sd), each, stops=False)[0] for sd in known]
        seeds = again.between_pools("right", minus=np.interp(sds, known, values))
    return Share(value=right.value - predicted, monte_carlo=right.monte_carlo, seeds=seeds)


def _predicted(
    rule: Rule, truth: float, margin: float, sd: float, studies: int, *, stops: bool = True
) -> tuple[float, int | None]:
    """The chance of the right word by normal theory, as ``plan`` has it, with looks also the pairs."""
    if not rule.until_decided:
        n = rule.looks[0]
        if truth:
            return difference_power(abs(truth) - margin, sd, n), None
        return equivalence_power(margin, sd, n), None
    tally = _decided(NormalNoise(sd), rule, np.array([truth]), margin, studies, 0, stops=stops)
    return tally.mean("right"), tally.usual_pairs


class _Tally:
    """Sums of what became of studies, by pool, and of squares."""

    def __init__(self, pools: int) -> None:
        self.pools = pools
        self.studies = 0
        self.sums: dict[str, np.ndarray] = {}
        self.squares: dict[str, np.ndarray] = {}
        self.pairs: list[np.ndarray] = []

    def add(self, values: dict[str, np.ndarray]) -> None:
        """``values`` are (studies,) each, between 0 and 1; study k is of the pool k modulo their number."""
        for key, one in values.items():
            by_pool = one.reshape(-1, self.pools)
            self.sums[key] = self.sums.get(key, 0.0) + by_pool.sum(axis=0)
            self.squares[key] = self.squares.get(key, 0.0) + (by_pool**2).sum(axis=0)
        self.studies += len(one)

    def mean(self, key: str) -> float:
        return float(self.sums[key].sum() / self.studies)

    @property
    def usual_pairs(self) -> int:
        """As many as half of the comparisons take at most."""
        return int(np.quantile(np.concatenate(self.pairs), 0.5, method="inverted_cdf"))

    def share(self, key: str, of_pools: "_Tally | None" = None) -> Share:
        """The mean over all studies with its errors; that of the seeds is the spread ``of_pools``."""
        variance = self.squares[key].sum() / self.studies - self.mean(key) ** 2
        return Share(
            value=self.mean(key),
            monte_carlo=float(np.sqrt(max(variance, 0.0) / self.studies)),
            seeds=None if of_pools is None else of_pools.between_pools(key),
        )

    def between_pools(self, key: str, minus: np.ndarray | float = 0.0) -> float:
        """The sd between pools, beyond what so few studies of each make it.

        ``minus`` (pools,) is taken from each pool's mean.
        """
        each = self.studies / self.pools
        means = self.sums[key] / each
        within = (self.squares[key] / each - means**2).mean() / each
        return float(np.sqrt(max((means - minus).var(ddof=1) - within, 0.0)))


def _decided(
    noise: Noise,
    rule: Rule,
    truths: np.ndarray,
    margin: float,
    studies: int,
    seed: Seed,
    *,
    pools: int = 1,
    stops: bool = True,
) -> _Tally:
    tally = _Tally(pools)
    chunk = max(pools, _CHUNK - _CHUNK % pools)
    for number, start in enumerate(range(0, studies, chunk)):
        some = min(chunk, studies - start)
        found = simulate_studies(
            rule,
            truths.tolist(),
            margin=margin,
            studies=some,
            seed=np.random.SeedSequence([*np.atleast_1d(seed), number]),
            noise=noise,
            stops_at_margin=stops,
        )
        tally.add(_outcomes(found, truths, margin))
        tally.pairs.append(found.pairs.ravel())
    return tally


def _outcomes(found: SimulatedStudies, truths: np.ndarray, margin: float) -> dict[str, np.ndarray]:
    """Of each study whether any word was false, and the shares of its rows that are right and covered."""
    false_better = found.better & (truths >= -margin)
    false_worse = found.worse & (truths <= margin)
    true_word = np.where(
        np.abs(truths) < margin, found.equivalent, np.where(truths > 0, found.worse, found.better)
    )
    return {
        "false_difference": (false_better | false_worse).any(axis=1).astype(float),
        "false_equivalent": (found.equivalent & (np.abs(truths) >= margin)).any(axis=1).astype(float),
        "covered": found.covers(truths).mean(axis=1),
        "right": true_word.mean(axis=1),
    }
