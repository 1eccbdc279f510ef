"""Notes and tags of a study or a run: shown to all, changed by who may write, never of what is published."""

from pathlib import Path

import pandas as pd
import streamlit as st

from workbench.dashboard import access
from workbench.dashboard.literal_text import literal
from workbench.dashboard.study_library import Library
from workbench.errors import RecordError, UserError
from workbench.records.index import is_published
from workbench.records.study_notes import MOST_LETTERS, MOST_TAGS, TAG_LETTERS, StudyNotes, write_remark

_PROBLEM, _SAVED = "_note_problem", "_notes_saved"


def note_panel(study: Path, library: Library, run: str | None = None) -> None:
    """What was written down of a study, or of one of its runs; and a form where that can be changed."""
    try:
        remark = library.notes(study).of(run)
    except RecordError as error:
        st.error(literal(error), icon=":material/error:")
        return
    if remark.tags:
        st.markdown(" ".join(f":gray-badge[{literal(tag)}]" for tag in remark.tags))
    if remark.note:
        st.markdown(literal(remark.note))
    if problem := st.session_state.pop(_PROBLEM, ""):
        st.error(literal(problem), icon=":material/error:")
    if is_published(study) or not access.may_write():
        return
    what = study.name if run is None else f"{study.name}_{run}"
    label = "Change the note" if not remark.is_empty else "Add a note or tags"
    # Once it was saved the menu is another one, which is closed and hides nothing of the page.
    saved = st.session_state.get(_SAVED, 0)
    menu = st.popover(label, icon=":material/edit_note:", key=f"note_menu_{what}_{saved}")
    with menu, st.form(f"note_form_{what}", border=False):
        note = st.text_area("Note", value=remark.note, key=f"note_{what}", max_chars=MOST_LETTERS, height=120)
        tags = st.text_input(
            "Tags, with commas between them",
            value=", ".join(remark.tags),
            key=f"tags_{what}",
            max_chars=MOST_TAGS * (TAG_LETTERS + 2),
            help="Studies can be searched by them.",
        )
        if st.form_submit_button("Save", icon=":material/save:"):
            if _save(study, note, tags, run):
                st.session_state[_SAVED] = saved + 1
            st.rerun()


def _save(study: Path, note: str, tags: str, run: str | None) -> bool:
    """Write it down; whoever had the form open and may not write any more is refused. Whether it was."""
    if not access.may_write():
        return False
    try:
        write_remark(study, note, tags.split(","), run)
    except UserError as error:
        st.session_state[_PROBLEM] = str(error)
        return False
    return True


def with_notes(table: pd.DataFrame, notes: StudyNotes) -> pd.DataFrame:
    """A table of runs, indexed by their ids, with what was written of them; no column where nothing was."""
    said = {run: remark for run, remark in notes.runs.items() if run in table.index}
    if any(remark.tags for remark in said.values()):
        table = table.assign(tags=[", ".join(notes.of(str(run)).tags) for run in table.index])
    if any(remark.note for remark in said.values()):
        table = table.assign(note=[notes.of(str(run)).note for run in table.index])
    return table
