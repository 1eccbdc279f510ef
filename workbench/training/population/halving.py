"""Synchronous halving of the learning rates of a population (arXiv 1502.07943), for the tuning phase only.

When half of the steps and half of the schedule's fall have passed, the better half of the rates goes on, and
again after three quarters of both; a rate is judged by the mean over its seeds. Before the rate has fallen, a
loss says how fast it fell at the peak, and not how low it will end: after a quarter of the steps the rates of
a variant stand in another order than at the end. The candidates of one variant compete with each other alone
and at the same step: rules that compare with finished trials prune nothing in the first population.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from workbench.training.schedules import Course

SHARES = (0.5, 0.75)  # of the steps, and of the schedule's fall


def rungs(steps: int, interval: int, training: "Course") -> tuple[int, ...]:
    """The validations, every ``interval`` of ``steps`` steps, at which learning rates are halved.

    Each is the first at which its share of the steps, and of the fall of the learning rate from its peak to
    its end, has passed. Both may fall on one; the last step is none.
    """
    return tuple(interval * math.ceil(_after(share, steps, training) / interval) for share in SHARES)


def _after(share: float, steps: int, training: "Course") -> int:
    """How many steps have to pass for ``share`` of them, and of the schedule's fall."""
    # It brings torch, which whoever only passes a ``Halving`` on can do without.
    from workbench.training.schedules import rate_factor

    factors = [rate_factor(step, steps, training) for step in range(steps)]
    peak, end = max(factors), factors[-1]
    passed = math.ceil(share * steps - 1e-9)
    # A rate may rise again at the end, and one that never falls is judged by the steps alone.
    while passed < steps and factors[passed] > peak - share * (peak - end) + 1e-9:
        passed += 1
    return passed


@dataclass(frozen=True, kw_only=True)
class Halving:
    """How many of ``candidates`` learning rates go on beyond each rung, judged by ``metric``.

    ``least`` go on in any case: a curve that the choice is made by needs some to go through.
    """

    candidates: int
    metric: str
    least: int = 1

    def survivors(self, step: int, rungs: Sequence[int], steps: int) -> int | None:
        """How many rates go on after ``step`` of ``steps``; None where it is no rung.

        The number depends on the rung alone, so that a resumed population halves no rate twice.
        """
        if step not in rungs or step >= steps:
            return None
        passed = sum(rung <= step for rung in rungs)
        return max(self.least, math.ceil(self.candidates / 2**passed))

    def losers(
        self, points: Sequence[tuple[float | str, ...]], losses: Sequence[float], keep: int
    ) -> list[int]:
        """Which runs stop, given each one's hyperparameters and loss; runs of one point stop together.

        A loss that is no number counts as infinite. Of equal points the smaller goes on.
        """
        own: dict[tuple[float | str, ...], list[float]] = {}
        for point, loss in zip(points, losses, strict=True):
            own.setdefault(point, []).append(loss if math.isfinite(loss) else math.inf)
        ranked = sorted(own, key=lambda point: (sum(own[point]) / len(own[point]), point))
        return [index for index, point in enumerate(points) if point in ranked[keep:]]
