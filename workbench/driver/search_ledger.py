"""Optuna's ledger of a search: one Optuna study, ``search``, with a trial for each point.

A trial has the number of its point, the mean over its seeds as the value of each objective, and the
constraints; a point that was excluded before training is a pruned trial that violates one. A point that
hyperband stopped is a pruned trial too, with its value at each rung by the rung's tokens; where there are
several objectives Optuna has no such values, and its attribute ``rungs`` has them. So
``optuna-dashboard results/<study>/optuna.journal`` shows the search as if Optuna had driven it.
"""

import math
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import optuna
from optuna.trial import TrialState, create_trial

from workbench.analysis.search import searched
from workbench.analysis.search_rungs import Standing
from workbench.driver.optuna_ledger import Ledger, finished_records, reasons
from workbench.driver.samplers import distributions, parameters
from workbench.records.index import load_study
from workbench.records.manifest import Manifest, read_manifest
from workbench.records.run import RunRecord, State
from workbench.records.search import SEARCH_STUDY, SearchPoint, read_points, variant_name

_POINT = "point"  # the user attribute that says which point a trial is


class SearchLedger(Ledger):
    """The ledger of a search; every method may be called again after a crash."""

    def __init__(self, directory: Path, manifest: Manifest) -> None:
        super().__init__(directory, manifest.metric)
        assert manifest.search is not None, "the manifest of a search says so"
        self._search = manifest.search
        self._seeds = list(manifest.seeds.tune)
        self._points: dict[str, SearchPoint] = {}
        self._ended: dict[tuple[str, int], dict[int, RunRecord]] = {}  # by point and tokens
        self._trials: dict[str, TrialState] = {}
        self._study_of_search = self._opened()

    @classmethod
    def rebuilt(cls, directory: Path) -> "SearchLedger":
        """A new journal of the search in ``directory``: its points, and the outcomes of its finished runs."""
        ledger = cls(directory, read_manifest(directory))
        ledger.enter(read_points(directory).points)
        for record in finished_records(directory):
            ledger.finish(record)
        found = searched(load_study(directory))
        assert found is not None, "the manifest of a search says so"
        ledger.settle({variant_name(number): one for number, one in found.standings.items()})
        return ledger

    def enter(self, points: Sequence[SearchPoint]) -> None:
        """Give each point that has none a trial: running, or pruned where it was excluded."""
        for point in points:
            self._points[point.variant] = point
            if point.variant not in self._trials:
                if point.infeasible is None:
                    self._add(point, TrialState.RUNNING, None, {})
                else:
                    self._add(point, TrialState.PRUNED, None, {"excluded": point.infeasible})

    def start(self, record: RunRecord) -> None:
        """A run of a point begins: its trial has been there since it was proposed."""

    def report(self, run_id: str, step: int, value: float) -> None:
        """Evaluations of single runs stay in their metrics: a trial here is all seeds of a point."""

    def finish(self, record: RunRecord) -> None:
        """Note how a run ended; with the last of a point's seeds its trial has an outcome.

        A rung below the whole budget is none, unless it gave no result: ``settle`` says what stopped there.
        """
        point = self._points.get(record.variant)
        if point is None:
            return
        rungs = self._search.rungs
        tokens = int(record.config["training"]["tokens"]) if rungs else 0
        ended = self._ended.setdefault((record.variant, tokens), {})
        ended[record.seed] = record
        if set(ended) < set(self._seeds) or self._trials[record.variant] is TrialState.COMPLETE:
            return
        values = self._values(point, list(ended.values()))
        if values is not None and rungs and tokens < rungs[-1]:
            return
        state = TrialState.FAIL if values is None else TrialState.COMPLETE
        said = {} if values is not None else _why(list(ended.values()))
        if self._trials[record.variant] is TrialState.RUNNING:
            self._tell(point, state, values, {"run_ids": [one.run_id for one in ended.values()]} | said)
        elif state is TrialState.COMPLETE:  # failed before, and tried again: a second trial, as in any study
            self._add(point, state, values, {"run_ids": [one.run_id for one in ended.values()]})

    def settle(self, standings: Mapping[str, Standing]) -> None:
        """Note which points hyperband stopped, by their variants, and what they gave at each rung."""
        for name, one in standings.items():
            point = self._points.get(name)
            if point is None or not one.stopped or self._trials[name] is TrialState.PRUNED:
                continue
            if self._trials[name] is TrialState.RUNNING:
                self._tell(point, TrialState.PRUNED, None, {}, one.values)
            else:  # failed before, and tried again
                self._add(point, TrialState.PRUNED, None, {}, one.values)

    def _values(self, point: SearchPoint, runs: list[RunRecord]) -> list[float] | None:
        """The mean of each objective over the seeds; None unless every seed has a result."""
        if any(run.state is not State.COMPLETE for run in runs):
            return None
        found = []
        for name in self._search.objectives:
            known = point.figures.get(name)
            own = [{**run.cost, **run.summary}.get(name) if known is None else known for run in runs]
            numbers = [float(value) for value in own if value is not None and math.isfinite(value)]
            if len(numbers) < len(runs):
                return None
            found.append(math.fsum(numbers) / len(numbers))
        return found

    def _opened(self) -> optuna.Study:
        names = {study.study_name for study in self._storage.get_all_studies()}
        if SEARCH_STUDY in names:
            study = optuna.load_study(study_name=SEARCH_STUDY, storage=self._storage, sampler=_never_asked())
        else:
            study = optuna.create_study(
                study_name=SEARCH_STUDY,
                storage=self._storage,
                sampler=_never_asked(),
                pruner=optuna.pruners.NopPruner(),
                directions=["minimize"] * len(self._search.objectives),
            )
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
                study.set_metric_names(self._search.objectives)
        for trial in study.get_trials(deepcopy=False):
            if _POINT in trial.user_attrs:
                self._trials[trial.user_attrs[_POINT]] = trial.state
        return study

    def _add(
        self,
        point: SearchPoint,
        state: TrialState,
        values: list[float] | None,
        said: dict[str, Any],
        rungs: dict[int, list[float]] | None = None,
    ) -> None:
        between, more = self._in_between(rungs or {})
        lost = not point.point  # excluded, and its file was damaged: only its number is known
        self._study_of_search.add_trial(
            create_trial(
                state=state,
                values=values,
                params={} if lost else parameters(self._search.space, point.point),
                distributions={} if lost else distributions(self._search.space),
                user_attrs={_POINT: point.variant, "seeds": self._seeds, "phase": "search"} | said | more,
                intermediate_values=between,
                constraints=point.constraints or None,
            )
        )
        self._trials[point.variant] = state

    def _in_between(self, rungs: dict[int, list[float]]) -> tuple[dict[int, float], dict[str, Any]]:
        """Values at rungs as Optuna takes them: in between, or of several objectives as an attribute."""
        if len(self._search.objectives) == 1:
            return {tokens: values[0] for tokens, values in rungs.items()}, {}
        return {}, {"rungs": {str(tokens): values for tokens, values in rungs.items()}} if rungs else {}

    def _tell(
        self,
        point: SearchPoint,
        state: TrialState,
        values: list[float] | None,
        said: dict[str, Any],
        rungs: dict[int, list[float]] | None = None,
    ) -> None:
        between, more = self._in_between(rungs or {})
        trials = self._study_of_search.get_trials(deepcopy=False, states=(TrialState.RUNNING,))
        frozen = next(trial for trial in trials if trial.user_attrs.get(_POINT) == point.variant)
        trial = optuna.trial.Trial(self._study_of_search, frozen._trial_id)
        for key, value in (said | more).items():
            trial.set_user_attr(key, value)
        with warnings.catch_warnings():
            # A driver that was killed between two of these repeats them; Optuna keeps the first, and warns.
            warnings.filterwarnings("ignore", message=".*is already reported")
            for tokens, value in between.items():
                trial.report(value, tokens)
        self._study_of_search.tell(trial, values, state)
        self._trials[point.variant] = state


def _why(runs: list[RunRecord]) -> dict[str, Any]:
    return next((said for run in runs if (said := reasons(run))), {"state": "without a result"})


def _never_asked() -> optuna.samplers.BaseSampler:
    return optuna.samplers.RandomSampler(seed=0)
