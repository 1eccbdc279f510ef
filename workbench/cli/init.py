"""``workbench init``: a study file to begin with."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from workbench.cli.shared import RESULTS, Commands, Out
from workbench.terminal import say


class TemplateName(StrEnum):
    """What to begin with: the names of ``study.templates``."""

    COMPARE = "compare"
    SWEEP = "sweep"
    SIZE = "size"
    DATA = "data"


def init(
    name: Annotated[str, typer.Argument(help="What to call the study, and its file.")] = "my-study",
    template: Annotated[
        TemplateName,
        typer.Option(
            "--template",
            help="compare: parts of a model. sweep: a search over parts and rates. size: a ladder of sizes. "
            "data: what is done to training text.",
        ),
    ] = TemplateName.COMPARE,
    folder: Annotated[
        Path, typer.Option("--folder", metavar="PATH", help="The folder to write the file into.")
    ] = Path("ablations"),
    out: Out = RESULTS,
) -> None:
    """Write a study file to begin with, in which comments say what each key means. Nothing is overwritten."""
    from workbench.study.commented import write_study
    from workbench.study.templates import TEMPLATES

    path = write_study(name, TEMPLATES[template], folder, out)
    say(f"written: {path}")
    say(f"See what it would do: workbench check {path}")


INIT_COMMANDS: Commands = {"init": init}
