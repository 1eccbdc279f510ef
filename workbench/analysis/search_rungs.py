"""Who goes on in a search that hyperband prunes: one rule for the driver, the journal and the report.

It follows from the points and the runs' records alone, so that a driver that was killed, or that has more
workers, goes on with the same points.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np

from workbench.analysis.hyperband import going_on
from workbench.analysis.pareto import best_first


@dataclass(frozen=True, kw_only=True)
class Entrant:
    """A point of a bracket: the rungs, by their tokens, at which it has runs, and what ended ones gave.

    ``outcomes`` has the mean of each objective over the seeds; None where some seed ended without a result.
    """

    number: int
    begun: frozenset[int] = frozenset()
    outcomes: dict[int, list[float] | None] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Standing:
    """How far a point is: the tokens of the rung that it is at, and whether it stops there.

    ``values`` are the objectives' means by the tokens of the rungs at which it has a result.
    """

    tokens: int
    stopped: bool
    values: dict[int, list[float]]

    @property
    def reached(self) -> int:
        """The tokens of the highest rung at which it has a result; 0 before there is one."""
        return max(self.values, default=0)


def standings(entrants: Sequence[Entrant], rungs: Sequence[int]) -> dict[int, Standing]:
    """Where the points of one bracket stand, by their numbers; ``rungs`` are its own, fewest tokens first.

    Once all points of a rung have ended, the best third goes on: by the objective, of several by
    non-dominated rank and then by the first. Whoever has begun the next rung stays in it, whatever a failed
    run of another gives when it is tried again. One without a result neither goes on nor counts as stopped.
    """
    at = {one.number: rungs[0] for one in entrants}
    stopped: set[int] = set()
    members = list(entrants)
    for tokens, following in pairwise(rungs):
        on = [one for one in members if following in one.begun]
        if all(tokens in one.outcomes for one in members):
            found = [(one, values) for one in members if (values := one.outcomes[tokens]) is not None]
            order = best_first(np.array([values for _, values in found])) if found else []
            others = [found[place][0] for place in order if found[place][0] not in on]
            places = max(0, going_on(len(members)) - len(on))
            on += others[:places]
            stopped |= {one.number for one in others[places:]}
        at |= {one.number: following for one in on}
        members = on
    return {
        one.number: Standing(
            tokens=at[one.number],
            stopped=one.number in stopped,
            values={
                tokens: values
                for tokens, values in sorted(one.outcomes.items())
                if values is not None and tokens <= at[one.number]
            },
        )
        for one in entrants
    }


@dataclass(frozen=True, kw_only=True)
class RungAgreement:
    """How alike two rungs order the points that were trained at both: Spearman's rho, None if undefined."""

    fewer: int  # tokens
    more: int
    points: int
    rho: float | None


def agreements(found: Sequence[Standing], rungs: Sequence[int]) -> list[RungAgreement]:
    """Each rung against the next, and the first against the last, in the first objective.

    Only points that went on are at both rungs, and they were chosen by the first of the two: among all points
    the orders may agree more or less.
    """
    pairs = list(pairwise(rungs))
    if len(rungs) > 2:
        pairs.append((rungs[0], rungs[-1]))
    return [_agreement(found, fewer, more) for fewer, more in pairs]


def _agreement(found: Sequence[Standing], fewer: int, more: int) -> RungAgreement:
    both = [
        (one.values[fewer][0], one.values[more][0])
        for one in found
        if fewer in one.values and more in one.values
    ]
    rho = None
    if len(both) > 2 and all(len(set(column)) > 1 for column in zip(*both, strict=True)):
        from scipy.stats import spearmanr  # which takes a second to import

        rho = float(spearmanr(*zip(*both, strict=True)).statistic)
    return RungAgreement(fewer=fewer, more=more, points=len(both), rho=rho)
