"""New study: a question as a form and as YAML, what ``workbench check`` says of it, and its start."""

import streamlit as st

from workbench.dashboard import access


def page() -> None:
    """Draw the page."""
    st.header("New study", anchor=False)
    if not access.may_write():
        access.explain_reading("ask a new study")
        return
    # Once for each server: the levels are classes, which bring torch. All pages else are quicker without it.
    with st.spinner("Loading what can be compared …"):
        from workbench.dashboard.asking.page import draw
    draw()


if __name__ == "__main__":
    page()
