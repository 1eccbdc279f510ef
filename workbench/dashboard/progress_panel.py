"""How far a study is, as a table of its phases: on the pages Overview and Watch."""

from functools import partial

import pandas as pd
import streamlit as st

from workbench.analysis.report_tables import pilot_line
from workbench.dashboard.folded import folded
from workbench.dashboard.literal_text import grid, literal
from workbench.dashboard.state import View
from workbench.dashboard.study_progress import INTERRUPTED, progress_table
from workbench.numbers import plural, time_left


def progress_panel(now: View) -> None:
    """Draw it, with the time left where the driver knows it."""
    _in_full(now, progress_table(now.records))


def progress_in_the_end(now: View) -> None:
    """The same of a study that nothing runs any more: folded up where all that was planned has ended."""
    table = progress_table(now.records)
    if (table["progress"] < 1).any():
        _in_full(now, table)
        return
    trials, complete = int(table["planned"].sum()), int(table["complete"].sum())
    words = f"Progress: all ended, {complete:,} of {plural(trials, 'trial')} complete"
    folded(words, partial(_table, now, table), key="progress", icon=":material/checklist:")


def _in_full(now: View, table: pd.DataFrame) -> None:
    st.subheader("Progress", anchor=False)
    _table(now, table)


def _table(now: View, table: pd.DataFrame) -> None:
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
