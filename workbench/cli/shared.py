"""What the commands share: where results are, and how things are shown."""

import json
import math
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from workbench.errors import in_one_line, printable
from workbench.progress import Progress, progress_on
from workbench.terminal import console, give, say
from workbench.user_numbers import read_number, read_whole

if TYPE_CHECKING:  # it brings torch, which --help need not wait for
    from workbench.inspection.measuring import Unmeasured


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


def amount(above: float, below: float | None = None, *, least: bool = False) -> Callable[[object], float]:
    """What reads an option that is a number, as in a study file, ``above`` one and ``below`` another.

    ``least`` takes the lower limit too.
    """

    def read(text: object) -> float:
        try:
            number = read_number(text)
        except ValueError as error:
            raise typer.BadParameter(str(error)) from None
        if isinstance(number, bool) or not isinstance(number, int | float) or not math.isfinite(number):
            raise typer.BadParameter(f"{text!r} is no number")
        if number < above or (number == above and not least) or (below is not None and number >= below):
            range_ = f"{'at least' if least else 'above'} {above:g}"
            range_ += "" if below is None else f" and below {below:g}"
            raise typer.BadParameter(f"{number:g} is not {range_}")
        return float(number)

    return read


Out = Annotated[
    Path,
    typer.Option("--out", help="Where results are kept.", show_default=True, parser=_folder, metavar="PATH"),
]
# The same where leaving it out means something else to a command.
OptionalOut = Annotated[
    Path | None,
    typer.Option("--out", help="Where results are kept. Default: results.", parser=_folder, metavar="PATH"),
]
RunName = Annotated[
    str,
    typer.Argument(
        help="A run: its id or the beginning of it, its directory, STUDY/VARIANT/SEED, or imported/NAME."
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]
Commands = dict[str, Callable[..., None]]  # by the name that a user types
RESULTS = Path("results")
_UNMEASURED_SHOWN = 4  # runs of each reason


def progress_bar() -> AbstractContextManager[Progress]:
    """What shows the progress of a command, beside what it prints."""
    return progress_on(console(stderr=True))


def print_unmeasured(unmeasured: "Iterable[Unmeasured]") -> None:
    """A line for each reason for which runs could not be measured, with the tables that they lack for it."""
    by_reason: dict[str, list[str]] = {}
    found = [(one.run.read(), one) for one in unmeasured]
    for record, one in sorted(found, key=lambda pair: (pair[0].variant, pair[0].seed)):
        run = f"{record.variant} seed {record.seed} ({', '.join(one.tables)})"
        by_reason.setdefault(in_one_line(one.reason, None), []).append(run)
    for reason, runs in by_reason.items():
        more = f" and {len(runs) - _UNMEASURED_SHOWN} more" if len(runs) > _UNMEASURED_SHOWN else ""
        say(f"not measured: {', '.join(runs[:_UNMEASURED_SHOWN])}{more}: {reason}")


def show(facts: Any, as_json: bool, render: Any) -> None:
    """Print facts for programs, or rendered for a reader."""
    if as_json:
        give(json.dumps(facts, indent=2))
    else:
        console().print(render(facts))
