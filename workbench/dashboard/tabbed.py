"""Parts of a page in tabs, of which only the open one is drawn."""

from collections.abc import Callable, Mapping

import streamlit as st

from workbench.dashboard import links

_NONE: Mapping[str, str] = {}


def tabbed(
    parts: Mapping[str, Callable[[], object]], key: str, *, leading: Mapping[str, str] = _NONE
) -> None:
    """A tab for each of ``parts``, whose name Streamlit reads as Markdown; the open one is in the address.

    A link to a part that is not among them is said. ``leading``: from a parameter of the address to the part
    that has it, which a link with this parameter opens where it names none.
    """
    links.report_unknown(key, parts, "part")
    if st.session_state.get(key) not in parts:
        st.session_state.pop(key, None)  # of another study, or against another baseline
        asked = [part for name, part in leading.items() if name in st.query_params and part in parts]
        if asked and key not in st.query_params:
            st.session_state[key] = asked[0]
    # Bound to the address, so that opening another runs the page.
    for tab, draw in zip(st.tabs(list(parts), key=key, bind="query-params"), parts.values(), strict=True):
        if tab.open:
            with tab:
                draw()
