"""A choice among options that a page computes; what is chosen stands in the address."""

import streamlit as st

from workbench.dashboard import links
from workbench.visible import visible


def linked_choice(
    label: str, options: list[str], key: str, what: str, *, first: str = "", width: int = 420
) -> str:
    """The option that is chosen; to begin with ``first``, or the first of all.

    ``what`` is the word for one, for a link to one that is not here.
    """
    links.report_unknown(key, [visible(option) for option in options], what)
    if st.session_state.get(key) not in options:
        st.session_state.pop(key, None)  # of another study, or of what was chosen before it
    return st.selectbox(
        label,
        options,
        index=options.index(first) if first else 0,
        format_func=visible,
        key=key,
        bind="query-params",
        persist_state="page",  # while another part is open
        width=width,
    )
