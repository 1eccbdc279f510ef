"""Figures for a paper: matplotlib ``Figure`` objects, 8 pt, drawn without pyplot and written to files.

pyplot keeps a list of open figures and is not safe among threads. ``save`` writes PNG, SVG (text stays text)
or PDF (TrueType fonts, which publishers ask for).
"""

import io
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from pathlib import Path
from textwrap import fill
from threading import RLock
from typing import TYPE_CHECKING, Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.axis import XAxis, YAxis
from matplotlib.figure import Figure

from workbench.analysis.figure_look import look, width
from workbench.analysis.metric_units import unit_of
from workbench.analysis.ticks import Ticks, linear
from workbench.errors import UserError
from workbench.files import write_atomically
from workbench.records.index import StudyRecords
from workbench.visible import visible

if TYPE_CHECKING:
    from matplotlib.typing import RcKeyType

FORMATS = ("png", "svg", "pdf")
NAME_LETTERS = 30  # in a line of a variant's name
LEGEND_LETTERS = 80  # in a line of the legend above
BAND = "#DDDDDD"
_LEGEND_LINE = 0.14  # inches of a name in a legend below a plot
_STYLE: "dict[RcKeyType, Any]" = {
    "font.size": 8,
    "axes.titlesize": 8,
    "axes.labelsize": 8,
    "legend.fontsize": 7,
    "xtick.labelsize": 7,
    "ytick.labelsize": 7,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.6,
    "lines.linewidth": 1.2,
    "legend.frameon": False,
    "pdf.fonttype": 42,
    "ps.fonttype": 42,
    "svg.fonttype": "none",
    "text.parse_math": False,  # a name may hold dollars
    "svg.hashsalt": "workbench",  # equal data gives an equal file
}
_LOCK = RLock()


@contextmanager
def paper_settings() -> Iterator[None]:
    """Draw, and write, with the figures' fonts and sizes and the look that is set."""
    # The settings are the process's; a dashboard draws from several threads.
    with _LOCK, mpl.rc_context(_STYLE | look().settings):
        yield


def paper_style(draw: Callable[..., Figure]) -> Callable[..., Figure]:
    """Decorator: draw with the figures' fonts, sizes and formats."""

    @wraps(draw)
    def within(*args: Any, **kwargs: Any) -> Figure:
        with paper_settings():
            return draw(*args, **kwargs)

    return within


def plot_axes() -> tuple[Figure, Axes]:
    """A figure as wide as is asked for, with a single plot."""
    height = 2.6 if look().is_narrow else 3.0
    figure = Figure(figsize=(width(), height), layout="constrained")
    return figure, figure.add_subplot()


def finished(figure: Figure, axes: Axes, empty: str) -> Figure:
    """``figure`` with ticks and a legend; where nothing was drawn, ``empty`` says why."""
    if axes.get_legend_handles_labels()[0]:
        set_ticks(axes.yaxis, linear(axes.dataLim.intervaly, count=5))
        legend_beside(axes)
    else:
        axes.text(0.5, 0.5, empty, transform=axes.transAxes, ha="center")
    return figure


def legend_beside(axes: Axes) -> None:
    """The legend to the right of a plot; below it, where that leaves the plot no room."""
    if look().is_narrow:
        figure = axes.get_figure(root=True)
        assert figure is not None  # the axes were made for it
        handles, labels = axes.get_legend_handles_labels()
        figure.set_figheight(figure.get_figheight() + _LEGEND_LINE * len(labels))
        figure.legend(handles, labels, loc="outside lower left")
    else:
        axes.legend(loc="center left", bbox_to_anchor=(1, 0.5))


def name_lines(name: str) -> str:
    """A variant's name in lines that leave room for what is drawn beside it."""
    return fill(name, NAME_LETTERS // 2 if look().is_narrow else NAME_LETTERS)


def legend_label(name: str) -> str:
    """``name`` as a legend shows it: matplotlib leaves out what begins with an underscore."""
    return f" {name}" if name.startswith("_") else name


def metric_label(study: StudyRecords) -> str:
    """The study's metric with its unit."""
    metric = study.manifest.metric
    return f"{metric} ({unit_of(metric)})"


def set_ticks(axis: XAxis | YAxis, ticks: Ticks, *, signed: bool = False) -> None:
    """Have ``axis`` end where ``ticks`` do, with their labels; ``signed``: a plus before what is above 0."""
    axis.axes.set(**{f"{axis.axis_name}lim": (ticks.low, ticks.high)})
    axis.set_ticks(ticks.values, ticks.signed if signed else ticks.labels)


def save(figure: Figure, path: Path) -> Path:
    """Write ``figure`` as the ending of ``path`` says: ``.png`` (300 dpi), ``.svg`` or ``.pdf``."""
    path = Path(path)
    write_atomically(path, to_bytes(figure, path.suffix.lstrip(".")))
    return path


def to_bytes(figure: Figure, format: str) -> bytes:
    """``figure`` as the content of a ``png``, ``svg`` or ``pdf`` file."""
    if format not in FORMATS:
        raise UserError(f"figure format {format!r} is none of {', '.join(FORMATS)}")
    dates = {"svg": {"Date": None}, "pdf": {"CreationDate": None}, "png": {}}
    target = io.BytesIO()
    with paper_settings(), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing from font")  # a box stands in the figure for it
        figure.savefig(target, format=format, dpi=300, metadata=dates[format])
    if format == "svg":  # XML has no place for control characters, which a name or a token may hold
        return visible(target.getvalue().decode()).encode()
    return target.getvalue()
