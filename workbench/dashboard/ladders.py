"""What pages show of a whole ladder, before what they show of the rung that was picked in the sidebar."""

from functools import partial
from typing import TYPE_CHECKING

import pandas as pd
import streamlit as st

from workbench.analysis.ladder import LadderWord
from workbench.analysis.ladder_effects import LadderReport
from workbench.analysis.ladder_sentences import ladder_headline, ladder_sentence, order_sentence
from workbench.analysis.ladder_tables import ladder_tables
from workbench.analysis.text_escapes import to_csv
from workbench.dashboard import downloads
from workbench.dashboard.drawn_chart import show_chart
from workbench.dashboard.ladder_charts import ladder_chart
from workbench.dashboard.literal_text import literal
from workbench.dashboard.state import View
from workbench.dashboard.text_table import text_table

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_COLUMNS = 3  # charts side by side
_WORDS = {
    LadderWord.HOLDS: "green",
    LadderWord.GROWS: "blue",
    LadderWord.SHRINKS: "orange",
    LadderWord.FLIPS: "red",
}


def answers(now: View) -> None:
    """What becomes of each effect over the ladder, in sentences; nothing of other studies."""
    found = now.ladder
    if found is None:
        return
    st.markdown(literal(ladder_headline(found)))
    with st.container(border=True, gap="small"):
        for row in found.rows:
            colour = "gray"
            if row.word is not None:
                colour = _WORDS.get(row.word, colour)
            badge = f":{colour}-badge[{row.word or 'no word yet'}]"
            st.markdown(f"{badge} &nbsp; {literal(ladder_sentence(row, found))}")
        for rung in found.rungs:
            if said := order_sentence(rung, found):
                st.caption(literal(said))
    picked(now)


def charts(now: View) -> None:
    """Each effect against compute, and the tables behind it; nothing of other studies."""
    found = now.ladder
    if found is None:
        return
    st.subheader("Over the ladder", anchor=False)
    with st.container(border=True):
        for first in range(0, len(found.rows), _COLUMNS):
            columns = st.columns(_COLUMNS)
            for column, row in zip(columns, found.rows[first : first + _COLUMNS], strict=False):
                with column:
                    st.markdown(f"**{literal(row.label)}**: {literal(row.word or 'no word yet')}")
                    show_chart(
                        partial(ladder_chart, row, found, now.ink),
                        alt="An effect at each rung of the ladder",
                        key=f"ladder-{row.called}",
                    )
        st.caption(
            "Dot and line: mean difference at a rung, and the interval that its verdict follows from; "
            "verdicts hold jointly within a rung. Colour: the verdict; grey and thin: open. Dashed: the "
            "trend on the logarithm of compute. Grey band: the margin."
        )
        with st.container(horizontal=True):
            downloads.figure_buttons(
                partial(_ladder_figure, found),
                f"{now.file_name}-ladder",
                write=partial(_rungs_csv, found),
            )
    for place, table in enumerate(ladder_tables(found)):
        text_table(
            table,
            f"ladder-table-{place}",
            column_config={"change": st.column_config.TextColumn("change", pinned=True, width="medium")},
        )


def _ladder_figure(found: LadderReport) -> "Figure":
    from workbench.analysis.ladder_figure import ladder_plot  # matplotlib, for those who want the file

    return ladder_plot(found)


def picked(now: View) -> None:
    """Which rung everything below is of; nothing of other studies."""
    if now.rung is not None:
        st.subheader(literal(now.rung.words.capitalize()), anchor=False)
        st.caption("Everything below is of this rung; the sidebar has the others.")


def _rungs_csv(found: LadderReport) -> str:
    """Each effect at each rung, as it is drawn: a row for each."""
    rows = [
        {
            "change": row.label,
            "compute": rung.recorded.compute,
            "difference": own.difference,
            "low": own.interval.low if own.interval else None,
            "high": own.interval.high if own.interval else None,
            "pairs": own.pairs,
        }
        for row in found.rows
        for rung, own in zip(found.rungs, row.rows, strict=True)
    ]
    return to_csv(pd.DataFrame(rows), index=False)
