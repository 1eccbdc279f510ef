"""How much more compute the study's baseline needs for a variant's loss, as a logarithm."""

import math
from collections.abc import Iterator

from workbench.analysis.compute_gain import Rung, token_gain
from workbench.analysis.decisions import differences_in_order
from workbench.analysis.effects import study_report
from workbench.analysis.gain_ladder import ComputeGains
from workbench.analysis.statistics import Interval
from workbench.analysis.tuned_rates import ALL_LOST, AT_EDGE, ONE_SIDE_LOST
from workbench.claims.quantities.quantity import (
    ConfirmedStudy,
    Estimate,
    Measured,
    NotMeasurableError,
    Quantity,
    Sides,
)
from workbench.numbers import plural

_EDGES = (AT_EDGE, ONE_SIDE_LOST, ALL_LOST)


class LogGain(Quantity):
    """The compute-equivalent gain in tokens."""

    name = "ln_gain"
    title = "ln compute-equivalent gain"
    unit = "ln ratio"
    joined = "over"
    about = (
        "The compute-equivalent gain: how many times as many tokens the study's baseline needs for the "
        "variant's loss, as a natural logarithm, by Fieller's interval. 0 is no gain, 0.05 is 5 % of the "
        "tokens saved. A study needs the key gain for it."
    )

    def measure(self, study: ConfirmedStudy, sides: Sides) -> Measured:
        """The gain at any level of confidence, from the pairs of the last complete look."""
        variant, against = study.pair(sides)
        manifest, title = study.records.manifest, study.records.title
        if against.name != manifest.baseline:
            raise NotMeasurableError(
                "a gain is of the study's baseline, whose loss is known at other budgets"
            )
        gains = study_report(study.records).gains
        if gains is None:
            raise NotMeasurableError(f"{title} trains its baseline at no other budgets; give it the key gain")
        if (why := gains.of(variant.name).why) is not None:
            raise NotMeasurableError(f"{title} gives no gain of {variant.name}: {why}")

        values, lost, due = differences_in_order(study.outcomes[variant.name], study.outcomes[against.name])
        rule = study.rule
        counted = rule.looks[rule.look_at(len(values)) - 1] if rule.until_decided else len(values)
        seeds = study.outcomes[against.name].planned
        differences = {
            seed: value for seed, value in zip(seeds[:counted], values, strict=False) if not math.isnan(value)
        }
        points = [Rung(tokens=rung.tokens, losses=rung.losses) for rung in gains.rungs]

        def at_level(level: float) -> Estimate | None:
            gain = token_gain(points, gains.tokens, differences, level).gain
            if gain is None or gain.interval is None:
                return None
            ends = Interval(_log(gain.interval.low), _log(gain.interval.high), level)
            return Estimate(_log(gain.value), ends)

        unfinished = sum(not rung.is_done for rung in gains.rungs if not rung.is_own)
        return Measured(
            values=list(differences.values()),
            rule=rule,
            lost=tuple(lost),
            due=due,
            reservations=tuple(_reservations(gains, unfinished)),
            at_level=at_level,
        )


def _log(value: float) -> float:
    """The logarithm of a gain, whose interval may reach to nothing."""
    return math.log(value) if value > 0 else -math.inf


def _reservations(gains: ComputeGains, unfinished: int) -> Iterator[str]:
    if unfinished:
        yield f"{plural(unfinished, 'budget')} of the baseline not done yet"
    for rung in gains.rungs:
        if not rung.is_own and rung.lost:
            yield f"{rung.name}: {rung.lost} of {plural(rung.planned, 'run')} lost"
        if rung.place in _EDGES:
            yield f"{rung.name}: learning rate {rung.place}"
