"""Overview: the question, its answers, and what they rest on."""

import streamlit as st

from workbench.analysis.claims import headline, sentence
from workbench.analysis.colours import variant_colours
from workbench.analysis.figures import forest_plot
from workbench.analysis.footer import footer_lines
from workbench.analysis.rows import VariantRow
from workbench.analysis.tables import pilot_line
from workbench.dashboard import downloads, empty, imported
from workbench.dashboard.effect_charts import forest
from workbench.dashboard.formats import duration, plural
from workbench.dashboard.imported import is_imported
from workbench.dashboard.inside import inside_link
from workbench.dashboard.progress import progress_table, seconds_left
from workbench.dashboard.state import View, view
from workbench.dashboard.tables import verdict_table

_COLOURS = {"better": "green", "worse": "red", "equivalent": "blue", "inconclusive": "orange"}


def page() -> None:
    """Draw the page."""
    now = view()
    if is_imported(now):
        imported.overview(now)
        return
    st.header(now.report.question or now.records.name, anchor=False)
    if now.exploratory:
        st.badge(f"exploratory: compared with {now.baseline}", icon=":material/science:", color="orange")
    st.markdown(headline(now.report))
    if now.records.is_live:
        _progress(now)
    _answers(now)
    _effects(now)
    _verdicts(now)
    if not now.records.is_live:
        _progress(now)
    _cautions(now)
    _provenance(now)


def _answers(now: View) -> None:
    rows = now.report.comparisons
    if not any(row.verdict for row in rows):
        return
    with st.container(border=True, gap="small"):
        for row in rows:
            # The sentence takes what the link leaves: on a narrow page a column would cut "Look inside".
            with st.container(horizontal=True, vertical_alignment="center", gap="medium"):
                st.markdown(f"{verdict_badge(row)} &nbsp; {sentence(row)}", width="stretch")
                inside_link(now, row.variant)


def verdict_badge(row: VariantRow) -> str:
    """The verdict as a coloured word; the status where there is none yet."""
    word = str(row.verdict) if row.verdict else row.status
    return f":{_COLOURS.get(word, 'gray')}-badge[{word}]"


def _effects(now: View) -> None:
    st.subheader("How large are the effects?", anchor=False)
    if not any(row.pairs >= 2 for row in now.report.comparisons):
        empty.no_effects(max((row.pairs for row in now.report.comparisons), default=0))
        return
    forest_panel(now, name=f"{now.file_name}-forest")


def forest_panel(now: View, name: str) -> None:
    """The forest plot, how to read it, and its downloads."""
    report = now.report
    with st.container(border=True):
        st.altair_chart(
            forest(report, now.colours, now.ink), alt="Paired differences to the baseline", key=name
        )
        st.caption(
            "Large dot and line: mean difference and its 95 % interval over paired seeds. "
            "Small dots: single seeds. "
            f"Grey band: ±{report.margin:g} {report.unit}, declared too small to matter."
        )
        with st.container(horizontal=True):
            downloads.figure_buttons(lambda: forest_plot(report, variant_colours(now.records.manifest)), name)


def _verdicts(now: View) -> None:
    st.subheader("Verdicts", anchor=False)
    st.dataframe(verdict_table(now.report), hide_index=True, alt="Verdict of each variant", key="verdicts")
    with st.container(horizontal=True):
        downloads.table_buttons(now.report, now.file_name, page="overview")


def _progress(now: View) -> None:
    st.subheader("Progress", anchor=False)
    table = progress_table(now.records)
    left = seconds_left(now.records) if now.records.is_live else None
    config = {
        "phase": st.column_config.TextColumn("Phase"),
        "progress": st.column_config.ProgressColumn(
            "Ended", format="percent", min_value=0.0, max_value=1.0, width="medium"
        ),
        "planned": st.column_config.NumberColumn("Planned"),
    }
    config |= {name: st.column_config.NumberColumn(name.capitalize()) for name in table if name not in config}
    shown = table.loc[:, [name for name in table if name != "pruned" or table[name].any()]]
    st.dataframe(shown, hide_index=True, column_config=config, alt="Runs by phase and state", key="progress")
    lines = [f"About {duration(left)} left" if left is not None else "", pilot_line(now.report) or ""]
    st.caption("  \n".join(line for line in lines if line))


def _cautions(now: View) -> None:
    notes = [note for note in now.report.notes if not any(str(p.path) in note for p in now.records.problems)]
    if notes:
        with st.expander(f"To keep in mind ({len(notes)})", icon=":material/info:"):
            st.markdown("\n".join(f"- {note}" for note in notes))
    empty.problems([problem.message for problem in now.records.problems])


def _provenance(now: View) -> None:
    facts = [(name, text) for name, text in footer_lines(now.report.footer) if name != "command"]
    with st.expander("Where these numbers come from", icon=":material/fingerprint:", expanded=False):
        st.table(dict(facts), border="horizontal")
        if now.records.superseded:
            st.caption(f"{plural(now.records.superseded, 'run')} of an earlier manifest left out.")
    if command := now.report.footer["command"]:
        st.caption("Made by")
        st.code(command, language="bash")


if __name__ == "__main__":
    page()
