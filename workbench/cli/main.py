"""The command line. Nothing heavy is imported before a command needs it: ``--help`` answers at once.

Each group of commands is a file with its commands by name; here they become one program.
"""

import io
import os
import sys
from typing import Annotated

import typer

from workbench import __version__
from workbench.cli.archive import ARCHIVE_COMMANDS
from workbench.cli.bench import BENCH_COMMANDS
from workbench.cli.claims import CLAIMS_COMMANDS
from workbench.cli.dashboard import DASHBOARD_COMMANDS
from workbench.cli.data import DATA_COMMANDS
from workbench.cli.errors import ended
from workbench.cli.explain import EXPLAIN_COMMANDS
from workbench.cli.init import INIT_COMMANDS
from workbench.cli.inspect import INSPECT_COMMANDS
from workbench.cli.models import MODEL_COMMANDS
from workbench.cli.noise import NOISE_COMMANDS
from workbench.cli.plan import PLAN_COMMANDS
from workbench.cli.promote import PROMOTE_COMMANDS
from workbench.cli.publish import PUBLISH_COMMANDS
from workbench.cli.published import PUBLISHED_COMMANDS
from workbench.cli.shared import Commands
from workbench.cli.steptimes import STEP_TIME_COMMANDS
from workbench.cli.studies import STUDY_COMMANDS
from workbench.terminal import give

app = typer.Typer(no_args_is_help=True, rich_markup_mode="rich", pretty_exceptions_enable=False)

_COMMANDS: Commands = {
    **INIT_COMMANDS,
    **STUDY_COMMANDS,
    **PLAN_COMMANDS,
    **NOISE_COMMANDS,
    **PROMOTE_COMMANDS,
    **CLAIMS_COMMANDS,
    **STEP_TIME_COMMANDS,
    **EXPLAIN_COMMANDS,
    **DATA_COMMANDS,
    **ARCHIVE_COMMANDS,
    **DASHBOARD_COMMANDS,
    **INSPECT_COMMANDS,
    **MODEL_COMMANDS,
    **BENCH_COMMANDS,
    **PUBLISH_COMMANDS,
    **PUBLISHED_COMMANDS,
}
for _name, _command in _COMMANDS.items():
    app.command(_name)(_command)


def _say_version(wanted: bool) -> None:
    if wanted:
        give(f"workbench {__version__}")
        raise typer.Exit


@app.callback()
def workbench(
    version: Annotated[
        bool,
        typer.Option("--version", help="Print the version.", callback=_say_version, is_eager=True),
    ] = False,
) -> None:
    """Does this one change to a language model help, at your budget, beyond noise?"""


def main() -> None:
    """Entry point: what user or machine have to mend is one line and exit code 2, never a traceback."""
    if sys.stdout is None:  # closed by who called
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115 (to the end of the process)
    if isinstance(sys.stdout, io.TextIOWrapper):
        # What the terminal's encoding lacks is shown by its number, and does not end the command.
        sys.stdout.reconfigure(errors="backslashreplace")
    sys.exit(ended(app))
