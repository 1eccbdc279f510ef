"""Following a sweep while it runs: one small fragment looks for news and only then redraws the page."""

from datetime import UTC, datetime

import streamlit as st

from workbench.dashboard import notices, state
from workbench.dashboard.literal_text import literal
from workbench.dashboard.state import PAGES
from workbench.dashboard.study_library import pulse, with_heartbeat
from workbench.dashboard.study_progress import last_activity
from workbench.numbers import duration, plural, time_left
from workbench.records.index import StudyRecords
from workbench.records.weights_at_hand import with_weights

SECONDS = 3
_FOLLOWED, _PAUSED = "_followed", "paused"


def indicator(records: StudyRecords) -> None:
    """Say whether the study is running; while it is, follow it unless paused."""
    st.session_state[_FOLLOWED] = records.is_live
    if records.is_published:
        _published(records)
        return
    if not records.is_live:
        st.caption(f":material/check_circle: {literal(_rest(records))}")
        return
    notices.watch(records.path)
    with st.container(border=True, gap="xsmall"):
        driver = records.driver
        phase = driver.phase if driver else None
        st.badge(f"Live · {literal(phase or 'starting')}", icon=":material/sensors:", color="green")
        expected = time_left(records.seconds_left)
        st.caption(literal(" · ".join(filter(None, [driver.message if driver else "", expected]))))
        st.page_link(PAGES / "watch.py", label="Watch", icon=":material/monitoring:")
        paused = st.toggle("Pause updates", key=_PAUSED, persist_state="session")
    # Charts lose their zoom when their data changes, so that updates can be held.
    if not paused:
        st.session_state["_pulse"] = pulse(records)
        st.fragment(_watch, run_every=SECONDS)()


def is_followed() -> bool:
    """Whether the study was running when the page was drawn: else nobody looks whether it has news."""
    return bool(st.session_state.get(_FOLLOWED))


def follows() -> bool:
    """Whether what is new is to be shown by itself: the study runs, and updates are not paused."""
    return is_followed() and not st.session_state.get(_PAUSED, False)


def _published(records: StudyRecords) -> None:
    st.badge("Published", icon=":material/public:", color="blue")
    count = plural(len(records.runs), "run")
    st.caption(
        f"Committed to be read by others: {count}, {len(with_weights(records.path))} with weights. "
        "Running the study makes one of your own."
    )


def _watch() -> None:
    """Rerun the whole app when a record, a live metric or the driver's state has changed."""
    records = with_heartbeat(state.view().records)
    if pulse(records) != st.session_state.get("_pulse"):
        st.rerun()


def _rest(records: StudyRecords) -> str:
    driver = records.driver
    if driver and driver.state == "running":
        word = "interrupted"
    elif records.manifest.is_search:
        word = "complete" if driver and driver.state == "done" else "search"
    else:
        word = state.view().report.state
    ended = last_activity(records.runs)
    if ended is None:
        return word.capitalize()
    return f"{word.capitalize()} · last run {duration((datetime.now(UTC) - ended).total_seconds())} ago"
