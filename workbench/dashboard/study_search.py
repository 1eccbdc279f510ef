"""What studies are searched by: name, question, tags and notes."""

from contextlib import suppress
from pathlib import Path

from workbench.dashboard.study_library import Library
from workbench.errors import RecordError


def words_of(title: str, path: Path, library: Library) -> str:
    """All that is searched of a study, in small letters; of one whose files are damaged what can be read."""
    known = [title]
    with suppress(RecordError):  # its pages say what is wrong with it
        known.append(library.manifest(path).question)
    with suppress(RecordError):
        notes = library.notes(path)
        for remark in (notes.study, *notes.runs.values()):
            known += [remark.note, *remark.tags]
    return " ".join(known).casefold()


def has_words(known: str, asked: str) -> bool:
    """Whether each word of ``asked`` is in what is ``known`` of a study."""
    return all(word in known for word in asked.casefold().split())
