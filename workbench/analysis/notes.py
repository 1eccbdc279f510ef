"""What a report says beside its numbers, sorted by who needs it.

A *reading* note changes how a word is to be read: pairs that were lost, a learning rate that it depends on, a
margin that was changed. Whoever reads the verdict has to see it. A *method* note says how the word came about
or that something else agrees with it; it is there for whoever asks.
"""

from enum import StrEnum
from typing import Self


class NoteKind(StrEnum):
    """Whom a note is for."""

    READING = "reading"
    METHOD = "method"


class Note(str):
    """A sentence with its kind; ``about`` is the variant whose row it is of, None where it is of the study.

    It is text, so that whoever only prints notes need know nothing of kinds.
    """

    kind: NoteKind
    about: str | None

    def __new__(cls, text: str, kind: NoteKind = NoteKind.READING, about: str | None = None) -> Self:
        """``text`` as a note; one without a kind is for everybody."""
        note = super().__new__(cls, text)
        note.kind = kind
        note.about = about
        return note

    def __getnewargs__(self) -> tuple[str, NoteKind, str | None]:  # type: ignore[override]
        """What a copy is made of."""
        return str(self), self.kind, self.about

    def of(self, variant: str) -> "Note":
        """The note of a row as one of the whole report: with the variant's name before it."""
        return Note(f"{variant}: {self}", self.kind, variant)

    def to_dict(self) -> dict[str, str | None]:
        """For programs."""
        return {"kind": str(self.kind), "about": self.about, "text": str(self)}


def reading(text: str) -> Note:
    """A note that changes how a word is to be read."""
    return Note(text, NoteKind.READING)


def method(text: str) -> Note:
    """A note on how a word came about, or that something else agrees with it."""
    return Note(text, NoteKind.METHOD)
