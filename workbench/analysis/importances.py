"""How much each dimension of a search matters: by a model of main effects, and by fANOVA.

The model is least squares with a term per level of a choice, and a quadratic along a range, in logarithms
where the range is logarithmic. A dimension's share is the variance of its effect over the *space* (levels
equally likely, a range evenly filled), so that a sampler which dwells on one level does not change it; what
noise alone would have given is taken off (as in omega squared, Hays 1963). Levels are adjusted for all other
dimensions. fANOVA (Hutter, Hoos and Leyton-Brown 2014) is Optuna's: a random forest, so that interactions are
part of its fit. Optuna's own default, PED-ANOVA, answers another question, which dimension decides whether a
trial is among the best tenth, and orders effects of known size wrongly.

Intervals come from leaving out a seed at a time, where every point has the same three seeds or more, or some
of the trials (the jackknife). Seeds do not show what the model misses, nor trials what is the luck of a seed
for one level: where both are there, the wider one counts. The interval of a share is Student's t around the
root of the variance, and begins at 0 where noise may explain all of it (by F).
"""

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from scipy.special import fdtri, stdtrit

from workbench.analysis.search import COMPLETE, Search
from workbench.analysis.statistics import CONFIDENCE, Interval
from workbench.records.space import Choice, Range, Space

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution

MAIN_EFFECTS, FANOVA = "main effects", "fANOVA"
SEEDS, TRIALS = "seeds", "trials"
LEAST_SEEDS = 3  # two seeds have one difference, and no sd to speak of
_GROUPS = 32  # of trials, of which one is left out at a time
_SUBSAMPLES, _ENOUGH_FOR_HALVES = 10, 30  # of trials, for a forest
_SPARE = 2  # trials beyond the terms of the model
_CURVE = 9  # places along a range at which its effect is given
# Of an effect b1 u + b2 u² along u in [-1, 1]: the variance is b1²/3 + 4 b2²/45.
_ALONG = np.diag([1 / 3, 4 / 45])
_TREES, _FEW_TREES = 64, 16
_DEEP, _SHALLOW, _MANY_TRIALS = 64, 8, 128  # depth 8 gives the same to 0.03, in a quarter of the time


@dataclass(frozen=True)
class Effect:
    """What a level, or a value within a range, changes against the average over its dimension."""

    level: object
    change: float  # units of the objective, all other dimensions equal
    interval: Interval | None
    trials: int | None  # that have the level; None along a range


@dataclass(frozen=True)
class Importance:
    """One dimension's share of the variance over the space, 0 to 1, and where its interval is from."""

    dimension: str
    share: float
    interval: Interval | None = None
    source: str | None = None  # SEEDS or TRIALS
    effects: tuple[Effect, ...] = ()


@dataclass(frozen=True)
class Importances:
    """Shares of all dimensions, the largest first; ``rest`` is what is left to interactions and noise.

    ``centre`` is the objective's average over the space, by the model of main effects. Without shares
    ``reason`` says why there are none.
    """

    shares: tuple[Importance, ...]
    trials: int
    rest: float | None = None
    centre: float | None = None
    reason: str | None = None


@dataclass(frozen=True)
class _Term:
    """The columns of one dimension in the model, ``(trials, k)``, and the form that is its variance."""

    name: str
    columns: np.ndarray
    form: np.ndarray  # (k, k): coefficients b have the variance b' form b
    places: tuple[object, ...]
    average: np.ndarray  # (k,): the columns' means over the space, of which effects are differences
    rows: np.ndarray  # (places, k): the columns at each place
    counts: tuple[int | None, ...]


def outcomes_of(search: Search, objective: str) -> pd.DataFrame:
    """The values of an objective, a row for each of the search's trials and a column for each seed.

    Trials that are not complete have none.
    """
    rows = [
        by_seed[objective] if state == COMPLETE else {}
        for by_seed, state in zip(search.trials["per_seed"], search.trials["state"], strict=True)
    ]
    seeds = sorted({seed for row in rows for seed in row})
    table = [[row.get(seed, np.nan) for seed in seeds] for row in rows]
    return pd.DataFrame(table, index=search.trials.index, columns=seeds, dtype=float)


def importances_of(search: Search, objective: str, kind: str) -> Importances:
    """Importances for one objective of a search; ``kind`` is ``MAIN_EFFECTS``, or ``FANOVA``: seconds."""
    measure = {MAIN_EFFECTS: main_effects, FANOVA: fanova}[kind]
    return measure(search.trials[search.dimensions], search.space, outcomes_of(search, objective))


def main_effects(points: pd.DataFrame, space: Space, outcomes: pd.DataFrame) -> Importances:
    """Shares and adjusted effects by the model of main effects.

    ``points`` has a row per trial and a column per dimension of ``space``; ``outcomes`` a row per trial and a
    column per seed, NaN where a seed has no result. Trials without any are left out.
    """
    points, outcomes = _complete(points, outcomes)
    count = len(points)
    terms = [term for name, kind in space.items() if (term := _term(name, points[name], kind)) is not None]
    needed = 1 + sum(np.linalg.matrix_rank(term.columns - term.columns.mean(axis=0)) for term in terms)
    if not terms:
        return Importances((), count, reason="all trials have the same levels; there is nothing to compare")
    if count < needed + _SPARE:
        reason = f"{count} complete trials are too few for {needed} terms; {needed + _SPARE} are the least"
        return Importances((), count, reason=reason)
    design = np.column_stack([np.ones(count), *(term.columns for term in terms)])
    values = _means(outcomes)
    whole = _fitted(design, values)
    residuals = values - design @ whole
    noise = float(residuals @ residuals) / (count - needed)
    if float(np.ptp(values)) <= 1e-12 * float(np.abs(values).max(initial=0.0)):
        return Importances((), count, reason="the objective is the same for all trials")
    refits = {source: np.stack(list(fits)) for source, fits in _refits(design, outcomes)}
    own = _slices(terms)
    variances = {}
    for term in terms:
        chosen = whole[own[term.name]]
        # Every source says how large the share would be by noise alone; the fit's own noise is one as well.
        covariances = {
            source: (_jackknifed(fits[:, own[term.name]]), len(fits) - 1) for source, fits in refits.items()
        }
        variances[term.name] = _variance(term, chosen, covariances)
    total = sum(max(0.0, one.value) for one in variances.values()) + noise
    shares = [_importance(term, variances[term.name], whole[own[term.name]], total) for term in terms]
    ordered = sorted(shares, key=lambda one: -one.share)
    constant = [Importance(name, 0.0) for name in space if name not in own]
    centre = float(whole[0] + sum(term.average @ whole[own[term.name]] for term in terms))
    return Importances((*ordered, *constant), count, rest=noise / total, centre=centre)


@dataclass(frozen=True)
class _Variance:
    """The variance of a dimension's effect without what noise adds, its ends, and the covariance behind."""

    value: float
    low: float
    high: float
    covariance: np.ndarray
    freedom: int
    source: str


def _variance(
    term: _Term, chosen: np.ndarray, covariances: Mapping[str, tuple[np.ndarray, int]]
) -> _Variance:
    plain = float(chosen @ term.form @ chosen)
    rank = int(np.linalg.matrix_rank(term.form))
    found = []
    for source, (covariance, freedom) in covariances.items():
        by_noise = float(np.trace(term.form @ covariance))
        low, high = _ends(plain, by_noise, _along(term, chosen, covariance), rank, freedom)
        found.append(_Variance(max(0.0, plain - by_noise), low, high, covariance, freedom, source))
    return max(found, key=lambda one: one.high - one.low)


def _along(term: _Term, chosen: np.ndarray, covariance: np.ndarray) -> float:
    """The variance of the effect's size, the root of its variance over the space, that the noise has."""
    size = float(np.sqrt(max(0.0, chosen @ term.form @ chosen)))
    if size == 0:
        return float(np.trace(term.form @ covariance))
    gradient = term.form @ chosen / size
    return float(gradient @ covariance @ gradient)


def _ends(plain: float, by_noise: float, along: float, rank: int, freedom: int) -> tuple[float, float]:
    """The ends of a dimension's variance: t around its root, and 0 where noise alone may have given it."""
    size, half = np.sqrt(max(0.0, plain)), np.sqrt(along) * _t(freedom)
    high = float((size + half) ** 2)
    if plain <= by_noise * float(fdtri(rank, freedom, (1 + CONFIDENCE) / 2)) or size <= half:
        return 0.0, high
    across = max(0.0, by_noise - along)  # noise in other directions has only made it larger
    return max(0.0, float((size - half) ** 2) - across), high


def _t(freedom: int) -> float:
    return float(stdtrit(freedom, (1 + CONFIDENCE) / 2))


def _importance(term: _Term, variance: _Variance, chosen: np.ndarray, total: float) -> Importance:
    others = total - max(0.0, variance.value)
    low, high = (float(end / (end + others)) for end in (variance.low, variance.high))
    half = _t(variance.freedom)
    rows = term.rows - term.average
    changes = rows @ chosen
    errors = np.sqrt(np.einsum("pk,kl,pl->p", rows, variance.covariance, rows))
    effects = tuple(
        Effect(
            level=place,
            change=float(change),
            # A level of one trial is fitted by it exactly, and left out with it.
            interval=Interval(float(change - half * error), float(change + half * error), CONFIDENCE)
            if count is None or count > 1
            else None,
            trials=count,
        )
        for place, change, error, count in zip(term.places, changes, errors, term.counts, strict=True)
    )
    return Importance(
        term.name, float(variance.value / total), Interval(low, high, CONFIDENCE), variance.source, effects
    )


def fanova(points: pd.DataFrame, space: Space, outcomes: pd.DataFrame) -> Importances:
    """Shares by fANOVA, the effect of each dimension alone; arguments as of ``main_effects``.

    Shares of Optuna's forest with a fixed seed. What is left to 1 is interactions. The interval refits a
    smaller forest without a seed, or without some of the trials, at a time.
    """
    points, outcomes = _complete(points, outcomes)
    varied = [name for name in space if points[name].map(repr).nunique() > 1]
    if len(points) < len(varied) + _SPARE or not varied:
        least = len(varied) + _SPARE
        reason = f"{len(points)} complete trials are too few for {len(varied)} dimensions that vary; {least}"
        return Importances((), len(points), reason=f"{reason} are the least")
    forest = _Forest(points, {name: space[name] for name in varied})
    everyone = np.arange(len(points))
    values = _means(outcomes)
    trees, few = (_TREES, _FEW_TREES) if len(points) <= _MANY_TRIALS else (_TREES // 2, _FEW_TREES // 2)
    whole = forest.shares(values, everyone, trees)
    refits: dict[str, np.ndarray] = {}
    if _has_seeds(outcomes):
        without = [_means(outcomes.drop(columns=seed)) for seed in outcomes]
        refits[SEEDS] = np.stack([forest.shares(some, everyone, few) for some in without])
    samples = _subsamples(len(points))
    refits[TRIALS] = np.stack([forest.shares(values[kept], kept, few) for kept in samples])
    scales = {SEEDS: outcomes.shape[1] - 1, TRIALS: len(samples[0]) / (len(points) - len(samples[0]))}
    shares = []
    for place, name in enumerate(varied):
        intervals = {
            source: _t_ends(whole[place], fits[:, place], scales[source]) for source, fits in refits.items()
        }
        source = max(intervals, key=lambda one: intervals[one].half_width)
        shares.append(Importance(name, float(whole[place]), intervals[source], source))
    ordered = sorted(shares, key=lambda one: -one.share)
    constant = [Importance(name, 0.0) for name in space if name not in varied]
    return Importances((*ordered, *constant), len(points), rest=max(0.0, 1.0 - float(whole.sum())))


class _Forest:
    """fANOVA of some of the trials, on an Optuna study in memory."""

    def __init__(self, points: pd.DataFrame, space: Space) -> None:
        import optuna  # with scikit-learn, seconds to import

        self._optuna = optuna
        self._names = list(space)
        self._parameters: list[dict[str, float | int]] = [{} for _ in range(len(points))]
        self._distributions: dict[str, BaseDistribution] = {}
        for name, kind in space.items():
            if isinstance(kind, Range):
                # A forest splits by order alone; its averages are over the scale that it is given.
                numbers = _scaled(points[name], kind)
                self._distributions[name] = optuna.distributions.FloatDistribution(-1.0, 1.0)
                given = np.clip(numbers, -1.0, 1.0).tolist()
            else:
                levels = list(dict.fromkeys(points[name].map(repr)))
                self._distributions[name] = optuna.distributions.CategoricalDistribution(range(len(levels)))
                given = [levels.index(level) for level in points[name].map(repr)]
            for parameters, value in zip(self._parameters, given, strict=True):
                parameters[name] = value

    def shares(self, values: np.ndarray, kept: np.ndarray, trees: int) -> np.ndarray:
        """The share of each dimension among the trials ``kept``, whose objectives are ``values``."""
        from optuna.importance import FanovaImportanceEvaluator

        verbosity = self._optuna.logging.get_verbosity()
        self._optuna.logging.set_verbosity(logging.WARNING)  # it announces each study
        try:
            study = self._optuna.create_study()
        finally:
            self._optuna.logging.set_verbosity(verbosity)
        study.add_trials(
            [
                self._optuna.create_trial(
                    params=self._parameters[place], distributions=self._distributions, value=float(value)
                )
                for place, value in zip(kept, values, strict=True)
            ]
        )
        if float(np.ptp(values)) == 0:
            return np.zeros(len(self._names))
        depth = _DEEP if len(kept) <= _MANY_TRIALS else _SHALLOW
        evaluator = FanovaImportanceEvaluator(n_trees=trees, max_depth=depth, seed=0)
        found = evaluator.evaluate(study)
        return np.array([float(found[name]) for name in self._names])


def _complete(points: pd.DataFrame, outcomes: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    finite = outcomes.where(np.isfinite(outcomes.astype(float)))
    known = finite.notna().any(axis=1)
    return points.loc[known.to_numpy()], finite.loc[known.to_numpy()].astype(float)


def _scaled(values: pd.Series, kind: Range) -> np.ndarray:
    """A range as -1 to 1, by the logarithm where it is searched so."""
    low, high = float(kind.low), float(kind.high)
    numbers = values.to_numpy(float)
    if kind.log:
        numbers, low, high = np.log(numbers), np.log(low), np.log(high)
    return 2 * (numbers - low) / (high - low) - 1


def _term(name: str, values: pd.Series, kind: Range | list[Choice]) -> _Term | None:
    """The columns of a dimension; None where all trials have one level."""
    if isinstance(kind, Range):
        return _range_term(name, values, kind)
    codes = values.map(repr)
    present = list(dict.fromkeys(codes))
    order = [repr(level) for level in kind]
    present.sort(key=lambda code: order.index(code) if code in order else len(order))
    if len(present) < 2:
        return None
    columns = np.stack([(codes == code).to_numpy(float) for code in present], axis=1)
    counts = tuple(int(count) for count in columns.sum(axis=0))
    levels = len(present)
    average = np.full(levels, 1 / levels)
    form = (np.eye(levels) - 1 / levels) / levels
    places = tuple(values[(codes == code).to_numpy()].iloc[0] for code in present)
    return _Term(name, columns, form, places, average, np.eye(levels), counts)


def _range_term(name: str, values: pd.Series, kind: Range) -> _Term | None:
    along = _scaled(values, kind)
    distinct = len(np.unique(along))
    if distinct < 2:
        return None
    powers = 2 if distinct > 2 else 1
    columns = np.stack([along**power for power in range(1, powers + 1)], axis=1)
    grid = np.linspace(-1.0, 1.0, _CURVE)
    average = np.array([0.0, 1 / 3])[:powers]  # of u and u² over the range
    rows = np.stack([grid**power for power in range(1, powers + 1)], axis=1)
    low, high = float(kind.low), float(kind.high)
    if kind.log:
        places = np.exp(np.log(low) + (grid + 1) / 2 * (np.log(high) - np.log(low)))
    else:
        places = low + (grid + 1) / 2 * (high - low)
    form = _ALONG[:powers, :powers]
    return _Term(name, columns, form, tuple(places.tolist()), average, rows, (None,) * _CURVE)


def _slices(terms: Sequence[_Term]) -> dict[str, slice]:
    """Where the coefficients of each term are."""
    found, start = {}, 1
    for term in terms:
        end = start + term.columns.shape[1]
        found[term.name] = slice(start, end)
        start = end
    return found


def _fitted(design: np.ndarray, values: np.ndarray) -> np.ndarray:
    # A column per level is one too many; the shortest solution leaves differences of levels as they are.
    return np.linalg.lstsq(design, values, rcond=None)[0]


def _means(outcomes: pd.DataFrame) -> np.ndarray:
    """The mean of each trial over the seeds that it has, ``(trials,)``."""
    return outcomes.mean(axis=1).to_numpy(float)


def _has_seeds(outcomes: pd.DataFrame) -> bool:
    return outcomes.shape[1] >= LEAST_SEEDS and not bool(outcomes.isna().to_numpy().any())


def _refits(design: np.ndarray, outcomes: pd.DataFrame) -> Iterator[tuple[str, Iterator[np.ndarray]]]:
    """Coefficients without each seed, where all points have the same, and without each group of trials."""
    if _has_seeds(outcomes):
        yield SEEDS, (_fitted(design, _means(outcomes.drop(columns=seed))) for seed in outcomes)
    values = _means(outcomes)
    groups = _groups(len(values))
    yield TRIALS, (_fitted(design[kept], values[kept]) for kept in groups)


def _groups(count: int) -> list[np.ndarray]:
    """The places left without each of the groups of trials; a group is spread over the search."""
    number = min(count, _GROUPS)
    places = np.arange(count)
    return [places[places % number != group] for group in range(number)]


def _jackknifed(fits: np.ndarray) -> np.ndarray:
    """The covariance of coefficients, ``(k, k)``, from fits that each leave a group out, ``(G, k)``."""
    away = fits - fits.mean(axis=0)
    return (len(fits) - 1) / len(fits) * away.T @ away


def _subsamples(count: int) -> list[np.ndarray]:
    """The places of trials that are kept for refits of a forest: half of them, of few trials three quarters.

    A forest jumps when a single trial is left out, and the jackknife would take the jumps many times; without
    half of them it is sound for what jumps as well (Shao and Wu 1989).
    """
    left_out = count // 2 if count >= _ENOUGH_FOR_HALVES else max(1, count // 4)
    generator = np.random.default_rng(0)
    return [np.sort(generator.permutation(count)[left_out:]) for _ in range(_SUBSAMPLES)]


def _t_ends(whole: float, fits: np.ndarray, scale: float) -> Interval:
    """The interval of a share from refits without a part; ``scale``: what is kept, by what is left out."""
    half = float(np.sqrt(scale * fits.var())) * _t(len(fits) - 1)
    return Interval(max(0.0, float(whole) - half), min(1.0, float(whole) + half), CONFIDENCE)
