"""Where a study's results lie: its directory, from its name, its file or a path."""

from pathlib import Path

from workbench.errors import UserError
from workbench.records.index import MANIFEST, PUBLISHED, is_published, list_studies, study_title


def find_results(study: str, results: Path) -> Path:
    """The results directory that ``study`` means: a directory, a study file, or a study's name."""
    path = Path(study)
    # A study's name may have dots: only of a file the ending is left out.
    name = path.stem if path.suffix.lower() in (".yaml", ".yml") else path.name
    for candidate in (path, results / study, results / name, results / PUBLISHED / name):
        if (candidate / MANIFEST).exists():
            return candidate
    known = [study_title(item) for item in list_studies(results)]
    remedy = (
        f"Studies there: {', '.join(known)}" if known else "Run one: workbench run ablations/quickstart.yaml"
    )
    raise UserError(f"{study}: no results of this study under {results}. {remedy}")


def refuse_published(study: Path) -> None:
    """Raise ``UserError`` where a run in the directory ``study`` would write among what is published."""
    if is_published(study):
        raise UserError(
            f"--out: {study} lies among what is published, and that stays as it is; choose another folder; "
            "'workbench publish' copies the finished study"
        )
