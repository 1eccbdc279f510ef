"""Who may start and stop studies, and write files: who came with the token that the command printed.

The token is drawn anew for each launch and reaches the server in its environment, never as an argument, which
every user of the machine could read. The browser shows it once, in the address that was printed; the answer
takes it out of the address and leaves a cookie that no page's script can read (``server/admission.py``). So
no link, download or figure that is made of a page can hold it. Without it, and where a server has none, all
pages only read.
"""

import os
from hashlib import sha256
from hmac import compare_digest
from secrets import token_urlsafe

import streamlit as st

VARIABLE = "WORKBENCH_DASHBOARD_TOKEN"
PARAMETER = "token"
_ADMITTED = "_admitted"
_BITS = 192


def new_token() -> str:
    """A token nobody can guess: 32 letters."""
    return token_urlsafe(_BITS // 8)


def expected() -> str:
    """This server's token; empty where it has none, and nobody may write."""
    return os.environ.get(VARIABLE, "")


def is_token(given: str) -> bool:
    """Whether ``given`` is this server's token, compared in constant time."""
    return bool(expected()) and compare_digest(given.encode(), expected().encode())


def cookie_name(port: int | str) -> str:
    """Cookies are a host's, whatever the port: each server has one of its own."""
    return f"workbench-{port}"


def pass_for(token: str) -> str:
    """What the cookie holds: it follows from the token, and the token does not follow from it."""
    return sha256(f"pass of {token}".encode()).hexdigest()


def is_pass(given: str) -> bool:
    """Whether a cookie holds what this server gave."""
    return bool(expected()) and compare_digest(given.encode(), pass_for(expected()).encode())


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
