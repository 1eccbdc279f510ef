"""Download buttons: figures and tables are built when they are asked for, not while the page is drawn."""

from collections.abc import Callable
from functools import partial

import streamlit as st
from matplotlib.figure import Figure

from workbench.analysis.effects import Report
from workbench.analysis.report import render
from workbench.analysis.study_figures import to_bytes

_TABLES = {"CSV": ("csv", "text/csv"), "Markdown": ("md", "text/markdown"), "LaTeX": ("latex", "text/x-tex")}
_ENDINGS = {"latex": "tex"}


def figure_buttons(draw: Callable[[], Figure], name: str) -> None:
    """SVG and PDF of a figure for a paper."""
    for format in ("svg", "pdf"):
        st.download_button(
            format.upper(),
            data=partial(_figure, draw, format),
            file_name=f"{name}.{format}",
            mime="image/svg+xml" if format == "svg" else "application/pdf",
            key=f"download_{name}_{format}",
            icon=":material/download:",
            on_click="ignore",
        )


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


def _figure(draw: Callable[[], Figure], format: str) -> bytes:
    return to_bytes(draw(), format)


def _table(report: Report, format: str) -> str:
    return str(render(report, format))
