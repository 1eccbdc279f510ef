"""The page *New study* for who may write: a question as form and as YAML, its check, its file, its start."""

from collections.abc import Mapping
from pathlib import Path

import streamlit as st

from workbench.dashboard import drivers, notices
from workbench.dashboard.asking import files, session
from workbench.dashboard.asking.check_panel import check_panel, current_check
from workbench.dashboard.asking.checking import study_from
from workbench.dashboard.asking.files import Source
from workbench.dashboard.asking.form import form
from workbench.dashboard.links import BEGIN
from workbench.dashboard.literal_text import code_span, literal
from workbench.dashboard.side_by_side import side_by_side
from workbench.dashboard.state import PAGES, results_directory
from workbench.errors import UserError
from workbench.records.driving import Driving
from workbench.records.manifest import MANIFEST

_FORM, _CHECK = 520, 456  # pixels, at least
_BEGIN, _WORKERS, _PROBLEM, _CODE = "ask_begin", "ask_workers", "_ask_problem", "ask_code"


def draw() -> None:
    """Draw all below the page's heading."""
    _begin()
    known = current_check()
    # Fields have widths of their own: what is left over is for the check, and for the form where it is alone.
    asked, checked = side_by_side("ask_parts", (_FORM, 1), (_CHECK, 1_000))
    with asked:
        form()
        _yaml()
    with checked:
        st.subheader("What it would do", anchor=False)
        check_panel(known)
        _save()
    session.drawn()


def _begin() -> None:
    """Where the draft comes from: a study that there is, in its own words, or the one that is shown."""
    known = {source.title: source for source in files.sources(results_directory())}
    _from_a_link(known)

    def clone() -> None:
        chosen = known.get(st.session_state[_BEGIN] or "")
        if chosen is not None:
            _open(chosen)
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
    # The page may be drawn anew at any moment: it is said until the draft is another.
    problem, draft = st.session_state.get(_PROBLEM, ("", None))
    if problem and draft == session.text():
        st.error(literal(problem), icon=":material/error:")
    _what_it_replaced()


def _what_it_replaced() -> None:
    """A way back to a draft that another took the place of, unless a file has it."""
    before = session.replaced()
    if before is None or files.is_there(before.name, before.text):
        return
    with st.container(horizontal=True, vertical_alignment="center"):
        st.caption(
            f"The draft {literal(before.name)}, which was not saved, made way for this one.", width="content"
        )
        st.button("Take it back", key="ask_take_back", icon=":material/undo:", on_click=session.take_back)


def _from_a_link(known: Mapping[str, Source]) -> None:
    """What a link asks for again takes the draft's place, once: a reload keeps what was written since."""
    asked = st.query_params.get(BEGIN)
    if asked is None:
        return
    del st.query_params[BEGIN]
    source = known.get(files.results_of(asked))
    if source is None:
        _say(f"The link asks {asked} again, which has no results here.")
        return
    _open(source)


def _open(source: Source) -> None:
    try:
        session.open_draft(source.text(), source.name)
    except UserError as error:
        _say(str(error))


def _say(problem: str) -> None:
    """Say why the draft stays what it was."""
    st.session_state[_PROBLEM] = (problem, session.text())


def _yaml() -> None:
    """The draft itself, to be edited in place."""
    text = session.text()
    key = session.key_of(session.YAML)
    with st.container(key=_CODE):
        # Where white space carries meaning each letter is as wide as the next.
        st.html(f'<style>.st-key-{_CODE} textarea{{font-family:"Source Code Pro",monospace}}</style>')
        st.text_area(
            "YAML",
            value=text,
            key=key,
            height=min(600, 60 + 21 * (text.count("\n") + 1)),
            on_change=session.take_yaml,
            args=(key,),
            help="What is edited here counts, and the form reads it back. docs/study-file.md has every key.",
        )
    if error := current_check().error:
        # Once more: whoever edits here may not see the top of the page.
        st.error(literal(error), icon=":material/error:")
    if "#" in text:
        st.caption("A change in the form writes the YAML anew, without its comments.")


def _save() -> None:
    """Keep the draft: as a file under ``ablations``, or as a download."""
    st.subheader("Keep it", anchor=False)
    key = session.key_of(session.FILE)
    st.text_input(
        "Name of the file",
        value=session.name(),
        key=key,
        on_change=session.take_name,
        args=(key,),
        help="The study is called so, and the folder of its results.",
    )
    st.session_state.setdefault(_WORKERS, None)
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
    _start(path, replaces=replaces)
    if there:
        st.caption(f"Saved as {code_span(path)}.")
    elif replaces:
        st.warning(f"{code_span(path)} is there already, and holds another study.", icon=":material/warning:")
    if problem := st.session_state.pop("_ask_unsaved", ""):
        st.error(literal(problem), icon=":material/error:")


def _start(path: Path, *, replaces: bool) -> None:
    """Save and run: the driver is a process of its own, which the page Watch shows."""
    check = current_check()
    study = results_directory() / files.study_name(session.values(), session.name())
    driver = drivers.driver_of(study)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        st.number_input(
            "Trials at once",
            min_value=1,
            max_value=4096,
            step=1,
            key=_WORKERS,
            placeholder="automatic",
            help="Left out: one for each GPU, or core.",
            width=150,
        )
        started = st.button(
            "Save and start",
            key="ask_start",
            type="primary",
            icon=":material/play_arrow:",
            disabled=replaces or check.facts is None or driver.driving is not Driving.NONE,
            help="As `workbench run` does. It goes on when this page is closed.",
        )
    if driver.driving is not Driving.NONE:
        st.caption(f"{literal(study.name)} is being run already, {literal(drivers.where(driver))}.")
    elif (study / MANIFEST).exists():
        st.caption(
            f"{literal(study.name)} has results: what is the same is kept, and what differs is said in them. "
            "Another name begins anew."
        )
    if started:
        try:
            study_from(session.text(), path, complete=False)  # the check may not have come to it yet
            files.save(session.name(), session.text())
            workers = st.session_state[_WORKERS]
            drivers.start(study, drivers.run_words(path, results_directory(), workers=workers))
        except UserError as error:
            st.error(literal(error), icon=":material/error:")
            return
        notices.watch(study)
        st.switch_page(PAGES / "watch.py", query_params={"study": study.name})


def _write(name: str, replace: bool) -> None:
    try:
        files.save(name, session.text(), replace=replace)
    except UserError as error:
        st.session_state["_ask_unsaved"] = str(error)
