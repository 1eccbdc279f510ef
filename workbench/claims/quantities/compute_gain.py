"""How much more compute the study's baseline needs for a variant's loss, and what that costs to pay back."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from workbench.analysis.compute_gain import Gain, Rung, token_gain
from workbench.analysis.deciding.looks import Rule
from workbench.analysis.decisions import differences_in_order
from workbench.analysis.effects import study_report
from workbench.analysis.gain_ladder import ComputeGains
from workbench.analysis.statistics import Interval
from workbench.analysis.tuned_rates import ALL_LOST, AT_EDGE, ONE_SIDE_LOST
from workbench.claims.quantities.costs import break_even
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
    part = "Compute"
    about = (
        "The compute-equivalent gain: how many times as many tokens the study's baseline needs for the "
        "variant's loss, as a natural logarithm, by Fieller's interval. 0 is no gain, 0.05 is 5 % of the "
        "tokens saved. A study needs the key gain for it."
    )

    def measure(self, study: ConfirmedStudy, sides: Sides) -> Measured:
        """The gain at any level of confidence, from the pairs of the last complete look."""
        variant, against = study.pair(sides)
        if against.name != study.records.manifest.baseline:
            raise NotMeasurableError(
                "a gain is of the study's baseline, whose loss is known at other budgets"
            )
        return _measured(_read_off(study, variant.name), _log)


class BreakEvenAtEqualLoss(Quantity):
    """After how many tokens served a smaller model of the same loss has paid for its longer training."""

    name = "break_even_at_equal_loss"
    title = "break-even at equal loss"
    unit = "× training tokens"
    joined = "against"
    part = "Compute"
    about = (
        "After how many tokens served, as a multiple of the other side's training tokens, the variant has "
        "paid back what its training takes beyond the other side's, where it trains until its loss is the "
        "same; 0 or less where that takes no more. The variant is the study's baseline: the key gain trains "
        "it on other budgets, each with a schedule of its own, and says how many tokens the other side's "
        "loss takes, by Fieller's interval. A token served takes a third of the FLOPs of one trained on."
    )

    def measure(self, study: ConfirmedStudy, sides: Sides) -> Measured:
        """The break-even at any level of confidence: the gain of the other side, and the costs of both."""
        variant, against = study.pair(sides)
        if variant.name != study.records.manifest.baseline or against.name == variant.name:
            raise NotMeasurableError(
                "the variant must be the study's baseline, whose loss is known at other budgets; name the "
                "larger one under against"
            )
        flops, other = variant.flops_per_token, against.flops_per_token
        if not (flops and other):
            raise NotMeasurableError("the FLOPs per token are not recorded of both sides")
        if flops >= other:
            raise NotMeasurableError("a token of the variant costs no less than one of the other side")

        def paid_back(ratio: float) -> float:
            # The study trains both on as many tokens, so that the gain is a multiple of either's.
            return break_even(ratio, 1, flops, other)

        return _measured(_read_off(study, against.name), paid_back)


@dataclass(frozen=True, kw_only=True)
class _ReadOff:
    """The gain of a variant at any level of confidence, with the pairs that it is of."""

    values: list[float]
    lost: list[str]
    due: int
    reservations: tuple[str, ...]
    rule: Rule
    at_level: Callable[[float], Gain | None]


def _read_off(study: ConfirmedStudy, name: str) -> _ReadOff:
    """Where the baseline's ladder reaches the loss of the variant ``name``.

    Raises ``NotMeasurableError`` where the study has no such ladder, or it says nothing of this variant.
    """
    manifest, title = study.records.manifest, study.records.title
    gains = study_report(study.records).gains
    if gains is None:
        raise NotMeasurableError(f"{title} trains its baseline at no other budgets; give it the key gain")
    if (why := gains.of(name).why) is not None:
        raise NotMeasurableError(f"{title} gives no gain of {name}: {why}")

    baseline = study.outcomes[manifest.baseline]
    values, lost, due = differences_in_order(study.outcomes[name], baseline)
    rule = study.rule
    counted = rule.looks[rule.look_at(len(values)) - 1] if rule.until_decided else len(values)
    seeds = baseline.planned
    differences = {
        seed: value for seed, value in zip(seeds[:counted], values, strict=False) if not math.isnan(value)
    }
    points = [Rung(tokens=rung.tokens, losses=rung.losses) for rung in gains.rungs]

    def at_level(level: float) -> Gain | None:
        return token_gain(points, gains.tokens, differences, level).gain

    unfinished = sum(not rung.is_done for rung in gains.rungs if not rung.is_own)
    return _ReadOff(
        values=list(differences.values()),
        lost=lost,
        due=due,
        reservations=tuple(_reservations(gains, unfinished)),
        rule=rule,
        at_level=at_level,
    )


def _measured(found: _ReadOff, rising: Callable[[float], float]) -> Measured:
    """A gain as what ``rising`` makes of it: a function that rises with the gain, and so keeps intervals."""

    def at_level(level: float) -> Estimate | None:
        gain = found.at_level(level)
        if gain is None or gain.interval is None:
            return None
        ends = Interval(rising(gain.interval.low), rising(gain.interval.high), level)
        return Estimate(rising(gain.value), ends)

    return Measured(
        values=found.values,
        rule=found.rule,
        lost=tuple(found.lost),
        due=found.due,
        reservations=found.reservations,
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
