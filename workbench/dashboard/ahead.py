"""The library that draws curves, read by a browser while nobody waits for it.

Streamlit's page asks for ECharts when it draws the first chart of curves, and reads a megabyte then: a tenth
of a second in which the page stands still. Naming it with the page, as smaller parts are (``Preloading``),
saves less than half of that. So a page imports it once a reader has had that page for a while.
"""

from functools import cache

import streamlit as st

from workbench.dashboard.server.preloading import scripts_of

PART = "EChartsChart"
_AFTER = 2_000  # milliseconds from the sidebar on: a page that meets its goal of 2 s is drawn by then


def read_ahead() -> None:
    """Have the browser read it. Where that fails, the first chart asks for it as it always did."""
    if script := _script():
        st.html(script, unsafe_allow_javascript=True)  # nothing of a user's is in it


@cache
def _script() -> str:
    """Imports the part; empty where there is none of that name."""
    found = scripts_of(PART)
    if not found:
        return ""
    imported = f'import("./static/js/{found[0]}").catch(() => {{}})'
    # A browser that does not say when it is idle waits no longer.
    return (
        f"<script>setTimeout(() => (window.requestIdleCallback ?? setTimeout)(() => {imported}), {_AFTER})"
        "</script>"
    )
