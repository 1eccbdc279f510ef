"""What a session keeps of its draft: the YAML, the name of its file, and what a design laid aside.

YAML and form show the same draft, and a browser may send what either showed before it has heard of a change
in the other. So a change in the one gives the widgets of the other new keys, and what comes for the old ones
(``is_past``) is of no consequence.

What a choice is told to show can be lost on the way: a browser that sends something stops the run that says
so, and what that run has queued is dropped. A widget that was told nothing is empty, and says so the next
time, as if a reader had emptied it. So it is told again until two runs have come to their end (``drawn``).
A field of text is told nothing, as that would undo what is being typed into it: it begins, as a widget of its
round, with the draft's text.

The last draft of the server is what the next session begins with, as a reloaded page is a session of its own.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import streamlit as st

from workbench.dashboard.asking.draft import FIRST, read_draft, write_draft
from workbench.errors import UserError
from workbench.study.schema import NAME

_TEXT, _NAME, _KEPT, _ROUNDS = "_ask_text", "_ask_name", "_ask_kept", "_ask_rounds"
_TOLD = "_ask_told"
_BEGAN, _REPLACED = "_ask_began", "_ask_replaced"
_RUNS_TO_TELL = 2  # the last messages of one may be dropped when the next begins
FORM, YAML, FILE = "ask_form", "ask_yaml", "ask_file"  # what widgets' keys begin with
FOLDER = Path("ablations")
FIRST_NAME = "my-study"


@dataclass(frozen=True)
class Replaced:
    """A draft that made way for another: its text, the name of its file, and the text that it began as."""

    text: str
    name: str
    began: str


@st.cache_resource(show_spinner=False)
def _last() -> dict[str, str]:
    return {}


def text() -> str:
    """The draft's YAML."""
    return st.session_state.setdefault(_TEXT, _last().get(_TEXT, FIRST))


def name() -> str:
    """The name of its file, without the ending."""
    return st.session_state.setdefault(_NAME, _last().get(_NAME, FIRST_NAME))


def path() -> Path:
    """The file that the draft would be, for what is read relative to it, whatever its name is so far."""
    return FOLDER / f"{name() if NAME.fullmatch(name()) else FIRST_NAME}.yaml"


def _keep(key: str, value: str) -> None:
    st.session_state[key] = _last()[key] = value


def values() -> dict[str, Any] | None:
    """What the YAML holds; None where it cannot be read."""
    try:
        return read_draft(text())
    except UserError:
        return None


def key_of(kind: str, name: str = "") -> str:
    """The key of a widget of the form, or of the YAML's or the file's own, in its present round."""
    rounds = st.session_state.get(_ROUNDS, {})
    return f"{kind}:{name}#{rounds.get(kind, 0)}"


def is_past(key: str) -> bool:
    """Whether a widget's key is of an earlier round: what the browser says of it was overtaken."""
    kind = key.partition(":")[0]
    return int(key.rpartition("#")[2]) < st.session_state.get(_ROUNDS, {}).get(kind, 0)


def take_yaml(widget: str) -> None:
    """Replace the YAML by what was typed into its widget; the form reads it back."""
    if not is_past(widget):
        _keep(_TEXT, st.session_state[widget])
        _next_round(FORM)


def take_name(widget: str) -> None:
    """Replace the name of the file by what was typed into its widget."""
    if not is_past(widget):
        _rename(st.session_state[widget])


def _rename(new: str) -> None:
    _keep(_NAME, new.strip().removesuffix(".yaml"))


def change(how: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
    """Change the values of a draft that can be read; comments of the YAML are lost."""
    now = values()
    if now is not None:
        _keep(_TEXT, write_draft(how(now)))
        _next_round(YAML)


def laid_aside() -> dict[str, Any]:
    """What the design has no use for, until another is chosen."""
    return st.session_state.setdefault(_KEPT, {})


def lay_aside(kept: dict[str, Any]) -> None:
    """Keep this for another design."""
    st.session_state[_KEPT] = kept


def show(widget: str, value: Any) -> None:
    """Have a choice show ``value``; one that does already is left alone."""
    told = st.session_state.setdefault(_TOLD, {})
    if widget not in st.session_state or st.session_state[widget] != value:
        told[widget] = _RUNS_TO_TELL
    if widget in told:
        st.session_state[widget] = value


def forget(widget: str) -> None:
    """A widget that is not drawn: should it come back in this round, it begins with the draft's text."""
    st.session_state.pop(widget, None)


def drawn() -> None:
    """The page is drawn to its end: what its widgets were told is on its way."""
    told = st.session_state.get(_TOLD, {})
    st.session_state[_TOLD] = {widget: left - 1 for widget, left in told.items() if left > 1}


def open_draft(new: str, its_name: str) -> None:
    """Begin from another text; what was changed in the one that stood here can be taken back."""
    if text() != _began():
        st.session_state[_REPLACED] = Replaced(text(), name(), _began())
    _keep(_BEGAN, new)
    _keep(_TEXT, new)
    _rename(its_name)
    lay_aside({})
    for kind in (FORM, YAML, FILE):
        _next_round(kind)


def replaced() -> Replaced | None:
    """The draft that made way for another one, with changes in it."""
    return st.session_state.get(_REPLACED)


def take_back() -> None:
    """Go on with that draft; the one that is here makes way for it in turn."""
    found: Replaced = st.session_state.pop(_REPLACED)
    open_draft(found.text, found.name)
    _keep(_BEGAN, found.began)


def _began() -> str:
    """The text that the draft began as."""
    return st.session_state.setdefault(_BEGAN, _last().get(_BEGAN, FIRST))


def _next_round(kind: str) -> None:
    rounds = st.session_state.get(_ROUNDS, {})
    st.session_state[_ROUNDS] = {**rounds, kind: rounds.get(kind, 0) + 1}
