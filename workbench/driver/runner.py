"""The driver: the only one who decides what runs next and the only writer of the study's Optuna journal.

Everything it knows is on disk before it acts, so it can be killed at any moment: run again, it tells
Optuna of finished runs, resumes interrupted ones from their checkpoints, and repeats nothing.

What a trial finds is an outcome. What befalls it is none: a lost worker, a full disk, a damaged file, a first
want of memory. Such a trial is tried again, and the study stops when the same trial is lost again and again
without getting further.
"""

import math
import secrets
from collections import deque
from collections.abc import Callable, Collection, Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from workbench.analysis.deciding.decisions import Decision
from workbench.analysis.decisions import confirm_phase, decisions, look_in_words
from workbench.analysis.gain_ladder import rung_rates
from workbench.analysis.rate_curve import FEWEST_RATES, FEWEST_SEEDS
from workbench.analysis.tuned_rates import TunedRate
from workbench.analysis.tuning_choice import all_tuned
from workbench.driver.display import Display
from workbench.driver.events import (
    Ended,
    Evaluation,
    Event,
    Fault,
    Lost,
    Progress,
    Task,
    TooLarge,
    Unpopulatable,
)
from workbench.driver.executors.executor import Executor
from workbench.driver.first_looks import FirstLooks, by_variant
from workbench.driver.heartbeat import Heartbeat
from workbench.driver.optuna_ledger import Ledger
from workbench.driver.populations import Group, PopulationSize, grouped, one_by_one, shared_out
from workbench.driver.search_ledger import SearchLedger
from workbench.driver.search_rounds import SearchRounds
from workbench.driver.tuning import SpaceTuning
from workbench.errors import RecordError, StudyStopped
from workbench.numbers import rate
from workbench.records.attempts import claim, revoke
from workbench.records.hyperparameters import LEARNING_RATE, Hyperparameters, described
from workbench.records.index import MANIFEST, load_study
from workbench.records.manifest import read_manifest
from workbench.records.run import FINISHED, LOG, REMEDY, Phase, RunDirectory, RunRecord, State
from workbench.records.search import SearchPoint
from workbench.study.candidates import Grids, at_edge, candidates, grown, grown_before, joined
from workbench.study.design import BASELINE
from workbench.study.plan import Plan
from workbench.training.population.halving import Halving

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
        self.plan = plan
        self.directory = directory
        self.executor = executor
        self.display = display
        self.heartbeat = heartbeat
        self.retry_failed = retry_failed
        self.population = population
        space = plan.study.tuning.space if plan.study.tuning is not None else None
        if plan.search is None:
            self.ledger = Ledger(directory, plan.study.metric, space)
        else:
            self.ledger = SearchLedger(directory, read_manifest(directory))
        self._waiting: deque[Group] = deque()
        self._running: dict[str, RunRecord] = {}
        self._groups: dict[str, Group] = {}
        self._losses = Losses()
        self._alone: set[str] = set()  # variants that no population can have
        self._retried: set[str] = set()  # or begun: once a session
        self._said: dict[str, str] = {}  # of each comparison, what its last look said
        self._stopping = False

    def run(self) -> None:
        """Run every phase of the study; returns when all trials have an outcome."""
        in_rungs = self.plan.search is not None and bool(self.plan.search.rungs)
        steps = self.plan.steps
        if self.plan.rungs:
            steps = max(rung.steps for rung in self.plan.rungs)
        self.display.begin(
            self.plan.trial_counts(),
            steps,
            some_shorter=in_rungs or bool(self.plan.rungs),
            more_steps=self.plan.more_steps(self.plan.study.trials_by_budget),
        )
        if self.ledger.note:
            self.display.note(f"note: {self.ledger.note}")
        if isinstance(self.ledger, SearchLedger):
            self._search(self.ledger)
            return
        chosen = self._tune() if Phase.TUNE in self.plan.study.phases else self._only_candidate()
        if self.plan.study.seeds.until_decided:
            self._confirm_until_decided(chosen)
        else:
            self._execute(Phase.CONFIRM, self.plan.confirm(chosen))
        if self.plan.gain:
            self._train_other_budgets(chosen[BASELINE][LEARNING_RATE])

    def stop(self) -> None:
        """Ask the running trials to save and stop, and wait for them."""
        self._stopping = True
        for event in self.executor.stop():
            if event is not None:
                self._handle(event)
            self.heartbeat.beat("stopping: trials save a checkpoint")

    def _search(self, ledger: SearchLedger) -> None:
        """Round by round: first all that was proposed before, then what the sampler makes of the results."""
        rounds = SearchRounds(self.plan, self.directory)
        if rounds.note:
            self.display.note(f"note: {rounds.note}")
        ledger.enter(rounds.points)
        self._try_points(rounds, ledger, rounds.points)
        while points := rounds.propose():
            ledger.enter(rounds.points)
            self.display.note(rounds.summary())
            self._try_points(rounds, ledger, points)
        if rounds.left > 0:
            self.display.note(f"the space has no more points: {rounds.left} fewer are trained than asked")

    def _try_points(self, rounds: SearchRounds, ledger: SearchLedger, points: list[SearchPoint]) -> None:
        """Bring points of a search to their outcomes, with hyperband rung by rung."""
        for rung, trials in rounds.trials(points):
            if rung:
                self.display.note(rung)
            self._execute(Phase.SEARCH, trials)
            ledger.settle(rounds.standings())

    def _only_candidate(self) -> dict[str, Hyperparameters]:
        return {name: grid[0] for name, grid in self.plan.grids().items()}

    def _tune(self) -> dict[str, Hyperparameters]:
        """Tune every variant on as many candidates; while a best rate is at an edge, grow for all."""
        if self.plan.study.tuning is not None:
            return SpaceTuning(
                plan=self.plan, directory=self.directory, display=self.display, execute=self._execute
            ).run()
        grids = self.plan.grids()
        rounds_left = self.plan.study.grid_growth
        known = self._rates_known()
        while rounds_left and (added := self._by_rung(grids, lambda own: grown_before(own, known))):
            grids = joined(grids, added)
            self.display.expect(len(self.plan.tune(added)))
            rounds_left -= 1
        while True:
            self._execute_tuning(self.plan.tune(grids), last=not rounds_left)
            tuned = self._tuned(self.plan.names)
            chosen = {name: one.hyperparameters for name, one in tuned.items()}
            added = self._by_rung(grids, partial(_grown, tuned))
            if not added or not rounds_left:
                break
            rounds_left -= 1
            grids = joined(grids, added)
            self.display.note(f"a best learning rate is at the grid's edge: adding {_new(added, grids)}")
            self.display.expect(len(self.plan.tune(added)))
        self._announce(tuned, at_edge=at_edge(grids, chosen))
        return chosen

    def _by_rung(self, grids: Grids, grow: Callable[[Grids], Grids]) -> Grids:
        """What grids grow by: alike for all that are compared, so that a ladder's rungs grow one by one."""
        added: Grids = {}
        for names in self.plan.compared:
            added |= grow({name: grids[name] for name in names})
        return added

    def _execute_tuning(self, records: list[RunRecord], *, last: bool) -> None:
        """Tune all variants; where no grid grows after it, comparisons have their first look on the way."""
        if not last or not self.plan.study.seeds.until_decided:
            self._execute(Phase.TUNE, records)
            return

        def choose(names: Collection[str]) -> dict[str, Hyperparameters]:
            return {name: one.hyperparameters for name, one in self._tuned(names).items()}

        self._execute(Phase.TUNE, by_variant(records, self.plan), FirstLooks(self.plan, choose))

    def _rates_known(self) -> dict[str, list[float]]:
        """The learning rates of tuning trials that earlier sessions began."""
        runs = load_study(self.directory).runs
        began = runs[runs["phase"] == Phase.TUNE]
        return {str(name): sorted(own["learning_rate"]) for name, own in began.groupby("variant")}

    def _tuned(self, names: Collection[str]) -> dict[str, TunedRate]:
        """What is best for each of these variants, by the rule that the report states."""
        return all_tuned(load_study(self.directory), list(names))

    def _announce(self, tuned: dict[str, TunedRate], *, at_edge: bool) -> None:
        points = ", ".join(f"{name} {_shown(one.hyperparameters)}" for name, one in tuned.items())
        self.display.note(f"learning rates: {points}" + (" (some at the grid's edge)" if at_edge else ""))
        for name, one in tuned.items():
            if one.kept:
                self.display.note(
                    f"{name}: was confirmed at {rate(one.learning_rate)} before and stays there; its tuning "
                    f"runs now point to {rate(one.by_rule)}"
                )

    def _train_other_budgets(self, own_rate: float) -> None:
        """The baseline at its other budgets, where ``own_rate`` is that of the study's own budget."""
        if Phase.TUNE in self.plan.study.phases:
            # What the baseline tried at its own budget, whose grid may have grown.
            tried = sorted(set(self._rates_known()[BASELINE]))
            tuning = self.plan.tune_gain(candidates(tried))
            added = len(tried) - self.plan.study.rates_tried
            grown_by = [0] * len(self.plan.gain)
            grown_by[0] = grown_by[-1] = added * len(self.plan.study.seeds.lists()[Phase.TUNE])
            self.display.expect(sum(grown_by), Phase.GAIN, self.plan.more_steps(grown_by))
            self._execute(Phase.GAIN, tuning)
        rates = rung_rates(load_study(self.directory), own_rate)
        chosen = {}
        for name, one in rates.items():
            assert one is not None, f"{name}: all that its learning rate follows from has an outcome"
            chosen[name] = {LEARNING_RATE: one}
        shown = ", ".join(f"{name} {rate(one[LEARNING_RATE])}" for name, one in chosen.items())
        self.display.note(f"learning rates for compute-equivalent gains: {shown}")
        self._execute(Phase.GAIN, self.plan.measure_gain(chosen))

    def _confirm_until_decided(self, chosen: dict[str, Hyperparameters]) -> None:
        """Blocks of seeds, from look to look, for the baseline and all that is undecided.

        What is due follows from the records alone, so that a study that was stopped goes on with its block.
        """
        counted = self.plan.trial_counts()[Phase.CONFIRM]
        due, _ = self._look()
        trained: dict[str, int] = {}
        while due != trained:
            records = self.plan.confirm(chosen, due)
            self.display.expect(len(records) - counted, Phase.CONFIRM)
            counted = len(records)
            self._execute(Phase.CONFIRM, records)
            trained = due
            due, found = self._look()
            self._say(found)

    def _look(self) -> tuple[dict[str, int], dict[str, Decision]]:
        """How many confirm seeds each variant is to have by now, and what is decided of each comparison."""
        records = load_study(self.directory)
        _, outcomes = confirm_phase(records)
        due = {name: len(mine.planned) for name, mine in outcomes.items()}
        return due, decisions(records.manifest, outcomes)

    def _say(self, found: Mapping[str, Decision]) -> None:
        """What looks found, where it is news."""
        for name, decision in found.items():
            words = look_in_words(decision)
            if self._said.get(name) != words:
                self.display.note(f"look: {name}: {words}")
            self._said[name] = words

    def _execute(self, phase: Phase, records: list[RunRecord], ahead: FirstLooks | None = None) -> None:
        """Bring every record to an outcome, and those that are due ``ahead`` of what waits."""
        unfinished = list(self._unfinished(records))
        resumed = [record for record in unfinished if self._directory_of(record).has_checkpoint]
        self.display.phase(phase, len(records), len(unfinished), resumed)
        self.heartbeat.set(phase=phase)
        self._waiting = deque(self._grouped(unfinished))
        if ahead is not None:
            self._take_ahead(ahead)
        while self._waiting or self._running:
            if not (self.directory / MANIFEST).exists():
                raise StudyStopped(f"{self.directory}: was removed while the study ran; run it again")
            self._assign()
            event = self.executor.next_event(timeout=1.0)
            if event is not None:
                self._handle(event)
                if ahead is not None and not isinstance(event, Progress | Evaluation):
                    self._take_ahead(ahead)
            self.display.waits(self.executor.waits())
            self.heartbeat.beat(self.display.message(), self.display.seconds_left())
            self.display.refresh()

    def _take_ahead(self, ahead: FirstLooks) -> None:
        """Put pairs that are due by now before what is still to be tuned; look at those that have ended."""
        for name, block in ahead.due(self._left()).items():
            unfinished = list(self._unfinished(block))
            resumed = [record for record in unfinished if self._directory_of(record).has_checkpoint]
            self.display.ahead(name, block, unfinished, resumed)
            groups = [*self._waiting, *self._grouped(unfinished)]
            self._waiting = deque(sorted(groups, key=lambda group: group.records[0].phase is Phase.TUNE))
        left = self._left()
        if not any(record.phase is Phase.TUNE for record in left):
            self.heartbeat.set(phase=Phase.CONFIRM)
        ended = ahead.complete(left)
        if ended:
            _, found = self._look()
            self._say({name: found[name] for name in found if name in ended})

    def _left(self) -> list[RunRecord]:
        """The trials that have no outcome yet."""
        waiting = [record for group in self._waiting for record in group.records]
        return [*self._running.values(), *waiting]

    def _unfinished(self, records: list[RunRecord]) -> Iterable[RunRecord]:
        for record in records:
            run = self._directory_of(record)
            known = self._known(run)
            again = self.retry_failed and record.run_id not in self._retried
            if known is None or (again and known.state is State.FAILED):
                self._retried.add(record.run_id)
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
            damaged = str(error).removesuffix(f"; {REMEDY}")
            self.display.note(f"{damaged}; running this trial again")
            return None

    def _grouped(self, records: list[RunRecord]) -> list[Group]:
        """Trials that train together. Rates that the grid grew by have none to compete with: no halving."""
        self._revoke(records)  # whoever a driver before this one gave them to may live on
        grids = self.plan.grids()
        slots = self._slots()

        def halves(record: RunRecord) -> bool:
            if record.variant in self._alone:
                return False
            if record.phase is not Phase.TUNE or not self.plan.study.halves:
                return False
            if self.plan.study.tuning is not None:
                return record.seed not in self.plan.study.fresh_seeds
            return record.hyperparameters in grids[record.variant]

        def size(record: RunRecord) -> int:
            if record.variant in self._alone:
                return 1
            return shared_out(self.population(record), len(records), slots)

        return grouped(records, self.directory / "runs", size, halves)

    def _slots(self) -> int:
        """How many slots there are now, with and without work: machines may come and go."""
        at_work = {id(self._groups[run_id]) for run_id in self._running}
        return max(1, len(self.executor.free_slots()) + len(at_work))

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
            attempt = secrets.token_hex(8)
            samples = self.plan.study.training.samples
            for run in runs:
                claim(run, attempt)
            task = Task(
                runs=runs,
                halving=self._halving(group),
                attempt=attempt,
                execution=self.plan.study.training.execution,
                samples=samples if isinstance(samples, int) else list(samples),
            )
            self.executor.submit(slot, task)
            self.display.started(group.records)

    def _revoke(self, records: list[RunRecord]) -> None:
        """Whoever trains these trials by now may write nothing more of them."""
        for record in records:
            revoke(self._directory_of(record).path)

    def _halving(self, group: Group) -> Halving | None:
        if not group.halving:
            return None
        seeds = self.plan.study.seeds.lists()[Phase.TUNE]
        return Halving(
            candidates=self.plan.study.competing,
            metric=self.plan.study.metric,
            least=FEWEST_RATES if len(seeds) >= FEWEST_SEEDS else 1,  # for the curve that chooses
        )

    def _handle(self, event: Event) -> None:
        if isinstance(event, Lost | Fault | TooLarge | Unpopulatable):
            self._without_outcome(event)
        elif isinstance(event, Progress | Evaluation | Ended) and event.run_id in self._running:
            self._heard(self._running[event.run_id], event)

    def _without_outcome(self, event: Lost | Fault | TooLarge | Unpopulatable) -> None:
        """Something befell trials: have those that it left without an outcome go on in the way that helps."""
        left = [self._running[name] for name in event.run_ids if name in self._running]
        left = [record for record in left if not self._ended_after_all(record)]
        if not left:
            return
        self._revoke(left)
        if self._stopping:
            self._left_by_stopping(left, event)
            return
        match event:
            case TooLarge():
                self._split(left, _cause(event))
            case Unpopulatable():
                self._one_by_one(left, event.error)
            case Fault():
                self._try_again(left, event.error)
            case Lost(machine=machine) if machine:
                self.display.note(
                    f"{_named(left)}: node {machine} was lost ({event.given_up}); it goes on elsewhere from "
                    f"its last checkpoint"
                )
                self._requeue(left)
            case Lost(unbegun=True):
                why = _status(event.status)
                self.display.note(
                    f"{_named(left)}: begins in another worker; the one before ended idle ({why})"
                )
                self._requeue(left)
            case Lost(started=False):
                cause = f"its worker could not start ({event.given_up or _status(event.status)})"
                self._try_again(left, cause, log=event.log)
            case Lost():
                self._try_again(left, _cause(event), perhaps_too_many=True)

    def _heard(self, record: RunRecord, event: Progress | Evaluation | Ended) -> None:
        match event:
            case Progress():
                self.display.progress(record, event.step, event.loss)
            case Evaluation():
                if event.step == 0:
                    self.display.first_validation(record, event.validation["validation/loss"])
                metric = self.plan.study.metric
                self.ledger.report(record.run_id, event.step, event.validation[metric])
            case Ended():
                self._stopped_or_over(record, event.record)

    def _stopped_or_over(self, record: RunRecord, told: dict[str, Any] | None) -> None:
        """A trial's worker is done with it; it may have been asked to stop, and have no outcome yet.

        ``told`` is what the worker says that its record is.
        """
        if told is not None:
            self._catch_up(self._directory_of(record), told)
        if self._ended_after_all(record):
            return
        if self._stopping:
            self._stopped(record)
        else:
            self._revoke([record])
            self._try_again([record], "ended without an outcome")

    def _stopped(self, record: RunRecord) -> None:
        """A trial that was asked to stop has done so."""
        del self._running[record.run_id]
        self.display.ended(self._known(self._directory_of(record)) or record)

    def _left_by_stopping(
        self, records: list[RunRecord], event: Lost | Fault | TooLarge | Unpopulatable
    ) -> None:
        """Trials without an outcome whose worker ended while the study stops: what else befell them is said.

        A worker that ended in good order had no trial any more. Its last words may have been at hand when the
        driver itself was asked to stop, which cuts short whatever it is at.
        """
        if isinstance(event, Lost) and event.status == 0:
            for record in records:
                self._stopped(record)
        else:
            cause = _cause(event)
            self.display.note(f"{_named(records)}: {cause}; resumes next time from its last checkpoint")

    def _catch_up(self, run: RunDirectory, told: dict[str, Any]) -> None:
        """Write the outcome that a worker tells of where this machine does not see it.

        It was written on another one perhaps, and a network's file system may be a minute behind; what is
        decided next is read from the disk.
        """
        outcome = RunRecord.from_dict(told, run.path)
        if outcome.state not in FINISHED:
            return
        try:
            seen = run.read().state in FINISHED
        except RecordError:
            seen = False
        if not seen:
            run.write(outcome)

    def _ended_after_all(self, record: RunRecord) -> bool:
        """Whether the trial has its outcome: what is on the disk decides, not what its worker said last."""
        known = self._known(self._directory_of(record))
        if known is None or known.state not in FINISHED:
            return False
        del self._running[record.run_id]
        self.ledger.finish(known)
        self.display.ended(known)
        return True

    def _try_again(
        self, records: list[RunRecord], cause: str, *, perhaps_too_many: bool = False, log: str = ""
    ) -> None:
        """Requeue trials that were lost; raises ``StudyStopped`` for those that are lost again and again.

        ``perhaps_too_many``: their process may have been killed for the memory that they took together.
        ``log`` says more of what befell them than their own does.
        """
        most = max(self._losses.add(record.run_id, self._step_of(record)) for record in records)
        if perhaps_too_many and len(records) > 1 and most >= _ATTEMPTS_TOGETHER:
            self._split(records, f"was lost again ({cause})")
        elif most < _ATTEMPTS:
            self.display.note(f"{_named(records)}: {cause}; it is tried again from its last checkpoint")
            self._requeue(records)
        else:
            raise StudyStopped(
                f"{self.plan.study.name}: {_named(records)} was lost {most} times without getting further "
                f"({cause}). No outcome is recorded, and nothing is lost: mend the cause (what was printed "
                f"is in {log or self._directory_of(records[0]).path / LOG}) and run the same command again"
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


def _cause(event: Lost | Fault | TooLarge | Unpopulatable) -> str:
    """What befell trials, whoever they go on with."""
    match event:
        case TooLarge():
            return "does not fit into memory"
        case Lost():
            return f"worker lost ({event.given_up or _status(event.status)})"
        case _:
            return event.error


def _status(status: int) -> str:
    if status == -9:
        return "killed by signal 9, perhaps for want of memory"
    if status < 0:
        return f"signal {-status}"
    return f"exit status {status}"


def _grown(tuned: Mapping[str, TunedRate], grids: Grids) -> Grids:
    """What grids grow by, by what was chosen from them."""
    chosen = {name: tuned[name].hyperparameters for name in grids}
    flat = {name for name in grids if tuned[name].flat_throughout}
    return grown(grids, chosen, flat)


def _new(added: Grids, grids: Grids) -> str:
    """What grids grow by: said once where it is the same for all."""
    points = {name: " and ".join(map(_shown, grid)) for name, grid in added.items()}
    different = set(points.values())
    if len(different) == 1 and added.keys() == grids.keys():
        return f"{different.pop()} for all variants"
    return ", ".join(f"{text} for {name}" for name, text in points.items())


def _shown(point: Hyperparameters) -> str:
    """A single value by itself, several with their names."""
    return described(point) if len(point) > 1 else rate(next(iter(point.values())))
