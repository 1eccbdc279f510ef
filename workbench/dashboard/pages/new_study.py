"""New study: a question as a form and as YAML, what ``workbench check`` says of it, and its start."""

import streamlit as st

from workbench.dashboard import access
from workbench.dashboard.asking.page import draw


def page() -> None:
    """Draw the page."""
    st.header("New study", anchor=False)
    if not access.may_write():
        access.explain_reading("ask a new study")
        return
    draw()


if __name__ == "__main__":
    page()
