"""Download buttons: figures and tables are built when they are asked for, not while the page is drawn."""

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

import streamlit as st

from workbench.analysis.effects import Report
from workbench.analysis.figure_look import SANS, SERIF, TWO, WIDTHS, Look, looking
from workbench.analysis.report import render

if TYPE_CHECKING:  # matplotlib: imported when a file is asked for
    from matplotlib.figure import Figure

_TABLES = {"CSV": ("csv", "text/csv"), "Markdown": ("md", "text/markdown"), "LaTeX": ("latex", "text/x-tex")}
_ENDINGS = {"latex": "tex"}
_SIZE, _LETTERS = "figure_width", "figure_letters"


def look_control() -> None:
    """In the sidebar: how wide the figures to download are, and which letters they have."""
    with st.popover("Figures for papers", icon=":material/straighten:", width="stretch"):
        sizes = {size: f"{size}, {inches:g} in" for size, inches in WIDTHS.items()}
        st.segmented_control(
            "Width",
            list(sizes),
            format_func=sizes.__getitem__,
            default=TWO,
            required=True,
            key=_SIZE,
            bind="query-params",
        )
        st.segmented_control(
            "Letters", [SANS, SERIF], default=SANS, required=True, key=_LETTERS, bind="query-params"
        )
        st.caption(
            "Of every SVG and PDF that pages download. Letters are 6 to 8 pt on paper: include a figure at "
            "its own width."
        )


def look() -> Look:
    """What was chosen in the sidebar."""
    size = st.session_state.get(_SIZE)
    letters = st.session_state.get(_LETTERS)
    return Look(size if size in WIDTHS else TWO, letters if letters in (SANS, SERIF) else SANS)


def figure_buttons(
    draw: "Callable[[], Figure]", name: str, *, key: str = "", write: Callable[[], str] | None = None
) -> None:
    """SVG and PDF of a figure for a paper; with ``write`` the numbers behind it as CSV."""
    for format in ("svg", "pdf"):
        st.download_button(
            format.upper(),
            data=partial(_figure, draw, format, look()),
            file_name=f"{name}.{format}",
            mime="image/svg+xml" if format == "svg" else "application/pdf",
            key=f"download_{key or name}_{format}",
            icon=":material/download:",
            on_click="ignore",
        )
    if write is not None:
        csv_button(write, name, key=f"download_{key or name}_csv")


def chart_menu(draw: "Callable[[], Figure]", write: Callable[[], str], name: str, *, key: str) -> None:
    """A small menu beside a chart: its figure as SVG and PDF, its numbers as CSV."""
    with st.popover("Download", icon=":material/download:", key=f"{key}_menu"):
        figure_buttons(draw, name, key=key, write=write)


def table_buttons(report: Report, name: str, *, page: str) -> None:
    """The verdict table as CSV (raw numbers), Markdown and LaTeX."""
    for label, (format, mime) in _TABLES.items():
        st.download_button(
            label,
            data=partial(_table, report, format),
            file_name=f"{name}.{_ENDINGS.get(format, format)}",
            mime=mime,
            key=f"download_{page}_table_{format}",
            icon=":material/download:",
            on_click="ignore",
        )


def csv_button(write: Callable[[], str], name: str, *, key: str) -> None:
    """A table as the CSV file that ``write`` gives."""
    st.download_button(
        "CSV",
        data=write,
        file_name=f"{name}.csv",
        mime="text/csv",
        key=key,
        icon=":material/download:",
        on_click="ignore",
    )


def _figure(draw: "Callable[[], Figure]", format: str, chosen: Look) -> bytes:
    from workbench.analysis.paper_figures import to_bytes

    with looking(chosen):
        return to_bytes(draw(), format)


def _table(report: Report, format: str) -> str:
    return str(render(report, format))
