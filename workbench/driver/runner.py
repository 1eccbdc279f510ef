"""The driver: the only one who decides what runs next and the only writer of the study's Optuna journal.

Everything it knows is on disk before it acts, so it can be killed at any moment: run again, it tells
Optuna of finished runs, resumes interrupted ones from their checkpoints, and repeats nothing.

What a trial finds is an outcome. What befalls it is none: a lost worker, a full disk, a damaged file, a first
want of memory. Such a trial is tried again, and the study stops when the same trial is lost again and again
without getting further.
"""

import math
from collections import deque
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from workbench.analysis.tuned_rates import TunedRate, choose_learning_rate
from workbench.driver.display import Display
from workbench.driver.executors.local import Executor
from workbench.driver.heartbeat import Heartbeat
from workbench.driver.ledger import Ledger, at_edge, grown
from workbench.driver.populations import Group, PopulationSize, grouped, one_by_one, shared_out
from workbench.errors import RecordError, StudyStopped
from workbench.numbers import rate
from workbench.records.index import MANIFEST, load_study
from workbench.records.run import FINISHED, LOG, RunDirectory, RunRecord, State
from workbench.study.plan import Plan

_ATTEMPTS = 3  # the study stops when the same trial is lost this often without getting further
_ATTEMPTS_TOGETHER = 2  # a population is split when it is lost this often without getting further


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
        self._waiting: deque[Group] = deque()
        self._running: dict[str, RunRecord] = {}
        self._groups: dict[str, Group] = {}
        self._losses = Losses()
        self._alone: set[str] = set()  # variants that no population can have
        self._stopping = False

    def run(self) -> None:
        """Run every phase of the study; returns when all trials have an outcome."""
        self.display.begin(self.plan.trial_counts(), self.plan.steps)
        if self.ledger.note:
            self.display.note(f"note: {self.ledger.note}")
        if "pilot" in self.plan.study.phases:
            self._execute("pilot", self.plan.pilot())
        chosen = self._tune() if "tune" in self.plan.study.phases else self._only_rate()
        self._execute("confirm", self.plan.confirm(chosen))

    def stop(self) -> None:
        """Ask the running trials to save and stop, and wait for them."""
        self._stopping = True
        for event in self.executor.stop():
            self._handle(event)

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
        self._announce(tuned, at_edge=at_edge(candidates, [rate.learning_rate for rate in tuned]))
        return {rate.variant: rate.learning_rate for rate in tuned}

    def _tuned(self) -> list[TunedRate]:
        runs = load_study(self.directory).runs
        metric = self.plan.study.metric
        return [choose_learning_rate(runs, variant.name, metric) for variant in self.plan.variants]

    def _announce(self, tuned: list[TunedRate], *, at_edge: bool) -> None:
        rates = ", ".join(f"{one.variant} {rate(one.learning_rate)}" for one in tuned)
        self.display.note(f"learning rates: {rates}" + (" (some at the grid's edge)" if at_edge else ""))

    def _execute(self, phase: str, records: list[RunRecord]) -> None:
        """Bring every record to an outcome."""
        unfinished = list(self._unfinished(records))
        resumed = [record for record in unfinished if self._directory_of(record).has_checkpoint]
        self.display.phase(phase, len(records), len(unfinished), resumed)
        self.heartbeat.set(phase=phase)
        self._waiting = deque(self._grouped(unfinished))
        while self._waiting or self._running:
            if not (self.directory / MANIFEST).exists():
                raise StudyStopped(f"{self.directory}: was removed while the study ran; run it again")
            self._assign()
            event = self.executor.next_event(timeout=1.0)
            if event is not None:
                self._handle(event)
            self.heartbeat.beat(self.display.message(), self.display.seconds_left())
            self.display.refresh()

    def _unfinished(self, records: list[RunRecord]) -> Iterable[RunRecord]:
        for record in records:
            run = self._directory_of(record)
            known = self._known(run)
            if known is None or (self.retry_failed and known.state is State.FAILED):
                run.write(record)
                yield record
            elif known.state in FINISHED:
                self.ledger.finish(known)
                self.display.found(known)
            else:
                yield known

    def _directory_of(self, record: RunRecord) -> RunDirectory:
        return RunDirectory(self.directory / "runs" / record.run_id)

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

    def _assign(self) -> None:
        for slot in self.executor.free_slots():
            if not self._waiting:
                return
            group = self._waiting.popleft()
            for record in group.records:
                self.ledger.start(record)
                self._running[record.run_id] = record
                self._groups[record.run_id] = group
            runs = [self._directory_of(record).path for record in group.records]
            self.executor.submit(slot, runs, self._halving() if group.halving else None)
            self.display.started(group.records)

    def _halving(self) -> dict[str, Any]:
        return {"candidates": len(self.plan.study.learning_rates), "metric": self.plan.study.metric}

    def _handle(self, event: dict[str, Any]) -> None:
        kind = event["event"]
        if kind in ("lost", "fault", "too_large", "unpopulatable"):
            left = [self._running[name] for name in event["run_ids"] if name in self._running]
            left = [record for record in left if not self._ended_after_all(record)]
            if left and kind == "too_large":
                self._split(left, "does not fit into memory")
            elif left and kind == "unpopulatable":
                self._one_by_one(left, event["error"])
            elif left and event.get("unbegun"):
                why = _status(event["status"])
                self.display.note(
                    f"{_named(left)}: begins in another worker; the one before ended idle ({why})"
                )
                self._requeue(left)
            elif left:
                self._try_again(left, _cause(event), perhaps_too_many=kind == "lost")
        elif event.get("run_id") in self._running:
            self._heard(kind, self._running[event["run_id"]], event)

    def _heard(self, kind: str, record: RunRecord, event: dict[str, Any]) -> None:
        if kind == "progress":
            self.display.progress(record, event["step"], event["loss"])
        elif kind == "evaluation":
            if event["step"] == 0:
                self.display.first_validation(record, event["validation/loss"])
            self.ledger.report(record.run_id, event["step"], event[self.plan.study.metric])
        elif kind == "ended" and not self._ended_after_all(record):
            if self._stopping:
                del self._running[record.run_id]
                self.display.ended(self._known(self._directory_of(record)) or record)
            else:
                self._try_again([record], "ended without an outcome")

    def _ended_after_all(self, record: RunRecord) -> bool:
        """Whether the trial has its outcome: what is on the disk decides, not what its worker said last."""
        known = self._known(self._directory_of(record))
        if known is None or known.state not in FINISHED:
            return False
        del self._running[record.run_id]
        self.ledger.finish(known)
        self.display.ended(known)
        return True

    def _try_again(self, records: list[RunRecord], cause: str, *, perhaps_too_many: bool = False) -> None:
        """Requeue trials that were lost; raises ``StudyStopped`` for those that are lost again and again.

        ``perhaps_too_many``: their process may have been killed for the memory that they took together.
        """
        if self._stopping:
            return
        most = max(self._losses.add(record.run_id, self._step_of(record)) for record in records)
        if perhaps_too_many and len(records) > 1 and most >= _ATTEMPTS_TOGETHER:
            self._split(records, f"was lost again ({cause})")
        elif most < _ATTEMPTS:
            self.display.note(f"{_named(records)}: {cause}; it is tried again from its last checkpoint")
            self._requeue(records)
        else:
            raise StudyStopped(
                f"{self.plan.study.name}: {_named(records)} was lost {most} times without getting further "
                f"({cause}). No outcome is recorded, and nothing is lost: mend the cause (what the trial "
                f"printed is in {self._directory_of(records[0]).path / LOG}) and run the same command again"
            )

    def _step_of(self, record: RunRecord) -> int:
        """How far the trial came; a damaged record is written anew, as the plan has it."""
        run = self._directory_of(record)
        known = self._known(run)
        if known is None:
            run.write(record)
            return 0
        return known.progress.get("step", 0)

    def _requeue(self, records: list[RunRecord]) -> None:
        """Put what is left of a group in front; its members may stand at different steps now."""
        halving = self._groups[records[0].run_id].halving
        for record in records:
            del self._running[record.run_id]
        again = grouped(records, self.directory / "runs", lambda _: len(records), lambda _: halving)
        self._waiting.extendleft(reversed(again))

    def _split(self, records: list[RunRecord], why: str) -> None:
        for record in records:
            del self._running[record.run_id]
            self._losses.forget(record.run_id)
        half = math.ceil(len(records) / 2)
        without = ", without halving" if self._groups[records[0].run_id].halving else ""
        self.display.note(
            f"a population of {len(records)} {why}: {_named(records)} goes on {half} at a time{without}"
        )
        self._waiting.extendleft(reversed(grouped(records, self.directory / "runs", lambda _: half)))

    def _one_by_one(self, records: list[RunRecord], why: str) -> None:
        """A part that a population cannot have: its variant's trials go on alone, those that wait too."""
        variant = records[0].variant
        if variant not in self._alone:
            self.display.note(f"{why}: the trials of {variant} are trained one by one")
        self._alone.add(variant)
        for record in records:
            del self._running[record.run_id]
        groups = [group for group in self._waiting if group.records[0].variant == variant]
        for group in groups:
            self._waiting.remove(group)
        records = records + [record for group in groups for record in group.records]
        self._waiting.extendleft(reversed([Group(records=[record]) for record in records]))


class Losses:
    """How often in a row each trial was lost without getting further than the time before."""

    def __init__(self) -> None:
        self._lost: dict[str, tuple[int, int]] = {}

    def add(self, run_id: str, step: int) -> int:
        """Note that the trial was lost after ``step`` steps; returns how often it came no further."""
        times, furthest = self._lost.get(run_id, (0, -1))
        times = 1 if step > furthest else times + 1
        self._lost[run_id] = (times, max(step, furthest))
        return times

    def forget(self, run_id: str) -> None:
        """Begin to count anew."""
        self._lost.pop(run_id, None)


def _named(records: list[RunRecord]) -> str:
    seeds = sorted({record.seed for record in records})
    return f"{records[0].variant} seed{'s' if len(seeds) > 1 else ''} {', '.join(map(str, seeds))}"


def _cause(event: dict[str, Any]) -> str:
    """What befell the trials of a lost worker, or of one that reports a fault."""
    if event["event"] == "fault":
        return event["error"]
    status = event["status"]
    if event.get("silent"):
        return "worker lost (no sign of life)"
    if not event.get("started", True):
        return f"worker could not start ({_status(status)}), see {event['log']}"
    return f"worker lost ({_status(status)})"


def _status(status: int) -> str:
    if status == -9:
        return "killed by signal 9, perhaps for want of memory"
    if status < 0:
        return f"signal {-status}"
    return f"exit status {status}"


def _join(rates: list[float]) -> str:
    return " and ".join(map(rate, rates))
