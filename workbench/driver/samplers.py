"""What is tried next: points of a space, by a sampler and what is known so far.

Everything is told anew at each call, so that a proposal follows from the records, the seed and nothing else:
an Optuna study in memory gets the history, and is asked for the points of a round one after the other while
those before stand as running (tpe and gp take a running trial for a bad one, so that a round spreads). Two
samplers are what Optuna wraps, by itself: Sobol's sequence of SciPy, because Optuna's draws its first point
and all choices at random, and ``cmaes``, because Optuna's keeps its state in trials that a rebuilt study has
not. No two points of a study are the same: the second would be the same run.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import optuna
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.study import StudyDirection
from optuna.trial import TrialState, create_trial

from workbench.errors import UserError
from workbench.records.space import Choice, Point, Range, Space, contains, point_at, points, size
from workbench.seeds import stable_hash
from workbench.study.sampling import CMAES, GP, GRID, QMC, RANDOM, ROUND, SAMPLERS, TPE, unfit

_STARTUP = 10  # points drawn at random before tpe and gp begin to learn
_MOST_DRAWS = 64  # for one new point, before one is taken that was not drawn
_SPREAD = 0.3  # of CMA-ES's first generation, as a share of each range: what its author recommends
_DIRECTIONS = {"minimize": StudyDirection.MINIMIZE, "maximize": StudyDirection.MAXIMIZE}
_SEEDS = 2**32  # below which NumPy's seeds lie


@dataclass(frozen=True, kw_only=True)
class Told:
    """A point that was tried, and what it gave: a value for each objective.

    ``values`` is None where its trials gave no result (they diverged, failed or did not train). A sampler is
    then told the worst that was seen: left out, it would propose the same region again. ``constraints`` holds
    numbers that are at most 0 where the point may be had. ``stopped`` is of a point that was pruned: the step
    at which it was, and the first objective there. tpe ranks it as Optuna's pruned trials: behind all that
    were not pruned, those with more steps before others, then by that value. gp leaves it out. The worst of
    what was not pruned would still be better than that, so that beside pruned points one without a result is
    told as pruned before its first step, behind all others.
    """

    point: Point
    values: list[float] | None
    constraints: dict[str, float] = field(default_factory=dict)
    stopped: tuple[int, float] | None = None


def seed_of(study: str, whose: str, number: int) -> int:
    """The seed of a round: of the study's name, whose it is (a variant, or "search"), and its number."""
    return stable_hash(study, "proposals", whose, number) % _SEEDS


def propose(
    space: Space,
    sampler: str,
    *,
    seed: int,
    history: Sequence[Told],
    count: int,
    directions: Sequence[str] = ("minimize",),
    startup: int = _STARTUP,
) -> list[Point]:
    """``count`` points of ``space`` that are not in ``history``; fewer where it has no more.

    ``history`` is in the order in which its points were proposed. What lies outside of ``space``, which may
    have been changed, is left out. ``directions``: "minimize" or "maximize" for each objective. ``startup``:
    how many points are drawn at random before tpe and gp begin to learn. Raises ``UserError`` for a space
    that the sampler cannot have.
    """
    why = unfit(space, sampler, directions)
    if why is not None:
        raise UserError(why)
    known = [told for told in history if contains(space, told.point)]
    if sampler == GRID:
        draws = iter(points(space))
    elif sampler == QMC:
        draws = _sobol(space, seed)
    elif sampler == CMAES:
        draws = _evolved(space, seed, known, directions)
    else:
        draws = _asked(space, _optuna_sampler(sampler, seed, startup), known, directions)
    return _new(draws, [told.point for told in known], count, space)


def distributions(space: Space) -> dict[str, BaseDistribution]:
    """The space in Optuna's words."""
    return {name: _distribution(dimension) for name, dimension in space.items()}


def parameters(space: Space, point: Point) -> dict[str, Any]:
    """``point`` as the parameters of an Optuna trial; a choice that is a mapping or a list is its JSON."""
    return {
        name: value if isinstance(space[name], Range) else _category(value) for name, value in point.items()
    }


def _distribution(dimension: Range | list[Choice]) -> BaseDistribution:
    if not isinstance(dimension, Range):
        return CategoricalDistribution([_category(choice) for choice in dimension])
    if dimension.is_whole:
        return IntDistribution(int(dimension.low), int(dimension.high), step=int(dimension.step or 1))
    return FloatDistribution(
        float(dimension.low), float(dimension.high), log=dimension.log, step=dimension.step
    )


def _category(choice: Choice) -> str | bool | int | float | None:
    return json.dumps(choice, sort_keys=True) if isinstance(choice, dict | list) else choice


def _new(draws: Iterator[Point], taken: list[Point], count: int, space: Space) -> list[Point]:
    """The first ``count`` draws that are new; where none comes any more, what of the space is left."""
    known = {_key(point) for point in taken}
    found: list[Point] = []
    in_vain = 0
    for point in draws:
        if len(found) == count or in_vain == _MOST_DRAWS:
            break
        if _key(point) in known:
            in_vain += 1
            continue
        in_vain = 0
        known.add(_key(point))
        found.append(point)
    if len(found) < count and size(space) is not None:
        left = [point for point in points(space) if _key(point) not in known]
        found += left[: count - len(found)]
    return found


def _key(point: Point) -> str:
    return json.dumps(point, sort_keys=True)


def _sobol(space: Space, seed: int) -> Iterator[Point]:
    """Sobol's sequence, scrambled by ``seed`` (Owen 1998): as even as a grid, at any number of points."""
    from scipy.stats.qmc import Sobol  # which takes a second to import

    sequence = Sobol(len(space), scramble=True, rng=seed)
    while True:
        for row in sequence.random(1):
            yield point_at(space, list(row))


def _asked(
    space: Space, sampler: optuna.samplers.BaseSampler, known: list[Told], directions: Sequence[str]
) -> Iterator[Point]:
    """What Optuna's ``sampler`` proposes, each with those before as running trials."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    # Optuna's default pruner is the median's; here nothing is pruned.
    pruner = optuna.pruners.NopPruner()
    study = optuna.create_study(
        sampler=sampler, pruner=pruner, directions=[_DIRECTIONS[one] for one in directions]
    )
    kinds = distributions(space)
    values = dict(enumerate(_told_values(known, directions)))
    prunes = any(told.stopped is not None for told in known)
    for place, told in enumerate(known):
        state = TrialState.FAIL if values[place] is None else TrialState.COMPLETE
        reached: dict[int, float] = {}
        if told.stopped is not None or (prunes and told.values is None):
            state = TrialState.PRUNED
        # Of several objectives Optuna has none in between, and takes pruned trials as they come.
        if told.stopped is not None and len(directions) == 1:
            reached = dict([told.stopped])
        study.add_trial(
            create_trial(
                state=state,
                values=None if state is TrialState.PRUNED else values[place],
                intermediate_values=reached,
                params=parameters(space, told.point),
                distributions=kinds,
                constraints=told.constraints or None,
            )
        )
    originals = {
        name: {_category(choice): choice for choice in dimension}
        for name, dimension in space.items()
        if not isinstance(dimension, Range)
    }
    while True:
        asked = study.ask(kinds).params
        yield {
            name: dimension.rounded(asked[name])
            if isinstance(dimension, Range)
            else originals[name][asked[name]]
            for name, dimension in space.items()
        }


def _optuna_sampler(name: str, seed: int, startup: int) -> optuna.samplers.BaseSampler:
    if name == TPE:
        return optuna.samplers.TPESampler(n_startup_trials=startup, seed=seed, constant_liar=True)
    if name == GP:
        return optuna.samplers.GPSampler(n_startup_trials=startup, seed=seed)
    if name == RANDOM:
        return optuna.samplers.RandomSampler(seed=seed)
    raise UserError(f"sampler: {name!r} is none; take {', '.join(SAMPLERS)}")


def _told_values(known: list[Told], directions: Sequence[str]) -> list[list[float] | None]:
    """What each point gave; the worst that was seen for one without a result, None where nothing was."""
    seen = [told.values for told in known if told.values is not None]
    if not seen:
        return [None for _ in known]
    worst = [
        max(column) if direction == "minimize" else min(column)
        for column, direction in zip(zip(*seen, strict=True), directions, strict=True)
    ]
    return [worst if told.values is None else told.values for told in known]


def _evolved(space: Space, seed: int, known: list[Told], directions: Sequence[str]) -> Iterator[Point]:
    """What CMA-ES (Hansen 2016, arXiv 1604.00772) draws, in generations of ``ROUND``, after all it was told.

    Every range is from 0 to 1 to it. Its state follows from the whole generations of the history.
    """
    import numpy as np
    from cmaes import CMA

    ranges = {name: dimension for name, dimension in space.items() if isinstance(dimension, Range)}
    fixed = {name: dimension[0] for name, dimension in space.items() if not isinstance(dimension, Range)}
    evolution = CMA(
        mean=np.full(len(ranges), 0.5),
        sigma=_SPREAD,
        bounds=np.tile([0.0, 1.0], (len(ranges), 1)),
        seed=seed,
        population_size=ROUND,
    )
    sign = 1.0 if directions[0] == "minimize" else -1.0
    told = [
        (np.array([one.share(point.point[name]) for name, one in ranges.items()]), sign * values[0])
        for point, values in zip(known, _told_values(known, directions), strict=True)
        if values is not None
    ]
    for first in range(0, len(told) - ROUND + 1, ROUND):
        evolution.tell(told[first : first + ROUND])
    while True:
        shares = dict(zip(ranges, evolution.ask(), strict=True))
        yield {
            name: dimension.at(float(shares[name])) if isinstance(dimension, Range) else fixed[name]
            for name, dimension in space.items()
        }
