"""The rounds of a search: points are proposed a few at a time, written down, and then trained.

A round follows from the records of the rounds before it, so that it is the same whatever the number of
workers: ``search.json`` has it before its first trial, and a driver that goes on after a kill finds it there.
"""

from collections.abc import Iterable
from pathlib import Path

from workbench.analysis.search import COMPLETE, searched
from workbench.driver.optuna_ledger import JOURNAL
from workbench.driver.samplers import Told, propose, seed_of
from workbench.errors import RecordError, StudyStopped
from workbench.files import set_aside
from workbench.numbers import plural
from workbench.records.index import load_study
from workbench.records.manifest import MANIFEST, Manifest, read_manifest
from workbench.records.run import RunRecord
from workbench.records.search import (
    SEARCH,
    SEARCH_REMEDY,
    SEARCH_STUDY,
    SearchPoint,
    SearchPoints,
    point_number,
    read_points,
)
from workbench.records.space import contains
from workbench.study.plan import Plan
from workbench.study.sampling import ROUND, SHARED
from workbench.study.search import Candidate

MOST_TRIES = 200  # proposals in one round: beyond, a space has next to no point that can be
_ATTEMPTS = 1_000  # which a round has room for in its seeds


class SearchRounds:
    """What was proposed of a search, and what comes next. It is the only writer of ``search.json``.

    A damaged file is set aside and made anew from the run records, and ``note`` says so.
    """

    def __init__(self, plan: Plan, directory: Path) -> None:
        assert plan.search is not None, "a plan of another design has no search"
        self._plan = plan
        self._search = plan.search
        self._directory = directory
        self.note: str | None = None
        self._rounds = [list(one) for one in self._read()]
        self._candidates: dict[int, Candidate] = {}
        self._run_ids: dict[str, int] = {}  # of the first seed of each point that is trained
        for point in self.points:
            if point.infeasible is None:
                self._know(self._search.candidate(point.number, point.point))

    @property
    def points(self) -> list[SearchPoint]:
        """All points that were proposed, in order."""
        return [point for one in self._rounds for point in one]

    @property
    def number(self) -> int:
        """How many rounds there are."""
        return len(self._rounds)

    @property
    def left(self) -> int:
        """How many points more are to be trained; less than none where the study file asks for fewer now."""
        return self._search.section.trials - sum(point.infeasible is None for point in self.points)

    def begun(self) -> list[RunRecord]:
        """The trials of all rounds that were proposed, as they are planned, in order."""
        return self._trials(self.points)

    def propose(self) -> list[RunRecord]:
        """The trials of a new round, which is on the disk when this returns.

        No trials where all were proposed, or the space has no more points. Raises ``StudyStopped`` where no
        point of very many can be trained.
        """
        sampler = self._search.section.sampler
        # What does not learn has nothing to wait for, and is evenest in one round.
        wanted = self.left if sampler in SHARED else min(ROUND, self.left)
        if wanted <= 0:
            return []
        history = self._history()
        found: list[SearchPoint] = []
        attempt = 0
        while (missing := wanted - sum(one.infeasible is None for one in found)) and len(found) < MOST_TRIES:
            # Points of this round have no result yet: they are told as bad ones, so that a round spreads.
            pending = [self._told(one, None) for one in found]
            seed = seed_of(self._plan.study.name, SEARCH_STUDY, self.number * _ATTEMPTS + attempt)
            asked = propose(
                self._search.space,
                sampler,
                seed=seed,
                history=[*history, *pending],
                count=missing,
                directions=["minimize"] * len(self._search.section.objectives),
            )
            if not asked:
                break
            for point in asked:
                candidate = self._search.candidate(len(self.points) + len(found), point)
                found.append(self._know(candidate).recorded)
            attempt += 1
        if not found:
            return []
        self._add(found)
        trials = self._trials(found)
        if not trials and len(found) >= MOST_TRIES:
            raise StudyStopped(
                f"{self._plan.study.name}: none of {len(found)} points of a round can be trained (the last: "
                f"{found[-1].infeasible}); loosen search.constraints, or leave such values out of its space"
            )
        return trials

    def summary(self) -> str:
        """The newest round in a line: ``round 3: 4 points (#9 to #13), 1 more cannot be``."""
        newest = self._rounds[-1]
        trained = sum(one.infeasible is None for one in newest)
        ends = f"{newest[0].variant} to {newest[-1].variant}" if len(newest) > 1 else newest[0].variant
        excluded = len(newest) - trained
        more = f"; {excluded} more excluded before training" if excluded else ""
        return f"round {self.number}: {plural(trained, 'point')} ({ends}){more}"

    def _read(self) -> Iterable[list[SearchPoint]]:
        path = self._directory / SEARCH
        if path.exists():
            try:
                return read_points(self._directory).rounds
            except RecordError as error:
                aside = set_aside(path)
                damage = str(error).removesuffix(f"; {SEARCH_REMEDY}")
                self.note = (
                    f"{damage}; it is made anew from the run records, and the damaged file is kept as "
                    f"{aside.name}"
                )
        return self._from_runs()

    def _from_runs(self) -> list[list[SearchPoint]]:
        """What the run records tell: points that were trained, numbered anew where some between are lost."""
        runs = load_study(self._directory).runs
        known = {
            str(row["variant"]): row["point"]
            for row in runs.to_dict("records")
            if contains(self._search.space, row["point"])
        }
        numbered = {number: known[name] for name in known if (number := point_number(name)) is not None}
        points: list[SearchPoint] = []
        for number in sorted(numbered):
            # A number in between was a point that cannot be: what it was is lost, and its place is kept.
            points += [
                SearchPoint(number=lost, point={}, infeasible="was excluded; what it was is lost")
                for lost in range(len(points), number)
            ]
            points.append(self._search.candidate(number, numbered[number]).recorded)
        if points:
            SearchPoints(rounds=[points]).write(self._directory)
        return [points] if points else []

    def _add(self, found: list[SearchPoint]) -> None:
        self._rounds.append(found)
        SearchPoints(rounds=self._rounds).write(self._directory)

    def _know(self, candidate: Candidate) -> Candidate:
        """Remember a candidate; one that would be the runs of an earlier point is excluded."""
        trials = self._plan.search_trials(candidate)
        if trials:
            first = self._run_ids.setdefault(trials[0].run_id, candidate.recorded.number)
            if first != candidate.recorded.number:
                candidate = candidate.excluded(f"is the same model, trained alike, as #{first}")
        self._candidates[candidate.recorded.number] = candidate
        return candidate

    def _trials(self, points: list[SearchPoint]) -> list[RunRecord]:
        candidates = [self._candidates[point.number] for point in points if point.infeasible is None]
        return [trial for candidate in candidates for trial in self._plan.search_trials(candidate)]

    def _history(self) -> list[Told]:
        """What the rounds before gave, by the same rule as the report."""
        found = searched(load_study(self._directory))
        assert found is not None, "the manifest of a search says so"
        names = [one.name for one in found.objectives]
        values = {
            int(row["number"]): [float(row[name]) for name in names]
            for row in found.trials.to_dict("records")
            if row["state"] == COMPLETE
        }
        return [self._told(point, values.get(point.number)) for point in self.points]

    def _told(self, point: SearchPoint, values: list[float] | None) -> Told:
        return Told(point=point.point, values=values, constraints=point.constraints)


def forget_unbegun(directory: Path, manifest: Manifest) -> None:
    """Remove the points of another search in ``directory`` of which nothing was trained.

    A search whose constraints left no point is mended by other ones: what was excluded by the first is no
    point of the second. One that has runs is refused when its manifest is frozen.
    """
    try:
        before = read_manifest(directory).search if (directory / MANIFEST).exists() else None
    except RecordError:
        return  # freezing says so
    ours = manifest.search
    if before is None or ours is None or before.identity == ours.identity or len(load_study(directory).runs):
        return
    for name in (SEARCH, JOURNAL):
        (directory / name).unlink(missing_ok=True)
