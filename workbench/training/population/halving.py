"""Synchronous halving of the learning rates of a population (arXiv 1502.07943), for the tuning phase only.

At a quarter and at half of the steps, the better half of the rates goes on; a rate is judged by the mean over
its seeds. The candidates of one variant compete with each other alone and at the same step: rules that
compare with finished trials prune nothing in the first population.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

RUNGS = (0.25, 0.5)  # of the steps: after the warm-up, and while there is still something to save


@dataclass(frozen=True, kw_only=True)
class Halving:
    """How many of ``candidates`` learning rates go on beyond each rung, judged by ``metric``."""

    candidates: int
    metric: str

    def survivors(self, step: int, steps: int, interval: int) -> int | None:
        """How many rates go on after ``step``; None where it is no rung.

        A rung is the first validation at or after its share of the steps. The number depends on the rung
        alone, so that a resumed population halves no rate twice.
        """
        rungs = [interval * math.ceil(share * steps / interval) for share in RUNGS]
        if step not in rungs or step >= steps:
            return None
        passed = sum(rung <= step for rung in rungs)
        return math.ceil(self.candidates / 2**passed)

    def losers(self, points: Sequence[tuple[float, ...]], losses: Sequence[float], keep: int) -> list[int]:
        """Which runs stop, given each one's hyperparameters and loss; runs of one point stop together.

        A loss that is no number counts as infinite. Of equal points the smaller goes on.
        """
        own: dict[tuple[float, ...], list[float]] = {}
        for point, loss in zip(points, losses, strict=True):
            own.setdefault(point, []).append(loss if math.isfinite(loss) else math.inf)
        ranked = sorted(own, key=lambda point: (sum(own[point]) / len(own[point]), point))
        return [index for index, point in enumerate(points) if point in ranked[keep:]]
