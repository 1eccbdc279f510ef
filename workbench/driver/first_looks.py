"""Confirm trials that need not wait until every variant is tuned: the first pairs of each comparison.

As soon as the baseline and a variant are tuned, their first block is due, so that the first row is decided
early. No more than the first: later blocks begin when all have had theirs. So a study has the looks, and the
words, of one that tunes all first, whatever the number of workers.
"""

from collections.abc import Callable, Collection, Iterable

from workbench.records.hyperparameters import Hyperparameters
from workbench.records.run import Phase, RunRecord
from workbench.study.plan import Plan

Choose = Callable[[Collection[str]], dict[str, Hyperparameters]]


class FirstLooks:
    """Says what is due, from the trials that are left. ``choose`` gives what suits variants that are tuned.

    To be asked only where no grid grows any more, so that a variant whose own trials have ended is tuned.
    """

    def __init__(self, plan: Plan, choose: Choose) -> None:
        self._plan = plan
        self._choose = choose
        self._blocks: dict[str, set[str]] = {}  # the trials of each comparison that is due, by its variant
        self._given: set[str] = set()
        self._complete: set[str] = set()

    def due(self, left: Iterable[RunRecord]) -> dict[str, list[RunRecord]]:
        """The first block of each comparison whose sides are both tuned by now, each trial once.

        ``left`` are the trials that have no outcome yet.
        """
        baseline = self._plan.baseline.name
        untuned = {record.variant for record in left if record.phase is Phase.TUNE}
        if baseline in untuned:
            return {}
        names = [variant.name for variant in self._plan.variants if variant.name not in untuned]
        found = {}
        for name in names:
            if name == baseline or name in self._blocks:
                continue
            chosen = self._choose([baseline, name])
            block = self._plan.confirm(chosen, {name: self._plan.study.seeds.at_least})
            found[name] = [record for record in block if record.run_id not in self._given]
            self._blocks[name] = {record.run_id for record in block}
            self._given |= self._blocks[name]
        return found

    def complete(self, left: Iterable[RunRecord]) -> set[str]:
        """The variants whose first block has ended, each once."""
        unfinished = {record.run_id for record in left}
        ended = {name for name, block in self._blocks.items() if not block & unfinished} - self._complete
        self._complete |= ended
        return ended


def by_variant(records: list[RunRecord], plan: Plan) -> list[RunRecord]:
    """``records`` variant by variant, the baseline's first; those of a variant in their order."""
    place = {variant.name: number for number, variant in enumerate(plan.variants)}
    return sorted(records, key=lambda record: place[record.variant])
