"""Drafts and files: saved under ``ablations/`` and nowhere else, and begun from studies that there are."""

import shlex
from collections.abc import Collection
from dataclasses import dataclass
from itertools import chain, count, pairwise
from pathlib import Path
from typing import Any

from workbench.dashboard.asking.draft import FIRST, write_draft
from workbench.dashboard.asking.session import FIRST_NAME, FOLDER
from workbench.errors import UserError
from workbench.files import read_text_file, write_atomically, yaml_mapping
from workbench.records.index import list_studies, study_title
from workbench.records.manifest import read_manifest
from workbench.study.overrides import apply_override
from workbench.study.schema import NAME, find_named_file, study_files


@dataclass(frozen=True)
class Source:
    """A study to begin from: what the reader chooses by, its file or directory, and a name for the draft."""

    title: str
    path: Path | None  # none: the draft that everybody begins with
    name: str

    def text(self) -> str:
        """Its YAML: a file as it is, results as they were asked; ``UserError`` where nothing says it."""
        if self.path is None:
            return FIRST
        return _asked(self.path) if self.path.is_dir() else read_text_file(self.path, "YAML")


def sources(results: Path) -> list[Source]:
    """The study files at hand, then the studies with results, and a small example."""
    files = study_files()
    found = [Source(str(path), path, _free(path.stem, results)) for path in files]
    taken = {path.stem for path in files}
    for study in list_studies(results) if results.is_dir() else []:
        found.append(Source(results_of(study_title(study)), study, _free(study.name, results, taken)))
    return [*found, Source("a small example", None, _free(FIRST_NAME, results))]


def results_of(title: str) -> str:
    """What a study that has results is called among the ``sources``; ``title`` is the study's own."""
    return f"results of {title}"


def _asked(study: Path) -> str:
    """What a study with results asked: by its manifest, or by its file where a manifest does not say all."""
    from workbench.study.from_manifest import study_values  # which brings torch

    manifest = read_manifest(study)
    try:
        return write_draft(study_values(manifest))
    except UserError:
        file, overrides = _file_of(study, manifest.command or "")
        if file is None:
            raise
    values = yaml_mapping(read_text_file(file, "YAML"), file)
    for override in overrides:
        apply_override(values, override)
    return write_draft(values)


def _file_of(study: Path, command: str) -> tuple[Path | None, list[str]]:
    """The file that a study was run from, where it is here, and what was set beside it."""
    try:
        words = shlex.split(command)
    except ValueError:
        words = []
    named = [word for word in words[2:3] if words[:2] == ["workbench", "run"]]
    files = (find_named_file(word) for word in (*named, study.name))
    overrides = [after for word, after in pairwise(words) if word == "--set"]
    return next((file for file in files if file is not None), None), overrides


def _free(name: str, results: Path, taken: Collection[str] = ()) -> str:
    """``name`` while no study of that name has results, nor is ``taken``; else with the first free number."""
    numbers = (f"{name}-{number}" for number in count(2))
    names = chain([name], numbers)
    return next(one for one in names if one not in taken and not (results / one).exists())


def file_of(name: str) -> Path:
    """The file under ``ablations/`` that a plain ``name`` stands for; raises ``UserError`` for any other."""
    if not NAME.fullmatch(name) or ".." in name:
        raise UserError(
            f"file name: {name!r} is no plain name; take letters, digits, '_', '-' and '.', as in my-study"
        )
    return FOLDER / f"{name}.yaml"


def is_saved(name: str, text: str) -> bool:
    """Whether the file holds this text already; raises ``UserError`` for a name that is none."""
    path = file_of(name)
    return path.is_file() and read_text_file(path, "YAML") == text


def is_there(name: str, text: str) -> bool:
    """The same of any name: no file has one that is none."""
    try:
        return is_saved(name, text)
    except UserError:
        return False


def save(name: str, text: str, *, replace: bool = False) -> Path:
    """Write the file; raises ``UserError`` where another text is there, and is not to be replaced."""
    path = file_of(name)
    if path.exists() and not replace and not is_saved(name, text):
        raise UserError(f"{path}: is there already; give another name, or replace it")
    try:
        write_atomically(path, text)
    except OSError as error:
        raise UserError(f"{path}: cannot be written ({error.strerror}); check the folder") from error
    return path


def study_name(values: dict[str, Any] | None, file: str) -> str:
    """What the study in the file of this name, and the folder of its results, will be called."""
    own = (values or {}).get("name")
    return own if isinstance(own, str) and NAME.fullmatch(own) else file
