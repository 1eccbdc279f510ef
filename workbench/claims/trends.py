"""What becomes of a card's effects as models and budgets grow: a line through its own rungs.

The line and its interval are those of a ladder (``analysis/ladder.py``): each rung's mean paired difference
against the training FLOPs of the side that the variant is compared with. It is shown and decides nothing.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass

from workbench.analysis.ladder import RungEffect, Trend, trend
from workbench.claims.evidence import Evidence
from workbench.numbers import decimals_for, with_interval

FEWEST_RUNGS = 3


@dataclass(frozen=True, kw_only=True)
class RungTrend:
    """The trend of one prediction over so many primary ``rungs`` of its card."""

    prediction: str
    unit: str
    margin: float
    rungs: int
    line: Trend

    @property
    def text(self) -> str:
        """``learned-is-higher: +0.012 [-0.004, +0.028] nats for ten times the compute, over 4 rungs``."""
        line = self.line
        decimals = decimals_for(self.margin or 0.01)
        change = with_interval(line.per_decade, line.per_decade_interval, decimals, sign=True)
        return f"{self.prediction}: {change} {self.unit} for ten times the compute, over {self.rungs} rungs"


def rung_trends(evidence: Iterable[Evidence]) -> list[RungTrend]:
    """One for each primary prediction that has a number at three or more primary rungs of unlike compute."""
    by_prediction: dict[str, list[Evidence]] = {}
    for one in evidence:
        if one.is_primary and _effect(one) is not None:
            by_prediction.setdefault(one.placed.prediction.id, []).append(one)
    found = []
    for name, group in by_prediction.items():
        effects = [effect for effect in map(_effect, group) if effect is not None]
        line = trend(effects) if len(effects) >= FEWEST_RUNGS else None
        if line is None:
            continue
        prediction = group[0].placed.prediction
        found.append(
            RungTrend(
                prediction=name,
                unit=prediction.measured.unit,
                margin=prediction.margin,
                rungs=len(effects),
                line=line,
            )
        )
    return found


def _effect(one: Evidence) -> RungEffect | None:
    """The mean of the pairs with its error.

    None where a quantity is no mean or is not of trials, and where a cost is not recorded.
    """
    if not one.placed.prediction.measured.of_trials:
        return None
    if one.estimate is None or not one.sd or one.n < 2 or one.facts is None:
        return None
    compute = one.facts.costs[-1].flops if one.facts.costs else None  # a step time is of no trial
    if compute is None:
        return None
    return RungEffect(compute=compute, mean=one.estimate, error=one.sd / math.sqrt(one.n), n=one.n)
