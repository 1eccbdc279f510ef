"""The curves of one run: each metric that it logged, along its steps."""

import streamlit as st

from workbench.dashboard import links, state
from workbench.dashboard.aggregate import POINTS, Line, trace
from workbench.dashboard.curve_charts import Axis, Curve, curve_chart
from workbench.dashboard.curve_lines import METRICS, metric_words
from workbench.dashboard.literal_text import literal
from workbench.dashboard.state import View
from workbench.numbers import plural
from workbench.records.run import RunDirectory
from workbench.visible import visible

_KEY = "run_metric"


def curves(now: View, directory: RunDirectory) -> None:
    """Ask for a metric and draw it."""
    unreadable: dict[str, str] = {}
    frame = state.reader(now.library, unreadable)(str(directory.path))
    for problem in unreadable.values():
        st.warning(literal(problem), icon=":material/warning:")
    metrics = [name for name in METRICS if name in frame and frame[name].notna().any()]
    if not metrics:
        st.caption("Nothing is logged of this run.")
        return
    links.report_unknown(_KEY, [visible(metric_words(name)[0]) for name in metrics], "metric")
    metric = st.selectbox(
        "Metric",
        metrics,
        format_func=lambda name: visible(metric_words(name)[0]),
        key=_KEY,
        bind="query-params",
        width=260,
    )
    title, unit, decimals = metric_words(metric)
    found = trace(frame, "step", metric)
    kept = slice(None, None, -(-len(found.x) // POINTS))
    line = Line(
        name=visible(title),
        x=found.x[kept],
        mean=found.y[kept],
        low=None,
        high=None,
        runs=1,
        logged=len(found.x),
    )
    colour = now.colours[now.baseline]
    option = curve_chart([Curve(line, colour)], Axis("Step"), Axis(visible(title), unit), decimals=decimals)
    option["legend"]["show"] = False  # of one line, which the axis names
    st.echarts_chart(option, height=380, key="run_curve", alt=f"{title} of the run along its steps")
    st.caption(f"{plural(len(found.x), 'value')} logged.")
