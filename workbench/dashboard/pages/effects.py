"""Effects: how large, how sure, at which learning rate, and how factors act together."""

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

import streamlit as st

from workbench.analysis.answer_sentences import gain_sentences
from workbench.analysis.calibrating.calibration import Calibration, read_calibration
from workbench.analysis.calibrating.report import lines_of
from workbench.analysis.calibrating.tables import calibration_tables
from workbench.analysis.colours import variant_colours
from workbench.analysis.dismantling_sentences import dismantling_sentences
from workbench.analysis.report_tables import (
    contributions_table,
    factorial_table,
    flops_table,
    gain_budgets_table,
    gains_table,
    other_sets_table,
    recovery_table,
    shares_table,
)
from workbench.analysis.text_escapes import to_csv
from workbench.dashboard import downloads, ladders, links
from workbench.dashboard.calibration_charts import error_chart, error_frame
from workbench.dashboard.chart_numbers import chart_csv
from workbench.dashboard.dismantling_charts import contribution_frame, parts_chart
from workbench.dashboard.drawn_chart import show_chart
from workbench.dashboard.effect_charts import paired_dots
from workbench.dashboard.explanation_panel import explanation_panel
from workbench.dashboard.gain_charts import budget_frame, gains_chart, read_off_frame
from workbench.dashboard.imported_models import is_imported, nothing_compared
from workbench.dashboard.links_inside import EXPLAINED, with_behaviours
from workbench.dashboard.literal_text import grid, literal
from workbench.dashboard.pages.overview import forest_panel, method_notes, no_effects
from workbench.dashboard.searches import is_search, see_search
from workbench.dashboard.state import View, view
from workbench.dashboard.tabbed import tabbed
from workbench.dashboard.tables import full_table
from workbench.dashboard.text_table import text_table
from workbench.dashboard.tuning_panels import best_of_panel, has_best_of, has_tuning, tuning_panel
from workbench.errors import RecordError

if TYPE_CHECKING:  # matplotlib: imported when a file is asked for
    from matplotlib.figure import Figure


def page() -> None:
    """Draw the page."""
    now = view()
    st.header("Effects", anchor=False)
    if is_imported(now):
        nothing_compared()
        return
    if is_search(now):
        see_search()
        return
    st.fragment(_parts)()
    method_notes(now)


def _parts() -> None:
    """What the study has to show, a part at a time: all at once would take a browser twice as long."""
    now = view()
    parts = {name: partial(_part, now, name) for name, (has, _) in PARTS.items() if has(now)}
    tabbed(parts, links.PART, leading={"explain": EXPLAINED, "behaviour": _TABLE})


def _part(now: View, name: str) -> None:
    if name != _LADDER:
        ladders.picked(now)
    _, draw = PARTS[name]
    draw(now)


def _effects(now: View) -> None:
    if not now.report.paired:
        no_effects(now)
        return
    forest_panel(now, name=f"{now.file_name}-effects")
    with st.container():  # of each effect it says more or less
        explanation_panel(now)


def _pairs(now: View) -> None:
    st.subheader("The pairs behind the effects", anchor=False)
    chart = partial(paired_dots, now.report, now.colours, now.ink)
    show_chart(chart, alt="Runs of each seed across variants", key="pairs")
    st.caption(
        "One dot per confirm run; a line joins the runs of one seed. What the lines share, pairing takes out."
    )
    with st.container(horizontal=True):
        downloads.figure_buttons(
            partial(_pairs_figure, now),
            f"{now.file_name}-pairs",
            write=lambda: chart_csv(chart()),
        )


def _part_by_part(now: View) -> None:
    """Two recipes taken apart: what each part contributes, from both ends."""
    found = now.report.dismantled
    assert found is not None  # else there is no such part
    st.subheader("Part by part", anchor=False)
    table = contribution_frame(found, now.report.margin)
    with st.container(border=True):
        show_chart(
            partial(parts_chart, table, found, now.report.unit, now.ink),
            alt="What each part contributes to the gap between the two recipes",
            key="parts",
        )
        st.caption(
            "Mean contribution over seeds with its interval; right of 0 the first recipe has the better "
            "part. Grey band: the margin."
        )
        with st.container(horizontal=True):
            downloads.figure_buttons(
                partial(_parts_figure, now),
                f"{now.file_name}-parts",
                write=partial(to_csv, table, index=False),
            )
    st.markdown("\n".join(f"- {literal(said)}" for said in dismantling_sentences(found, now.report.unit)))
    text_table(contributions_table(now.report, found), "contributions", alt="Contribution of each part")
    text_table(shares_table(found), "shares", alt="Share of each part in the gap")


def _compute(now: View) -> None:
    _gains(now)
    if now.report.equal_flops is not None:
        st.subheader("At equal FLOPs", anchor=False)
        text_table(flops_table(now.report), "equal_flops")


def _gains(now: View) -> None:
    """What each variant is worth in compute, read off the baseline's losses at other budgets."""
    found = now.report.gains
    if found is None:
        return
    st.subheader("Compute-equivalent gain", anchor=False)
    ladder = budget_frame(found, now.report.margin)
    if len(ladder):
        with st.container(border=True):
            show_chart(
                partial(
                    gains_chart, ladder, read_off_frame(now.report, found), now.colours, now.report, now.ink
                ),
                alt="The baseline's loss by its budget, and each variant's loss read off it",
                key="gains",
            )
            st.caption(
                "Line: the baseline, each budget with a schedule of its own, mean and 95 % interval over "
                "seeds. Square: a variant at the study's budget; its line leads to where the baseline "
                "reaches its loss, and the band is the gain's interval."
            )
            with st.container(horizontal=True):
                downloads.figure_buttons(
                    partial(_gains_figure, now),
                    f"{now.file_name}-gains",
                    write=partial(to_csv, ladder, index=False),
                )
    st.markdown("\n".join(f"- {literal(said)}" for said in gain_sentences(now.report)))
    text_table(gains_table(now.report, found), "gain_values", alt="Compute-equivalent gain of each variant")
    text_table(gain_budgets_table(now.report, found), "gain_budgets", alt="The baseline by its budget")


def _calibration(now: View) -> None:
    """How often words are false, of a study that is there to say so."""
    st.subheader("How often a word is false", anchor=False)
    try:
        found = read_calibration(now.records.path)
    except RecordError as error:
        st.warning(literal(str(error)), icon=":material/warning:")
        return
    st.markdown("\n".join(f"- {literal(line)}" for line in lines_of(found)))
    with st.container(border=True):
        show_chart(
            partial(error_chart, error_frame(found), now.ink), alt="False words by design", key="calibration"
        )
        st.caption(
            f"One comparison whose true difference lies exactly at the margin, ±{found.margin:g}: better or "
            "worse is false beyond it, and so is equivalent. Intervals at 95 %, of Monte Carlo and of the "
            "seeds. Grey band: a percentage point around the 5 % that are promised."
        )
        with st.container(horizontal=True):
            downloads.figure_buttons(
                partial(_calibration_figure, found),
                f"{now.file_name}-calibration",
                write=partial(to_csv, error_frame(found), index=False),
            )
    for place, table in enumerate(calibration_tables(found)):
        text_table(table, f"calibration_{place}", alt="A table of the calibration")


def _factorial(now: View) -> None:
    effects = now.report.factorial
    assert effects is not None  # else there is no such part
    st.subheader("Main effects and interactions", anchor=False)
    for warning in effects.warnings:
        st.warning(literal(warning), icon=":material/warning:")
    text_table(factorial_table(now.report), "factorial")


def _other_sets(now: View) -> None:
    st.subheader("Other evaluation sets", anchor=False)
    text_table(other_sets_table(now.report), "other_sets")


def _recovery(now: View) -> None:
    st.subheader("Damage and recovery", anchor=False)
    text_table(recovery_table(now.report), "recovery")


def _table(now: View) -> None:
    st.subheader("Everything in one table", anchor=False)
    grid(
        with_behaviours(now, full_table(now.report)),
        hide_index=True,
        column_config={"change": st.column_config.TextColumn("change", pinned=True)},
        alt="All columns of the report",
        key="full_table",
    )
    with st.container(horizontal=True):
        downloads.table_buttons(now.report, now.file_name, page="effects")


def _pairs_figure(now: View) -> "Figure":
    from workbench.analysis.page_figures import pairs_plot

    return pairs_plot(now.report, now.paper_colours)


def _parts_figure(now: View) -> "Figure":
    from workbench.analysis.dismantling_figure import dismantling_plot

    return dismantling_plot(now.report)


def _gains_figure(now: View) -> "Figure":
    from workbench.analysis.gains_figure import gains_plot

    return gains_plot(now.report, variant_colours(now.records.manifest))


def _calibration_figure(found: Calibration) -> "Figure":
    from workbench.analysis.calibrating.figure import calibration_figure

    return calibration_figure(found)


_LADDER, _TABLE = "Ladder", "Table"
# What a study may have to show, in this order: whether it has, and how that is drawn.
PARTS: dict[str, tuple[Callable[[View], bool], Callable[[View], None]]] = {
    _LADDER: (lambda now: now.ladder is not None, ladders.charts),
    "Calibration": (lambda now: now.records.manifest.calibration, _calibration),
    EXPLAINED: (lambda now: True, _effects),
    "Pairs": (lambda now: bool(now.report.paired), _pairs),
    "Interactions": (lambda now: now.report.factorial is not None, _factorial),
    "Parts": (lambda now: now.report.dismantled is not None, _part_by_part),
    "Compute": (lambda now: now.report.gains is not None or now.report.equal_flops is not None, _compute),
    "Other sets": (lambda now: bool(now.report.other_sets), _other_sets),
    "Recovery": (lambda now: bool(now.report.recovery), _recovery),
    "Tuning": (has_tuning, tuning_panel),
    "Best of k": (has_best_of, best_of_panel),
    _TABLE: (lambda now: True, _table),
}


if __name__ == "__main__":
    page()
