"""The rounds of a search: points are proposed a few at a time, written down, and then trained.

A round follows from the records of the rounds before it, so that it is the same whatever the number of
workers: ``search.json`` has it before its first trial, and a driver that goes on after a kill finds it there.

With hyperband a round is a bracket: all its points run at its first rung, and those that
``analysis/search_rungs.py`` picks at the next. The sampler is told the whole budget's values, and of a point
that stopped what Optuna's own samplers are told of a pruned trial: the value at its highest rung. So a point
that stopped never beats one that did not, and a loss after fewer tokens is not taken for one after all.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from workbench.analysis.hyperband import bracket
from workbench.analysis.search import COMPLETE, Search, searched
from workbench.analysis.search_rungs import Standing
from workbench.driver.optuna_ledger import JOURNAL
from workbench.driver.samplers import Told, propose, seed_of
from workbench.errors import RecordError, StudyStopped
from workbench.numbers import plural
from workbench.records.damaged_files import set_aside_for_runs
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
    variant_name,
)
from workbench.records.space import contains
from workbench.study.plan import Plan
from workbench.study.sampling import ROUND, SHARED
from workbench.study.search import Candidate

MOST_TRIES = 200  # proposals in one round: beyond, a space has next to no point that can be
_TRIES_EACH = 10  # for each point of a bracket, which may be large
_ATTEMPTS = 1_000  # which a round has room for in its seeds


class SearchRounds:
    """What was proposed of a search, and what comes next. It is the only writer of ``search.json``.

    A damaged file is set aside and made anew from the run records, and ``note`` says so.
    """

    def __init__(self, plan: Plan, directory: Path) -> None:
        assert plan.search is not None, "a plan of another design has no search"
        self._plan = plan
        self._search = plan.search
        self._rungs = plan.search.rungs  # empty without hyperband
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

    def trials(self, points: list[SearchPoint]) -> Iterator[tuple[str, list[RunRecord]]]:
        """The trials of ``points`` in order: all at once, or with hyperband rung by rung, and what they are.

        Those of a rung follow from the records of the rung before, whose trials have ended by then.
        """
        if not self._rungs:
            if trials := self._trials(points):
                yield "", trials
            return
        for tokens in self._rungs:
            found = self.standings()
            due = [point for point in points if self._is_at(point, tokens, found)]
            if trials := self._trials(due, tokens):
                yield f"rung of {tokens:,} tokens: {plural(len(due), 'point')}", trials

    def standings(self) -> dict[str, Standing]:
        """With hyperband how far each point is, by its variant; empty without."""
        return {variant_name(number): one for number, one in self._found().standings.items()}

    def _is_at(self, point: SearchPoint, tokens: int, found: dict[str, Standing]) -> bool:
        if point.infeasible is not None or point.bracket is None:
            return False
        return self._rungs[point.bracket % len(self._rungs)] <= tokens <= found[point.variant].tokens

    def propose(self) -> list[SearchPoint]:
        """The points of a new round that are trained; the round is on the disk when this returns.

        None where all were proposed, or the space has no more points. Raises ``StudyStopped`` where no point
        of very many can be trained.
        """
        sampler = self._search.section.sampler
        # What does not learn has nothing to wait for, and is evenest in one round.
        wanted = self.left if sampler in SHARED else min(ROUND, self.left)
        number: int | None = None
        most = MOST_TRIES
        if self._rungs:
            number = self._brackets
            wanted = bracket(number, self._rungs, self.left).points
            most = max(MOST_TRIES, _TRIES_EACH * wanted)
        if wanted <= 0:
            return []
        history = self._history()
        found: list[SearchPoint] = []
        attempt = 0
        while (missing := wanted - sum(one.infeasible is None for one in found)) and len(found) < most:
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
                candidate = self._search.candidate(len(self.points) + len(found), point).in_bracket(number)
                found.append(self._know(candidate).recorded)
            attempt += 1
        if not found:
            return []
        self._add(found)
        trained = [point for point in found if point.infeasible is None]
        if not trained and len(found) >= most:
            raise StudyStopped(
                f"{self._plan.study.name}: none of {len(found)} points of a round can be trained (the last: "
                f"{found[-1].infeasible}); loosen search.constraints, or leave such values out of its space"
            )
        return trained

    def summary(self) -> str:
        """The newest round in a line: ``round 3: 4 points (#9 to #13), 1 more cannot be``."""
        newest = self._rounds[-1]
        trained = sum(one.infeasible is None for one in newest)
        ends = f"{newest[0].variant} to {newest[-1].variant}" if len(newest) > 1 else newest[0].variant
        excluded = len(newest) - trained
        more = f"; {excluded} more excluded before training" if excluded else ""
        kind = "bracket" if self._rungs else "round"
        return f"{kind} {self.number}: {plural(trained, 'point')} ({ends}){more}"

    def _read(self) -> Iterable[list[SearchPoint]]:
        path = self._directory / SEARCH
        if path.exists():
            try:
                return read_points(self._directory).rounds
            except RecordError as error:
                self.note = set_aside_for_runs(path, error, SEARCH_REMEDY)
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
        rounds: list[list[SearchPoint]] = []
        points = 0
        bracket_number: int | None = None
        first_rungs = self._first_rungs(runs.to_dict("records"))
        for number in sorted(numbered):
            # With hyperband the next bracket always begins at another rung.
            rung = first_rungs.get(variant_name(number))
            while rung is not None and rung != _first(self._rungs, bracket_number):
                bracket_number = 0 if bracket_number is None else bracket_number + 1
                rounds.append([])
            if not rounds:
                rounds.append([])
            # A number in between was a point that cannot be: what it was is lost, and its place is kept.
            rounds[-1] += [
                SearchPoint(number=lost, point={}, infeasible="was excluded; what it was is lost")
                for lost in range(points, number)
            ]
            candidate = self._search.candidate(number, numbered[number]).in_bracket(bracket_number)
            rounds[-1].append(candidate.recorded)
            points = number + 1
        if rounds:
            SearchPoints(rounds=rounds).write(self._directory)
        return rounds

    def _first_rungs(self, rows: list[dict[str, Any]]) -> dict[str, int]:
        """The rung that each point began at, by its variant: the fewest tokens of its runs."""
        found: dict[str, int] = {}
        for row in rows if self._rungs else []:
            tokens = int(row["config"]["training"]["tokens"])
            found[str(row["variant"])] = min(tokens, found.get(str(row["variant"]), tokens))
        return {name: tokens for name, tokens in found.items() if tokens in self._rungs}

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

    @property
    def _brackets(self) -> int:
        """The number of the next bracket."""
        return 1 + max((point.bracket for point in self.points if point.bracket is not None), default=-1)

    def _trials(self, points: list[SearchPoint], tokens: int | None = None) -> list[RunRecord]:
        candidates = [self._candidates[point.number] for point in points if point.infeasible is None]
        return [trial for candidate in candidates for trial in self._plan.search_trials(candidate, tokens)]

    def _found(self) -> Search:
        found = searched(load_study(self._directory))
        assert found is not None, "the manifest of a search says so"
        return found

    def _history(self) -> list[Told]:
        """What the rounds before gave, by the same rule as the report."""
        found = self._found()
        names = [one.name for one in found.objectives]
        values = {
            int(row["number"]): [float(row[name]) for name in names]
            for row in found.trials.to_dict("records")
            if row["state"] == COMPLETE
        }
        stopped = {
            number: (one.tokens, one.values[one.tokens][0])
            for number, one in found.standings.items()
            if one.stopped
        }
        told = [
            self._told(point, values.get(point.number), stopped.get(point.number)) for point in self.points
        ]
        # Where Optuna has no values in between, the order says which of those that stopped were better.
        return sorted(told, key=_worse) if len(names) > 1 else told

    def _told(
        self, point: SearchPoint, values: list[float] | None, stopped: tuple[int, float] | None = None
    ) -> Told:
        return Told(point=point.point, values=values, constraints=point.constraints, stopped=stopped)


def _first(rungs: list[int], bracket_number: int | None) -> int | None:
    """The rung that a bracket begins at; None before the first one."""
    return None if bracket_number is None else rungs[bracket_number % len(rungs)]


def _worse(told: Told) -> tuple[int, int, float]:
    """What has a value first, then what stopped, by more tokens and the first objective; then the rest."""
    if told.stopped is not None:
        return 1, -told.stopped[0], told.stopped[1]
    return (2 if told.values is None else 0), 0, 0.0


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
