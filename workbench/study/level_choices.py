"""What can be varied in a study: each factor with its registered levels, and what they are at a baseline.

Read from the reference (``workbench explain``), whose entries are read from the classes of the levels. These
bring torch, which takes seconds: what is said of them here is text and numbers, and can be kept.
"""

from dataclasses import dataclass
from functools import cache
from typing import Any

from workbench.study.reference.entries import FACTORS, Entry, Kind
from workbench.study.reference.lookup import reference

_MAY_BE = "may be a factor"


@dataclass(frozen=True, kw_only=True)
class FactorChoice:
    """A factor, and its levels where they have names; of any other ``example`` is a list of levels as YAML.

    ``about`` is what the reference says of the factor, and ``entry`` is that of the key or of the factor.
    """

    entry: Entry
    levels: tuple[Entry, ...] = ()

    @property
    def name(self) -> str:
        """As a study file names it."""
        return self.entry.name

    @property
    def about(self) -> str:
        """What it is, in a sentence or two."""
        return self.entry.meaning

    @property
    def names(self) -> list[str]:
        """The levels that can be chosen by name."""
        return [level.name for level in self.levels] or list(self.entry.choices)


@dataclass(frozen=True, kw_only=True)
class Cost:
    """What a level costs in a model of the study's size, before widths are matched.

    ``parameters`` are those outside embedding tables and head, of the whole model; ``flops`` are training
    FLOPs per token. ``refused`` says why the level cannot be in this model; numbers are None then.
    """

    parameters: int | None = None
    flops: int | None = None
    refused: str = ""


@dataclass(frozen=True, kw_only=True)
class BaselineLevels:
    """The levels of a study's baseline, and what its model would cost with others.

    ``own`` has its level of every factor of the model, as a study file would: a name, a mapping of the name
    and of the options that are not the defaults, or a value. ``costs`` has, by factor, what each level that
    has a name costs.
    """

    parameters: int
    flops: int
    own: dict[str, Any]
    costs: dict[str, dict[str, Cost]]


@cache
def factor_choices() -> dict[str, FactorChoice]:
    """Every factor of the reference by its name: those of the model, then training, size and text."""
    sections = reference()
    levels = {
        section.key: section.entries
        for section in sections
        if section.kind is Kind.LEVEL and not section.beside
    }
    entries = [entry for section in sections for entry in section.entries]
    parts = [entry for entry in entries if entry.kind is Kind.FACTOR]
    keys = {entry.name: entry for entry in entries if entry.kind is Kind.KEY and entry.note == _MAY_BE}
    found = {}
    for entry in (*parts, *keys.values()):
        place = entry.key if entry.key in levels else f"{FACTORS}.{entry.name}"
        found[entry.name] = FactorChoice(entry=entry, levels=levels.get(place, ()))
    return found
