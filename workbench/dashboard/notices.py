"""A notice when a study that somebody watches has come to its end, whatever page is open then."""

from pathlib import Path

import streamlit as st

from workbench.dashboard.drivers import is_begun
from workbench.dashboard.literal_text import literal
from workbench.errors import RecordError
from workbench.records.driver_state import read_driver_state
from workbench.records.driving import Driving, driver_of
from workbench.records.index import study_title

_WATCHED = "_watched_studies"
_LOOK_AGAIN = 3  # seconds


def watch(study: Path) -> None:
    """Have the end of the driver of ``study`` noticed in this session."""
    st.session_state.setdefault(_WATCHED, set()).add(study)


def notice_ends() -> None:
    """Say which watched studies ended; look again while there are any that have not."""
    _look()
    if st.session_state.get(_WATCHED):
        st.fragment(_look, run_every=_LOOK_AGAIN)()


def _look() -> None:
    watched: set[Path] = st.session_state.setdefault(_WATCHED, set())
    for study in sorted(watched):
        if driver_of(study).driving is Driving.NONE:
            watched.discard(study)
            words, icon = _ending(study)
            st.toast(f"**{literal(study_title(study))}** {literal(words)}", icon=icon, duration="long")


def _ending(study: Path) -> tuple[str, str]:
    """How it ended, in words and as an icon."""
    if is_begun(study):
        return "could not be started; the page Watch says why", ":material/error:"
    try:
        state = read_driver_state(study)
    except RecordError:
        return "has no driver any more", ":material/info:"
    if state.state == "done":
        return "is done", ":material/check_circle:"
    said = state.message if state.state == "stopped" else "was interrupted"
    return said or "has stopped", ":material/stop_circle:"
