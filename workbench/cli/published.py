"""``workbench published``: the table of claims that README shows, from what is published."""

from pathlib import Path
from typing import Annotated

import typer

from workbench.cli.shared import RESULTS, Commands, Out
from workbench.errors import UserError
from workbench.terminal import give, say


def published(
    into: Annotated[
        Path | None,
        typer.Option(
            "--into",
            metavar="FILE",
            help="A Markdown file with two comments between which the table is written anew. Left out: it is "
            "printed.",
        ),
    ] = None,
    out: Out = RESULTS,
) -> None:
    """What the published studies say of the claim cards, as Markdown: printed, or put into a file."""
    from workbench.files import write_atomically
    from workbench.publishing.summary import claims_summary, written_into

    if into is None:
        give(claims_summary(out))
        return
    try:
        text = into.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"--into: {into} cannot be read ({error}); name a Markdown file") from None
    changed = written_into(text, claims_summary(out), str(into))
    if changed == text:
        say(f"{into}: is up to date")
        return
    write_atomically(into, changed)
    say(f"{into}: written")


PUBLISHED_COMMANDS: Commands = {"published": published}
