"""Two variants at one size: the feed-forward width is searched until their counts agree."""

from collections.abc import Callable

from workbench.errors import UserError, suggestion
from workbench.model.config import ModelConfig
from workbench.numbers import percent

MULTIPLE = 8  # of the feed-forward width: what matrix units like
TOLERANCE = 0.05  # relative mismatch beyond which two sizes are not called the same

COUNTS: dict[str, Callable[[ModelConfig], int]] = {
    "parameters": ModelConfig.nonembedding_parameters,
    "flops": ModelConfig.flops_per_token,
}


def match_size(config: ModelConfig, target: ModelConfig, by: str) -> tuple[ModelConfig, float | None]:
    """``config`` with the feed-forward width that brings it nearest to ``target``, and what is left.

    ``by``: ``parameters`` (without embeddings), ``flops`` (per token), or ``none`` (unchanged, None). Widths
    are multiples of 8 and ``target``'s own, which is kept when none is nearer. The second value is the
    signed relative difference. Raises ``UserError`` if it is beyond 5 %.
    """
    if by == "none":
        return config, None
    if by not in COUNTS:
        raise UserError(f"match: unknown {by!r}; {suggestion(by, [*COUNTS, 'none'])}")
    count, goal = COUNTS[by], COUNTS[by](target)
    candidates = [
        config.with_levels(feedforward_width=width)
        for width in (target.feedforward_width, *_around(config, count, goal))
    ]
    best = min(candidates, key=lambda candidate: abs(count(candidate) - goal))
    mismatch = count(best) / goal - 1
    if abs(mismatch) > TOLERANCE:
        raise UserError(_too_far(best, by, mismatch))
    return best, mismatch


def _around(config: ModelConfig, count: Callable[[ModelConfig], int], goal: int) -> tuple[int, int]:
    """The two neighbouring multiples of 8 whose counts enclose ``goal``; counts grow with the width."""

    def reaches(steps: int) -> bool:
        return count(config.with_levels(feedforward_width=MULTIPLE * steps)) >= goal

    high = 1
    while not reaches(high) and high * MULTIPLE < goal:
        high *= 2
    low = high // 2
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if reaches(middle) else (middle, high)
    return MULTIPLE * max(low, 1), MULTIPLE * high


def _too_far(config: ModelConfig, by: str, mismatch: float) -> str:
    side = "above" if mismatch > 0 else "below"
    return (
        f"match: {by} of this variant stay {percent(abs(mismatch), 1)} {side} the baseline's even at "
        f"feedforward_width {config.feedforward_width}, and {percent(TOLERANCE)} is allowed; "
        f"make the model wider, or set 'match: none' and report the sizes"
    )
