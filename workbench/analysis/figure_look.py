"""How wide a figure is and which letters it has: chosen once, for all figures of a file or a page.

Letters have the size that they have on paper, whatever the width: a figure is included as it is, not scaled.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from workbench.errors import UserError, suggestion

if TYPE_CHECKING:
    from matplotlib.typing import RcKeyType

ONE, TWO = "one column", "two columns"
WIDTHS = {ONE: 3.3, TWO: 6.9}  # inches
SANS, SERIF = "sans-serif", "serif"
_SERIFS = ["STIX Two Text", "STIXGeneral", "Times New Roman", "DejaVu Serif"]


@dataclass(frozen=True)
class Look:
    """``size``: one of ``WIDTHS``; ``letters``: with or without serifs."""

    size: str = TWO
    letters: str = SANS

    def __post_init__(self) -> None:
        if self.size not in WIDTHS:
            raise UserError(f"size: unknown {self.size!r}; {suggestion(self.size, list(WIDTHS))}")
        if self.letters not in (SANS, SERIF):
            raise UserError(f"letters: unknown {self.letters!r}; {suggestion(self.letters, [SANS, SERIF])}")

    @property
    def width(self) -> float:
        """Inches of the figure."""
        return WIDTHS[self.size]

    @property
    def is_narrow(self) -> bool:
        """Whether there is no room beside a plot: legends stand below it then."""
        return self.size == ONE

    @property
    def settings(self) -> "dict[RcKeyType, Any]":
        """What matplotlib has to be told."""
        if self.letters == SERIF:
            return {"font.family": "serif", "font.serif": _SERIFS, "mathtext.fontset": "stix"}
        return {}


_USUAL = Look()
_LOOK: ContextVar[Look] = ContextVar("look", default=_USUAL)


def look() -> Look:
    """The look of what is being drawn."""
    return _LOOK.get()


def width() -> float:
    """Inches of the figure that is being drawn."""
    return look().width


@contextmanager
def looking(chosen: Look) -> Iterator[None]:
    """Draw, and write, with ``chosen``."""
    token = _LOOK.set(chosen)
    try:
        yield
    finally:
        _LOOK.reset(token)
