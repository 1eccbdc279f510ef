"""What is shown where there is nothing to show yet, and what to do about it."""

from pathlib import Path

import streamlit as st

from workbench.dashboard.links import BEGIN
from workbench.dashboard.literal_text import code_span, literal
from workbench.dashboard.state import PAGES
from workbench.visible import visible

FIRST_STUDY = "workbench run ablations/quickstart.yaml"


def no_studies(results: Path) -> None:
    """Neither a results folder nor a study in it."""
    st.title("No studies yet")
    what = "has no study in it" if results.is_dir() else "does not exist"
    st.markdown(
        f"{code_span(results)} {what}. A study asks one question; its results appear here while it runs."
    )
    st.page_link(PAGES / "new_study.py", label="Ask a new study", icon=":material/add_circle:")
    st.markdown("Or run the smallest one that there is (minutes on two cores):")
    st.code(FIRST_STUDY, language="bash")
    st.markdown("See what it would do first, without training:")
    st.code(FIRST_STUDY.replace(" run ", " check "), language="bash")
    st.button("Look again", icon=":material/refresh:", key="look_again")


def begun(path: Path) -> None:
    """A study that was started from a page, and has no manifest yet."""
    st.title(literal(path.name))
    st.info(
        "Its text is being prepared, or its start has failed; there is nothing to show of it yet.",
        icon=":material/hourglass_top:",
    )
    st.page_link(PAGES / "watch.py", label="Watch it", icon=":material/monitoring:")


def nothing_to_watch() -> None:
    """No study was ever started here."""
    st.info("There is no study to watch yet.", icon=":material/hourglass_empty:")
    st.page_link(PAGES / "new_study.py", label="Ask a new study", icon=":material/add_circle:")


def published(study: str) -> None:
    """A published study on a page of those that can be started; ``study`` is its title."""
    st.info("This study is published: it is here to be read, and stays as it is.", icon=":material/public:")
    with st.container(horizontal=True):
        st.page_link(
            PAGES / "overview.py",
            label="What it found",
            icon=":material/article:",
            query_params={"study": study},
            width="content",
        )
        st.page_link(
            PAGES / "new_study.py",
            label="Ask it again",
            icon=":material/add_circle:",
            query_params={"study": study, BEGIN: study},
            width="content",
        )


def unreadable(path: Path, error: Exception) -> None:
    """A study whose manifest is damaged; the others can still be chosen."""
    st.title("This study cannot be read")
    damaged(path, error)


def damaged(path: Path, error: Exception) -> None:
    """What is wrong with a study's manifest, and what can be done about it."""
    st.error(literal(error), icon=":material/error:")
    st.markdown(
        f"Its runs in {code_span(path)} are untouched. Running the study again rebuilds its manifest."
    )


def problems(messages: list[str]) -> None:
    """Records that could not be read, folded away; nothing when all could."""
    if not messages:
        return
    with st.expander(f"Problems ({len(messages)})", icon=":material/warning:"):
        st.markdown("These records could not be read; everything else is shown.")
        for message in messages:
            st.code(visible(message), language=None, wrap_lines=True)


def no_runs(what: str = "No run has started yet") -> None:
    """A page of a study without anything to draw."""
    st.info(f"{what}. This page fills itself while the study runs.", icon=":material/hourglass_empty:")


def nothing_to_compare(why: str) -> None:
    """Effects of a study in which no comparison can be made, now or later."""
    st.warning(f"There are no effects to show. {why}", icon=":material/block:")


def no_effects(pairs: int) -> None:
    """Effects before there are pairs."""
    found = "none so far" if not pairs else f"at most {pairs} so far"
    st.info(
        f"Effects need at least 2 seeds per variant in the confirm phase ({found}). "
        "The page Curves shows what is running.",
        icon=":material/hourglass_empty:",
    )


def no_claims(folder: Path) -> None:
    """No claim card is at hand."""
    st.info(
        f"{code_span(folder)} has no claim card in it. A card states a claim as predictions of studies; "
        "docs/claim-file.md says how one is written.",
        icon=":material/edit_note:",
    )
