"""Random tokens that repeat: the only way to copy them is to look back at the first copy.

Olsson et al. 2022 (arXiv 2209.11895) and TransformerLens repeat at one period. There a head that merely
looks a fixed number of tokens back scores like an induction head: in a model trained on copies at period 32,
0.96 at that period and 0.04 at random ones. So each sequence has a period of its own here, and one fixed
period is there for the comparison.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from workbench.inspection.probe import Probe
from workbench.seeds import generator

REPEATS = 16  # sequences


@dataclass(frozen=True)
class Repeats:
    """``tokens (B, T)``, where sequence b repeats its first ``periods (B,)[b]`` tokens."""

    tokens: Tensor
    periods: Tensor

    def second_copy(self) -> Tensor:
        """``(B, T)``: True for the queries in the second copy of the block."""
        place = torch.arange(self.tokens.shape[1])
        first = self.periods[:, None]
        return (place >= first) & (place < 2 * first)


def random_repeats(pool: Tensor, length: int, *, fixed: bool = False, count: int = REPEATS) -> Repeats:
    """Blocks of tokens from ``pool``, repeated to ``length``; equal for equal arguments.

    Periods are drawn per sequence from 12 to 31 for 64 tokens, in proportion for other lengths; ``fixed``:
    half of the length for all. A block has no token twice, unless the pool is smaller than the block.
    """
    draw = generator("probe", "repeats", "fixed" if fixed else "random", length)
    least = max(2, 12 * length // 64)
    most = max(least, length // 2 - 1)
    periods = torch.randint(least, most + 1, (count,), generator=draw)
    if fixed:
        periods = torch.full((count,), max(2, length // 2))
    blocks = [_block(pool, int(period), draw) for period in periods]
    tokens = torch.stack([block[torch.arange(length) % len(block)] for block in blocks])  # (B, T)
    return Repeats(tokens, periods)


def usual_tokens(probe: Probe, least: int) -> Tensor:
    """Ids to draw random tokens from: those in the probe's text, or all if they are fewer than ``least``.

    The vectors of tokens that training hardly shows say little: of 256 bytes, English text and code use some
    hundred. The last id ends documents and is never drawn.
    """
    seen = probe.text.unique()
    seen = seen[seen < probe.vocabulary - 1]
    return seen if len(seen) >= least else torch.arange(max(1, probe.vocabulary - 1))


def _block(pool: Tensor, period: int, draw: torch.Generator) -> Tensor:
    if len(pool) >= period:
        return pool[torch.randperm(len(pool), generator=draw)[:period]]
    return pool[torch.randint(len(pool), (period,), generator=draw)]
