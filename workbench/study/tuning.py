"""Optuna keeps the trials: one Optuna study per variant, all in one journal file.

A study per variant makes budgets equal by construction and lets a variant be added later (a categorical
parameter could not grow). Candidates are enqueued and asked for by the driver, the journal's only writer,
so no cell is run twice. ``optuna-dashboard results/<study>/optuna.journal`` opens the file.
"""

import math
from pathlib import Path

import optuna
from optuna.distributions import FloatDistribution, IntDistribution
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock
from optuna.trial import FrozenTrial, Trial, TrialState

from workbench.records.run import RunRecord, State

JOURNAL = "optuna.journal"
_SPACE = {
    "learning_rate": FloatDistribution(1e-9, 10.0, log=True),
    "seed": IntDistribution(0, 2**53),
}


class Ledger:
    """The study's Optuna storage. Every method may be called again after a crash: nothing is told twice."""

    def __init__(self, directory: Path, metric: str) -> None:
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        path = str(directory / JOURNAL)
        # A lock left by a killed driver is stale: the study's own lock already keeps a second driver out.
        Path(path + ".lock").unlink(missing_ok=True)
        self._storage = JournalStorage(JournalFileBackend(path, lock_obj=JournalFileOpenLock(path)))
        self._metric = metric
        self._studies: dict[str, optuna.Study] = {}
        self._live: dict[str, Trial] = {}

    def start(self, record: RunRecord) -> None:
        """Note that a run begins or goes on: asks Optuna for its trial unless it has one."""
        study = self._study(record.variant)
        known = self._find(study, record.run_id)
        if known is None:
            self._live[record.run_id] = self._ask(study, record)
        elif not known.state.is_finished():
            self._live[record.run_id] = self._reopen(study, known)

    def report(self, run_id: str, step: int, value: float) -> None:
        """Note an evaluation of a running trial (never per step: each costs milliseconds)."""
        trial = self._live.get(run_id)
        if trial is not None and math.isfinite(value):
            trial.report(value, step)

    def finish(self, record: RunRecord) -> None:
        """Tell Optuna how a run ended; a run that it has no trial for is entered as finished."""
        study = self._study(record.variant)
        known = self._find(study, record.run_id)
        if known is not None and known.state.is_finished():
            return
        trial = self._live.pop(record.run_id, None)
        if trial is None:
            trial = self._ask(study, record) if known is None else self._reopen(study, known)
        trial.set_user_attr("state", str(record.state))
        if record.error:
            trial.set_user_attr("error", record.error.splitlines()[-1][:500])
        if record.state is State.COMPLETE:
            study.tell(trial, record.summary[self._metric])
        else:
            study.tell(trial, state=TrialState.FAIL)

    def _study(self, variant: str) -> optuna.Study:
        if variant not in self._studies:
            self._studies[variant] = optuna.create_study(
                study_name=variant,
                storage=self._storage,
                direction="minimize",
                load_if_exists=True,
                sampler=optuna.samplers.RandomSampler(seed=0),
                pruner=optuna.pruners.NopPruner(),
            )
        return self._studies[variant]

    def _ask(self, study: optuna.Study, record: RunRecord) -> Trial:
        parameters = {"learning_rate": record.learning_rate, "seed": record.seed}
        study.enqueue_trial(parameters, user_attrs={"phase": record.phase, "run_id": record.run_id})
        return study.ask(_SPACE)

    def _reopen(self, study: optuna.Study, known: FrozenTrial) -> Trial:
        # A driver killed between enqueueing and asking leaves a waiting trial: it is the next one asked for.
        return study.ask(_SPACE) if known.state == TrialState.WAITING else Trial(study, known._trial_id)

    def _find(self, study: optuna.Study, run_id: str) -> FrozenTrial | None:
        trials = study.get_trials(deepcopy=False)
        return next((trial for trial in trials if trial.user_attrs.get("run_id") == run_id), None)


def grown(candidates: list[float], chosen: list[float]) -> list[float]:
    """Rates to add, for every variant alike, when a chosen rate lies at an edge of ``candidates``.

    The grid grows by its own ratio on the side that was hit; an empty list means every optimum is interior.
    """
    rates = sorted(candidates)
    added = []
    if rates[0] in chosen:
        added.append(rates[0] * rates[0] / rates[1])
    if rates[-1] in chosen:
        added.append(rates[-1] * rates[-1] / rates[-2])
    # Three digits: the file, the table and the run's identity then show the same number.
    return [float(f"{rate:.3g}") for rate in added]
