"""From a mark of a chart to the view of what is behind it: by a click on it, or picked from a list."""

import streamlit as st

from workbench.dashboard.drawn_chart import Build, show_chart
from workbench.dashboard.panel_charts import CLICKED
from workbench.dashboard.scope_picker import NOTHING
from workbench.inspection.panels import Leads
from workbench.visible import visible

_LEFT = "_left_by_a_mark"


def show(build: Build, leads: Leads, title: str, key: str) -> None:
    """Draw what ``build`` makes, whose marks open the view that ``leads`` names, and beside it a list."""
    show_chart(build, alt=title, key=key, on_select=lambda: _clicked(leads, key))
    rows = leads.rows
    labels = [visible(f"{row.series}: {row.label}") for row in rows.itertuples()]
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        place = st.selectbox(
            f"To the maps of a {leads.what}",
            range(len(labels)),
            format_func=labels.__getitem__,
            key=f"{key}_lead",
            width=420,
            help=f"Opens {leads.view.title}. A click on a mark of the chart does so too.",
        )
        st.button(
            "Open its maps",
            key=f"{key}_open",
            icon=":material/grid_on:",
            on_click=_open,
            args=(leads, place),
        )
    if st.session_state.pop(_LEFT, False):
        st.rerun()  # not the fragment alone: the view, and the run, are picked above it


def _clicked(leads: Leads, key: str) -> None:
    """Open what was clicked; a click beside all marks takes a selection back, and leads nowhere."""
    marks = st.session_state[key].selection.get(CLICKED, [])
    place = leads.place_of(marks[0]) if marks else None
    if place is not None:
        _open(leads, place)


def _open(leads: Leads, place: int) -> None:
    """As if run, view and options had been picked by hand."""
    row = leads.rows.iloc[place]
    view = leads.view
    st.session_state["inspect"] = row["inspect"]
    st.session_state["against"] = row["against"] or NOTHING
    st.session_state[f"{view.page}_view"] = view.name
    options = {f"{view.name}.{name}": str(row[name]) for name in leads.options}
    st.session_state.update(options)
    # Of a widget that is not there yet the address hears nothing of what is chosen for it.
    st.query_params.update(options)
    st.session_state[_LEFT] = True
