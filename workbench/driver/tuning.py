"""The tuning phase of a study with a space: rounds of proposals, each run before the next is asked for.

Every variant tries as many points. What a round holds is written before its trials run, and follows from the
run records, the seed of the round and nothing else, so that a driver that was killed goes on with the same.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from workbench.analysis.racing import is_out
from workbench.analysis.tuned_points import TriedPoint, leading, means_on_all_seeds, tried_points
from workbench.analysis.tuned_rates import TunedRate
from workbench.analysis.tuning_choice import all_tuned
from workbench.driver.display import Display
from workbench.driver.samplers import Told, propose, seed_of
from workbench.numbers import plural
from workbench.records.hyperparameters import Hyperparameters, described, key_of
from workbench.records.index import load_study
from workbench.records.manifest import WILCOXON
from workbench.records.proposals import Proposals, Rounds
from workbench.records.run import Phase, RunRecord
from workbench.records.space import contains
from workbench.study.candidates import Grids
from workbench.study.plan import Plan
from workbench.study.sampling import ROUND
from workbench.study.tuning import Tuning

_SHARED = "all variants"  # whose a seed is, where all get the same points
_MOST_STARTUP = 10  # points before tpe and gp begin to learn; a third of them where they are few


@dataclass(kw_only=True)
class SpaceTuning:
    """Tunes the variants of ``plan``, whose records are in ``directory``.

    ``execute`` brings trials of the phase to an outcome.
    """

    plan: Plan
    directory: Path
    display: Display
    execute: Callable[[Phase, list[RunRecord]], None]

    def run(self) -> dict[str, Hyperparameters]:
        """Run all rounds, and the best points again; returns what was chosen for each variant."""
        proposals = Proposals(self.directory, self._begun)
        if proposals.note is not None:
            self.display.note(f"note: {proposals.note}")
        for number, points in enumerate(self._rounds(proposals), start=1):
            every = plural(max(map(len, points.values())), "point")
            self.display.note(f"{self._tuning.sampler}: round {number}: {every} of every variant")
            self._try(points)
        self._run_again()
        tuned = all_tuned(load_study(self.directory), self.plan.names)
        self._announce(tuned)
        return {name: one.hyperparameters for name, one in tuned.items()}

    @property
    def _tuning(self) -> Tuning:
        tuning = self.plan.study.tuning
        assert tuning is not None, "a study without a space is tuned along its grid"
        return tuning

    @property
    def _seeds(self) -> list[int]:
        return self.plan.study.seeds.lists()[Phase.TUNE]

    def _rounds(self, proposals: Proposals) -> Iterator[Grids]:
        """The points of one round after the other, by variant; those before have their outcomes by then."""
        number = 0
        while True:
            rounds = {name: self._sound_rounds(proposals, name) for name in self.plan.names}
            without = {name: known for name, known in rounds.items() if len(known) == number}
            tried = self._tried() if without else {}
            new = {}
            for name, known in without.items():
                before = [point for points in known for point in points]
                wanted = min(self._tuning.points - len(before), self._tuning.round_size)
                if wanted > 0:
                    new[name] = self._proposed(name, before, tried[name], wanted, number)
            if any(new.values()):
                proposals.add(new)
                continue
            points = {name: known[number] for name, known in rounds.items() if len(known) > number}
            if not points:
                return
            yield points
            number += 1

    def _sound_rounds(self, proposals: Proposals, name: str) -> list[list[Hyperparameters]]:
        """What was proposed for a variant and lies in the space, which may have changed; as many as asked."""
        rounds: list[list[Hyperparameters]] = []
        left = self._tuning.points
        for points in proposals.rounds_of(name):
            kept = [point for point in points if contains(self._tuning.space, point)][:left]
            left -= len(kept)
            if kept:
                rounds.append(kept)
        return rounds

    def _proposed(
        self, name: str, before: list[Hyperparameters], tried: list[TriedPoint], count: int, number: int
    ) -> list[Hyperparameters]:
        """The points of a round: the same for all variants, or by what the variant's own gave so far."""
        tuning = self._tuning
        whose, place = (_SHARED, 0) if tuning.is_shared else (name, number)
        means = means_on_all_seeds(tried)
        told = [_told(point, means.get(key_of(point), math.inf)) for point in before]
        return propose(
            tuning.space,
            tuning.sampler,
            seed=seed_of(self.plan.study.name, whose, place),
            history=told,
            count=count,
            startup=min(_MOST_STARTUP, max(ROUND, tuning.points // 3)),
        )

    def _tried(self) -> dict[str, list[TriedPoint]]:
        """What each variant tried so far, from the run records."""
        study = load_study(self.directory)
        fresh = self.plan.study.fresh_seeds
        metric = study.manifest.metric
        return {name: tried_points(study.runs, name, metric, self._seeds, fresh) for name in self.plan.names}

    def _begun(self) -> Rounds:
        """The rounds as the run records tell: the points that were begun, in the order of their trials."""
        runs = load_study(self.directory).runs
        tuned = runs[(runs["phase"] == Phase.TUNE) & runs["seed"].isin(self._seeds)]
        rounds: Rounds = {}
        for name, own in tuned.sort_values(["created", "run_id"]).groupby("variant"):
            points = list({key_of(point): dict(point) for point in own["hyperparameters"]}.values())
            size = self._tuning.round_size
            rounds[str(name)] = [points[first : first + size] for first in range(0, len(points), size)]
        return rounds

    def _try(self, points: Grids) -> None:
        """Bring the points of a round to their outcomes; with racing, seed by seed."""
        if self._tuning.pruner != WILCOXON:
            self.execute(Phase.TUNE, self.plan.tune_points(points, self._seeds))
            return
        for place, seed in enumerate(self._seeds):
            self.execute(Phase.TUNE, self.plan.tune_points(points, [seed]))
            points = self._still_racing(points, self._seeds[: place + 1])

    def _still_racing(self, points: Grids, seeds: list[int]) -> Grids:
        """Those of a round that go on to another seed, after ``seeds``."""
        racing: Grids = {}
        all_tried = self._tried()
        for name, own in points.items():
            tried = {point.key: point for point in all_tried[name]}
            losses = {
                key: [point.losses[seed] for seed in seeds]
                for key, point in tried.items()
                if all(seed in point.losses for seed in seeds)
            }
            racing[name] = [
                point
                for point in own
                if not is_out(
                    losses[key_of(point)],
                    [other for key, other in losses.items() if key != key_of(point)],
                )
            ]
        return racing

    def _run_again(self) -> None:
        """The best points of each variant on fresh seeds: what the choice between them rests on."""
        tuning, fresh = self._tuning, self.plan.study.fresh_seeds
        if not fresh:
            return
        best: Grids = {}
        for name, tried in self._tried().items():
            points = [point for point in tried if contains(tuning.space, point.hyperparameters)]
            best[name] = [one.hyperparameters for one in leading(points, self._seeds, tuning.again)]
        best_points = f"the {tuning.again} best points of every variant"
        self.display.note(f"{best_points} are run again on {plural(len(fresh), 'fresh seed')}")
        self.execute(Phase.TUNE, self.plan.tune_points(best, fresh))

    def _announce(self, tuned: dict[str, TunedRate]) -> None:
        points = "; ".join(f"{name}: {described(one.hyperparameters)}" for name, one in tuned.items())
        self.display.note(f"tuned: {points}")


def _told(point: Hyperparameters, mean: float) -> Told:
    """What a sampler hears of a point: its mean over tuning seeds."""
    return Told(point=point, values=[mean] if math.isfinite(mean) else None)
