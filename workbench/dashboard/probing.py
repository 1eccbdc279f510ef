"""Views over seeds read tables that a run may not have yet: measuring them is one button."""

from collections.abc import Collection
from threading import RLock

import streamlit as st

from workbench.dashboard.formats import plural
from workbench.dashboard.literal import literal
from workbench.inspection.probes import measure_missing
from workbench.records.run import RunDirectory
from workbench.records.weights import require_weights

# Decoders are switched to explicit attention while they are read: one session at a time.
READING = RLock()


def offer_probing(runs: list[RunDirectory], tables: Collection[str]) -> None:
    """Say what is missing, and measure it when asked; raises ``UserError`` where a run has no weights."""
    for run in runs:
        require_weights(run)
    count = plural(len(runs), "run")
    st.info(f"Not yet measured for this view: {count} of this comparison. It takes seconds for each.")
    if st.button("Measure them", key="measure", type="primary", icon=":material/straighten:"):
        bar = st.progress(0.0, "…")
        with READING:
            measure_missing(runs, tables, lambda text, part: bar.progress(min(part, 1.0), literal(text)))
        st.rerun()
