"""Panels that are closed at first: what is in one is made, sent and drawn once a reader opens it."""

from collections.abc import Callable
from functools import partial

import streamlit as st

PREFIX = "folded_"


def folded(label: str, draw: Callable[[], object], *, key: str, icon: str | None = None) -> None:
    """A closed panel under ``label``, which Streamlit reads as Markdown; ``draw`` writes what is in it.

    Opening it runs ``draw`` alone, not the page. ``key`` is the panel's own on the page.
    """
    st.fragment(partial(_panel, label, draw, key, icon))()


def stay_as_it_is(key: str) -> None:
    """A panel that is not drawn this time is open the next time if it was."""
    name = f"{PREFIX}{key}"
    if name in st.session_state:
        st.session_state[name] = st.session_state[name]


def _panel(label: str, draw: Callable[[], object], key: str, icon: str | None) -> None:
    panel = st.expander(label, icon=icon, key=f"{PREFIX}{key}", on_change="rerun")
    if panel.open:
        with panel:
            draw()
