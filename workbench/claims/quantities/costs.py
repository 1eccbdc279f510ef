"""What the two sides cost, as the logarithm of a ratio: 0.02 is two percent more."""

import math

from workbench.analysis.decisions import differences_in_order
from workbench.claims.quantities.quantity import (
    ConfirmedStudy,
    Measured,
    NotMeasurableError,
    Quantity,
    Sides,
    log_ratio,
)

_SHARED = (
    "seconds per token are of whole trials, with other work on the machine: only step times that were "
    "measured in turns decide"
)


class FlopsPerToken(Quantity):
    """Training FLOPs per token, from the configuration."""

    name = "flops_per_token_ratio"
    title = "ln FLOPs per token"
    unit = "ln ratio"
    joined = "over"
    about = (
        "Training FLOPs per token as the natural logarithm of variant over the other side: -0.69 is half. "
        "It follows from the configurations, without noise."
    )

    def measure(self, study: ConfirmedStudy, sides: Sides) -> Measured:
        """A number that has no seeds."""
        variant, against = study.pair(sides)
        ratio = log_ratio(variant.flops_per_token, against.flops_per_token, "the FLOPs per token")
        return Measured(exact=ratio)


class DecodeFlops(Quantity):
    """FLOPs of one more token generated with a cache, from the configuration."""

    name = "decode_flops_ratio"
    title = "decode FLOPs per token"
    unit = "ratio"
    joined = "over"
    about = (
        "FLOPs that generating one more token takes at the study's full context, with keys and values in a "
        "cache, as the ratio of variant over the other side: 0.5 is half. That is a forward pass of a single "
        "token, 2 N + 4 L D T, a third of what training takes of it; it follows from the configurations, "
        "without noise. Small models are decoded at the pace of memory and of launches, not of FLOPs."
    )

    def measure(self, study: ConfirmedStudy, sides: Sides) -> Measured:
        """A number that has no seeds."""
        variant, against = study.pair(sides)
        if not variant.flops_per_token or not against.flops_per_token:
            raise NotMeasurableError("the FLOPs per token are not recorded of both sides")
        return Measured(exact=served_flops(variant.flops_per_token) / served_flops(against.flops_per_token))


class Parameters(Quantity):
    """All parameters, from the configuration."""

    name = "parameters_ratio"
    title = "ln parameters"
    unit = "ln ratio"
    joined = "over"
    about = (
        "All parameters as the natural logarithm of variant over the other side: -0.69 is half. It follows "
        "from the configurations, without noise."
    )

    def measure(self, study: ConfirmedStudy, sides: Sides) -> Measured:
        """A number that has no seeds."""
        variant, against = study.pair(sides)
        return Measured(exact=log_ratio(variant.parameters, against.parameters, "the number of parameters"))


class SecondsPerToken(Quantity):
    """Seconds of training per token of whole trials, paired by seed."""

    name = "seconds_per_token_ratio"
    title = "ln seconds per token"
    unit = "ln ratio"
    joined = "over"
    about = (
        "Seconds of training per token as the natural logarithm of variant over the other side, paired by "
        "seed, from whole trials: a description, on which no card rests."
    )
    page = "runs"

    def measure(self, study: ConfirmedStudy, sides: Sides) -> Measured:
        """The logarithm of each seed's ratio; never enough for a card, as trials share a machine."""
        variant, against = study.pair(sides)
        ours, theirs = study.outcomes[variant.name], study.outcomes[against.name]
        _, lost, due = differences_in_order(ours, theirs)
        values = []
        for seed in ours.values:
            if seed not in theirs.values:
                continue
            runs = ours.runs[seed], theirs.runs[seed]
            mine, other = (_seconds_per_token(run) for run in runs)
            values.append(math.nan if mine is None or other is None else math.log(mine / other))
        if not values or all(map(math.isnan, values)):
            raise NotMeasurableError(f"no pair of {study.records.title} has recorded its seconds")
        return Measured(values=values, rule=study.rule, lost=tuple(lost), due=due, reservations=(_SHARED,))


def _seconds_per_token(run: dict) -> float | None:
    seconds, tokens = run.get("seconds"), run.get("tokens")
    if not seconds or not tokens or not math.isfinite(seconds) or not math.isfinite(tokens):
        return None
    return float(seconds / tokens)


class BreakEvenTokens(Quantity):
    """After how many tokens served a cheaper model has paid for its longer training."""

    name = "break_even_tokens"
    title = "break-even"
    unit = "× training tokens"
    joined = "against"
    about = (
        "After how many tokens served, as a multiple of the other side's training tokens, the variant has "
        "paid back what its training took beyond the other side's; 0 or less where it took no more. Pure "
        "arithmetic: a token served takes a third of the FLOPs of one trained on. The loss is "
        "another matter."
    )

    def measure(self, study: ConfirmedStudy, sides: Sides) -> Measured:
        """A number that has no seeds."""
        variant, against = study.pair(sides)
        manifest = study.records.manifest
        tokens, others = manifest.tokens_of(variant), manifest.tokens_of(against)
        if not (tokens and others and variant.flops_per_token and against.flops_per_token):
            raise NotMeasurableError("the tokens or the FLOPs per token are not recorded of both sides")
        return Measured(exact=break_even(tokens, others, variant.flops_per_token, against.flops_per_token))


def served_flops(flops_per_token: float) -> float:
    """FLOPs of a token served, of those of one trained on: forward alone, where backward takes twice that.

    With a cache a token at the full context takes what a forward pass takes of it: 2 N + 4 L D T.
    """
    return flops_per_token / 3


def break_even(tokens: float, other_tokens: float, flops: float, other_flops: float) -> float:
    """``(c D - c' D') / ((c' - c) / 3) / D'`` for training FLOPs per token c and training tokens D.

    With 6 N for c it is (6 N D - 6 N' D') / (2 N' - 2 N), as a multiple of D'. Raises
    ``NotMeasurableError`` where a token of the variant costs as much or more: it never pays back.
    """
    if flops >= other_flops:
        raise NotMeasurableError("a token of the variant costs no less than one of the other side")
    saved = served_flops(other_flops) - served_flops(flops)
    return (flops * tokens - other_flops * other_tokens) / saved / other_tokens
