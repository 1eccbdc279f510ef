"""A page with the charts of all odd panels, as the dashboard draws them, for a browser to read."""

import sys
from pathlib import Path

import streamlit as st

sys.path.insert(0, str(Path(__file__).parents[2]))  # this checkout
from tests.odd_panels import PANELS
from workbench.dashboard.chart_ink import Ink
from workbench.dashboard.panel_charts import chart
from workbench.inspection.drawing import is_empty, left_out

st.set_page_config(layout="wide")
for title, panel in PANELS.items():
    st.markdown(f"**{title}**")
    if not is_empty(panel):
        st.altair_chart(chart(panel, Ink.of(st.context.theme.type == "dark")), alt=title, key=title)
    if sentence := left_out(panel):
        st.caption(sentence)
st.markdown("all drawn")
