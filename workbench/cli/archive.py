"""Commands that put studies away, bring them back, and delete them: what the dashboard does, in a shell."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from workbench.cli.completion import archivable_names, own_study_names
from workbench.cli.shared import RESULTS, Commands, Out
from workbench.errors import UserError
from workbench.numbers import plural
from workbench.terminal import say


def archive(
    study: Annotated[
        str, typer.Argument(help="A study's name or its file.", autocompletion=archivable_names)
    ],
    back: Annotated[bool, typer.Option("--back", help="Bring the archived study back.")] = False,
    out: Out = RESULTS,
) -> None:
    """Move a study's results to results/archive, where no list has them; or bring them back with --back.

    'workbench list archive' names what is there. A published study stays, and so does one that is being run.
    """
    from workbench.records.archive import archive_study, archived_study, restore_study
    from workbench.study.paths import find_results

    if back:
        moved = restore_study(archived_study(study, out), out)
        say(f"{moved.name} is back: {moved}")
        return
    moved = archive_study(find_results(study, out), out)
    say(f"{moved.name} is archived: {moved}")
    say(f"To bring it back: workbench archive --back {moved.name}")


def delete(
    study: Annotated[
        str,
        typer.Argument(
            help="A study's name or its file; archive/NAME for one that is archived.",
            autocompletion=own_study_names,
        ),
    ],
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    out: Out = RESULTS,
) -> None:
    """Delete a study's results for ever, with all its runs; it asks first. Its study file stays.

    A published study stays, and so does one that is being run.
    """
    from workbench.records.archive import delete_study, require_own
    from workbench.records.run import RECORD

    folder = _folder_of(study, out)
    require_own(folder, out)  # nobody is asked about what would be refused
    runs = len(list(folder.glob(f"runs/*/{RECORD}")))
    if not yes and not _agreed(f"Delete {folder}, with {plural(runs, 'run')}, for ever?"):
        say("Nothing is deleted.")
        raise typer.Exit(1)
    delete_study(folder, out)
    say(f"{folder.name} is deleted.")


def _folder_of(study: str, out: Path) -> Path:
    """The directory of a study: also of one that never began, which has no manifest and is in no list."""
    from workbench.records.archive import ARCHIVE, archived_studies, archived_study
    from workbench.records.driver_state import LOCK
    from workbench.records.driving import STARTED
    from workbench.study.paths import find_results

    if study.startswith(f"{ARCHIVE}/"):
        return archived_study(study, out)
    begun = out / study
    if begun.is_dir() and (
        not any(begun.iterdir()) or any((begun / one).exists() for one in (STARTED, LOCK))
    ):
        return begun
    if any(one.name == study for one in archived_studies(out)):
        raise UserError(f"{study}: is archived; to delete it: workbench delete {ARCHIVE}/{study}")
    return find_results(study, out)


def _agreed(question: str) -> bool:
    say(f"{question} [y/N]", end=" ")
    answer = sys.stdin.readline() if sys.stdin is not None else ""
    if not answer:
        say()
        raise UserError("--yes: nobody is there to be asked; give it where you mean it")
    return answer.strip().casefold() in ("y", "yes")


ARCHIVE_COMMANDS: Commands = {"archive": archive, "delete": delete}
