"""What the commands share: where results are, and how things are shown."""

import json
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from workbench.errors import printable
from workbench.quantities import read_whole


def _folder(text: str) -> Path:
    """``--out``; an empty variable of the shell must not mean the present directory."""
    if not str(text):
        raise typer.BadParameter("is empty; name a folder")
    if printable(str(text)) != str(text):  # safetensors takes no other paths
        raise typer.BadParameter("is not UTF-8; name a folder whose path is")
    return Path(text)


def count(least: int, most: int | None = None) -> Callable[[object], int]:
    """What reads an option that is a whole number, as in a study file: ``2e4`` is one, ``20.000`` is not."""

    def read(text: object) -> int:
        try:
            number = read_whole(text)
        except ValueError as error:
            raise typer.BadParameter(str(error)) from None
        if not isinstance(number, int):
            raise typer.BadParameter(f"{text!r} is no whole number")
        if number < least or (most is not None and number > most):
            range_ = f"at least {least:,}" if most is None else f"from {least:,} to {most:,}"
            raise typer.BadParameter(f"{number} is not {range_}")
        return number

    return read


Out = Annotated[
    Path,
    typer.Option("--out", help="Where results are kept.", show_default=True, parser=_folder, metavar="PATH"),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]
RESULTS = Path("results")
_SECONDS_BETWEEN_LINES = 5.0


@contextmanager
def progress_bar() -> Iterator[Callable[[str, float], None]]:
    """A bar with the time left on a terminal; elsewhere a plain line every few seconds."""
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    terminal = console(stderr=True)
    if not terminal.is_terminal:
        yield _PlainLines()
        return
    columns = (TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn())
    with Progress(*columns, console=terminal, transient=True) as bar:
        task = bar.add_task("", total=1.0)
        yield lambda text, part: bar.update(task, description=text, completed=part)


class _PlainLines:
    """Progress where there is no terminal: what is soon done says nothing."""

    def __init__(self) -> None:
        self._started = self._told = time.monotonic()

    def __call__(self, text: str, part: float) -> None:
        now = time.monotonic()
        if now - self._told >= _SECONDS_BETWEEN_LINES:
            left = f", {(now - self._started) * (1 / part - 1):.0f} s left" if part > 0 else ""
            print(f"{text} ({part:.0%}{left})", file=sys.stderr, flush=True)
            self._told = now


def show(facts: Any, as_json: bool, render: Any) -> None:
    """Print facts for programs, or rendered for a reader."""
    if as_json:
        print(json.dumps(facts, indent=2))
    else:
        console().print(render(facts))


def console(*, stderr: bool = False) -> Any:
    """The terminal, or a wide page where there is none."""
    from rich.console import Console

    console = Console(stderr=stderr)
    # A pipe has no width of its own; tables must not be squeezed into eighty columns there.
    return console if console.is_terminal else Console(width=160, stderr=stderr)
