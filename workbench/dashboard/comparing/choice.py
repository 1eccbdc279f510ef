"""Which studies are compared: the reader's choice, searched as everywhere, in the address."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import streamlit as st

from workbench.dashboard.study_library import Library
from workbench.dashboard.study_search import has_words, words_of
from workbench.errors import RecordError
from workbench.records.index import list_studies
from workbench.records.manifest import Manifest
from workbench.records.measured_alone import has_runs

PARAMETER = "studies"
MOST = 12  # studies, as many as there are colours that can be told apart
_FIRST = 4  # that are chosen for a reader who has chosen none
_CHOSEN, _WRITTEN = "_compared_studies", "_compared_written"


@dataclass(frozen=True)
class Candidate:
    """A study that can be compared; ``words`` are what it is searched by."""

    title: str
    path: Path
    manifest: Manifest
    tags: tuple[str, ...]
    words: str

    def has(self, text: str) -> bool:
        """Whether each word of ``text`` is in its name, its question, a tag or a note."""
        return has_words(self.words, text)

    @property
    def changes(self) -> set[tuple[str, str, str]]:
        """What its variants exchange for what, by factor."""
        return {
            (factor, old, new)
            for variant in self.manifest.variants
            for factor, (old, new) in variant.change.items()
        }


def candidates(results: Path, library: Library) -> list[Candidate]:
    """The studies that compare something, newest first, without searches, imports and what is damaged.

    Nor with those that were never trained: of some only step times were measured.
    """
    found = []
    for path in list_studies(results) if results.is_dir() else []:
        try:
            manifest = library.manifest(path)
        except RecordError:
            continue  # the study's own pages say what is wrong with it
        if manifest.is_search or manifest.is_import or not has_runs(path):
            continue
        title = str(path.relative_to(results))
        words = words_of(title, path, library)
        found.append(Candidate(title, path, manifest, tags_of(path, library), words))
    return found


def tags_of(path: Path, library: Library) -> tuple[str, ...]:
    """The tags of a study and its runs; none where its notes are damaged, which its Overview says."""
    try:
        return tuple(library.notes(path).tags)
    except RecordError:
        return ()


def restore(known: Mapping[str, Candidate], opened: Path | None) -> list[str]:
    """The studies that the address names, or that were chosen before; else the open one with its likes.

    What is not known is dropped; ``links.unknown`` says so.
    """
    written = st.query_params.get_all(PARAMETER)
    if written and written != st.session_state.get(_WRITTEN):
        st.session_state[_CHOSEN] = written
    if _CHOSEN not in st.session_state:
        st.session_state[_CHOSEN] = _likely(known.values(), opened)
    st.session_state[_CHOSEN] = [title for title in st.session_state[_CHOSEN] if title in known][:MOST]
    return st.session_state[_CHOSEN]


def keep(titles: list[str]) -> None:
    """Remember what was chosen, and write it to the address."""
    st.session_state[_CHOSEN] = st.session_state[_WRITTEN] = titles
    if titles:
        st.query_params[PARAMETER] = titles
    elif PARAMETER in st.query_params:
        del st.query_params[PARAMETER]


def _likely(studies: Iterable[Candidate], opened: Path | None) -> list[str]:
    """The open study, and those that exchange the same for the same, most of it first."""
    studies = list(studies)
    own = next((one for one in studies if one.path == opened), studies[0] if studies else None)
    if own is None:
        return []
    likes = [one for one in studies if one is not own and one.changes & own.changes]
    likes.sort(key=lambda one: -len(one.changes & own.changes))
    return [own.title, *(one.title for one in likes[: _FIRST - 1])]
