"""Progress of a sweep: bars with an ETA on a terminal, plain lines elsewhere."""

import time

from rich.progress import TaskID

from workbench.analysis.without_result import above_guess
from workbench.numbers import fixed, plural, time_left
from workbench.progress import LineClock, bars, seconds_left
from workbench.records.hyperparameters import described
from workbench.records.run import FINISHED, Phase, RunRecord, State, error_line
from workbench.records.training_outcome import below_guess, uniform_loss
from workbench.terminal import Terminal
from workbench.visible import one_line

_SHOWN_WAITS = 3


class Display:
    """Counts steps over the whole study; ``message`` and the bars are views of the same numbers.

    Every trial has the same number of tokens. One that takes another number of steps to them than the
    baseline counts as one of the baseline's all the same, step by step in proportion. Those of the phase
    ``gain`` have other numbers of tokens, and count as what they are.
    """

    def __init__(self, console: Terminal, workers: int) -> None:
        self._console = console
        self._workers = workers
        self._trials = 0
        self._done = 0
        self._steps = 0
        self._more_steps = 0  # of trials at other budgets, than as many of the baseline's
        self._steps_done = 0.0
        self._steps_before = 0.0  # done by earlier drivers, or never to be done
        self._phase = ""
        self._counts: dict[Phase, int] = {}
        self._current: dict[str, int] = {}
        self._under_way: dict[str, Phase] = {}
        self._seen: set[str] = set()
        self._warned: set[str] = set()
        self._waits: list[str] = []
        self._pace_from: tuple[float, float] | None = None  # when the first steps were done, and how many
        self._clock = LineClock()
        self._bars = bars(console) if console.is_terminal else None
        self._tasks: dict[str, TaskID] = {}

    def begin(
        self, counts: dict[Phase, int], steps: int, *, some_shorter: bool = False, more_steps: int = 0
    ) -> None:
        """The study's trials by phase and the steps of a trial of the baseline, where some have fewer.

        Those at other budgets have ``more_steps`` together than as many of the baseline.
        """
        self._counts = counts
        self._steps = steps
        self._more_steps = more_steps
        self._trials = sum(counts.values())
        if self._bars is not None:
            self._tasks["study"] = self._bars.add_task("study", total=self._total, info="")
            self._bars.start()
        plan = ", ".join(
            f"{phase} {count}{' at other budgets' if phase is Phase.GAIN else ''}"
            for phase, count in counts.items()
        )
        trials = plural(self._trials, "trial")
        workers = plural(self._workers, "worker")
        most = "at most " if some_shorter else ""
        self.note(f"{trials} of {most}{plural(steps, 'step')} ({plan}) on {workers}")

    def expect(self, trials: int, phase: Phase = Phase.TUNE, more_steps: int = 0) -> None:
        """More trials than planned: a grid grew, or a comparison takes more pairs.

        ``more_steps`` than as many trials of the baseline have.
        """
        self._trials += trials
        self._more_steps += more_steps
        self._counts[phase] += trials

    def phase(self, name: str, trials: int, left: int, resumed: list[RunRecord]) -> None:
        """A phase of so many trials begins, or goes on with those that are ``left``.

        ``resumed`` are those of them that have a checkpoint from which they go on.
        """
        self._phase = name
        count = plural(trials, "trial")
        if not left:
            self.note(f"phase {name}: ended before ({count})")
        elif left < trials:
            self.note(f"phase {name} goes on: {trials - left} of {count} ended before")
        else:
            self.note(f"phase {name}{' goes on' if resumed else ''}: {count}")
        for record in resumed:
            self.note(f"  {label(record)} goes on from its checkpoint")

    def ahead(
        self, name: str, block: list[RunRecord], left: list[RunRecord], resumed: list[RunRecord]
    ) -> None:
        """The first pairs of the variant ``name`` are due while others are still tuned; so many are left."""
        if not left:
            return
        own = next(record for record in block if record.variant == name)
        goes_on = " goes on" if len(left) < len(block) or resumed else ""
        self.note(
            f"{name}: tuned ({described(own.hyperparameters)}), and so is the baseline: its first look"
            f"{goes_on} ahead of other tuning, {plural(len(left), 'trial')}"
        )
        for record in resumed:
            self.note(f"  {label(record)} goes on from its checkpoint")

    def found(self, record: RunRecord) -> None:
        """A trial that an earlier driver, or an earlier round of this one, finished."""
        if record.run_id not in self._seen:
            self._seen.add(record.run_id)
            self._done += 1
            self._steps_before += self._counted(record, self._steps_of(record))

    def started(self, records: list[RunRecord]) -> None:
        """Trials begin or resume; those of a population have one bar together.

        Of a trial that was lost and is tried again, the steps that it repeats count once.
        """
        for record in records:
            self._remove_bar(record)
            self._under_way[record.run_id] = record.phase
            if record.run_id not in self._current:
                self._current[record.run_id] = step = record.progress.get("step", 0)
                self._steps_before += self._counted(record, step)
        if self._bars is not None:
            first = records[0]
            text = label(first) if len(records) == 1 else group_label(records)
            step = first.progress.get("step", 0)
            task = self._bars.add_task(f"  {text}", total=self._steps_of(first), completed=step, info="")
            self._tasks |= {record.run_id: task for record in records}
        elif len(records) > 1:
            self.note(f"{group_label(records)}: begins")

    def progress(self, record: RunRecord, step: int, loss: float) -> None:
        """A trial reached ``step``."""
        new = max(0, step - self._current.get(record.run_id, 0))
        self._steps_done += self._counted(record, new)
        self._current[record.run_id] = max(step, self._current.get(record.run_id, 0))
        if self._pace_from is None:
            self._pace_from = time.monotonic(), self._steps_done
        if self._bars is not None:
            self._bars.update(self._tasks[record.run_id], completed=step, info=f"loss {fixed(loss, 3)}")

    def first_validation(self, record: RunRecord, loss: float) -> None:
        """The loss of starting weights before the first step; said where a uniform guess is no worse."""
        guess = uniform_loss(record.config)
        if below_guess(loss, guess) or guess is None:
            return
        if record.variant not in self._warned:
            self._warned.add(record.variant)
            self.note(f"warning: {record.variant}: before the first step, {above_guess(loss, guess)}")

    def ended(self, record: RunRecord) -> None:
        """A trial has an outcome, or stopped to be resumed."""
        step = self._current.pop(record.run_id, None)
        self._under_way.pop(record.run_id, None)
        if step is not None and record.state is State.PRUNED:
            self._steps_before += self._counted(record, self._steps_of(record) - step)  # will not be done
        self._remove_bar(record)
        if record.state in FINISHED:
            self._seen.add(record.run_id)
            self._done += 1
        outcome = _outcome(record)
        if self._bars is None:
            self.note(f"[{self._done}/{self._trials}] {label(record)}: {outcome}{self._eta()}")
        elif record.state is not State.COMPLETE or not _trained(record):
            self.note(f"{label(record)}: {outcome}")

    def _remove_bar(self, record: RunRecord) -> None:
        """Its own, or that of its population if it was the last."""
        task = self._tasks.pop(record.run_id, None)
        if self._bars is not None and task is not None and task not in self._tasks.values():
            self._bars.remove_task(task)

    def note(self, text: str) -> None:
        """One line for the reader."""
        self._console.print(one_line(text), soft_wrap=True)
        self._clock.restart()

    def refresh(self) -> None:
        """Redraw the study's bar; without a terminal, a line now and then."""
        if self._bars is not None:
            done = self._steps_before + self._steps_done
            info = f"{self._done}/{self._trials} trials{self._eta()}{self._waiting()}"
            self._bars.update(self._tasks["study"], total=self._total, completed=done, info=info)
        elif self._clock.due():
            self.note(f"{self.message()}{self._eta()}")

    def message(self) -> str:
        """Where the study stands, in a line; the time left is apart."""
        under_way = self._under_way.values()
        phases = [str(phase) for phase in Phase if phase in under_way] or [self._phase]
        return f"{' and '.join(phases)}: {self._done}/{self._trials} trials{self._waiting()}"

    def waits(self, lines: list[str]) -> None:
        """What takes longer than it should, a line each; none where all is well."""
        self._waits = lines

    def _waiting(self) -> str:
        shown = self._waits[:_SHOWN_WAITS]
        if len(self._waits) > _SHOWN_WAITS:
            shown.append(f"and {len(self._waits) - _SHOWN_WAITS} more")
        return "".join(f"; {line}" for line in shown)

    def seconds_left(self) -> float | None:
        """Time left at the speed seen so far; None before there is one.

        What passes until the first step, while workers start, says nothing of the others.
        """
        if self._pace_from is None:
            return None
        began, first = self._pace_from
        left = self._total - self._steps_before - self._steps_done
        return seconds_left(left, self._steps_done - first, time.monotonic() - began)

    def _steps_of(self, record: RunRecord) -> int:
        return record.progress.get("steps") or self._steps

    @property
    def _total(self) -> int:
        return self._trials * self._steps + self._more_steps

    def _counted(self, record: RunRecord, steps: int) -> float:
        """So many of a trial's own steps, as steps of the baseline."""
        if record.phase is Phase.GAIN:
            return steps
        return steps * self._steps / self._steps_of(record)

    def _eta(self) -> str:
        left = time_left(self.seconds_left())
        return f", {left}" if left else ""

    def close(self) -> None:
        """Leave the terminal as it was."""
        if self._bars is not None:
            self._bars.stop()


def label(record: RunRecord) -> str:
    """A trial's name for people."""
    return f"{record.phase} · {record.variant} · seed {record.seed} · {described(record.hyperparameters)}"


def group_label(records: list[RunRecord]) -> str:
    """A population's name for people."""
    first = records[0]
    return f"{first.phase} · {first.variant} · population of {len(records)}"


def _outcome(record: RunRecord) -> str:
    if record.state is State.COMPLETE:
        loss = record.measured("validation/loss")
        guess = uniform_loss(record.config)
        if loss is not None and guess is not None and not below_guess(loss, guess):
            return f"did not train: {above_guess(loss, guess)}"
        return f"loss {fixed(loss, 4)}"
    if record.state not in FINISHED:
        return "stopped, resumes next time"
    return f"{record.state}: {error_line(record.error)[:160]}"


def _trained(record: RunRecord) -> bool:
    return below_guess(record.summary.get("validation/loss"), uniform_loss(record.config))
