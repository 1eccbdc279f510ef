"""Effects: how large, how sure, at which learning rate, and how factors act together."""

from functools import partial

import pandas as pd
import streamlit as st

from workbench.analysis.answer_sentences import gain_sentences
from workbench.analysis.calibrating.calibration import read_calibration
from workbench.analysis.calibrating.figure import calibration_figure
from workbench.analysis.calibrating.report import lines_of
from workbench.analysis.calibrating.tables import calibration_tables
from workbench.analysis.colours import variant_colours
from workbench.analysis.dismantling_figure import dismantling_plot
from workbench.analysis.dismantling_sentences import dismantling_sentences
from workbench.analysis.gains_figure import gains_plot
from workbench.analysis.page_figures import pairs_plot
from workbench.analysis.report_tables import (
    contributions_table,
    factorial_table,
    flops_table,
    gain_budgets_table,
    gains_table,
    other_sets_table,
    recovery_table,
    shares_table,
    spend_table,
    tuning_table,
)
from workbench.analysis.text_escapes import to_csv
from workbench.analysis.tuned_rates import TunedRate
from workbench.analysis.tuning_figures import best_of_plot, learning_rate_plot
from workbench.dashboard import downloads, ladders
from workbench.dashboard.calibration_charts import error_chart, error_frame
from workbench.dashboard.chart_numbers import chart_csv
from workbench.dashboard.dismantling_charts import contribution_frame, parts_chart
from workbench.dashboard.drawn_chart import show_chart
from workbench.dashboard.effect_charts import paired_dots, tuning, tuning_caption, tuning_frame
from workbench.dashboard.explanation_panel import explanation_panel
from workbench.dashboard.gain_charts import budget_frame, gains_chart, read_off_frame
from workbench.dashboard.imported_models import is_imported, nothing_compared
from workbench.dashboard.links_inside import with_behaviours
from workbench.dashboard.literal_text import grid, literal
from workbench.dashboard.pages.overview import forest_panel, method_notes, no_effects
from workbench.dashboard.searches import is_search, see_search
from workbench.dashboard.state import View, view
from workbench.dashboard.tables import full_table, text_frame
from workbench.dashboard.tuning_charts import best_of, best_of_frame, points, points_frame
from workbench.errors import RecordError
from workbench.records.space import Range


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
    for draw in (
        ladders.charts,
        _effects,
        _parts,
        _gains,
        _calibration,
        _other_sets,
        _recovery,
        _tuning,
        _space,
        _factorial,
        _equal_flops,
        _table,
        method_notes,
    ):
        # Where another baseline has more or less to say, what stands below keeps its place, and the browser
        # what it drew. An empty container takes no room.
        with st.container():
            draw(now)


def _effects(now: View) -> None:
    if not any(row.pairs >= 2 for row in now.report.comparisons):
        no_effects(now)
        return
    forest_panel(now, name=f"{now.file_name}-effects")
    _pairs(now)
    with st.container():  # of each effect it says more or less
        explanation_panel(now)


def _pairs(now: View) -> None:
    st.subheader("The pairs behind it", anchor=False)
    chart = partial(paired_dots, now.report, now.colours, now.ink)
    show_chart(chart, alt="Runs of each seed across variants", key="pairs")
    st.caption(
        "One dot per confirm run; a line joins the runs of one seed. What the lines share, pairing takes out."
    )
    with st.container(horizontal=True):
        downloads.figure_buttons(
            lambda: pairs_plot(now.report, now.paper_colours),
            f"{now.file_name}-pairs",
            write=lambda: chart_csv(chart()),
        )


def _parts(now: View) -> None:
    """Two recipes taken apart: what each part contributes, from both ends."""
    found = now.report.dismantled
    if found is None:
        return
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
                lambda: dismantling_plot(now.report),
                f"{now.file_name}-parts",
                write=partial(to_csv, table, index=False),
            )
    st.markdown("\n".join(f"- {literal(said)}" for said in dismantling_sentences(found, now.report.unit)))
    contributed, shares = contributions_table(now.report, found), shares_table(found)
    # Their titles have names of recipes, which an alternative text would not have as text.
    _titled(text_frame(contributed), contributed.title, "contributions", alt="Contribution of each part")
    _titled(text_frame(shares), shares.title, "shares", alt="Share of each part in the gap")


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
                    lambda: gains_plot(now.report, variant_colours(now.records.manifest)),
                    f"{now.file_name}-gains",
                    write=partial(to_csv, ladder, index=False),
                )
    st.markdown("\n".join(f"- {literal(said)}" for said in gain_sentences(now.report)))
    gains, budgets = gains_table(now.report, found), gain_budgets_table(now.report, found)
    _titled(text_frame(gains), gains.title, "gain_values", alt="Compute-equivalent gain of each variant")
    _titled(text_frame(budgets), budgets.title, "gain_budgets", alt="The baseline by its budget")


def _calibration(now: View) -> None:
    """How often words are false, of a study that is there to say so."""
    if not now.records.manifest.calibration:
        return
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
                lambda: calibration_figure(found),
                f"{now.file_name}-calibration",
                write=partial(to_csv, error_frame(found), index=False),
            )
    for place, table in enumerate(calibration_tables(found)):
        # Their titles name variants, which an alternative text would not have as text.
        _titled(text_frame(table), table.title, f"calibration_{place}", alt="A table of the calibration")


def _tuning(now: View) -> None:
    tuned = [one for one in now.library.confirmed(now.records).tuned.values() if one is not None]
    if not tuned:
        return
    report, labels = now.report, now.labels
    if any(one.is_point for one in tuned):
        _tuned_points(now, tuned)
        return
    st.subheader("Learning rates", anchor=False)
    chart = partial(tuning, tuning_frame(tuned, labels), now.colours, report.metric, report.unit, now.ink)
    show_chart(chart, alt="Loss against learning rate for each variant", key="tuning")
    st.caption(
        "Mean over tuning seeds. Ring: the chosen rate, between two by a curve through them. Cross: a run "
        "diverged, failed or did not train there.  \n" + literal(tuning_caption(tuned, labels))
    )
    with st.container(horizontal=True):
        downloads.figure_buttons(
            lambda: learning_rate_plot(now.records),
            f"{now.file_name}-learning-rates",
            write=lambda: to_csv(tuning_frame(tuned, labels), index=False),
        )


def _tuned_points(now: View, tuned: list[TunedRate]) -> None:
    """Points of several hyperparameters: one chart for each of these, and which was chosen."""
    plan = now.records.manifest.tuning
    assert plan is not None  # it has the points
    st.subheader("Tuned hyperparameters", anchor=False)
    for name in plan.dimensions:
        table = points_frame(tuned, name, now.labels)
        if table.empty:
            continue
        dimension = plan.space[name]
        chart = partial(
            points,
            table,
            name,
            now.colours,
            now.report.metric,
            now.report.unit,
            now.ink,
            log=isinstance(dimension, Range) and dimension.log,
        )
        show_chart(chart, alt=f"Loss against {name} for each point", key=f"tuning-{name}")
    st.caption(
        "Mean over tuning seeds, one dot per point. Ring: the point that was confirmed; where the best "
        "points ran again, by its mean over fresh seeds, which found none of them: the lowest of many owes "
        "its place to luck too."
    )
    with st.container(horizontal=True):
        downloads.figure_buttons(
            lambda: learning_rate_plot(now.records),
            f"{now.file_name}-tuned-points",
            write=lambda: to_csv(
                pd.concat(
                    [points_frame(tuned, name, now.labels).assign(along=name) for name in plan.dimensions]
                ),
                index=False,
            ),
        )


def _space(now: View) -> None:
    """What was chosen, what it took, and the best of k; for studies that tune over a space."""
    found = now.report.tuning
    if found is None or not any(one.best_of for one in found.variants):
        return
    st.subheader("Best of k points", anchor=False)
    chart = partial(
        best_of,
        best_of_frame(found, now.labels),
        now.colours,
        now.report.metric,
        now.report.unit,
        now.ink,
        in_order=not found.shared,
    )
    show_chart(chart, alt="Expected best loss against the number of points tried", key="best_of_k")
    st.caption(
        "Expected lowest mean loss of k random draws of a variant's points, and one standard deviation of it "
        "(Dodge et al. 2019). Dashed: the best so far, where points were proposed by those before them."
    )
    with st.container(horizontal=True):
        downloads.figure_buttons(
            lambda: best_of_plot(now.records),
            f"{now.file_name}-best-of-k",
            write=lambda: to_csv(best_of_frame(found, now.labels), index=False),
        )
    for key, table in (
        ("tuned_values", tuning_table(now.report, found)),
        ("tuning_spend", spend_table(now.report, found)),
    ):
        _titled(text_frame(table), table.title, key)


def _factorial(now: View) -> None:
    effects = now.report.factorial
    if effects is None:
        return
    st.subheader("Main effects and interactions", anchor=False)
    for warning in effects.warnings:
        st.warning(literal(warning), icon=":material/warning:")
    _titled(text_frame(factorial_table(now.report)), factorial_table(now.report).title, "factorial")


def _equal_flops(now: View) -> None:
    if now.report.equal_flops is None:
        return
    st.subheader("At equal FLOPs", anchor=False)
    table = flops_table(now.report)
    _titled(text_frame(table), table.title, "equal_flops")


def _other_sets(now: View) -> None:
    if not now.report.other_sets:
        return
    st.subheader("Other evaluation sets", anchor=False)
    table = other_sets_table(now.report)
    _titled(text_frame(table), table.title, "other_sets")


def _recovery(now: View) -> None:
    if not now.report.recovery:
        return
    st.subheader("Damage and recovery", anchor=False)
    table = recovery_table(now.report)
    _titled(text_frame(table), table.title, "recovery")


def _titled(table: pd.DataFrame, title: str, key: str, *, alt: str | None = None) -> None:
    grid(table, hide_index=True, alt=alt or title, key=key)
    st.caption(f"{literal(title)}.")


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


if __name__ == "__main__":
    page()
