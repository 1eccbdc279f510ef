"""Archiving, bringing back and deleting studies, each with a question first; by who may write."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import streamlit as st

from workbench.dashboard import access, links
from workbench.dashboard.literal_text import literal
from workbench.errors import UserError
from workbench.records.archive import archive_study, archived_studies, delete_study, restore_study
from workbench.records.driving import Driving, driver_of
from workbench.records.index import is_published
from workbench.records.manifest import MANIFEST
from workbench.visible import visible

_SAID, _PROBLEM = "_archive_said", "_archive_problem"


def archive_menu(study: Path | None, results: Path) -> None:
    """In the sidebar: what can be done with the open ``study``, and with those that are archived."""
    if said := st.session_state.pop(_SAID, ""):
        st.success(literal(said), icon=":material/check:")
    if problem := st.session_state.pop(_PROBLEM, ""):
        st.error(literal(problem), icon=":material/error:")
    own = study if study is not None and not is_published(study) else None
    archived = archived_studies(results)
    if not access.may_write() or (own is None and not archived):
        return
    # Of another study it is another menu, which is closed: a second click must not reach the next study.
    key = f"archive_menu_{'' if own is None else own.name}_{len(archived)}"
    with st.popover("Archive and delete", icon=":material/inventory_2:", width="stretch", key=key):
        if own is not None:
            _of_the_open_study(own, results)
        if archived:
            _of_archived_studies(archived, results)


def _of_the_open_study(study: Path, results: Path) -> None:
    name = visible(study.name)
    if driver_of(study).driving is not Driving.NONE:
        st.caption(f"{literal(study.name)} is being run: stop it first, or wait for its end.")
        return
    if (study / MANIFEST).exists():
        st.markdown(f"**Archive {literal(study.name)}?**")
        st.caption("It goes to the folder archive of the results, is in no list, and can be brought back.")
        move = partial(archive_study, study, results)
        st.button(
            "Archive it",
            key="archive_study",
            icon=":material/inventory_2:",
            on_click=_do,
            args=(move, f"{name} is archived."),
        )
    _deletion(study, results, "open")


def _of_archived_studies(archived: list[Path], results: Path) -> None:
    st.divider()
    known = {path.name: path for path in archived}
    name = st.selectbox("Archived studies", list(known), format_func=visible, key="archived_study")
    move = partial(restore_study, known[name], results)
    st.button(
        "Bring it back",
        key="restore_study",
        icon=":material/unarchive:",
        on_click=_do,
        args=(move, f"{visible(name)} is back."),
    )
    _deletion(known[name], results, "archived")


def _deletion(study: Path, results: Path, which: str) -> None:
    """Deleting asks for the name: nobody means it by accident."""
    st.markdown(f"**Delete {literal(study.name)} for ever, with all its runs?**")
    typed = st.text_input("Type its name", key=f"delete_{which}_name")
    st.button(
        "Delete it",
        key=f"delete_{which}",
        icon=":material/delete_forever:",
        disabled=typed.strip() != study.name,
        on_click=_delete,
        args=(study, results, which),
    )


def _delete(study: Path, results: Path, which: str) -> None:
    key = f"delete_{which}_name"
    if st.session_state.get(key, "").strip() == study.name:
        _do(partial(delete_study, study, results), f"{visible(study.name)} is deleted.")
    st.session_state[key] = ""


def _do(change: Callable[[], object], said: str) -> None:
    """Make the change, and say so; whoever may not write any more is refused, and so is a study that runs."""
    if not access.may_write():
        return
    try:
        change()
    except UserError as error:
        st.session_state[_PROBLEM] = str(error)
        return
    st.session_state[_SAID] = said
    links.forget()
