"""What a study costs beside training: around each trial, at a worker's start, and when it is opened again."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from workbench.bench.formats import Form, shown
from workbench.bench.outcome import Column, Finding, Outcome, Table
from workbench.bench.runners import NoWorkers, run_study
from workbench.bench.section import Effort, Section, Setting
from workbench.bench.studies import FIVE_HUNDRED, tiny_plan, write_finished
from workbench.bench.timing.goals import Bound, Goal
from workbench.bench.timing.seconds import Clock
from workbench.bench.timing.spread import Spread
from workbench.bench.worker_pools import pool, train_all
from workbench.records.run import Phase, RunDirectory
from workbench.study.plan import Plan, freeze
from workbench.training.seconds import seconds_of

SMALL_OVERHEAD = Goal("less than 0.3 s beside training for a trial", Bound.AT_MOST, 0.3)
QUICK_OPENING = Goal("a study of 500 finished trials opens in less than 2 s", Bound.AT_MOST, 2.0)
_SEEDS = {Effort.QUICK: 10, Effort.FULL: 60}  # of two variants
_STARTS = {Effort.QUICK: 1, Effort.FULL: 5}
_OPENINGS = {Effort.QUICK: 3, Effort.FULL: 9}


@dataclass(frozen=True)
class Times:
    """Seconds of each trial but the first: all of it, its training, and the driver's part between trials."""

    cycles: list[float]
    training: list[float]
    between: list[float]

    @property
    def beside(self) -> list[float]:
        """What is not training."""
        return [cycle - training for cycle, training in zip(self.cycles, self.training, strict=True)]

    @property
    def own(self) -> list[float]:
        """What the worker does beside training: building, validating, writing."""
        return [beside - driver for beside, driver in zip(self.beside, self.between, strict=True)]


def measure(setting: Setting) -> Outcome:
    """The section."""
    clock = Clock(setting.seconds)
    outcome = Outcome()
    setting.progress("a study of trivial trials", 0.0)
    times, starts = _run_trivial(setting)
    for number in range(1, _STARTS[setting.effort]):
        setting.progress("starting a worker", clock.part)
        starts.append(_start_again(setting, number))
    setting.progress("opening a study of 500 trials", clock.part)
    rows = [*_trial_rows(times), {"what": "a worker's start", "seconds": Spread.of(starts)}]
    opening, opening_rows = _open_finished(setting)
    columns = (Column("what", "what"), Column("seconds", "time", Form.SECONDS))
    outcome.tables.append(Table("A study beside its training", columns, rows + opening_rows))
    outcome.findings += _findings(Spread.of(times.beside), opening)
    return outcome


def _run_trivial(setting: Setting) -> tuple[Times, list[float]]:
    """A study of trivial trials through the real driver and one real worker; and the worker's start."""
    seeds = {"tune": 0, "confirm": _SEEDS[setting.effort]}
    plan = tiny_plan(setting.folder, setting.device, seeds=seeds)
    directory = setting.folder / "trivial"
    freeze(plan.manifest("workbench bench"), directory)
    with pool(1, setting.device, setting.folder) as workers:
        run_study(plan, directory, workers)
        handed_out, ended = workers.times("submitted"), workers.times("ended")
        ready = workers.times("ready")
    training = [_training_seconds(directory, plan, number) for number in range(len(ended))]
    cycles = [after - before for before, after in pairwise(handed_out[1:])]
    between = [after - end for end, after in zip(ended[1:-1], handed_out[2:], strict=True)]
    return Times(cycles, training[1:-1], between), [ready[0] - handed_out[0]]


def _training_seconds(directory: Path, plan: Plan, number: int) -> float:
    """What the ``number``-th trial's own clock says."""
    only = plan.grids()[plan.baseline.name][0]
    record = plan.confirm({variant.name: only for variant in plan.variants})[number]
    return RunDirectory(directory / "runs" / record.run_id).read().measured("seconds")


def _start_again(setting: Setting, number: int) -> float:
    """Seconds until a new worker is ready."""
    plan = tiny_plan(setting.folder, setting.device)
    record = plan.record(plan.baseline, Phase.CONFIRM, plan.grids()[plan.baseline.name][0], number)
    run = RunDirectory(setting.folder / "starts" / record.run_id)
    run.write(record)
    with pool(1, setting.device, setting.folder) as workers:
        train_all(workers, [[run.path]], 1)
        return workers.times("ready")[0] - workers.times("submitted")[0]


def _open_finished(setting: Setting) -> tuple[Spread, list[dict[str, Any]]]:
    """Seconds that the driver needs until it knows that 500 trials have run."""
    plan = tiny_plan(setting.folder, setting.device, **FIVE_HUNDRED)
    directory = setting.folder / "finished"
    freeze(plan.manifest("workbench bench"), directory)
    trials = write_finished(plan, directory)

    def open_it() -> float:
        return seconds_of(lambda: run_study(plan, directory, NoWorkers()), "cpu")

    first = open_it()
    opening = Spread.of([open_it() for _ in range(_OPENINGS[setting.effort])])
    rows = [
        {"what": f"opening {trials} finished trials", "seconds": opening},
        {"what": "the same, telling all of them to a new Optuna journal", "seconds": Spread.of([first])},
    ]
    return opening, rows


def _trial_rows(times: Times) -> list[dict[str, Any]]:
    parts = {
        "a trivial trial, beside its training": times.beside,
        "of that in the worker: building, validating, writing": times.own,
        "of that in the driver, until the next is handed out": times.between,
        "its training": times.training,
    }
    return [{"what": what, "seconds": Spread.of(values)} for what, values in parts.items()]


def _findings(beside: Spread, opening: Spread) -> Iterator[Finding]:
    text = f"Beside its training a trial takes {shown(beside, Form.SECONDS)}."
    yield Finding.judged(text, SMALL_OVERHEAD, beside)
    text = f"A study of 500 finished trials is opened in {shown(opening, Form.SECONDS)}."
    yield Finding.judged(text, QUICK_OPENING, opening)


SECTION = Section(
    name="driver",
    title="The driver",
    about=(
        "A study of trials that train for an instant, through the real driver and one real worker: all that "
        "is not training, from handing out one trial to handing out the next. Then how long the driver needs "
        "to find out that a study of 500 trials is finished, as at every resume. Importing libraries is most "
        "of a worker's start, once per worker."
    ),
    seconds={Effort.QUICK: 20.0, Effort.FULL: 120.0},
    measure=measure,
)
