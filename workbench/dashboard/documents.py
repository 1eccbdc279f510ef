"""Documents as they stand: each letter as wide as the next, white space kept, long lines broken."""

from html import escape

import streamlit as st

from workbench.visible import visible

# Grey enough to be told from the page, light or dark. ``st.code`` would load a highlighter of 1.5 MB first.
_STYLE = (
    "font-family:'Source Code Pro',monospace;font-size:14px;line-height:1.6;white-space:pre-wrap;"
    "overflow-wrap:anywhere;background:rgba(128,128,128,0.1);border-radius:8px;padding:12px 16px"
)


def document(text: str) -> None:
    """Show ``text``, which is no mark-up whatever it contains."""
    st.html(f'<div style="{_STYLE}">{escape(visible(text))}</div>')
