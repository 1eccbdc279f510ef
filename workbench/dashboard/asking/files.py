"""Drafts and files: saved under ``ablations/`` and nowhere else, and begun from studies that there are."""

import shlex
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from workbench.dashboard.asking.draft import write_draft
from workbench.dashboard.asking.session import FOLDER
from workbench.errors import RecordError, UserError
from workbench.files import read_text_file, write_atomically, yaml_mapping
from workbench.records.index import list_studies, study_title
from workbench.records.manifest import read_manifest
from workbench.study.overrides import apply_override
from workbench.study.schema import NAME, find_named_file, study_files


@dataclass(frozen=True)
class Source:
    """A study to begin from: what the reader chooses by, and the study file that asks it."""

    title: str
    path: Path
    overrides: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """A name for the file that is made of it."""
        return f"{self.path.stem}-2"

    def text(self) -> str:
        """Its YAML, as it is in the file, or with what the command line changed; raises ``UserError``."""
        text = read_text_file(self.path, "YAML")
        if not self.overrides:
            return text
        values = yaml_mapping(text, self.path)
        for override in self.overrides:
            apply_override(values, override)
        return write_draft(values)


def sources(results: Path) -> list[Source]:
    """The study files at hand, then the studies with results whose file is here, as they were run."""
    found = [Source(str(path), path) for path in study_files()]
    for study in list_studies(results) if results.is_dir() else []:
        source = _source_of(study)
        if source is not None:
            found.append(source)
    return found


def _source_of(study: Path) -> Source | None:
    """The file that a study with results was run from; None where it is not here, or was no study file."""
    try:
        words = shlex.split(read_manifest(study).command or "")
    except (RecordError, ValueError):
        return None
    title = f"results of {study_title(study)}"
    overrides = tuple(after for word, after in pairwise(words) if word == "--set")
    named = [word for word in words[2:3] if words[:2] == ["workbench", "run"]]
    path = next((file for word in (*named, study.name) if (file := find_named_file(word)) is not None), None)
    return None if path is None else Source(title, path, overrides)


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


def name_of(values: dict[str, Any] | None, name: str) -> str:
    """What the study, and the folder of its results, will be called."""
    own = (values or {}).get("name")
    return own if isinstance(own, str) else name
