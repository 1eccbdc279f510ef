"""What tuning tried and chose: loss against each hyperparameter, and the best of k points."""

from functools import partial
from typing import TYPE_CHECKING

import pandas as pd
import streamlit as st

from workbench.analysis.report_tables import spend_table, tuning_table
from workbench.analysis.text_escapes import to_csv
from workbench.analysis.tuned_rates import TunedRate
from workbench.dashboard import downloads
from workbench.dashboard.drawn_chart import show_chart
from workbench.dashboard.effect_charts import tuning, tuning_caption, tuning_frame
from workbench.dashboard.literal_text import literal
from workbench.dashboard.state import View
from workbench.dashboard.text_table import text_table
from workbench.dashboard.tuning_charts import best_of, best_of_frame, points, points_frame
from workbench.records.space import Range

if TYPE_CHECKING:  # matplotlib: imported when a file is asked for
    from matplotlib.figure import Figure


def has_tuning(now: View) -> bool:
    """Whether a variant of the study was tuned."""
    return bool(_tuned(now))


def tuning_panel(now: View) -> None:
    """The loss against what was tuned, and what was chosen."""
    tuned = _tuned(now)
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
            partial(_rates_figure, now),
            f"{now.file_name}-learning-rates",
            write=lambda: to_csv(tuning_frame(tuned, labels), index=False),
        )


def _rates_figure(now: View) -> "Figure":
    from workbench.analysis.tuning_figures import learning_rate_plot

    return learning_rate_plot(now.records)


def _best_of_figure(now: View) -> "Figure":
    from workbench.analysis.tuning_figures import best_of_plot

    return best_of_plot(now.records)


def _tuned(now: View) -> list[TunedRate]:
    return [one for one in now.library.confirmed(now.records).tuned.values() if one is not None]


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
            partial(_rates_figure, now),
            f"{now.file_name}-tuned-points",
            write=lambda: to_csv(
                pd.concat(
                    [points_frame(tuned, name, now.labels).assign(along=name) for name in plan.dimensions]
                ),
                index=False,
            ),
        )


def has_best_of(now: View) -> bool:
    """Whether the study tuned over a space, of which the best of k points can be expected."""
    found = now.report.tuning
    return found is not None and any(one.best_of for one in found.variants)


def best_of_panel(now: View) -> None:
    """What was chosen, what it took, and the best of k."""
    found = now.report.tuning
    assert found is not None  # else it has no best of k
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
            partial(_best_of_figure, now),
            f"{now.file_name}-best-of-k",
            write=lambda: to_csv(best_of_frame(found, now.labels), index=False),
        )
    text_table(tuning_table(now.report, found), "tuned_values")
    text_table(spend_table(now.report, found), "tuning_spend")
