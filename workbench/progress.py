"""How far something is: bars with the time left on a terminal, plain lines now and then elsewhere."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.progress import BarColumn
from rich.progress import Progress as Bars

from workbench.numbers import percent, time_left
from workbench.terminal import PlainColumn, Terminal
from workbench.visible import one_line

Progress = Callable[[str, float], None]  # hears what is being done, and the part of it that is done, 0 to 1

REPORT_SECONDS = 2.0  # from one part of a stage that is heard of to the next
_SOONEST = 5.0  # seconds from one plain line to the next at the beginning
_LATEST = 30.0  # and later on
_PART = 0.1  # of the time so far, in between


@contextmanager
def progress_on(terminal: Terminal, title: str = "", *, announce: bool = False) -> Iterator[Progress]:
    """What shows progress on ``terminal`` while the block runs, each line behind a ``title``.

    Without a terminal what is soon done says nothing, unless the beginning of each stage is to be announced.
    """
    if not terminal.is_terminal:
        yield _PlainLines(terminal, title, announce)
        return
    pace = _Pace()
    with bars(terminal) as shown:
        task = shown.add_task("", total=1.0, info="")

        def report(text: str, part: float) -> None:
            info = time_left(pace.seconds_left(text, part))
            shown.update(task, description=_titled(title, text), completed=part, info=info)

        yield report


def patient(progress: Progress, text: str) -> Callable[[float], None]:
    """Report the parts of a stage at most every few seconds: a short one stays silent."""
    last = time.monotonic()

    def report(part: float) -> None:
        nonlocal last
        if time.monotonic() - last >= REPORT_SECONDS:
            last = time.monotonic()
            progress(text, part)

    return report


def bars(terminal: Terminal) -> Bars:
    """Bars that are gone at the end; a task's field ``info`` stands behind its percentage."""
    columns = (PlainColumn("{task.description}"), BarColumn(), PlainColumn("{task.percentage:>3.0f} %"))
    return Bars(*columns, PlainColumn("{task.fields[info]}"), console=terminal, transient=True)


def seconds_left(left: float, done: float, elapsed: float) -> float | None:
    """The time that ``left`` takes at the speed at which ``done`` was done; None before anything was."""
    return max(0.0, left) * elapsed / done if done > 0 else None


class LineClock:
    """When the next plain line is due: soon at the beginning, every half minute of what takes hours."""

    def __init__(self) -> None:
        self._began = time.monotonic()
        self._last = self._began

    def due(self) -> bool:
        """Whether the last line is long enough ago."""
        now = time.monotonic()
        return now - self._last >= min(_LATEST, max(_SOONEST, _PART * (now - self._began)))

    def restart(self) -> None:
        """A line was just printed."""
        self._last = time.monotonic()


class _Pace:
    """The time left of what reports parts; a stage begins where the part falls, or was 0 until now."""

    def __init__(self) -> None:
        self._began = time.monotonic()
        self._text = ""
        self._first = 0.0
        self._part = 0.0

    def seconds_left(self, text: str, part: float) -> float | None:
        """As of now, when ``part`` of the stage is done."""
        now = time.monotonic()
        if part < self._part or (self._part == 0 and text != self._text):
            self._began = now
            self._first = part
        self._text = text
        self._part = part
        return seconds_left(1 - part, part - self._first, now - self._began)


class _PlainLines:
    """A line where one is due, and at the beginning of a stage if that is wanted."""

    def __init__(self, terminal: Terminal, title: str, announce: bool) -> None:
        self._terminal = terminal
        self._title = title
        self._announce = announce
        self._clock = LineClock()
        self._pace = _Pace()

    def __call__(self, text: str, part: float) -> None:
        left = time_left(self._pace.seconds_left(text, part))
        if self._clock.due() or (self._announce and part == 0):
            done = ", ".join(filter(None, [percent(part) if part else "", left]))
            line = _titled(self._title, text) + (f" ({done})" if done else "")
            self._terminal.print(line, soft_wrap=True)
            self._clock.restart()


def _titled(title: str, text: str) -> str:
    return one_line(f"{title}: {text}" if title else text)  # a path in it may hold a line break
