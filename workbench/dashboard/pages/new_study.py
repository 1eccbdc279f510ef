"""New study: a question as a form and as YAML, and beside it what ``workbench check`` says of it."""

import streamlit as st

from workbench.dashboard import access
from workbench.dashboard.asking import files, session
from workbench.dashboard.asking.check_panel import check_panel
from workbench.dashboard.asking.form import form
from workbench.dashboard.literal_text import code_span, literal
from workbench.dashboard.state import results_directory
from workbench.errors import UserError

_FORM, _CHECK = 520, 456  # pixels
_YAML, _NAME, _BEGIN = "ask_yaml", "ask_name", "ask_begin"


def page() -> None:
    """Draw the page."""
    st.header("New study", anchor=False)
    if not access.may_write():
        access.explain_reading("ask a new study")
        return
    _begin()
    # Beside each other where there is room for both, else one below the other.
    with st.container(horizontal=True, gap="medium"):
        with st.container(width=_FORM):
            form()
            _yaml()
        with st.container(width=_CHECK):
            st.subheader("What it would do", anchor=False)
            check_panel()
            _save()


def _begin() -> None:
    """Where the draft comes from: a study that there is, in its own words, or the one that is shown."""
    known = {source.title: source for source in files.sources(results_directory())}

    def clone() -> None:
        chosen = known.get(st.session_state[_BEGIN] or "")
        if chosen is None:
            return
        try:
            session.open_draft(chosen.text(), chosen.name)
        except UserError as error:
            st.session_state["_ask_problem"] = str(error)
        st.session_state[_BEGIN] = None

    st.selectbox(
        "Begin from a study that there is",
        list(known),
        index=None,
        key=_BEGIN,
        on_change=clone,
        placeholder="its file in ablations, or the results of one",
        help="Its YAML takes the place of the draft below; the study itself stays as it is.",
    )
    if problem := st.session_state.pop("_ask_problem", ""):
        st.error(literal(problem), icon=":material/error:")


def _yaml() -> None:
    """The draft itself, to be edited in place."""
    text = session.text()
    st.session_state[_YAML] = text
    st.text_area(
        "YAML",
        key=_YAML,
        height=min(600, 60 + 21 * (text.count("\n") + 1)),
        on_change=lambda: session.write(st.session_state[_YAML]),
        help="What is edited here counts, and the form reads it back. Every key is in docs/study-file.md.",
    )
    if "#" in text:
        st.caption("A change in the form writes the YAML anew, without its comments.")


def _save() -> None:
    """Keep the draft: as a file under ``ablations``, or as a download."""
    st.subheader("Keep it", anchor=False)
    st.session_state[_NAME] = session.name()
    st.text_input(
        "Name of the file",
        key=_NAME,
        on_change=lambda: session.rename(st.session_state[_NAME]),
        help="The study is called so, and the folder of its results.",
    )
    name, text = session.name(), session.text()
    try:
        path, there = files.file_of(name), files.is_saved(name, text)
    except UserError as error:
        st.error(literal(error), icon=":material/error:")
        return
    replaces = path.exists() and not there
    with st.container(horizontal=True, vertical_alignment="center"):
        label = "Replace the file" if replaces else "Save"
        st.button(
            label,
            key="ask_save",
            icon=":material/save:",
            on_click=_write,
            args=(name, replaces),
            disabled=there,
        )
        st.download_button(
            "YAML",
            data=text,
            file_name=f"{name}.yaml",
            mime="application/yaml",
            key="ask_download_yaml",
            icon=":material/download:",
            on_click="ignore",
        )
    if there:
        st.caption(f"Saved as {code_span(path)}.")
    elif replaces:
        st.warning(f"{code_span(path)} is there already, and holds another study.", icon=":material/warning:")
    if problem := st.session_state.pop("_ask_unsaved", ""):
        st.error(literal(problem), icon=":material/error:")


def _write(name: str, replace: bool) -> None:
    try:
        files.save(name, session.text(), replace=replace)
    except UserError as error:
        st.session_state["_ask_unsaved"] = str(error)


if __name__ == "__main__":
    page()
