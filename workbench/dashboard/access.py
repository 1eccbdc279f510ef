"""Who may start and stop studies, and write files: who came with the token that the command printed.

The token is drawn anew for each launch and reaches the server in its environment, never as an argument, which
every user of the machine could read. The browser shows it once, in the address that was printed; the answer
takes it out of the address and leaves a cookie that no page's script can read (``server/admission.py``). So
no link, download or figure that is made of a page can hold it. Without it, and where a server has none, all
pages only read.
"""

import streamlit as st

from workbench.dashboard.launch_token import cookie_name, is_pass

_ADMITTED = "_admitted"


def may_write() -> bool:
    """Whether this session came with the token; once it did, it stays so for the session."""
    if not st.session_state.get(_ADMITTED):
        name = cookie_name(st.get_option("server.port"))
        st.session_state[_ADMITTED] = is_pass(st.context.cookies.get(name, ""))
    return bool(st.session_state[_ADMITTED])


def explain_reading(what: str) -> None:
    """Say that this session only reads, and how one comes to ``what``."""
    st.info(
        f"This page only reads. To {what}, open the address that `workbench dashboard` printed when it "
        "started: it ends in `?token=…`.",
        icon=":material/lock:",
    )
