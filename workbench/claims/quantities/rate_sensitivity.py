"""How much a wrong learning rate costs (Wortsman et al. 2023, arXiv 2309.14322), from a study's tuning runs.

S is the mean over a grid of learning rates, from an eighth of the best one to 32 times it in steps of two, of
min(L(rate), L of a uniform guess) minus the lowest L. A run that diverged has the loss of a uniform guess.
It is taken seed by seed and paired. The grid is the same for both sides, and its best rate that of the other
side's means.
"""

import math
from collections.abc import Iterator
from itertools import pairwise
from statistics import mean

from workbench.analysis.deciding.looks import Rule
from workbench.analysis.tuned_rates import TunedRate
from workbench.claims.quantities.quantity import ConfirmedStudy, Measured, NotMeasurableError, Quantity, Sides
from workbench.numbers import plural
from workbench.records.run import Phase, State

_BELOW, _ABOVE = 8, 32  # how far the grid reaches from the best rate
_SLACK = math.sqrt(2)  # the best rate is known to half a step
_STEP = 2.01


class LearningRateSensitivity(Quantity):
    """The mean excess loss over a wide grid of learning rates."""

    name = "lr_sensitivity"
    title = "learning-rate sensitivity"
    unit = "nats"
    about = (
        "The mean loss above the lowest over learning rates from an eighth of the best one to 32 times it, a "
        "run that diverged counted as a uniform guess (Wortsman et al. 2023): variant minus the other side, "
        "paired by tuning seed. A study needs nine rates in steps of two for it."
    )
    at_tuned_rate = False

    def measure(self, study: ConfirmedStudy, sides: Sides) -> Measured:
        """One difference for each tuning seed that both sides have at every rate of the grid."""
        variant, against = study.pair(sides)
        if study.records.manifest.halving:
            raise NotMeasurableError(
                "rates that were stopped early have no loss of their own; leave halving out"
            )
        ours, theirs = (self._losses(study, one.name) for one in (variant, against))
        grid = common_grid(ours, theirs)
        uniform = _uniform_loss(study)
        seeds = sorted(set.intersection(*(set(side[rate]) for side in (ours, theirs) for rate in grid)))
        values = [
            sensitivity([ours[rate][seed] for rate in grid], uniform)
            - sensitivity([theirs[rate][seed] for rate in grid], uniform)
            for seed in seeds
        ]
        planned = study.records.manifest.seeds.tune
        due = len([seed for seed in planned if seed not in seeds])
        return Measured(
            values=values,
            rule=Rule.fixed(max(len(planned), 2), 1),
            due=due,
            reservations=tuple(_crashes(study, variant.name, against.name)),
        )

    def _losses(self, study: ConfirmedStudy, name: str) -> dict[float, dict[int, float]]:
        """By rate and seed; infinite where the run has no result."""
        tuned: TunedRate | None = study.tuned[name]
        if tuned is None or not tuned.losses:
            raise NotMeasurableError(f"{name} of {study.records.title} was not tuned over learning rates")
        return {
            rate: dict(zip(tuned.seeds[rate], losses, strict=True)) for rate, losses in tuned.losses.items()
        }


def common_grid(ours: dict[float, dict[int, float]], theirs: dict[float, dict[int, float]]) -> list[float]:
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


def sensitivity(losses: list[float], uniform: float) -> float:
    """The mean excess over the lowest; ``losses`` at the rates of the grid, infinite for a lost run."""
    held = [min(loss, uniform) for loss in losses]
    return mean(held) - min(held)


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
