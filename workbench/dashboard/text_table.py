"""A report's table on a page, its title beneath it."""

from typing import Any

import streamlit as st

from workbench.analysis.report_tables import TextTable
from workbench.dashboard.literal_text import grid, literal
from workbench.dashboard.tables import text_frame


def text_table(
    table: TextTable, key: str, *, alt: str = "", column_config: dict[str, Any] | None = None
) -> None:
    """``table`` as text, so that page, terminal and paper say the same.

    ``alt`` stands for its title where that has a record's names, which an alternative text would not have as
    text.
    """
    grid(
        text_frame(table),
        hide_index=True,
        column_config=column_config,
        alt=alt or table.title,
        key=key,
    )
    st.caption(f"{literal(table.title)}.")
