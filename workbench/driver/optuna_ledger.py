"""Optuna's ledger of a study: its trials, one Optuna study per variant, all in one journal file.

A study per variant makes budgets equal by construction and lets a variant be added later (a categorical
parameter could not grow). The driver, the journal's only writer, enters every trial with its hyperparameters
and seed in a single line: nothing is sampled, so no cell is run twice, and a driver that is killed leaves a
whole trial or none. ``optuna-dashboard results/<study>/optuna.journal`` opens the file.
"""

import json
import math
import warnings
from pathlib import Path
from typing import Any

import optuna
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock
from optuna.trial import FrozenTrial, Trial, TrialState, create_trial

from workbench.driver.samplers import distributions
from workbench.files import set_aside
from workbench.records.hyperparameters import LEARNING_RATE, Hyperparameters
from workbench.records.run import FINISHED, RECORD, RunDirectory, RunRecord, State, error_line
from workbench.records.space import Range, Space, contains
from workbench.study.candidates import LOG_RANGES
from workbench.user_numbers import LARGEST_SEED

JOURNAL = "optuna.journal"
_SEEDS = IntDistribution(0, LARGEST_SEED)
_ANY_NUMBER = FloatDistribution(-1e300, 1e300)


class Ledger:
    """The study's Optuna storage. Every method may be called again after a crash: nothing is entered twice.

    The trials of a variant are read when it is first asked for and remembered by run. Each line that is
    written costs a lock and a flush to disk; finding finished runs again writes none. A damaged journal is
    set aside and begun anew, and ``note`` says so: it holds nothing that the run records do not, and every
    run that is found finished is entered again. ``space`` is what is tuned over, where the study has one.
    """

    def __init__(self, directory: Path, metric: str, space: Space | None = None) -> None:
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self.note: str | None = None
        path = directory / JOURNAL
        try:
            self._storage = _open_journal(path)
        except _Damaged as damage:
            aside = set_aside(path)
            self.note = (
                f"{JOURNAL} was damaged ({damage}): it is made anew from the run records, and the damaged "
                f"file is kept as {aside.name}"
            )
            self._storage = _open_journal(path)
        self._metric = metric
        self._space = space or {}
        self._studies: dict[str, optuna.Study] = {}
        self._live: dict[str, Trial] = {}
        self._finished: dict[str, TrialState] = {}

    @classmethod
    def from_records(cls, directory: Path, metric: str, space: Space | None = None) -> "Ledger":
        """A new journal of the study's finished runs, in the order in which they ended."""
        ledger = cls(directory, metric, space)
        for record in finished_records(directory):
            ledger.finish(record)
        return ledger

    def start(self, record: RunRecord) -> None:
        """Note that a run begins or goes on: enters a trial unless it has one.

        A run that failed and is tried again gets a second trial; what became of the first stays.
        """
        study = self._study(record.variant)
        over = self._finished.get(record.run_id, TrialState.FAIL) != TrialState.FAIL
        if record.run_id not in self._live and not over:
            self._enter(study, record, TrialState.RUNNING)

    def report(self, run_id: str, step: int, value: float) -> None:
        """Note an evaluation of a running trial (never per step: each costs milliseconds)."""
        trial = self._live.get(run_id)
        if trial is None or not math.isfinite(value):
            return
        with warnings.catch_warnings():
            # A resumed run repeats the evaluations since its checkpoint; Optuna keeps the first, and warns.
            warnings.filterwarnings("ignore", message=".*is already reported")
            trial.report(value, step)

    def finish(self, record: RunRecord) -> None:
        """Tell Optuna how a run ended; a run that it has no trial for is entered as finished."""
        study = self._study(record.variant)
        state, value = self._outcome(record)
        trial = self._live.pop(record.run_id, None)
        if trial is not None:
            for key, text in reasons(record).items():
                trial.set_user_attr(key, text)
            # A pruned trial's value is the one that was reported last: Optuna takes no other.
            study.tell(trial, None if state is TrialState.PRUNED else value, state)
            self._finished[record.run_id] = state
        elif record.run_id not in self._finished:
            self._enter(study, record, state, value)

    def _outcome(self, record: RunRecord) -> tuple[TrialState, float | None]:
        value = record.summary.get(self._metric)
        finite = value is not None and math.isfinite(value)
        if record.state is State.PRUNED:
            return TrialState.PRUNED, value if finite else None
        # Complete without a finite metric is no result; the tables say "failed" too.
        complete = record.state is State.COMPLETE and finite
        return (TrialState.COMPLETE, value) if complete else (TrialState.FAIL, None)

    def _study(self, variant: str) -> optuna.Study:
        if variant not in self._studies:
            known = variant in {study.study_name for study in self._storage.get_all_studies()}
            # Creating writes a line even where the study exists.
            opened = optuna.load_study if known else optuna.create_study
            self._studies[variant] = opened(
                study_name=variant,
                storage=self._storage,
                sampler=optuna.samplers.RandomSampler(seed=0),
                pruner=optuna.pruners.NopPruner(),
            )
            for trial in self._studies[variant].get_trials(deepcopy=False):
                self._remember(self._studies[variant], trial)
        return self._studies[variant]

    def _enter(
        self, study: optuna.Study, record: RunRecord, state: TrialState, value: float | None = None
    ) -> None:
        ended = {} if state is TrialState.RUNNING else reasons(record)
        reached: dict[int, float] = {}
        if state is TrialState.PRUNED and value is not None:
            reached = {record.progress.get("step", 0): value}
        trial = create_trial(
            state=state,
            value=value,
            params={**record.hyperparameters, "seed": record.seed},
            distributions={**self._distributions(record.hyperparameters), "seed": _SEEDS},
            user_attrs={"phase": record.phase, "run_id": record.run_id} | ended,
            intermediate_values=reached,
        )
        study.add_trial(trial)
        self._remember(study, study.get_trials(deepcopy=False)[-1])

    def _distributions(self, point: Hyperparameters) -> dict[str, BaseDistribution]:
        """Where Optuna takes each to lie: in the study's space, if it has one that the point lies in."""
        if not contains(self._space, point):
            return _ranges(point)
        # A rate that a curve chose lies between those of a list: their distribution is that of all rates.
        own: Space = {
            name: one for name, one in self._space.items() if name != LEARNING_RATE or isinstance(one, Range)
        }
        return _ranges(point) | distributions(own)

    def _remember(self, study: optuna.Study, trial: FrozenTrial) -> None:
        run_id = trial.user_attrs.get("run_id")
        if run_id is None:
            return  # entered by somebody else: no run of this study
        if trial.state.is_finished():
            self._finished[run_id] = trial.state
        elif trial.state is TrialState.RUNNING:
            self._live[run_id] = Trial(study, trial._trial_id)


def finished_records(directory: Path) -> list[RunRecord]:
    """The records of a study's finished runs, in the order in which they ended."""
    runs = [RunDirectory(path.parent) for path in sorted((directory / "runs").glob(f"*/{RECORD}"))]
    finished = [record for record in map(RunDirectory.read, runs) if record.state in FINISHED]
    return sorted(finished, key=lambda record: record.finished or "")


class _Damaged(ValueError):
    """A journal that is none any more; says what is wrong with it."""


def journal_damage(path: Path) -> str | None:
    """What is wrong with the journal at ``path``; None for a sound one, and where there is none."""
    if not path.exists():
        return None
    try:
        _open_journal(path)
    except _Damaged as damage:
        return str(damage)
    return None


def _open_journal(path: Path) -> JournalStorage:
    """The journal at ``path`` as Optuna's storage; a new one where there is none.

    Raises ``_Damaged`` for a file that Optuna could not go on with: it reads up to the first line that is no
    entry, and appends to a line that has no end, which would stop this study, or the next driver of it.
    """
    content = path.read_bytes() if path.exists() else b""
    if content and not content.endswith(b"\n"):
        raise _Damaged("its last line is cut short")
    for number, line in enumerate(content.splitlines(), start=1):
        try:
            json.loads(line)
        except (ValueError, RecursionError):
            raise _Damaged(f"line {number} is not JSON") from None
    # A lock left by a killed driver is stale: the study's own lock already keeps a second driver out.
    path.with_name(f"{path.name}.lock").unlink(missing_ok=True)
    backend = JournalFileBackend(str(path), lock_obj=JournalFileOpenLock(str(path)))
    try:
        return JournalStorage(backend)  # which reads all entries
    except OSError:
        raise
    except Exception as error:  # whatever Optuna makes of lines that are no entries
        raise _Damaged(f"Optuna cannot read it: {type(error).__name__} {error}") from error


def reasons(record: RunRecord) -> dict[str, Any]:
    """What a trial says of its run beside its value: why there is none."""
    if record.state is State.COMPLETE:
        return {}
    error = {"error": error_line(record.error)[:500]} if record.error else {}
    return {"state": str(record.state)} | error


def _ranges(hyperparameters: Hyperparameters) -> dict[str, BaseDistribution]:
    """Where Optuna takes each to lie: by its logarithm where tuning goes by that."""
    logarithmic = {name: FloatDistribution(*bounds, log=True) for name, bounds in LOG_RANGES.items()}
    return {
        name: CategoricalDistribution([value])
        if isinstance(value, str)
        else logarithmic.get(name, _ANY_NUMBER)
        for name, value in hyperparameters.items()
    }
