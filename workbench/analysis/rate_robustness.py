"""What the choice of learning rates does to a report's words: the differences at other rates than the chosen.

A verdict compares two variants each at a rate of its own, and its interval takes both rates as given. The
tuning runs have the same comparison at every rate that both tried, on the same seeds: their mean over the
rates in the middle says whether the word hangs on the choice.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from statistics import mean

import numpy as np

from workbench.analysis.rate_curve import coarseness, crossing
from workbench.analysis.statistics import Interval, Verdict, mean_interval
from workbench.analysis.tuned_rates import TunedRate, same_rate
from workbench.analysis.variant_row import VariantRow
from workbench.numbers import decimals_for, fixed, rate, with_interval

CENTRAL = 3  # rates, around the middle of the two that were chosen


@dataclass(frozen=True, kw_only=True)
class AtOtherRates:
    """Differences to the baseline, one for each tuning seed, averaged over ``rates`` of its own grid."""

    rates: tuple[float, ...]
    differences: tuple[float, ...]

    @property
    def interval(self) -> Interval | None:
        """The 95 % t interval of the mean over seeds; None for a single seed."""
        return mean_interval(self.differences)

    def contradicts(self, verdict: Verdict | None, margin: float) -> bool:
        """Whether the whole interval lies where ``verdict`` says that the difference is not."""
        interval = self.interval
        if interval is None:
            return False
        if verdict is Verdict.BETTER:
            return interval.low > -margin
        if verdict is Verdict.WORSE:
            return interval.high < margin
        return verdict is Verdict.EQUIVALENT and (interval.low > margin or interval.high < -margin)


def at_other_rates(ours: TunedRate, theirs: TunedRate, *, by_place: bool) -> AtOtherRates | None:
    """The comparison at the central rates that two variants have in common; None for fewer than two rates.

    ``by_place``: the variants have grids of their own, and a rate of one is that of the other at the same
    place in its grid. A rate counts where all runs of both gave a result, at the same seeds.
    """
    mine, other = sorted(ours.losses), sorted(theirs.losses)
    if by_place:
        pairs = list(zip(mine, other, strict=False)) if len(mine) == len(other) else []
    else:
        pairs = [(one, two) for one in mine for two in other if same_rate(one, two)]
    sound = [(one, two) for one, two in pairs if _sound(ours, one, theirs, two)]
    if len(sound) < 2:
        return None
    middle = (_place(ours.learning_rate, mine) + _place(theirs.learning_rate, other)) / 2

    def away(pair: tuple[float, float]) -> float:
        return abs((_place(pair[0], mine) + _place(pair[1], other)) / 2 - middle)

    central = sorted(sorted(sound, key=away)[:CENTRAL])
    seeds = range(len(ours.losses[central[0][0]]))
    differences = [
        mean(ours.losses[one][seed] - theirs.losses[two][seed] for one, two in central) for seed in seeds
    ]
    return AtOtherRates(rates=tuple(one for one, _ in central), differences=tuple(differences))


def _sound(ours: TunedRate, one: float, theirs: TunedRate, two: float) -> bool:
    values = [*ours.losses[one], *theirs.losses[two]]
    return all(map(math.isfinite, values)) and ours.seeds[one] == theirs.seeds[two]


def _place(value: float, rates: list[float]) -> float:
    """Where a rate stands in a grid, counted from 0, and between two rates by its logarithm."""
    return float(np.interp(math.log2(value), np.log2(rates), range(len(rates))))


def with_rate_notes(
    rows: Iterable[VariantRow],
    tuned: Mapping[str, TunedRate | None],
    *,
    by_place: bool,
) -> list[VariantRow]:
    """``rows``, the baseline's among them, with what other learning rates say to each row's word."""
    rows = list(rows)
    theirs = tuned[next(row.variant for row in rows if row.is_baseline)]
    return [_with_rate_notes(row, tuned[row.variant], theirs, by_place) for row in rows]


def _with_rate_notes(
    row: VariantRow, ours: TunedRate | None, theirs: TunedRate | None, by_place: bool
) -> VariantRow:
    decided = row.verdict in (Verdict.BETTER, Verdict.WORSE, Verdict.EQUIVALENT)
    if row.is_baseline or not decided or ours is None or theirs is None:
        return row
    found = at_other_rates(ours, theirs, by_place=by_place)
    if found is None or found.interval is None:
        return row
    notes = []
    n = len(found.differences)
    if found.contradicts(row.verdict, row.margin):
        difference = with_interval(
            mean(found.differences), found.interval, decimals_for(row.margin), sign=True
        )
        notes.append(
            f"depends on the learning rate: {row.verdict} at the chosen rates, and {difference} averaged "
            f"over the rates {', '.join(map(rate, found.rates))} (n = {n} tuning seeds)"
        )
    else:
        notes.append(f"{row.verdict}: not contradicted at other rates (n = {n})")
    fewer = _fewer_rates(row, ours, theirs)
    return replace(row, notes=(*row.notes, *notes, *fewer))


def _fewer_rates(row: VariantRow, ours: TunedRate, theirs: TunedRate) -> list[str]:
    """With how few rates tried a better variant would have looked worse (Dodge et al. 2019)."""
    if row.verdict not in (Verdict.BETTER, Verdict.WORSE):
        return []
    mine, other = ([value for value in one.means.values() if math.isfinite(value)] for one in (ours, theirs))
    k = crossing(mine, other)
    if k is None:
        return []
    many = f"{k} learning rates" if k > 1 else "one learning rate"
    return [f"with only {many} tried, the order would be expected the other way round"]


def tuning_warnings(tuned: Mapping[str, TunedRate | None], margin: float, unit: str) -> list[str]:
    """What of the tuning as a whole should make a reader careful."""
    known = {name: one for name, one in tuned.items() if one is not None and one.trained}
    return [*_one_seed(known), *coarse_grid(known, margin, unit)]


def _one_seed(tuned: Mapping[str, TunedRate]) -> list[str]:
    along = [one for one in tuned.values() if not one.is_point]  # points are chosen by fresh seeds
    several = any(len(losses) > 1 for one in along for losses in one.losses.values())
    if not along or several:
        return []
    return [
        "learning rates were chosen by one tuning seed: that others would have been chosen by another is in "
        "no interval; seeds.tune of 3 makes it visible"
    ]


def coarse_grid(tuned: Mapping[str, TunedRate], margin: float, unit: str) -> list[str]:
    """Whether the distances of the learning rates are too large for ``margin``."""
    costs = {
        name: coarseness(one.curve.curvature, one.curve.rates)
        for name, one in tuned.items()
        if one.curve is not None and one.curve.curvature > 0
    }
    worst = max(costs, key=lambda name: costs[name], default=None)
    if worst is None or costs[worst] <= margin:
        return []
    curve = tuned[worst].curve
    assert curve is not None  # which has a cost
    too_coarse = [name for name, cost in costs.items() if cost > margin]
    named = worst if len(too_coarse) == 1 else f"{worst}, and {len(too_coarse) - 1} more"
    return [
        f"learning_rates: too coarse for the margin of {margin:g}: the best one tried may lose up to "
        f"{fixed(costs[worst], decimals_for(margin))} {unit} against an optimum between two ({named}: "
        f"{curve.curvature:.2g} per octave squared); take closer rates"
    ]
