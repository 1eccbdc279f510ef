"""Quantities of a sweep of learning rates: a value for each tuning seed, over one grid for both sides.

The grid goes from an eighth of the best learning rate to 32 times it in steps of two (Wortsman et al. 2023,
arXiv 2309.14322). It is the same for both sides, and its best rate that of the other side's means.
"""

import math
from abc import abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from statistics import mean
from typing import ClassVar

from workbench.analysis.deciding.looks import Rule
from workbench.analysis.tuned_rates import TunedRate
from workbench.claims.quantities.quantity import ConfirmedStudy, Measured, NotMeasurableError, Quantity, Sides
from workbench.numbers import plural
from workbench.records.run import Phase, State

_BELOW, _ABOVE = 8, 32  # how far the grid reaches from the best rate
_SLACK = math.sqrt(2)  # the best rate is known to half a step
_STEP = 2.01

Losses = dict[float, dict[int, float]]  # by learning rate and tuning seed; infinite where a run has no result


@dataclass(frozen=True, kw_only=True)
class Swept:
    """The tuning runs of one side with one seed, at the rates of the grid in ascending order.

    ``losses`` are infinite where a run has no result, ``uniform`` is the loss of a uniform guess in nats.
    """

    rates: list[float]
    losses: list[float]
    runs: list[Path]
    uniform: float

    @property
    def held(self) -> list[float]:
        """The losses, a run that diverged or is worse than a uniform guess counted as such a guess."""
        return [min(loss, self.uniform) for loss in self.losses]


class OfRateSweep(Quantity):
    """A number of one side's sweep at one seed: the variant's minus the other side's, by tuning seed."""

    at_tuned_rate: ClassVar[bool] = False

    @abstractmethod
    def of_seed(self, swept: Swept) -> float:
        """The number; raises ``NotMeasurableError`` where the sweep does not say it."""

    def measure(self, study: ConfirmedStudy, sides: Sides) -> Measured:
        """One difference for each tuning seed that both sides have at every rate of the grid."""
        variant, against = study.pair(sides)
        if study.records.manifest.halving:
            raise NotMeasurableError(
                "rates that were stopped early have no loss of their own; leave halving out"
            )
        losses = [_losses(study, one.name) for one in (variant, against)]
        grid = common_grid(*losses)
        seeds = sorted(set.intersection(*(set(side[rate]) for side in losses for rate in grid)))
        uniform = _uniform_loss(study)
        paths = [_paths(study, one.name) for one in (variant, against)]

        def at(side: int, seed: int) -> float:
            return self.of_seed(
                Swept(
                    rates=grid,
                    losses=[losses[side][rate][seed] for rate in grid],
                    runs=[paths[side][rate, seed] for rate in grid],
                    uniform=uniform,
                )
            )

        planned = study.records.manifest.seeds.tune
        return Measured(
            values=[at(0, seed) - at(1, seed) for seed in seeds],
            rule=Rule.fixed(max(len(planned), 2), 1),
            due=len([seed for seed in planned if seed not in seeds]),
            reservations=tuple(_crashes(study, variant.name, against.name)),
        )


def common_grid(ours: Losses, theirs: Losses) -> list[float]:
    """The rates over which both sides are averaged; raises ``NotMeasurableError`` where they do not reach."""
    shared = sorted(set(ours) & set(theirs))
    means = {rate: mean(theirs[rate].values()) for rate in shared if theirs[rate]}
    finite = {rate: value for rate, value in means.items() if math.isfinite(value)}
    if not finite:
        raise NotMeasurableError("no learning rate gave the other side a result at every tuning seed")
    best = min(finite, key=lambda rate: finite[rate])
    grid = [rate for rate in shared if best / _BELOW / _SLACK <= rate <= best * _ABOVE * _SLACK]
    steps = [upper / lower for lower, upper in pairwise(grid)]
    reaches = grid[0] <= best / _BELOW * _SLACK and grid[-1] >= best * _ABOVE / _SLACK
    if not reaches or max(steps, default=math.inf) > _STEP:
        raise NotMeasurableError(
            f"learning rates from {best / _BELOW:g} to {best * _ABOVE:g} in steps of two are needed, and "
            f"{len(shared)} from {shared[0]:g} to {shared[-1]:g} were tried"
        )
    return grid


def _losses(study: ConfirmedStudy, name: str) -> Losses:
    tuned: TunedRate | None = study.tuned[name]
    if tuned is None or not tuned.losses:
        raise NotMeasurableError(f"{name} of {study.records.title} was not tuned over learning rates")
    return {rate: dict(zip(tuned.seeds[rate], losses, strict=True)) for rate, losses in tuned.losses.items()}


def _paths(study: ConfirmedStudy, name: str) -> dict[tuple[float, int], Path]:
    """The directories of a variant's tuning runs, by learning rate and seed."""
    runs = study.records.runs
    own = runs[(runs["variant"] == name) & (runs["phase"] == Phase.TUNE)]
    return {
        (float(run["learning_rate"]), int(run["seed"])): Path(run["path"]) for run in own.to_dict("records")
    }


def _crashes(study: ConfirmedStudy, *names: str) -> Iterator[str]:
    """That trials crashed, which is no divergence though it counts as one here."""
    runs = study.records.runs
    own = runs[runs["variant"].isin(names) & (runs["phase"] == Phase.TUNE) & (runs["state"] == State.FAILED)]
    if len(own):
        yield f"{plural(len(own), 'tuning trial')} failed, and counted as diverged"


def _uniform_loss(study: ConfirmedStudy) -> float:
    known = [outcome.uniform_loss for outcome in study.outcomes.values() if outcome.uniform_loss is not None]
    runs = study.records.runs
    if not known and "uniform_loss" in runs:
        known = [float(value) for value in runs["uniform_loss"].dropna()]
    if not known:
        raise NotMeasurableError("the loss of a uniform guess is not recorded")
    return known[0]
