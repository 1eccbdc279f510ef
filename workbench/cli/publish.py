"""The command that makes a finished study fit to be committed: publish."""

from typing import Annotated

import typer

from workbench.cli.completion import study_names
from workbench.cli.shared import RESULTS, Commands, Out, print_unmeasured, progress_bar
from workbench.numbers import byte_size, plural
from workbench.terminal import say


def publish(
    study: Annotated[
        str,
        typer.Argument(help="A finished study's name, or its results directory.", autocompletion=study_names),
    ],
    weights: Annotated[
        int, typer.Option("--weights", min=0, help="Of how many confirm seeds of each variant weights go in.")
    ] = 1,
    limit: Annotated[
        float, typer.Option("--limit", min=0, help="Megabytes that all published studies may take.")
    ] = 80,
    examples: Annotated[
        bool,
        typer.Option(
            "--examples/--no-examples",
            help="Whether beginnings of documents go in: up to twenty that each rule kept, changed, dropped.",
        ),
    ] = True,
    measure: Annotated[
        bool,
        typer.Option(
            "--measure/--no-measure",
            help="Whether what views over seeds need and lacks is measured first. Without, the copy's report "
            "says which views have nothing to show.",
        ),
    ] = True,
    stopped: Annotated[
        bool,
        typer.Option(
            "--stopped",
            help="A study goes in that was stopped before its verdict: the runs that have ended, and a "
            "report that says how many are still to come.",
        ),
    ] = False,
    out: Out = RESULTS,
) -> None:
    """Copy a finished study to results/published: records, report and figures, no paths of this machine.

    What views over seeds need and was not measured is measured first, and kept: it is measured once.
    """
    from workbench.publishing.publish import publish as publish_study
    from workbench.study.paths import find_results

    with progress_bar() as progress:
        done = publish_study(
            find_results(study, out),
            out,
            weights=weights,
            limit=limit,
            examples=examples,
            measure=measure,
            stopped=stopped,
            note=lambda text: say(f"note: {text}", stderr=True),
            progress=progress,
        )
    print_unmeasured(done.measuring.unmeasured)
    if done.measuring.weightless:
        count = plural(len(done.measuring.weightless), "run")
        say(f"not measured: {count}: without weights no table can be added")
    if done.views_without:
        remedy = "" if measure else " (measure it: --measure)"
        say(f"views:     nothing to show by {', '.join(done.views_without)}{remedy}")
    if done.examples:
        say(f"texts:     {plural(done.examples, 'beginning')} of documents are in it (none: --no-examples)")
    say(
        f"published: {done.path}: {done.runs} runs, {done.weights} with weights, "
        f"{byte_size(done.megabytes * 1e6)} "
        f"({byte_size(done.all_megabytes * 1e6)} of {limit:g} MB for all)\n"
        f"read it:   {done.path / done.report}\n"
        f"commit it: git add {done.path}"
    )


PUBLISH_COMMANDS: Commands = {"publish": publish}
