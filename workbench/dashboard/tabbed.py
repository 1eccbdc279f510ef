"""Parts of a page in tabs, of which only the open one is drawn."""

from collections.abc import Callable, Mapping

import streamlit as st

from workbench.dashboard import links


def tabbed(parts: Mapping[str, Callable[[], object]], key: str) -> None:
    """A tab for each of ``parts``, whose name Streamlit reads as Markdown; the open one is in the address.

    A link to a part that is not among them is said.
    """
    links.report_unknown(key, parts, "part")
    # Bound to the address, so that opening another runs the page.
    for tab, draw in zip(st.tabs(list(parts), key=key, bind="query-params"), parts.values(), strict=True):
        if tab.open:
            with tab:
                draw()
