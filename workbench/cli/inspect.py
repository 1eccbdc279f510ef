"""Commands that look inside trained runs: inspect, probe."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from workbench.cli.completion import VIEWS, study_names, view_names
from workbench.cli.shared import RESULTS, Commands, Out, print_unmeasured, progress_bar
from workbench.errors import UserError
from workbench.numbers import plural
from workbench.terminal import say

if TYPE_CHECKING:  # it brings torch, which --help need not wait for
    from workbench.inspection.measuring import MeasuredRuns
    from workbench.records.run import RunDirectory


def inspect(
    run: Annotated[
        str,
        typer.Argument(
            help="STUDY/VARIANT/SEED, a run's id or its folder; or a study: the variant that differs most, "
            "against the baseline, all others beside them.",
            autocompletion=study_names,
        ),
    ],
    against: Annotated[str | None, typer.Option("--against", help="A second run to compare with.")] = None,
    beside: Annotated[
        list[str] | None,
        typer.Option(
            "--beside",
            help="A variant of the same study that series show too; may be repeated. 'all': every one.",
        ),
    ] = None,
    view: Annotated[
        list[str] | None,
        typer.Option(
            "--view",
            metavar="NAME",
            help=f"{', '.join(VIEWS)}; may be repeated. Default: all that are possible. 'workbench list "
            "views' says what each is, and its options.",
            autocompletion=view_names,
        ),
    ] = None,
    text: Annotated[str | None, typer.Option("--text", help="The text of views that read one.")] = None,
    options: Annotated[
        list[str] | None,
        typer.Option("--option", help="An option of a view: --option layer=2", metavar="NAME=VALUE"),
    ] = None,
    explain: Annotated[
        bool,
        typer.Option(
            "--explain",
            help="Of a study, in place of views: which measured numbers moved with each effect.",
        ),
    ] = False,
    to: Annotated[Path, typer.Option("--to", help="The folder that figures and tables go into.")] = Path(
        "inspection"
    ),
    format: Annotated[str, typer.Option("--format", help="svg, pdf or png.")] = "svg",
    columns: Annotated[
        int, typer.Option("--columns", min=1, max=2, help="Columns of a paper that a figure is as wide as.")
    ] = 2,
    out: Out = RESULTS,
) -> None:
    """Look inside a run: the dashboard's views as figures and tables, without a browser."""
    if explain:
        if against or beside or view or text is not None or options:
            raise UserError("--explain: takes no view, text, option or second run; leave them out")
        _explain(run, out, to)
        return
    from workbench.analysis.figure_look import ONE, TWO, Look
    from workbench.inspection.command import inspect_run, parse_options

    given = parse_options(options or []) | ({"text": text} if text is not None else {})
    with progress_bar() as progress:
        done = inspect_run(
            run,
            against=against,
            beside=beside or [],
            names=view or [],
            options=given,
            results=out,
            to=to,
            format=format,
            look=Look(ONE if columns == 1 else TWO),
            progress=progress,
        )
    for result, paths in done.written:
        say(f"{result.title}: {paths[0]} and {len(paths) - 1} tables")
        for answer in result.answers:
            say(f"  {answer}")
    if done.written:
        print_unmeasured(done.unmeasured)
    if view and done.refused:
        raise UserError("; ".join(reason for _, reason in done.refused))
    for one, reason in done.refused:
        say(f"{one.name}: not shown: {reason.removeprefix(f'{one.name}: ')}")
    if not done.written:
        raise UserError(f"run: no view of {run!r} can be shown, for the reasons above")
    say(f"written to: {done.folder}: {len(done.written)} of {len(done.written) + len(done.refused)} views")


def _explain(study: str, results: Path, to: Path) -> None:
    """Say what moved with each variant's effect, and write every number that was tested."""
    from workbench.inspection.command import explain_study
    from workbench.inspection.explanation import NO_CAUSE

    for found, path in explain_study(study, results=results, to=to):
        say(f"{found.variant}: {found.headline()}")
        for sentence in found.sentences():
            say(f"  {sentence}")
        say(f"  every number: {path}")
    say(NO_CAUSE)


def probe(
    run: Annotated[
        str,
        typer.Argument(help="A study, for all of its complete runs, or one run.", autocompletion=study_names),
    ],
    again: Annotated[bool, typer.Option("--again", help="Measure anew what was measured before.")] = False,
    out: Out = RESULTS,
) -> None:
    """Measure what heads, positions and activations of trained runs do: the tables behind most views."""
    from workbench.inspection.command import measure_study_or_run
    from workbench.inspection.measuring import on_other_text

    with progress_bar() as progress:
        done = measure_study_or_run(run, results=out, again=again, progress=progress)
    if other := on_other_text(done.measured):
        note = f"the text is another one than {len(other)} of them were trained on; they were measured on it"
        say(f"note: data.corpus: {note}", stderr=True)
    print_unmeasured(done.unmeasured)
    say(_summary(done))


def _summary(done: "MeasuredRuns") -> str:
    """How many runs were measured, and how many cannot be for want of weights."""
    without = ""
    if done.weightless:
        count = len(done.weightless)
        lacking = "1 that lacks tables has" if count == 1 else f"{count} that lack tables have"
        published = " (published without them)" if _published(done.weightless) else ""
        without = f"; {lacking} no weights{published}"
    if done.measured:
        runs = plural(len(done.measured), "run")
        kept = ", kept in the cache: what is published stays as it is" if _published(done.measured) else ""
        return f"measured: {runs}{kept}{without}"
    of_those = " of the runs that have weights" if without else ""
    return f"nothing to do: every table{of_those} is there{without}"


def _published(runs: "list[RunDirectory]") -> bool:
    from workbench.records.index import is_published

    return is_published(runs[0].path.parent.parent)


INSPECT_COMMANDS: Commands = {"inspect": inspect, "probe": probe}
