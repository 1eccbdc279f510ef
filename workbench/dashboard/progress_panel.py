"""How far a study is, as a table of its phases: on the pages Overview and Watch."""

import streamlit as st

from workbench.analysis.report_tables import pilot_line
from workbench.dashboard.literal_text import grid, literal
from workbench.dashboard.state import View
from workbench.dashboard.study_progress import INTERRUPTED, progress_table
from workbench.numbers import time_left


def progress_panel(now: View) -> None:
    """Draw it, with the time left where the driver knows it."""
    st.subheader("Progress", anchor=False)
    table = progress_table(now.records)
    config = {
        "phase": st.column_config.TextColumn("Phase"),
        "progress": st.column_config.ProgressColumn(
            "Ended", format="percent", min_value=0.0, max_value=1.0, width="medium"
        ),
        "planned": st.column_config.NumberColumn("Planned"),
    }
    config |= {name: st.column_config.NumberColumn(name.capitalize()) for name in table if name not in config}
    rare = (INTERRUPTED, "pruned")
    shown = table.loc[:, [name for name in table if name not in rare or table[name].any()]]
    grid(shown, hide_index=True, column_config=config, alt="Runs by phase and state", key="progress")
    pilot = None if now.compared is None else pilot_line(now.compared)
    lines = [time_left(now.records.seconds_left).capitalize(), literal(pilot or "")]
    st.caption("  \n".join(line for line in lines if line))
