"""Levels of an option of the model: small choices with facts and rules of their own, but no parameters.

A study file writes such a level as its name, and that is what a config keeps. A level is a class in a file of
its option's; whoever needs to know what it means asks the level and compares no names.
"""

from collections.abc import Callable, Iterator
from typing import ClassVar, Generic, TypeVar

from workbench.errors import UserError, suggestion


class Option:
    """Base of all levels; ``name`` is what a study file writes.

    ``about``, ``formula``, ``paper`` and ``constraints`` are what ``workbench list components`` says of it.
    ``title`` and ``colour``: how reports write it and charts draw it, as in ``Component``.
    """

    name: ClassVar[str] = ""
    title: ClassVar[str] = ""
    about: ClassVar[str] = ""
    formula: ClassVar[str] = ""
    paper: ClassVar[str] = ""
    constraints: ClassVar[str] = ""
    colour: ClassVar[str] = ""


Level = TypeVar("Level", bound=Option)


class OptionRegistry(Generic[Level]):
    """The levels of one option, by name, in the order in which they were registered."""

    def __init__(self, option: str) -> None:
        self.option = option
        self._levels: dict[str, Level] = {}

    def register(self, name: str) -> Callable[[type[Level]], type[Level]]:
        """Class decorator: make the class the level ``name``.

        Raises ``UserError`` if the name is taken, or if the class lacks one of the facts that are listed.
        """

        def add(cls: type[Level]) -> type[Level]:
            if name in self._levels:
                raise UserError(f"{self.option}: the name {name!r} is taken; register under another")
            for key in ("about", "formula", "paper"):
                if not getattr(cls, key):
                    raise UserError(f"{self.option}: {name!r} has no {key}; write it into the class")
            cls.name = name
            self._levels[name] = cls()
            return cls

        return add

    def level(self, name: str) -> Level:
        """The level ``name``; ``UserError`` with the known ones if there is none."""
        if name not in self._levels:
            raise UserError(f"{self.option}: unknown {name!r}; {suggestion(name, list(self._levels))}")
        return self._levels[name]

    def __iter__(self) -> Iterator[Level]:
        """All levels."""
        return iter(self._levels.values())
