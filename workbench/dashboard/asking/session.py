"""What a session keeps of its draft: the YAML, the name of its file, and what a design laid aside."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import streamlit as st

from workbench.dashboard.asking.draft import FIRST, read_draft, write_draft
from workbench.errors import UserError

_TEXT, _NAME, _KEPT = "_ask_text", "_ask_name", "_ask_kept"
FOLDER = Path("ablations")
FIRST_NAME = "my-study"


def text() -> str:
    """The draft's YAML."""
    return st.session_state.setdefault(_TEXT, FIRST)


def name() -> str:
    """The name of its file, without the ending."""
    return st.session_state.setdefault(_NAME, FIRST_NAME)


def path() -> Path:
    """The file that the draft would be, for what is read relative to it; a name may still be unsound."""
    return FOLDER / f"{Path(name()).name or FIRST_NAME}.yaml"


def values() -> dict[str, Any] | None:
    """What the YAML holds; None where it cannot be read."""
    try:
        return read_draft(text())
    except UserError:
        return None


def write(new: str) -> None:
    """Replace the YAML."""
    st.session_state[_TEXT] = new


def rename(new: str) -> None:
    """Replace the name of the file."""
    st.session_state[_NAME] = new.strip().removesuffix(".yaml")


def change(how: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
    """Change the values of a draft that can be read; comments of the YAML are lost."""
    now = values()
    if now is not None:
        write(write_draft(how(now)))


def laid_aside() -> dict[str, Any]:
    """What the design has no use for, until another is chosen."""
    return st.session_state.setdefault(_KEPT, {})


def lay_aside(kept: dict[str, Any]) -> None:
    """Keep this for another design."""
    st.session_state[_KEPT] = kept


def show(widget: str, value: Any) -> None:
    """Have a widget show ``value``; one that does already is left alone, with what is being typed into it."""
    if widget not in st.session_state or st.session_state[widget] != value:
        st.session_state[widget] = value


def open_draft(new: str, its_name: str) -> None:
    """Begin from another text: a study that there is, or one that was just begun."""
    write(new)
    rename(its_name)
    lay_aside({})
