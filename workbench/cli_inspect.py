"""Commands that look inside trained runs: inspect, probe."""

from pathlib import Path
from typing import Annotated

import typer

from workbench.cli_models import RunName
from workbench.cli_shared import RESULTS, Out, progress_bar
from workbench.terminal import say


def inspect(
    run: RunName,
    against: Annotated[str | None, typer.Option("--against", help="A second run to compare with.")] = None,
    view: Annotated[
        list[str] | None, typer.Option("--view", help="A view's name; may be repeated. Default: all.")
    ] = None,
    text: Annotated[str | None, typer.Option("--text", help="The text of views that read one.")] = None,
    options: Annotated[
        list[str] | None,
        typer.Option("--option", help="An option of a view: --option layer=2", metavar="NAME=VALUE"),
    ] = None,
    to: Annotated[Path, typer.Option("--to", help="Where figures and tables go.")] = Path("inspection"),
    format: Annotated[str, typer.Option("--format", help="svg, pdf or png.")] = "svg",
    out: Out = RESULTS,
) -> None:
    """Look inside a run: the dashboard's views as figures and tables, without a browser."""
    from workbench.inspection.command import inspect_run, parse_options

    given = parse_options(options or []) | ({"text": text} if text is not None else {})
    with progress_bar() as progress:
        written = inspect_run(
            run,
            against=against,
            names=view or [],
            options=given,
            results=out,
            to=to,
            format=format,
            progress=progress,
        )
    for result, paths in written:
        say(f"{result.title}: {paths[0]} and {len(paths) - 1} tables")
        for answer in result.answers:
            say(f"  {answer}")


def probe(
    run: Annotated[str, typer.Argument(help="A study, for all of its complete runs, or one run.")],
    again: Annotated[bool, typer.Option("--again", help="Measure anew what was measured before.")] = False,
    out: Out = RESULTS,
) -> None:
    """Measure what heads, positions and activations of trained runs do: the tables behind most views."""
    from workbench.inspection.command import probe_runs
    from workbench.inspection.probes import on_other_text

    with progress_bar() as progress:
        measured = probe_runs(run, results=out, again=again, progress=progress)
    if other := on_other_text(measured):
        note = f"the text is another one than {len(other)} of them were trained on; they were measured on it"
        say(f"note: data.corpus: {note}", stderr=True)
    runs = "1 run" if len(measured) == 1 else f"{len(measured)} runs"
    say(f"measured: {runs}" if measured else "nothing to do: every table is there")


INSPECT_COMMANDS = {"inspect": inspect, "probe": probe}
