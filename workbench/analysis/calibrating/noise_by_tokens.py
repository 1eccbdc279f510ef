"""Noise along the runs, and the budget that decides a margin with the fewest tokens in all."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from workbench.analysis.power import SEED_LIMIT, seeds_for_equivalence, seeds_needed
from workbench.analysis.sd_range import SdRange, sd_range

_ARMS = 2  # a pair takes a run of the baseline and one of the variant


@dataclass(frozen=True, kw_only=True)
class NoiseAt:
    """The noise at one evaluation: of a run, and of a paired difference to the null twin.

    ``correlation`` is that between the runs of one seed. ``seeds_different`` are those that tell a true
    difference of two margins, ``seeds_equivalent`` those that call twins equivalent, each in 80 % of studies;
    above 1,000 they are None, and so is what they cost: training ``tokens`` of both runs of all pairs.
    """

    tokens: int
    mean: float
    run_sd: float
    twin_sd: float
    paired_sd: float
    paired_range: SdRange
    correlation: float
    seeds_different: int | None
    seeds_equivalent: int | None

    @property
    def cost_different(self) -> int | None:
        """Training tokens of all runs that tell two margins."""
        return None if self.seeds_different is None else _ARMS * self.seeds_different * self.tokens

    @property
    def cost_equivalent(self) -> int | None:
        """Training tokens of all runs that call equals equivalent."""
        return None if self.seeds_equivalent is None else _ARMS * self.seeds_equivalent * self.tokens


def noise_by_tokens(
    tokens: np.ndarray, baseline: np.ndarray, twin: np.ndarray, margin: float
) -> list[NoiseAt]:
    """One row for each evaluation; ``tokens`` (evaluations,), losses (seeds, evaluations)."""
    found = []
    for place, spent in enumerate(tokens):
        ours, theirs = twin[:, place], baseline[:, place]
        sd = float((ours - theirs).std(ddof=1))
        both = float(ours.std(ddof=1) * theirs.std(ddof=1))
        covariance = float(np.cov(ours, theirs)[0, 1])
        found.append(
            NoiseAt(
                tokens=int(spent),
                mean=float(theirs.mean()),
                run_sd=float(theirs.std(ddof=1)),
                twin_sd=float(ours.std(ddof=1)),
                paired_sd=sd,
                paired_range=sd_range(sd, len(ours) - 1),
                correlation=covariance / both if both else 1.0,
                seeds_different=_known(seeds_needed(sd, margin)),
                seeds_equivalent=_known(seeds_for_equivalence(margin, sd)),
            )
        )
    return found


def cheapest(rows: Sequence[NoiseAt], cost: str) -> NoiseAt | None:
    """The row with the smallest ``cost_different`` or ``cost_equivalent``; None where none is known."""
    known = [row for row in rows if getattr(row, cost) is not None]
    return min(known, key=lambda row: getattr(row, cost), default=None)


def _known(seeds: int) -> int | None:
    return None if seeds > SEED_LIMIT else seeds
