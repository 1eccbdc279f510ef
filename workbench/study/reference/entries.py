"""What the reference says of a key, a factor, a level or an option."""

import dataclasses
import inspect
import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

FACTORS = "factors"  # the key whose inner keys are not the schema's: each is a factor
NEEDED = "needed"
A_LEVEL = "a level, or {name: level, option: value}"  # the type of a key whose values are registered levels
_SENTENCE = re.compile(r"(?<!\bal)\.(?=\s)")
_LEFT_OUT = re.compile(r"\s*\bLeft out: (.*?)\.?$", re.DOTALL)


class Kind(StrEnum):
    """What an entry is about."""

    KEY = "key"
    FACTOR = "factor"
    LEVEL = "level"
    OPTION = "option"


@dataclass(frozen=True, kw_only=True)
class Entry:
    """Something that may stand in a study file.

    ``key`` is its place, in dots; a level stands there below its factor, and its options below it
    (``factors.norm.rmsnorm.eps``). Where several mappings may stand at one place, ``beside`` is the key that
    tells this one from the others: ``path`` of a corpus. ``type`` says in words what is written, ``choices``
    are the values that it names. ``default`` is, as YAML, what leaving it out means; ``left_out`` says it in
    words where that depends on something. With neither it is needed, but for a level, which is a value.
    ``about`` may have several paragraphs; ``note`` is a condition or a remark. ``examples`` are values as
    YAML.
    """

    key: str
    kind: Kind = Kind.KEY
    beside: str = ""
    type: str
    choices: tuple[str, ...] = ()
    about: str
    default: str = ""
    left_out: str = ""
    examples: tuple[str, ...] = ()
    formula: str = ""
    paper: str = ""
    note: str = ""

    @property
    def name(self) -> str:
        """The last part of the key: what is written at its place."""
        return self.key.rpartition(".")[2]

    @property
    def meaning(self) -> str:
        """The first paragraph of ``about``."""
        return self.about.partition("\n\n")[0]

    @property
    def summary(self) -> str:
        """The first sentence of ``about``, without the dot."""
        return _SENTENCE.split(self.meaning)[0].rstrip(".")

    @property
    def when_left_out(self) -> str:
        """What leaving it out means, or that it is needed; nothing for a level."""
        if self.kind is Kind.LEVEL:
            return ""
        return self.left_out or self.default or NEEDED

    @property
    def written(self) -> list[str]:
        """The examples as they stand in a file: behind the key, but for options, which stand in a level."""
        if self.kind is Kind.OPTION:
            return list(self.examples)
        return [f"{self.name}: {example}" for example in self.examples]

    def to_dict(self) -> dict[str, Any]:
        """All of it, ready for JSON."""
        return dataclasses.asdict(self) | {"needed": self.when_left_out == NEEDED}


@dataclass(frozen=True, kw_only=True)
class Section:
    """Entries that stand at one place: the keys of a mapping, the levels of a factor, a level's options.

    ``key`` is that place, empty for the file itself; ``kind`` and ``beside`` are those of the entries.
    ``examples`` are values as YAML, each with what it stands for.
    """

    key: str
    kind: Kind = Kind.KEY
    beside: str = ""
    about: str
    entries: tuple[Entry, ...]
    examples: tuple[tuple[str, str], ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """All of it, ready for JSON."""
        return dataclasses.asdict(self) | {"entries": [entry.to_dict() for entry in self.entries]}


def joined(path: str, name: str) -> str:
    """The key ``name`` of the mapping at ``path``."""
    return f"{path}.{name}" if path else name


def split_description(description: str) -> tuple[str, str]:
    """What a field's description says, and what it says behind ``Left out:``, its last sentence."""
    left_out = _LEFT_OUT.search(description)
    return _LEFT_OUT.sub("", description), left_out[1] if left_out else ""


def prose(docstring: str | None) -> str:
    """A docstring as paragraphs of text, a line each, without the marks of code."""
    paragraphs = inspect.cleandoc(docstring or "").replace("``", "").split("\n\n")
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in paragraphs)
