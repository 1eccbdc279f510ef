"""A page with the charts of all odd panels, as the dashboard draws them, for a browser to read."""

import sys
from pathlib import Path

import streamlit as st

sys.path[:0] = [str(Path(__file__).parents[place]) for place in (1, 2)]  # the tests, and this checkout
from odd_panels import PANELS  # noqa: E402

from workbench.dashboard.effect_charts import Ink  # noqa: E402
from workbench.dashboard.panels import chart  # noqa: E402
from workbench.inspection.drawing import is_empty, left_out  # noqa: E402

st.set_page_config(layout="wide")
for title, panel in PANELS.items():
    st.markdown(f"**{title}**")
    if not is_empty(panel):
        st.altair_chart(chart(panel, Ink.of(st.context.theme.type == "dark")), alt=title, key=title)
    if told := left_out(panel):
        st.caption(told)
st.markdown("all drawn")
