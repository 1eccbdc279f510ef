"""Trials per hour: one by one as users write them, in several processes, and as populations."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import torch

from workbench.bench.formats import Form, shown
from workbench.bench.outcome import Column, Finding, Outcome, Table
from workbench.bench.rivals.contest import Contest, Sweep
from workbench.bench.section import Effort, Section, Setting
from workbench.bench.sizes import Size, sizes
from workbench.bench.timing.goals import Bound, Goal
from workbench.bench.timing.seconds import Clock, Rounds, error_line, interleave
from workbench.bench.worker_pools import pool
from workbench.training.hardware import default_slots
from workbench.training.population.sizing import population_size

BY_HAND = "one by one, Lightning and Optuna by hand"
TEN_TIMES = Goal("populations at least 10 times as fast as one by one (GPU, 1M and 3M)", Bound.AT_LEAST, 10)
TWICE = Goal("populations at least twice as fast as processes (GPU, 1M and 3M)", Bound.AT_LEAST, 2)
_JUDGED = ("1M", "3M")
_RATES = (0.0003, 0.0005, 0.001, 0.0015, 0.002, 0.003, 0.004, 0.006)
_LEAST_ROUNDS = 2


@dataclass(frozen=True, kw_only=True)
class Extent:
    """What is swept: learning rates by seeds, at these sizes; and how much of it by each way in one turn.

    ``by_hand`` are trials of a turn; of ``processes`` each has ``each`` trials.
    """

    sizes: tuple[str, ...]
    rates: int
    seeds: int
    steps: int
    batch_size: int
    by_hand: int
    processes: tuple[int, ...]
    each: int


@dataclass(frozen=True)
class Result:
    """What a contest at one size gave: trials per hour by way."""

    contest: Contest
    rounds: Rounds
    population: str

    @property
    def processes(self) -> str | None:
        """The number of processes that was best."""
        ways = [way for way in self.rounds.values if way not in (BY_HAND, self.population)]
        return max(ways, key=self.rounds.median, default=None)

    @property
    def size(self) -> str:
        """The size's name."""
        return self.contest.sweep.size.name


def extent(setting: Setting) -> Extent:
    """What fits into the section's time on the device."""
    cores = tuple(dict.fromkeys((1, default_slots("cpu"))))
    extents = {
        ("cpu", Effort.QUICK): Extent(
            sizes=("nano",), rates=2, seeds=2, steps=20, batch_size=4, by_hand=2, processes=cores[-1:], each=1
        ),
        ("cpu", Effort.FULL): Extent(
            sizes=("nano", "1M"), rates=4, seeds=4, steps=60, batch_size=8, by_hand=4, processes=cores, each=2
        ),
        ("cuda", Effort.QUICK): Extent(
            sizes=("1M",), rates=4, seeds=4, steps=60, batch_size=16, by_hand=4, processes=(1, 4), each=2
        ),
        ("cuda", Effort.FULL): Extent(
            sizes=("1M", "3M", "10M"),
            rates=8,
            seeds=8,
            steps=100,
            batch_size=16,
            by_hand=8,
            processes=(1, 2, 4, 8),
            each=2,
        ),
    }
    return extents[setting.device, setting.effort]


def measure(setting: Setting) -> Outcome:
    """The section."""
    clock = Clock(setting.seconds)
    outcome = Outcome()
    results: list[Result] = []
    wanted = extent(setting)
    torch.set_num_threads(1)  # by hand too: several threads of a small model wait for one another
    slowest = 0.0  # seconds of a whole sweep: compiling and warming up takes long at every size
    for number, name in enumerate(wanted.sizes):
        if slowest > clock.left:
            left = ", ".join(wanted.sizes[number:])
            outcome.notes.append(f"not measured, the time was up: {left}")
            break
        began = clock.spent
        setting.progress(f"a sweep at {name}", clock.part)
        [size] = sizes(setting.device, name)
        size = replace(size, batch_size=wanted.batch_size)
        try:
            results.append(_contest(size, wanted, setting, clock.left / (len(wanted.sizes) - number)))
        except Exception as error:  # a size that does not fit must not cost the others
            outcome.notes.append(f"{name}: {error_line(error)}")
        slowest = max(slowest, clock.spent - began)
    outcome.tables.append(_table(results))
    for result in results:
        outcome.findings += _findings(result, setting.device)
        outcome.notes += [f"{result.size}, {way}: {error}" for way, error in result.rounds.errors.items()]
    if setting.device == "cpu":
        outcome.notes.append("every program has one thread; on a CPU studies use processes, one per core")
    return outcome


def _contest(size: Size, wanted: Extent, setting: Setting, seconds: float) -> Result:
    folder, device = setting.folder / size.name, setting.device
    sweep = Sweep(size=size, steps=wanted.steps, rates=_RATES[: wanted.rates], seeds=wanted.seeds)
    contest, most = Contest(sweep, folder, device), max(wanted.processes)
    group, all_trials = _group(contest), len(sweep.grid)
    population = f"population of {group}"
    with pool(most, device, folder) as workers:
        cases = {BY_HAND: contest.one_by_one(BY_HAND, wanted.by_hand)}
        for slots in wanted.processes:
            way = f"{slots} process{'es' if slots > 1 else ''}"
            trials = slots * wanted.each
            cases[way] = contest.together(way, workers, slots=slots, trials=trials, group=1)
        cases[population] = contest.together(population, workers, slots=1, trials=all_trials, group=group)
        rounds = interleave(
            cases,
            seconds=seconds,
            least=_LEAST_ROUNDS,
            progress=lambda part: setting.progress(f"a sweep at {size.name}", part),
        )
    return Result(contest, rounds, population)


def _group(contest: Contest) -> int:
    """How many trials train in one program: as a study chooses on a GPU, all of them on a CPU."""
    most, plan = len(contest.sweep.grid), contest.plan
    if contest.device == "cpu":
        return most
    training = plan.training
    return population_size(plan.baseline.model, training, contest.device, most)


def _table(results: list[Result]) -> Table:
    columns = (
        Column("size", "size"),
        Column("trial", "a trial"),
        Column("way", "how"),
        Column("rate", "trials per hour", Form.COUNT),
        Column("by hand", "over one by one", Form.RATIO),
        Column("processes", "over the best processes", Form.RATIO),
    )
    rows = [_row(result, way) for result in results for way in result.rounds.values]
    return Table("Trials per hour", columns, rows)


def _row(result: Result, way: str) -> dict:
    sweep, rounds = result.contest.sweep, result.rounds
    best = result.processes
    return {
        "size": result.size,
        "trial": f"{sweep.steps} steps of {sweep.size.batch_size} × {sweep.size.context}",
        "way": way,
        "rate": rounds.spread(way),
        "by hand": rounds.ratio(way, BY_HAND) if way != BY_HAND else None,
        "processes": rounds.ratio(way, best) if best not in (None, way) else None,
    }


def _findings(result: Result, device: str) -> Iterator[Finding]:
    rivals = {BY_HAND: TEN_TIMES}
    if result.processes is not None:
        rivals[result.processes] = TWICE
    for rival, goal in rivals.items():
        ratio = result.rounds.ratio(result.population, rival)
        if ratio is None:
            continue
        text = (
            f"At {result.size} a {result.population} trains {shown(ratio, Form.RATIO)} the trials of {rival}."
        )
        judged = device == "cuda" and result.size in _JUDGED
        yield Finding.judged(text, goal, ratio) if judged else Finding(text)
    difference = result.contest.largest_difference()
    if difference is not None:
        yield Finding(
            f"At {result.size} the final loss of a trial differs by at most {difference:.2g} of its value, "
            f"whichever way it was trained."
        )


SECTION = Section(
    name="trials",
    title="Trials per hour",
    about=(
        "One small sweep, learning rates by seeds, in three ways that take turns: one by one in a loop of "
        "Lightning and Optuna as users write it, in several worker processes on one device, and as "
        "populations that train many trials in one program. Everything of a trial counts, but neither "
        "imports nor the first compilation. All ways start from the same weights and see the same batches."
    ),
    seconds={Effort.QUICK: 26.0, Effort.FULL: 480.0},
    measure=measure,
)
