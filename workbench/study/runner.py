"""The driver: the only one who decides what runs next and the only writer of the study's Optuna journal.

Everything it knows is on disk before it acts, so it can be killed at any moment: run again, it tells
Optuna of finished runs, resumes interrupted ones from their checkpoints, and repeats nothing.
"""

import math
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
from workbench.study.populations import Group, PopulationSize, grouped, one_by_one, shared_out
from workbench.study.tuning import Ledger, grown

_ATTEMPTS = 3  # a worker that dies with the same trial this often has found that trial's outcome
_ATTEMPTS_TOGETHER = 2  # a population that its worker dies with this often is split


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
        population: PopulationSize = one_by_one,
    ) -> None:
        self.plan, self.directory, self.executor = plan, directory, executor
        self.display, self.heartbeat, self.retry_failed = display, heartbeat, retry_failed
        self.population = population
        self.ledger = Ledger(directory, plan.study.metric)
        self._running: dict[str, RunRecord] = {}
        self._groups: dict[str, Group] = {}
        self._lost: dict[str, int] = {}
        self._alone: set[str] = set()  # variants that no population can have

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
        waiting = deque(self._grouped(list(self._unfinished(records))))
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

    def _grouped(self, records: list[RunRecord]) -> list[Group]:
        """Trials that train together. Rates that the grid grew by have none to compete with: no halving."""
        study = self.plan.study

        def halves(record: RunRecord) -> bool:
            if record.variant in self._alone:
                return False
            return study.halving and record.phase == "tune" and record.learning_rate in study.learning_rates

        slots = len(self.executor.free_slots())

        def size(record: RunRecord) -> int:
            if record.variant in self._alone:
                return 1
            return shared_out(self.population(record), len(records), slots)

        return grouped(records, self.directory / "runs", size, halves)

    def _assign(self, waiting: deque[Group]) -> None:
        for slot in self.executor.free_slots():
            if not waiting:
                return
            group = waiting.popleft()
            for record in group.records:
                self.ledger.start(record)
                self._running[record.run_id], self._groups[record.run_id] = record, group
            runs = [self.directory / "runs" / record.run_id for record in group.records]
            self.executor.submit(slot, runs, self._halving() if group.halving else None)
            self.display.started(group.records)

    def _halving(self) -> dict[str, Any]:
        return {"candidates": len(self.plan.study.learning_rates), "metric": self.plan.study.metric}

    def _handle(self, event: dict[str, Any], waiting: deque[Group]) -> None:
        kind = event["event"]
        if kind in ("lost", "too_large", "unpopulatable"):
            left = [self._running[name] for name in event["run_ids"] if name in self._running]
            if left and kind == "lost":
                self._worker_lost(left, event["status"], waiting)
            elif left and kind == "unpopulatable":
                self._one_by_one(left, event["error"], waiting)
            elif left:
                self._split(left, "does not fit into memory", waiting)
        elif event.get("run_id") in self._running:
            self._heard(kind, self._running[event["run_id"]], event)

    def _heard(self, kind: str, record: RunRecord, event: dict[str, Any]) -> None:
        if kind == "progress":
            self.display.progress(record, event["step"], event["loss"])
        elif kind == "evaluation":
            self.ledger.report(record.run_id, event["step"], event[self.plan.study.metric])
        elif kind == "ended":
            self._ended(record)

    def _ended(self, record: RunRecord) -> None:
        del self._running[record.run_id]
        known = RunDirectory(self.directory / "runs" / record.run_id).read()
        if known.state in FINISHED:
            self.ledger.finish(known)
        self.display.ended(known)

    def _worker_lost(self, records: list[RunRecord], status: int, waiting: deque[Group]) -> None:
        """A killed worker is no outcome of its trials: resume, unless it keeps happening."""
        left = [record for record in records if not self._ended_after_all(record)]
        for record in left:
            self._lost[record.run_id] = self._lost.get(record.run_id, 0) + 1
        most = max((self._lost[record.run_id] for record in left), default=0)
        if len(left) > 1 and most >= _ATTEMPTS_TOGETHER:
            self._split(left, f"lost its worker again ({_cause(status)})", waiting)
        elif left and most < _ATTEMPTS:
            self.display.note(f"worker lost ({_cause(status)}); resuming {_named(left)}")
            self._requeue(left, waiting)
        elif left:
            self._give_up(left[0], status)

    def _ended_after_all(self, record: RunRecord) -> bool:
        """Whether a trial had its outcome before its worker died, after its last word."""
        if RunDirectory(self.directory / "runs" / record.run_id).read().state not in FINISHED:
            return False
        self._ended(record)
        return True

    def _requeue(self, records: list[RunRecord], waiting: deque[Group]) -> None:
        """Put what is left of a group in front; its members may stand at different steps now."""
        halving = self._groups[records[0].run_id].halving
        for record in records:
            del self._running[record.run_id]
        runs, whole = self.directory / "runs", len(records)
        waiting.extendleft(reversed(grouped(records, runs, lambda _: whole, lambda _: halving)))

    def _split(self, records: list[RunRecord], why: str, waiting: deque[Group]) -> None:
        for record in records:
            del self._running[record.run_id]
            self._lost.pop(record.run_id, None)
        half = math.ceil(len(records) / 2)
        without = ", without halving" if self._groups[records[0].run_id].halving else ""
        self.display.note(
            f"a population of {len(records)} {why}: {_named(records)} goes on {half} at a time{without}"
        )
        waiting.extendleft(reversed(grouped(records, self.directory / "runs", lambda _: half)))

    def _one_by_one(self, records: list[RunRecord], why: str, waiting: deque[Group]) -> None:
        """A part that a population cannot have: its variant's trials go on alone, those that wait too."""
        variant = records[0].variant
        if variant not in self._alone:
            self.display.note(f"{why}: the trials of {variant} are trained one by one")
        self._alone.add(variant)
        for record in records:
            del self._running[record.run_id]
        groups = [group for group in waiting if group.records[0].variant == variant]
        for group in groups:
            waiting.remove(group)
        records = records + [record for group in groups for record in group.records]
        waiting.extendleft(reversed([Group(records=[record]) for record in records]))

    def _give_up(self, record: RunRecord, status: int) -> None:
        run = RunDirectory(self.directory / "runs" / record.run_id)
        failed = run.read()
        failed.state, failed.finished = State.FAILED, now()
        failed.error = (
            f"the worker process died {_ATTEMPTS} times ({_cause(status)}); see log.txt of this run"
        )
        run.write(failed)
        self._ended(failed)


def _named(records: list[RunRecord]) -> str:
    seeds = sorted({record.seed for record in records})
    return f"{records[0].variant} seed{'s' if len(seeds) > 1 else ''} {', '.join(map(str, seeds))}"


def _cause(status: int) -> str:
    if status == -9:
        return "killed by signal 9, perhaps for want of memory"
    return f"signal {-status}" if status < 0 else f"exit status {status}"


def _join(rates: list[float]) -> str:
    return " and ".join(f"{rate:g}" for rate in rates)
