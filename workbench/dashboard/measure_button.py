"""Views over seeds read tables that a run may not have yet: measuring them is one button."""

from collections.abc import Collection

import streamlit as st

from workbench.dashboard.decoder_lock import READING
from workbench.dashboard.literal_text import literal
from workbench.numbers import plural
from workbench.records.run import RunDirectory


def offer_measuring(runs: list[RunDirectory], tables: Collection[str]) -> None:
    """Say how many of ``runs``, which have weights, lack ``tables``, and measure them when asked."""
    count = plural(len(runs), "run")
    st.info(f"Not yet measured for this view: {count} of this comparison. It takes seconds for each.")
    if st.button("Measure them", key="measure", type="primary", icon=":material/straighten:"):
        bar = st.progress(0.0, "…")

        def show(text: str, part: float) -> None:
            bar.progress(min(part, 1.0), literal(text))

        from workbench.inspection.measuring import measure_missing  # with torch

        with READING:
            unmeasured = measure_missing(runs, tables, show)
        bar.empty()
        for reason in dict.fromkeys(one.reason for one in unmeasured):
            st.warning(literal(reason), icon=":material/info:")
        if len({one.run.path for one in unmeasured}) < len(runs):
            st.rerun()
