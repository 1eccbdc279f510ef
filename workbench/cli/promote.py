"""``workbench promote``: from a search to the study that confirms what looked best."""

from pathlib import Path
from typing import Annotated

import typer

from workbench.cli.shared import RESULTS, Commands, Out, amount, count
from workbench.cli.studies import Overrides
from workbench.terminal import console, say


def promote(
    study: Annotated[str, typer.Argument(help="A search's name, its file, or its results directory.")],
    top: Annotated[
        int, typer.Option("--top", parser=count(1, 64), metavar="N", help="How many architectures.")
    ] = 3,
    by: Annotated[
        str | None,
        typer.Option(
            "--by",
            metavar="OBJECTIVE",
            help="The best in this objective. Left out: of several objectives the Pareto front's.",
        ),
    ] = None,
    margin: Annotated[
        float | None,
        typer.Option(
            "--margin",
            parser=amount(0),
            metavar="M",
            help="How large a difference must be to matter, in units of the metric. A search has none.",
        ),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            metavar="PATH",
            help="The file to write. Default: NAME-confirmed.yaml beside the search's.",
        ),
    ] = None,
    overrides: Overrides = None,
    out: Out = RESULTS,
) -> None:
    """Write the study that confirms what looked best in a search: fresh seeds, each variant tuned alone."""
    from workbench.study.promotion import promote as write

    promotion = write(
        study,
        top=top,
        by=by,
        margin=margin,
        output=output,
        overrides=overrides or [],
        out=out,
        console=console(stderr=True),
    )
    for note in promotion.notes:
        say(f"note: {note}")
    say(f"{promotion.path}: {', '.join(promotion.variants)} against the baseline")
    say(f"See what it would do: workbench check {promotion.path}")


PROMOTE_COMMANDS: Commands = {"promote": promote}
