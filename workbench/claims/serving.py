"""What a smaller, longer trained model and a larger one cost, training and serving together.

A token served takes a third of the FLOPs of one trained on (``quantities/costs.py``). The smaller model's
training takes what its break-even says: as many FLOPs beyond the larger one's as serving that many tokens
saves; it is a number with noise where the tokens of an equal loss are read off a ladder of budgets.
"""

from dataclasses import dataclass

from workbench.analysis.statistics import Interval
from workbench.claims.evidence import Evidence
from workbench.claims.quantities.compute_gain import BreakEvenAtEqualLoss
from workbench.claims.quantities.costs import BreakEvenTokens, served_flops
from workbench.numbers import percent, scaled, with_interval

_QUANTITIES = (BreakEvenTokens.name, BreakEvenAtEqualLoss.name)


@dataclass(frozen=True, kw_only=True)
class Serving:
    """Both sides of a break-even: FLOPs per trained token, the larger one's training tokens, and it itself.

    ``break_even`` is in multiples of ``tokens``; ``interval`` is None where it has no noise.
    """

    rung: str
    smaller: str
    larger: str
    smaller_flops: float
    larger_flops: float
    tokens: int
    break_even: float
    interval: Interval | None

    def total_of_larger(self, served: float) -> float:
        """FLOPs of its training and of ``served`` times ``tokens`` tokens served."""
        return self.tokens * (self.larger_flops + served * served_flops(self.larger_flops))

    def total_of_smaller(self, served: float, break_even: float | None = None) -> float:
        """The same of the smaller one; with another ``break_even`` than the estimate, as an end of it."""
        paid_back = self.break_even if break_even is None else break_even
        saved = served_flops(self.larger_flops) - served_flops(self.smaller_flops)
        # Both have cost the same at the break-even: before it the smaller one is dearer by what is left.
        return self.total_of_larger(served) + self.tokens * saved * (paid_back - served)

    def is_cheaper(self, served: float) -> bool | None:
        """Whether the smaller one is; None where the interval of the break-even leaves that open."""
        if self.interval is None:
            return served > self.break_even
        if self.interval.low <= served <= self.interval.high:
            return None
        return served > self.interval.high


def serving_of(one: Evidence) -> Serving | None:
    """What a prediction of a break-even says of both sides; None of others, and without a number."""
    if one.placed.prediction.quantity not in _QUANTITIES or one.estimate is None or one.facts is None:
        return None
    smaller, larger = one.facts.costs
    if not (smaller.flops_per_token and larger.flops_per_token and larger.tokens):
        return None
    return Serving(
        rung=one.placed.rung,
        smaller=smaller.variant,
        larger=larger.variant,
        smaller_flops=smaller.flops_per_token,
        larger_flops=larger.flops_per_token,
        tokens=larger.tokens,
        break_even=one.estimate,
        interval=one.interval,
    )


def token_count(tokens: float) -> str:
    """``0.81 M tokens``."""
    return f"{scaled(tokens, '').strip()} tokens"


def served_sentence(serving: Serving, served: float) -> str:
    """What both sides cost at ``served``, which of them is cheaper, and where they are even."""
    smaller, larger = serving.total_of_smaller(served), serving.total_of_larger(served)
    texts = [
        f"With {token_count(served * serving.tokens)} served, {served:g}× those of training, training "
        f"and serving take {scaled(smaller, 'FLOP')} of the smaller model ({serving.smaller}) and "
        f"{scaled(larger, 'FLOP')} of the larger one ({serving.larger})"
    ]
    is_cheaper = serving.is_cheaper(served)
    if is_cheaper is None:
        texts.append("which of them is cheaper is open, within the interval of the break-even")
    elif is_cheaper:
        texts.append(f"the smaller one is cheaper by {percent(1 - smaller / larger)}")
    else:
        texts.append(f"the larger one is cheaper by {percent(1 - larger / smaller)}")
    even = with_interval(serving.break_even, serving.interval, 2)
    if serving.break_even <= 0:
        texts.append(f"the smaller one's training takes no more to begin with (break-even {even}×)")
    else:
        texts.append(f"they are even after {even}×")
    return f"{'; '.join(texts)}."
