"""Studies that are a search: exploratory, without comparisons and verdicts, where others have both."""

import streamlit as st

from workbench.analysis.search import COMPLETE, INFEASIBLE, Search
from workbench.dashboard import empty_pages
from workbench.dashboard.literal_text import code_span, literal
from workbench.dashboard.state import PAGES, View
from workbench.numbers import plural
from workbench.records.run import State

NO_VERDICT = "A search gives no verdict: the best of many trials is lucky as well as good."


def is_search(now: View) -> bool:
    """Whether the open study is a search."""
    return now.records.manifest.is_search


def search_of(now: View) -> Search:
    """What the open search found."""
    search = now.library.search(now.records)
    assert search is not None, "the open study is a search"
    return search


def overview(now: View) -> None:
    """The question of a search, how far it is, and where the rest stands."""
    manifest = now.records.manifest
    st.header(literal(manifest.question or manifest.name), anchor=False)
    exploratory(now)
    st.page_link(PAGES / "search.py", label="What it found", icon=":material/travel_explore:")
    empty_pages.problems([problem.message for problem in now.records.problems])


def exploratory(now: View) -> None:
    """What a search is worth, how far it is, and how what looked best gets its verdict."""
    search = search_of(now)
    st.badge("exploratory", icon=":material/science:", color="orange")
    st.markdown(f"{NO_VERDICT} {literal(_counts(search))}")
    st.markdown(
        f"{code_span(f'workbench promote {now.records.title}')} writes the study that decides: what looked "
        "best against the baseline, each tuned alone, on fresh seeds."
    )


def _counts(search: Search) -> str:
    states = search.trials["state"].value_counts()
    done, excluded = int(states.get(COMPLETE, 0)), int(states.get(INFEASIBLE, 0))
    parts = [f"{done:,} of {plural(search.plan.trials, 'trial')} complete"]
    words = {str(State.PRUNED): "stopped at lower rungs"}
    others = [name for name in states.index if name not in (COMPLETE, INFEASIBLE)]
    parts += [f"{states[name]:,} {words.get(name, name)}" for name in others]
    if excluded:
        parts.append(f"{excluded:,} infeasible, never trained")
    return f"{', '.join(parts)}; proposed by {search.plan.sampler}."


def see_search() -> None:
    """A page about comparisons, in a study without any."""
    st.info("This study is a search, which compares nothing; what it found stands on the page Search.")
    st.page_link(PAGES / "search.py", label="Search", icon=":material/travel_explore:")
