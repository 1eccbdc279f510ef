"""Overview: the question, its answers, and what they rest on."""

from functools import partial
from typing import TYPE_CHECKING

import streamlit as st

from workbench.analysis.answer_sentences import headline, sentence
from workbench.analysis.report_footer import footer_lines
from workbench.analysis.report_tables import verdict_cell
from workbench.analysis.step_time_table import step_time_table
from workbench.analysis.variant_row import VariantRow
from workbench.analysis.verdict_colours import badge_colour
from workbench.dashboard import downloads, empty_pages, imported_models, ladders, searches
from workbench.dashboard.chart_numbers import chart_csv
from workbench.dashboard.drawn_chart import show_chart
from workbench.dashboard.effect_charts import forest
from workbench.dashboard.fact_list import fact_list
from workbench.dashboard.folded import folded
from workbench.dashboard.imported_models import is_imported
from workbench.dashboard.links_inside import explain_link, inside_link
from workbench.dashboard.literal_text import code_span, grid, literal
from workbench.dashboard.note_panel import note_panel
from workbench.dashboard.progress_panel import progress_in_the_end, progress_panel
from workbench.dashboard.searches import is_search
from workbench.dashboard.state import View, view
from workbench.dashboard.tables import text_frame, verdict_table
from workbench.errors import RecordError
from workbench.numbers import plural
from workbench.records.measured_alone import has_runs
from workbench.records.step_times import read_step_times

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from workbench.analysis.effects import Report


def page() -> None:
    """Draw the page."""
    now = view()
    if is_imported(now):
        imported_models.overview(now)
        note_panel(now.records.path, now.library)
        return
    if is_search(now):
        searches.overview(now)
        note_panel(now.records.path, now.library)
        return
    st.header(literal(now.report.question or now.records.name), anchor=False)
    note_panel(now.records.path, now.library)
    ladders.answers(now)
    # Also when there is nothing to say: what stands below keeps its place, and the browser what it drew.
    with st.container():
        if now.exploratory:
            st.badge(
                f"exploratory: compared with {literal(now.baseline)}",
                icon=":material/science:",
                color="orange",
            )
    measured = _step_times(now)
    if measured and not has_runs(now.records.path):  # it was made for them, and nothing of it was trained
        _provenance(now)
        return
    _headline(now)
    if now.records.is_live:
        progress_panel(now)
    _answers(now)
    _cautions(now)
    _effects(now)
    _verdicts(now)
    if not now.records.is_live:
        progress_in_the_end(now)
    method_notes(now)
    _provenance(now)


def _step_times(now: View) -> bool:
    """How long a step of each variant takes, where it was measured; returns whether it was."""
    try:
        measured = read_step_times(now.records.path)
    except RecordError as error:
        st.error(literal(error), icon=":material/error:")
        return False
    if not measured:
        return False
    st.subheader("How long does a training step take?", anchor=False)
    table = step_time_table(measured)
    grid(text_frame(table), hide_index=True, alt="Training step of each variant", key="step_times")
    doubts = dict.fromkeys(doubt for one in measured for doubt in one.doubts)
    st.caption("  \n".join([literal(table.title), *map(literal, doubts)]))
    return True


def _headline(now: View) -> None:
    """The study in a line; where the baseline is none, nothing else matters, and the remedy stands there."""
    if now.report.baseline.fate:
        st.error(literal(headline(now.report)), icon=":material/error:")
    else:
        st.markdown(literal(headline(now.report)))


def _answers(now: View) -> None:
    rows = now.report.comparisons
    if not any(row.verdict or row.no_verdict for row in rows):
        return
    with st.container(border=True, gap="small"):
        for row in rows:
            # The sentence takes what the links leave, or has them below it.
            with st.container(
                horizontal=True, horizontal_alignment="right", vertical_alignment="center", gap="xsmall"
            ):
                st.markdown(f"{verdict_badge(row)} &nbsp; {literal(sentence(row))}", width="stretch")
                explain_link(now, row)
                inside_link(now, row.variant)


def verdict_badge(row: VariantRow) -> str:
    """The verdict as a coloured word; the status where there is none yet."""
    word = verdict_cell(row)
    return f":{badge_colour(word.partition(':')[0])}-badge[{literal(word)}]"


def _effects(now: View) -> None:
    st.subheader("How large are the effects?", anchor=False)
    if not now.report.paired:
        no_effects(now)
        return
    forest_panel(now, name=f"{now.file_name}-forest")


def no_effects(now: View) -> None:
    """Why there is no effect to draw: too few pairs so far, or for good."""
    if fate := now.report.baseline.fate:
        empty_pages.nothing_to_compare(f"The baseline {fate}, and effects are differences to it.")
    elif now.report.state == "complete" and not any(row.pairs for row in now.report.comparisons):
        empty_pages.nothing_to_compare("No variant has a result at a seed at which the baseline has one.")
    else:
        empty_pages.no_effects(max((row.pairs for row in now.report.comparisons), default=0))


def forest_panel(now: View, name: str) -> None:
    """The forest plot, how to read it, and its downloads."""
    report = now.report
    with st.container(border=True):
        chart = partial(forest, report, now.ink)
        show_chart(chart, alt="Paired differences to the baseline", key=name)
        lines = [
            "Large dot and line: mean difference over paired seeds, and the interval that its verdict "
            "follows from: all verdicts hold jointly at 95 %. Colour: the verdict; grey and hollow: open. "
            "Small dots: single seeds. "
            f"Grey band: {literal(report.margin_text)} {literal(report.unit)}, declared too small to matter."
        ]
        if any(row.fate for row in report.comparisons):
            lines.append(
                "A variant that failed or did not train is named and not drawn: the scale would be its own."
            )
        st.caption("  \n".join(lines))
        with st.container(horizontal=True):
            downloads.figure_buttons(
                partial(_forest_figure, report),
                name,
                write=lambda: chart_csv(chart()),
            )


def _forest_figure(report: "Report") -> "Figure":
    from workbench.analysis.forest_figure import forest_plot  # matplotlib, for those who want the file

    return forest_plot(report)


def _verdicts(now: View) -> None:
    st.subheader("Verdicts", anchor=False)
    grid(verdict_table(now.report), hide_index=True, alt="Verdict of each variant", key="verdicts")
    with st.container(horizontal=True):
        downloads.table_buttons(now.report, now.file_name, page="overview")


def _cautions(now: View) -> None:
    """What changes how a verdict is to be read, and what is wrong with the records."""
    problems = [problem.message for problem in now.records.problems]
    notes = [note for note in now.report.reading if note not in problems]
    with st.container():  # another baseline has other notes, perhaps none
        if notes:
            with st.expander(f"To keep in mind ({len(notes)})", icon=":material/info:", expanded=True):
                st.markdown("\n".join(f"- {literal(note)}" for note in notes))
        empty_pages.problems(problems)


def method_notes(now: View) -> None:
    """The notes on method, in a closed panel; nothing where there are none."""
    notes = now.report.method
    if notes:
        text = "\n".join(f"- {literal(note)}" for note in notes)
        label = f"Method notes ({len(notes)})"
        folded(label, partial(st.markdown, text), key="method", icon=":material/function:")


def _provenance(now: View) -> None:
    folded(
        "Where these numbers come from",
        partial(_facts, now),
        key="provenance",
        icon=":material/fingerprint:",
    )
    if command := now.report.footer["command"]:
        # Not st.code: its colours are 1.6 MB of script, which the first page would wait for.
        st.markdown(f"Made by {code_span(command)}")


def _facts(now: View) -> None:
    facts = [(name, text) for name, text in footer_lines(now.report.footer) if name != "command"]
    fact_list(facts)
    if now.records.superseded:
        st.caption(f"{plural(now.records.superseded, 'run')} of an earlier manifest left out.")


if __name__ == "__main__":
    page()
