"""``notes.json``: what readers wrote down about a study and its runs. No number rests on it.

A published study has none: what is said of it stands in its question and its report.
"""

from collections.abc import Iterable
from pathlib import Path
from threading import Lock
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from workbench.errors import UserError
from workbench.files import read_json, write_json
from workbench.records.damaged_files import read_checked
from workbench.records.index import is_published

NOTES = "notes.json"
MOST_LETTERS = 10_000  # of a note
MOST_TAGS, TAG_LETTERS = 20, 40
_REMEDY = "mend the file, or delete it, and the notes are gone"
_LOCK = Lock()  # sessions of one server write to one file


class Remark(BaseModel):
    """A note and tags, of a study or of a run."""

    model_config = ConfigDict(frozen=True, extra="allow", strict=True)

    note: str = ""
    tags: list[str] = []

    @property
    def is_empty(self) -> bool:
        """Whether nothing was written down."""
        return not self.note and not self.tags


class StudyNotes(BaseModel):
    """What the file holds: of the study, and of runs by their ids."""

    model_config = ConfigDict(frozen=True, extra="allow", strict=True)

    study: Remark = Remark()
    runs: Annotated[dict[str, Remark], Field(default_factory=dict)]

    def of(self, run: str | None = None) -> Remark:
        """What was written of a run, or of the study."""
        return self.study if run is None else self.runs.get(run, Remark())

    @property
    def tags(self) -> list[str]:
        """All tags, of the study and of its runs, each once."""
        return list(dict.fromkeys(tag for one in (self.study, *self.runs.values()) for tag in one.tags))


def read_notes(study: Path) -> StudyNotes:
    """The notes of a study; raises ``RecordError`` for a damaged file."""
    if not (study / NOTES).exists():
        return StudyNotes(runs={})
    return read_checked(study / NOTES, StudyNotes, read_json, _REMEDY)


def write_remark(study: Path, note: str, tags: Iterable[str], run: str | None = None) -> StudyNotes:
    """Write down ``note`` and ``tags`` of a study, or of one of its runs, in place of what was there.

    Raises ``UserError`` for a published study, and for a note or tags that are too long; ``RecordError``
    where the file that is there is damaged, and stays as it is.
    """
    if is_published(study):
        raise UserError(f"{study.name}: is published and stays as it is; write notes to the study itself")
    if len(note) > MOST_LETTERS:
        raise UserError(f"note: has {len(note):,} characters; shorten it to {MOST_LETTERS:,}")
    kept = list(dict.fromkeys(tag.strip() for tag in tags if tag.strip()))
    long = next((tag for tag in kept if len(tag) > TAG_LETTERS), None)
    if long is not None:
        raise UserError(f"tags: {long!r} has more than {TAG_LETTERS} characters; a tag is a word or two")
    if len(kept) > MOST_TAGS:
        raise UserError(f"tags: there are {len(kept)}; keep at most {MOST_TAGS}")
    remark = Remark(note=note.strip(), tags=kept)
    with _LOCK:
        before = read_notes(study)
        if run is None:
            after = before.model_copy(update={"study": remark})
        else:
            runs = {key: one for key, one in before.runs.items() if key != run}
            after = before.model_copy(update={"runs": runs if remark.is_empty else runs | {run: remark}})
        write_json(study / NOTES, after.model_dump(mode="json"))
    return after
