"""What a link asks for and is not here is said; the page shows what there is instead, and works.

Streamlit takes an unknown value of a widget for none, in silence. So the URL that a session began with is
kept, and whoever offers a choice has it compared with that.
"""

from collections.abc import Iterable

import streamlit as st

from workbench.dashboard.literal_text import literal

BEGIN = "begin"  # the study that New study is to ask again, in a link
PART = "part"  # the open tab of a page that has several
_LINK, _SHOWN, _PAGE = "_link", "_link_shown", "_link_page"


def remember(page: str) -> None:
    """Keep what the URL asked of ``page`` when the session began; before anything rewrites it."""
    if _LINK not in st.session_state:
        st.session_state[_LINK] = {key: st.query_params.get_all(key) for key in st.query_params}
        st.session_state[_SHOWN] = {}
        st.session_state[_PAGE] = page
    if page != st.session_state[_PAGE]:
        st.session_state[_LINK].pop(PART, None)  # other pages have other parts


def forget() -> None:
    """Another study was chosen: what the link asked of the first says nothing of this one."""
    st.session_state[_LINK] = {}


def unknown(key: str, known: Iterable[object], separator: str | None = None) -> list[str]:
    """What the link asks for under ``key`` that is not ``known``; nothing once the reader chose otherwise."""
    link = st.session_state.get(_LINK, {})
    shown = st.session_state.get(_SHOWN, {})
    now = st.session_state.get(key)
    if now is not None and shown.setdefault(key, now) != now:
        link.pop(key, None)
    names = {str(item) for item in known}
    asked = [part for text in link.get(key, []) for part in (text.split(separator) if separator else [text])]
    return [part for part in asked if part and part not in names]


def report_unknown(key: str, known: Iterable[object], what: str) -> None:
    """Say which of a widget's choices the link asks for and are not here; ``what`` is the word for one."""
    if missing := unknown(key, known):
        st.warning(
            f"The link asks for the {what} {literal(', '.join(missing))}, which is not here; it is left out.",
            icon=":material/link_off:",
        )
