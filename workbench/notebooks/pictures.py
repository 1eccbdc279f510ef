"""Figures that a notebook shows by themselves, and that are written with their own letters."""

from typing import Any

from matplotlib.figure import Figure

from workbench.analysis.figure_look import ONE, TWO, Look, looking
from workbench.analysis.paper_figures import paper_settings, to_bytes
from workbench.errors import UserError


class ShownFigure(Figure):
    """A matplotlib figure drawn without pyplot, of which notebooks would else show the name alone."""

    look: Look

    def _repr_svg_(self) -> str:
        """What a notebook shows."""
        with looking(self.look):
            return to_bytes(self, "svg").decode()

    def savefig(self, fname: Any, **options: Any) -> None:
        """As matplotlib's, with text as text and fonts as publishers ask for."""
        with looking(self.look), paper_settings():
            super().savefig(fname, **options)


def shown_as_svg(figure: Figure, look: Look) -> ShownFigure:
    """``figure``, which was drawn with ``look``, as one that a notebook shows."""
    figure.__class__ = ShownFigure
    assert isinstance(figure, ShownFigure)
    figure.look = look
    return figure


def look_of(columns: int, letters: str) -> Look:
    """The look of a figure as wide as ``columns`` (1 or 2) of a paper; raises ``UserError`` for another."""
    if columns not in (1, 2):
        raise UserError(f"columns: {columns!r} is neither 1 nor 2")
    return Look(ONE if columns == 1 else TWO, letters)
