"""Hyperband's brackets and rungs as arithmetic (Li et al. 2018, arXiv 1603.06560), in training tokens.

A *rung* is a number of tokens, each three times the one before, up to the whole budget. A *bracket* is a
number of points and the rung that they begin at: the best third of a rung goes on to the next. The first
bracket begins at the smallest rung with the most points, and the last trains few points with the whole budget
at once, in case that short trainings mislead; then it begins anew. All of it follows from the budget, the
smallest rung and the number of points, and from no result.
"""

import math
from dataclasses import dataclass

ETA = 3  # the paper's: a third goes on, to three times the tokens


@dataclass(frozen=True, kw_only=True)
class Bracket:
    """So many points, and the tokens of the rungs that they may go through, fewest first."""

    points: int
    rungs: tuple[int, ...]

    @property
    def sizes(self) -> list[int]:
        """How many points are trained at each of its rungs, if all have results."""
        sizes = [self.points]
        for _ in self.rungs[1:]:
            sizes.append(going_on(sizes[-1]))
        return sizes

    @property
    def tokens(self) -> int:
        """What all of its trainings take together, for one seed."""
        return sum(size * tokens for size, tokens in zip(self.sizes, self.rungs, strict=True))


def rungs_of(tokens: int, least: int) -> list[int]:
    """The tokens of the rungs from ``least`` on, fewest first; the last is the whole budget ``tokens``."""
    found = [tokens]
    while least <= (fewer := math.ceil(tokens / ETA ** len(found))) < found[-1]:
        found.append(fewer)
    return found[::-1]


def bracket(number: int, rungs: list[int], left: int) -> Bracket:
    """The bracket with that number, from 0 on, with at most ``left`` points."""
    return Bracket(points=min(_points(number, rungs), left), rungs=tuple(rungs[number % len(rungs) :]))


def brackets(rungs: list[int], trials: int) -> list[Bracket]:
    """The brackets, in order, that ``trials`` points are shared out to."""
    found: list[Bracket] = []
    left = trials
    while left > 0:
        found.append(bracket(len(found), rungs, left))
        left -= found[-1].points
    return found


def sweep(rungs: list[int]) -> int:
    """The points of all brackets once: with fewer, those that begin with more tokens are left out."""
    return sum(_points(number, rungs) for number in range(len(rungs)))


def going_on(points: int) -> int:
    """How many of a rung's points go on to the next: a third, rounded down, and one at least."""
    return max(1, points // ETA)


def _points(number: int, rungs: list[int]) -> int:
    later = len(rungs) - 1 - number % len(rungs)  # s in the paper: how many rungs follow the first
    return math.ceil(len(rungs) * ETA**later / (later + 1))
