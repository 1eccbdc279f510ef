"""The command that shows studies in a browser: dashboard."""

from typing import Annotated

import typer

from workbench.cli.shared import RESULTS, Commands, Out


def dashboard(
    out: Out = RESULTS,
    port: Annotated[int, typer.Option("--port", help="Port on this machine.")] = 8501,
    read_only: Annotated[
        bool, typer.Option("--read-only", help="Print no token: nobody starts or stops a study from a page.")
    ] = False,
    open_browser: Annotated[
        bool, typer.Option("--open", help="Open it in this machine's browser as soon as it answers.")
    ] = False,
) -> None:
    """Serve the dashboard on this machine only (127.0.0.1)."""
    from workbench.dashboard.launch import serve

    serve(out, port, read_only=read_only, open_browser=open_browser)


DASHBOARD_COMMANDS: Commands = {"dashboard": dashboard}
