"""The dashboard's front door: navigation only. Start it with ``workbench dashboard``."""

import streamlit as st

from workbench.dashboard.turns import TURNS

with TURNS.drawing():  # from the first import: no module is imported in two threads at once
    from workbench.dashboard import sidebar
    from workbench.dashboard.garbage_collection import set_apart
    from workbench.dashboard.state import ICON, PAGES, WITHOUT_STUDY

    st.set_page_config(page_title="Ablation workbench", page_icon=ICON, layout="wide")
    # A Material icon on a page would make the browser fetch its favicon from the internet, so there are none.
    page = st.navigation(
        [
            st.Page(
                PAGES / "overview.py",
                title="Overview",
                default=True,
                help="The study's question and its answers.",
            ),
            st.Page(
                PAGES / "new_study.py", title="New study", help="Ask a question, and see what it would take."
            ),
            st.Page(PAGES / "watch.py", title="Watch", help="What runs now; start, stop and resume."),
            st.Page(
                PAGES / "runs.py", title="Runs", help="Every run: filter, select, compare configurations."
            ),
            st.Page(
                PAGES / "run.py", title="Run", help="One run: outcome, curves, log, configuration, text."
            ),
            st.Page(
                PAGES / "curves.py", title="Curves", help="Metrics while training: mean and band over seeds."
            ),
            st.Page(
                PAGES / "effects.py", title="Effects", help="Effect sizes, pairs, tuning and the full table."
            ),
            st.Page(
                PAGES / "compare.py",
                title="Compare",
                help="Several studies: the same change, and what it costs.",
            ),
            st.Page(
                PAGES / "claims.py",
                title="Claims",
                help="What the literature claims, and what runs say of it.",
            ),
            st.Page(PAGES / "data.py", title="Data", help="The texts, and what was done to them."),
            st.Page(
                PAGES / "search.py", title="Search", help="What a search tried, and what mattered in it."
            ),
            st.Page(PAGES / "attention.py", title="Attention", help="What heads read, and when they form."),
            st.Page(PAGES / "position.py", title="Position", help="Position codes, and how far they reach."),
            st.Page(
                PAGES / "activations.py", title="Activations", help="Norms, feed-forward units, predictions."
            ),
        ],
        position="top",
    )
    if sidebar.show(page.title, needs_study=page.title not in WITHOUT_STUDY):
        page.run()
    set_apart()
