"""Where a report is kept: a JSON file for programs and a Markdown file beside it for readers."""

from collections.abc import Iterator
from itertools import count
from pathlib import Path

from workbench.bench.report import Report
from workbench.bench.timing.machine import kind
from workbench.errors import UserError
from workbench.files import write_atomically, write_json


def reserve(folder: Path, report: Report) -> Path:
    """A JSON file of its own, ``2026-11-24-cpu-quick.json``, or ``...-2.json`` after one of the same day.

    Raises ``UserError`` where ``folder`` cannot be written.
    """
    facts = report.facts
    stem = f"{facts['date'][:10]}-{kind(facts['machine'])}-{facts['effort']}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        return next(path for path in _names(folder, stem) if _create(path))
    except OSError as error:
        raise UserError(f"--out: {folder} cannot be written ({error.strerror}); choose another") from error


def save(path: Path, report: Report) -> None:
    """Write the report into the files that ``reserve`` found, replacing an earlier state of it."""
    write_json(path, report.to_dict())
    write_atomically(path.with_suffix(".md"), report.markdown())


def _names(folder: Path, stem: str) -> Iterator[Path]:
    return (folder / f"{stem}{f'-{number}' if number > 1 else ''}.json" for number in count(1))


def _create(path: Path) -> bool:
    """Whether the name was free; it is taken now. Two benchmarks that begin at once get different ones."""
    if path.with_suffix(".md").exists():
        return False
    try:
        path.open("x").close()
    except FileExistsError:
        return False
    return True
