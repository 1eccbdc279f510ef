"""The driver: the only one who decides what runs next and the only writer of the study's Optuna journal.

Everything it knows is on disk before it acts, so it can be killed at any moment: run again, it tells
Optuna of finished runs, resumes interrupted ones from their checkpoints, and repeats nothing.
"""

from collections import deque
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from workbench.analysis.tuning import TunedRate, choose_learning_rate
from workbench.errors import RecordError
from workbench.records.index import load_study
from workbench.records.run import FINISHED, RunDirectory, RunRecord, State, now
from workbench.study.display import Display
from workbench.study.executors import Executor
from workbench.study.heartbeat import Heartbeat
from workbench.study.plan import Plan
from workbench.study.tuning import Ledger, grown

_ATTEMPTS = 3  # a worker that dies with the same trial this often has found that trial's outcome


class Runner:
    """Takes a plan through its phases on an executor."""

    def __init__(
        self,
        plan: Plan,
        directory: Path,
        executor: Executor,
        *,
        display: Display,
        heartbeat: Heartbeat,
        retry_failed: bool = False,
    ) -> None:
        self.plan, self.directory, self.executor = plan, directory, executor
        self.display, self.heartbeat, self.retry_failed = display, heartbeat, retry_failed
        self.ledger = Ledger(directory, plan.study.metric)
        self._running: dict[str, RunRecord] = {}
        self._lost: dict[str, int] = {}

    def run(self) -> None:
        """Run every phase of the study; returns when all trials have an outcome."""
        self.display.begin(self.plan.trial_counts(), self.plan.steps)
        if "pilot" in self.plan.study.phases:
            self._execute("pilot", self.plan.pilot())
        chosen = self._tune() if "tune" in self.plan.study.phases else self._only_rate()
        self._execute("confirm", self.plan.confirm(chosen))

    def stop(self) -> None:
        """Ask the running trials to save and stop, and wait for them."""
        for event in self.executor.stop():
            self._handle(event, deque())

    def _only_rate(self) -> dict[str, float]:
        return {variant.name: self.plan.study.learning_rates[0] for variant in self.plan.variants}

    def _tune(self) -> dict[str, float]:
        """Tune every variant on the same candidates; while a best rate is at an edge, grow for all."""
        candidates = list(self.plan.study.learning_rates)
        for round_left in range(self.plan.study.grid_growth, -1, -1):
            self._execute("tune", self.plan.tune(candidates))
            tuned = self._tuned()
            added = grown(candidates, [rate.learning_rate for rate in tuned])
            if not added or not round_left:
                break
            candidates = sorted({*candidates, *added})
            self.display.note(
                f"a best learning rate is at the grid's edge: adding {_join(added)} for all variants"
            )
            self.display.expect(len(added) * len(self.plan.tune([0.0])))
        self._announce(tuned, at_edge=bool(added))
        return {rate.variant: rate.learning_rate for rate in tuned}

    def _tuned(self) -> list[TunedRate]:
        runs = load_study(self.directory).runs
        metric = self.plan.study.metric
        return [choose_learning_rate(runs, variant.name, metric) for variant in self.plan.variants]

    def _announce(self, tuned: list[TunedRate], *, at_edge: bool) -> None:
        rates = ", ".join(f"{rate.variant} {rate.learning_rate:g}" for rate in tuned)
        self.display.note(f"learning rates: {rates}" + (" (some at the grid's edge)" if at_edge else ""))

    def _execute(self, phase: str, records: list[RunRecord]) -> None:
        """Bring every record to an outcome."""
        self.display.phase(phase, len(records))
        self.heartbeat.set(phase=phase)
        waiting = deque(self._unfinished(records))
        while waiting or self._running:
            self._assign(waiting)
            event = self.executor.next_event(timeout=1.0)
            if event is not None:
                self._handle(event, waiting)
            self.heartbeat.beat(self.display.message())
            self.display.refresh()

    def _unfinished(self, records: list[RunRecord]) -> Iterable[RunRecord]:
        for record in records:
            run = RunDirectory(self.directory / "runs" / record.run_id)
            known = self._known(run)
            if known is None or (self.retry_failed and known.state is State.FAILED):
                run.write(record)
                yield record
            elif known.state in FINISHED:
                self.ledger.finish(known)
                self.display.found(known)
            else:
                yield known

    def _known(self, run: RunDirectory) -> RunRecord | None:
        try:
            return run.read() if run.exists() else None
        except RecordError as error:
            self.display.note(f"{error}; running this trial again")
            return None

    def _assign(self, waiting: deque[RunRecord]) -> None:
        for slot in self.executor.free_slots():
            if not waiting:
                return
            record = waiting.popleft()
            self.ledger.start(record)
            self._running[record.run_id] = record
            self.executor.submit(slot, self.directory / "runs" / record.run_id)
            self.display.started(record, slot)

    def _handle(self, event: dict[str, Any], waiting: deque[RunRecord]) -> None:
        record = self._running.get(event.get("run_id"))
        if record is None:
            return
        kind = event["event"]
        if kind == "progress":
            self.display.progress(record, event["step"], event["loss"])
        elif kind == "evaluation":
            self.ledger.report(record.run_id, event["step"], event[self.plan.study.metric])
        elif kind == "ended":
            self._ended(record)
        elif kind == "lost":
            self._worker_lost(record, event["status"], waiting)

    def _ended(self, record: RunRecord) -> None:
        del self._running[record.run_id]
        known = RunDirectory(self.directory / "runs" / record.run_id).read()
        if known.state in FINISHED:
            self.ledger.finish(known)
        self.display.ended(known)

    def _worker_lost(self, record: RunRecord, status: int, waiting: deque[RunRecord]) -> None:
        """A killed worker is no outcome of its trial: resume, unless it keeps happening."""
        run = RunDirectory(self.directory / "runs" / record.run_id)
        if run.read().state in FINISHED:  # it died after its last word
            self._ended(record)
            return
        self._lost[record.run_id] = self._lost.get(record.run_id, 0) + 1
        if self._lost[record.run_id] < _ATTEMPTS:
            del self._running[record.run_id]
            waiting.appendleft(record)
            self.display.note(f"worker lost ({_cause(status)}); resuming {record.variant} seed {record.seed}")
            return
        failed = run.read()
        failed.state, failed.finished = State.FAILED, now()
        failed.error = (
            f"the worker process died {_ATTEMPTS} times ({_cause(status)}); see log.txt of this run"
        )
        run.write(failed)
        self._ended(failed)


def _cause(status: int) -> str:
    if status == -9:
        return "killed by signal 9, perhaps for want of memory"
    return f"signal {-status}" if status < 0 else f"exit status {status}"


def _join(rates: list[float]) -> str:
    return " and ".join(f"{rate:g}" for rate in rates)
