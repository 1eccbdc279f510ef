"""How much more several workers do than one: the same trials, on one worker and on several, in turn."""

from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

from workbench.bench.formats import Form, shown
from workbench.bench.outcome import Column, Finding, Outcome, Table
from workbench.bench.section import Effort, Section, Setting
from workbench.bench.sizes import Size, sizes
from workbench.bench.studies import tiny_plan
from workbench.bench.timing.goals import Bound, Goal
from workbench.bench.timing.seconds import Clock, Rounds, interleave
from workbench.bench.worker_pools import Timeline, pool, train_all
from workbench.records.hyperparameters import LEARNING_RATE, Hyperparameters
from workbench.records.run import Phase, RunDirectory
from workbench.study.plan import Plan
from workbench.training.hardware import default_slots

TWICE = Goal("two workers do at least 1.8 times the work of one on a CPU", Bound.AT_LEAST, 1.8)
_TRIAL_SECONDS = {Effort.QUICK: 1.5, Effort.FULL: 10.0}
_FIRST_STEPS = 40  # of the trial that wakes a worker and tells how fast it is
_HYPERPARAMETERS: Hyperparameters = {LEARNING_RATE: 0.003}
_MOST_ROUNDS = {Effort.QUICK: 4, Effort.FULL: 9}


def measure(setting: Setting) -> Outcome:
    """The section."""
    clock = Clock(setting.seconds)
    outcome = Outcome()
    [size] = sizes(setting.device, "nano")
    counts = worker_counts(setting)
    setting.progress(f"starting {max(counts)} workers", 0.0)
    with pool(max(counts), setting.device, setting.folder) as workers:
        trials = Trials(workers, size, setting)
        trials.wake(max(counts))
        cases = {str(number): trials.throughput(number) for number in counts}
        rounds = interleave(
            cases,
            seconds=clock.left,
            most=_MOST_ROUNDS[setting.effort],
            progress=lambda part: setting.progress("trials on one and on several workers", max(0.3, part)),
        )
    outcome.tables.append(_table(rounds, size))
    outcome.findings += _findings(rounds, setting.device)
    outcome.notes += [f"{case} workers: {error}" for case, error in rounds.errors.items()]
    if setting.device == "cpu" and default_slots("cpu") < 2:
        outcome.notes.append("this machine has one core: two workers share it")
    return outcome


def worker_counts(setting: Setting) -> list[int]:
    """One and two; with time, as many as a study has by default."""
    most = default_slots("cpu") if setting.device == "cpu" else 4
    return [1, 2] if setting.is_quick or most <= 2 else [1, 2, most]


class Trials:
    """Trials of one length, handed to the workers one each."""

    def __init__(self, workers: Timeline, size: Size, setting: Setting) -> None:
        self._workers, self._size, self._setting = workers, size, setting
        self._numbers = count(1)  # seeds: a trial of its own each time
        self._plan = self._of(_FIRST_STEPS)

    def wake(self, slots: int) -> None:
        """Train a short trial on every worker, and choose the length of those to come from its speed."""
        runs = self._runs(slots)
        train_all(self._workers, [[run] for run in runs], slots)
        speed = min(RunDirectory(run).read().measured("tokens_per_second") for run in runs)
        steps = _TRIAL_SECONDS[self._setting.effort] * speed / self._size.tokens_per_step
        self._plan = self._of(max(_FIRST_STEPS, round(steps)))

    def throughput(self, slots: int) -> Callable[[], float]:
        """A measurement: trained tokens per second, from handing out ``slots`` trials to the last's end."""

        def measure() -> float:
            runs = self._runs(slots)
            return slots * self._plan.tokens / train_all(self._workers, [[run] for run in runs], slots)

        return measure

    def _runs(self, slots: int) -> list[Path]:
        plan, runs = self._plan, []
        for _ in range(slots):
            record = plan.record(plan.baseline, Phase.CONFIRM, _HYPERPARAMETERS, next(self._numbers))
            directory = RunDirectory(self._setting.folder / "runs" / record.run_id)
            directory.write(record)
            runs.append(directory.path)
        return runs

    def _of(self, steps: int) -> Plan:
        size = self._size
        training = {
            "tokens": steps * size.tokens_per_step,
            "batch_size": size.batch_size,
            "evaluations": 1,
            "evaluation_tokens": size.context,
        }
        shape = {"layers": size.layers, "width": size.width, "heads": size.heads}
        changes = {"size": shape, "context": size.context, "training": training}
        return tiny_plan(self._setting.folder, self._setting.device, **changes)


def _table(rounds: Rounds, size: Size) -> Table:
    columns = (
        Column("workers", "workers"),
        Column("rate", "tokens/s, together", Form.COUNT),
        Column("ratio", "over one worker", Form.RATIO),
    )
    rows = [
        {
            "workers": case,
            "rate": rounds.spread(case),
            "ratio": rounds.ratio(case, "1") if case != "1" else None,
        }
        for case in rounds.values
    ]
    return Table(f"Trials of {size.name} at once", columns, rows)


def _findings(rounds: Rounds, device: str) -> Iterator[Finding]:
    ratio = rounds.ratio("2", "1")
    if ratio is None:
        return
    text = f"Two workers train {shown(ratio, Form.RATIO)} the tokens of one in the same time."
    # On a GPU two workers share it: what they gain depends on how much of it one leaves idle.
    yield Finding.judged(text, TWICE, ratio) if device == "cpu" else Finding(text)


SECTION = Section(
    name="workers",
    title="Several workers at once",
    about=(
        "The same trials through a study's own workers: one trial on one worker, then one on each, in turn. "
        "Everything of a trial counts, from handing it out to its last file."
    ),
    seconds={Effort.QUICK: 24.0, Effort.FULL: 120.0},
    measure=measure,
)
