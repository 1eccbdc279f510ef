"""What a shell completes beside commands and options (``workbench --install-completion``).

It is asked at every press of a key, so that nothing is imported or read for it but names of folders.
"""

from pathlib import Path

import typer

from workbench.inspection.listed_views import LISTED

VIEWS = tuple(view.name for view in LISTED)
_MANIFEST = "study.yaml"  # as in records.manifest
_ARCHIVE = "archive"  # as in records.archive


def study_names(ctx: typer.Context, incomplete: str) -> list[str]:
    """Studies with results that begin with what was typed: those in ``--out``, and ``published/NAME``."""
    return _beginning(incomplete, _names(ctx, ""), _names(ctx, "published/"))


def own_study_names(ctx: typer.Context, incomplete: str) -> list[str]:
    """Those that may be deleted: one's own, and ``archive/NAME``."""
    return _beginning(incomplete, _names(ctx, ""), _names(ctx, f"{_ARCHIVE}/"))


def archivable_names(ctx: typer.Context, incomplete: str) -> list[str]:
    """Those that may be archived; with ``--back`` those that are."""
    if ctx.params.get("back"):
        archived = [name.removeprefix(f"{_ARCHIVE}/") for name in _names(ctx, f"{_ARCHIVE}/")]
        return _beginning(incomplete, archived)
    return _beginning(incomplete, _names(ctx, ""))


def view_names(incomplete: str) -> list[str]:
    """Views that begin with what was typed."""
    return [name for name in VIEWS if name.startswith(incomplete)]


def _names(ctx: typer.Context, folder: str) -> list[str]:
    """The studies in a folder of ``--out``, by name, with the folder before it."""
    results = Path(ctx.params.get("out") or "results")
    return sorted(f"{folder}{path.parent.name}" for path in results.glob(f"{folder}*/{_MANIFEST}"))


def _beginning(incomplete: str, *names: list[str]) -> list[str]:
    return [name for part in names for name in part if name.startswith(incomplete)]
