"""Which seeds the mean of a curve is of: the same ones from its first point to its last.

A seed that was lost (it diverged, failed or was stopped early) belongs to the mean, which ends where that
seed does: the seeds that go on are those that fared better. A seed that is still under way waits for its end
while others are complete, and is drawn by itself until then; where none is, the mean goes as far as all.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from workbench.numbers import plural
from workbench.records.run import FINISHED, State

_NAMED = 3  # endings that a note names


@dataclass(frozen=True, kw_only=True)
class Seed:
    """A run behind a curve, or a pair of runs behind a difference.

    ``end`` is how far along the axis it has values, None where it has none; ``ending`` says what became of a
    lost one: ``diverged at step 120``.
    """

    state: str
    end: float | None
    ending: str = ""

    @property
    def reached(self) -> float:
        """``end``, as a number that compares."""
        return -math.inf if self.end is None else self.end


@dataclass(frozen=True, kw_only=True)
class MeanOver:
    """``members`` are the places of the seeds that a mean is of; ``lost`` those of them that end it early.

    ``goes_on`` says that there are values beyond the end of the mean. ``waiting`` seeds are under way beside
    complete ones, ``behind`` ones limit a mean of seeds that are all under way, and ``absent`` ones failed
    before they had a value.
    """

    seeds: int
    members: tuple[int, ...]
    lost: tuple[Seed, ...]
    goes_on: bool
    waiting: int
    behind: int
    absent: int

    @property
    def singly(self) -> bool:
        """Whether its seeds are to be drawn one by one too: the mean alone would hide some."""
        return self.goes_on or self.waiting > 0

    def note(self, *, drawn: bool, what: str = "seed") -> str:
        """What a reader must know of the mean, or nothing; ``drawn`` says whether there is any of it."""
        parts = []
        if self.lost:
            lost = self._count(len(self.lost), what)
            parts.append(f"{lost} lost ({self._endings()}): {self._end(drawn, what)}")
        if self.absent:
            parts.append(f"{self._count(self.absent, what)} left out: failed before the first value")
        if self.waiting:
            parts.append(f"{self._count(self.waiting, what)} under way, drawn alone and not in the mean yet")
        if self.behind:
            parts.append(
                f"{self._count(self.behind, what)} not as far as others: the mean goes as far as all"
            )
        return "; ".join(parts)

    def _count(self, count: int, what: str) -> str:
        return f"{count} of {plural(self.seeds, what)} {'is' if count == 1 else 'are'}"

    def _endings(self) -> str:
        named = list(dict.fromkeys(seed.ending for seed in self.lost))
        more = ["…"] if len(named) > _NAMED else []
        return ", ".join(named[:_NAMED] + more)

    def _end(self, drawn: bool, what: str) -> str:
        if not self.goes_on:
            return "the line ends there (×)"
        if not drawn:
            return f"there is no mean, each {what} is drawn alone"
        where = "there" if len(self.lost) == 1 else "at the first"
        return f"the mean ends {where} (×), single {what}s go on"


def mean_over(seeds: Sequence[Seed], since: float = -math.inf, until: float = math.inf) -> MeanOver:
    """Choose the seeds of a mean that is shown from ``since`` to ``until`` on the axis."""
    complete, lost, running, absent = [], [], [], []
    for place, seed in enumerate(seeds):
        if seed.state == State.FAILED and seed.end is None:
            absent.append(place)
        elif is_lost(seed.state):
            lost.append(place)
        elif seed.state == State.COMPLETE and seed.end is not None:
            complete.append(place)
        elif seed.reached >= since and seed.end is not None:
            running.append(place)
    members = sorted([*lost, *(complete or running)])
    furthest = max((seed.reached for seed in seeds), default=-math.inf)
    early = sorted((seeds[place] for place in lost), key=lambda seed: seed.reached)
    early = [seed for seed in early if seed.reached < until]
    behind = [] if complete else [place for place in running if seeds[place].reached < min(until, furthest)]
    return MeanOver(
        seeds=len(complete) + len(lost) + len(running) + len(absent),
        members=tuple(members),
        lost=tuple(early),
        goes_on=any(
            seeds[place].reached < min(until, furthest) for place in members if place not in complete
        ),
        waiting=len(running) if complete else 0,
        behind=len(behind),
        absent=len(absent),
    )


def is_lost(state: str) -> bool:
    """Whether a run in this state ended early, for good."""
    return state in FINISHED and state != State.COMPLETE


def ending(state: str, step: float | None) -> str:
    """``diverged at step 120``: what became of a run, and when, where that is known."""
    if step is None or not math.isfinite(step):
        return str(state)
    return f"{state} at step {step:,.0f}"
