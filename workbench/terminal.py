"""The terminal. What is printed is text: brackets are brackets, and nothing in it acts on the terminal.

Names, questions, paths and errors are a user's, or come from records of somebody else. So nothing is printed
by a console of rich's own or by ``print``: a style is given as a style, never as a tag within the text.
"""

import sys
from collections.abc import Iterable, Sequence
from typing import Any

from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.progress import Task, TextColumn
from rich.segment import Segment
from rich.text import Text

from workbench.visible import visible

_PAGE = 160  # columns where there is no terminal: tables must not be squeezed into eighty there

_ANY_WIDTH = 10_000  # of a page on which nothing is folded


class Terminal(Console):
    """A console without tags, emoji codes and highlighting, whatever is printed and wherever it stands."""

    def __init__(self, **options: Any) -> None:
        super().__init__(markup=False, emoji=False, highlight=False, **options)

    def render_str(self, text: str, **options: Any) -> Text:
        """Every string passes here, be it printed, a cell, a heading or a title."""
        plain = {"markup": False, "emoji": False, "highlight": False}
        return super().render_str(visible(text), **options | plain)

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """Every ``Text`` passes here."""
        return super().render(_shown(renderable) if isinstance(renderable, Text) else renderable, options)


class FirstThatFits:
    """The first of several ways to show a thing for which the terminal is wide enough; else the last."""

    def __init__(self, ways: Sequence[RenderableType]) -> None:
        self.ways = ways

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """For rich."""
        unfolded = options.update(max_width=_ANY_WIDTH)
        fitting = (
            way for way in self.ways if console.measure(way, options=unfolded).maximum <= options.max_width
        )
        yield next(fitting, self.ways[-1])


class PlainColumn(TextColumn):
    """A column of a bar, with text as it is; the format is as of ``TextColumn``."""

    def render(self, task: Task) -> Text:
        """The text for one bar."""
        return styled(self.text_format.format(task=task))


def console(*, stderr: bool = False) -> Terminal:
    """The terminal for tables and bars, or a wide page where there is none."""
    found = Terminal(stderr=stderr)
    return found if found.is_terminal else Terminal(stderr=stderr, width=_PAGE)


def styled(text: object, style: str = "") -> Text:
    """Text in one style, for a console."""
    return Text(visible(text), style=style)


def say(text: object = "", *, stderr: bool = False, end: str = "\n") -> None:
    """Print text as it is: no tags, and no line is wrapped."""
    print(visible(text), end=end, file=sys.stderr if stderr else sys.stdout, flush=True)


def give(text: str, *, end: str = "\n") -> None:
    """Print what was asked for, a file's content or a model's text; to the letter, but on a terminal."""
    print(visible(text) if sys.stdout.isatty() else text, end=end, flush=True)


def _shown(text: Text) -> Text:
    """``text`` in its styles, with what would act written out."""
    if visible(text.plain) == text.plain:
        return text
    shown = text.blank_copy()
    for character in (text[place] for place in range(len(text))):
        character.plain = visible(character.plain)
        shown.append_text(character)
    return shown
