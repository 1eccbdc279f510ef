"""Whole studies with a known truth, decided by the rule: what the words are worth.

For tests of the rule, for a plan (how often a design decides, with how many pairs, and how often it stops at
the margin), and for the calibration, whose noise was measured.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import stdtrit

from workbench.analysis.deciding.foresight import chance_of_verdict
from workbench.analysis.deciding.looks import HOPELESS, MARGIN_FROM, Rule
from workbench.analysis.deciding.noise import Noise, NormalNoise
from workbench.analysis.deciding.steps import Steps, p_values, step_down

_CASES = 2_000  # at the margin or not is reckoned for so many samples at a time


@dataclass(frozen=True)
class SimulatedStudies:
    """What became of each comparison, (studies, comparisons).

    ``better``, ``worse``, ``equivalent`` and ``at_the_margin`` exclude each other, and what is none of them
    stayed inconclusive; ``pairs`` is how many it took until it stopped. ``mean`` and ``sd`` are those of
    these pairs, and ``level`` is that of the printed interval, which misses with that probability.
    """

    better: np.ndarray
    worse: np.ndarray
    equivalent: np.ndarray
    at_the_margin: np.ndarray
    pairs: np.ndarray
    mean: np.ndarray
    sd: np.ndarray
    level: np.ndarray

    def covers(self, truths: np.ndarray) -> np.ndarray:
        """Whether each printed interval holds the true difference, (studies, comparisons)."""
        # Levels and numbers of pairs are few, and quantiles of t are slow.
        cases, place = np.unique(
            np.stack([self.pairs.ravel(), self.level.ravel()]), axis=1, return_inverse=True
        )
        quantiles = stdtrit(cases[0] - 1, 1 - cases[1] / 2)[place.ravel()].reshape(self.pairs.shape)
        return np.abs(self.mean - truths) <= quantiles * self.sd / np.sqrt(self.pairs)


def simulate_studies(
    rule: Rule,
    truths: Sequence[float],
    *,
    margin: float | Sequence[float],
    sd: float | Sequence[float] = 1.0,
    shared: float = 0.5,
    studies: int = 2_000,
    seed: int | np.random.SeedSequence = 0,
    stops_at_margin: bool = True,
    noise: Noise | None = None,
) -> SimulatedStudies:
    """Decide ``studies`` studies in which comparison k truly differs by ``truths[k]``.

    ``margin`` and ``sd`` (of a paired difference, all normal) are one for all, or one for each. ``shared`` is
    the part of its variance that all comparisons of a study have in common, as they have one baseline
    (independent runs of equal noise: 0.5). ``noise`` takes the place of both. Without ``stops_at_margin`` a
    comparison that has little chance goes on all the same, which is where false words are the most frequent.
    """
    generator = np.random.default_rng(seed)
    if noise is None:
        noise = NormalNoise(np.asarray(sd, float), shared)
    means, sds = _samples(rule, np.asarray(truths, float), noise, studies, generator)
    shape = means.shape[1:]
    margins = np.broadcast_to(np.asarray(margin, float), shape)
    looks = np.array(rule.looks)
    look = np.zeros(shape, int)  # that each comparison has reached
    chance = np.ones(shape)
    goes_on = np.ones(shape, bool)
    while goes_on.any():
        look = look + goes_on
        n = looks[look - 1]
        mean = np.take_along_axis(means, look[None] - 1, 0)[0]
        spread = np.take_along_axis(sds, look[None] - 1, 0)[0]
        steps = step_down(*p_values(n, mean, spread, margins), rule)
        undecided = ~steps.decided
        unfinished = undecided & (look < len(looks))
        if stops_at_margin:
            for place, pairs in enumerate(rule.looks[:-1], start=1):
                asked = unfinished & (look == place)
                if pairs >= MARGIN_FROM:
                    chance[asked] = _chances(rule, place, asked, mean, spread, margins, steps)
        goes_on = unfinished & (chance >= HOPELESS)
    return SimulatedStudies(
        better=steps.different & (mean < 0),
        worse=steps.different & (mean > 0),
        equivalent=steps.equivalent,
        at_the_margin=undecided & (n >= MARGIN_FROM) & rule.until_decided,
        pairs=n,
        mean=mean,
        sd=spread,
        level=steps.difference_level,
    )


def _samples(
    rule: Rule, truths: np.ndarray, noise: Noise, studies: int, generator: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Mean and sd of each sample at each look, (looks, studies, comparisons)."""
    total = np.zeros((studies, len(truths)))
    squares = np.zeros((studies, len(truths)))
    means, sds = [], []
    last = 0
    for look in rule.looks:
        drawn = noise.draw(generator, studies, look - last, len(truths))
        total = total + drawn.sum(axis=1)
        squares = squares + (drawn**2).sum(axis=1)
        last = look
        mean = total / look
        means.append(truths + mean)
        # Draws that are all one value leave a rounding error below zero.
        sds.append(np.sqrt(np.maximum(squares - look * mean**2, 0) / (look - 1)))
    return np.array(means), np.array(sds)


def _chances(
    rule: Rule,
    look: int,
    asked: np.ndarray,
    mean: np.ndarray,
    sd: np.ndarray,
    margin: np.ndarray,
    steps: Steps,
) -> np.ndarray:
    """The chance of a verdict of those that ``asked`` picks, a few thousand at a time."""
    cases = (
        mean[asked],
        sd[asked],
        margin[asked],
        steps.difference_level[asked],
        steps.equivalence_level[asked],
    )
    found = []
    for start in range(0, int(asked.sum()), _CASES):
        some = [values[start : start + _CASES] for values in cases]
        some_mean, some_sd, some_margin, difference_level, equivalence_level = some
        found.append(
            chance_of_verdict(
                rule.looks[look - 1],
                some_mean,
                some_sd,
                some_margin,
                rule=rule,
                look=look,
                difference_level=difference_level,
                equivalence_level=equivalence_level,
            )
        )
    return np.concatenate([np.empty(0), *found])
