"""Runs that a reader has pinned, of any study: in the session and the address, drawn beside other curves."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import cycle
from pathlib import Path
from typing import Any

import pandas as pd
import streamlit as st

from workbench.analysis.colours import PALETTE
from workbench.analysis.metric_units import is_per_token
from workbench.analysis.training_axes import bytes_per_token
from workbench.dashboard import state
from workbench.dashboard.curve_charts import Curve
from workbench.dashboard.curve_lines import Choice, Study, draw, metric_words
from workbench.dashboard.literal_text import literal
from workbench.dashboard.study_library import Library
from workbench.errors import UserError
from workbench.records.index import StudyRecords, list_studies

PARAMETER = "pin"
MOST = 12
_PINS, _WRITTEN = "_pinned_runs", "_pins_written"


@dataclass(frozen=True)
class Pin:
    """A run of the study at ``title``, its path below the results folder."""

    title: str
    run: str

    @property
    def text(self) -> str:
        """As the address has it: ids have no colon."""
        return f"{self.title}:{self.run}"


@dataclass(frozen=True)
class Pinned:
    """A pinned run that was found: the records that it is compared in (of a ladder its rung), and its row."""

    pin: Pin
    records: StudyRecords
    row: dict[str, Any]

    @property
    def name(self) -> str:
        """``published/norms: baseline, seed 201``."""
        return f"{self.pin.title}: {self.row['variant']}, seed {self.row['seed']}"


def pinned() -> list[Pin]:
    """The pins, in the order in which they were set."""
    return st.session_state.get(_PINS, [])


def pin(title: str, runs: Iterable[str]) -> None:
    """Pin ``runs`` of a study; beyond ``MOST`` the later ones are left out, and that is said."""
    wanted = list(dict.fromkeys([*pinned(), *(Pin(title, run) for run in runs)]))
    if len(wanted) > MOST:
        st.toast(f"At most {MOST} runs can be pinned; the later ones were not added.")
    st.session_state[_PINS] = wanted[:MOST]


def unpin(one: Pin) -> None:
    """Forget a pin."""
    st.session_state[_PINS] = [other for other in pinned() if other != one]


def show(results: Path) -> None:
    """In the sidebar: take the pins from the address, list them with a button each, and write them back."""
    written = st.query_params.get_all(PARAMETER)
    if written and written != st.session_state.get(_WRITTEN):
        parts = (text.rpartition(":") for text in written)
        st.session_state[_PINS] = [Pin(title, run) for title, _, run in parts][:MOST]
    if pinned():
        found, problems = find(results, state.library())
        with st.container(border=True, gap="xsmall"):
            st.markdown(f"**Pinned runs** ({len(pinned())})")
            for place, one in enumerate(found):
                with st.container(horizontal=True, wrap=False, vertical_alignment="center"):
                    st.caption(literal(one.name), width="stretch")
                    st.button(
                        "Unpin",
                        key=f"unpin_{place}",
                        type="tertiary",
                        on_click=unpin,
                        args=(one.pin,),
                    )
            for place, (lost, why) in enumerate(problems.items()):
                st.caption(f":material/warning: {literal(why)}")
                st.button("Unpin", key=f"unpin_lost_{place}", type="tertiary", on_click=unpin, args=(lost,))
    texts = [one.text for one in pinned()]
    st.session_state[_WRITTEN] = texts
    if texts:
        st.query_params[PARAMETER] = texts
    elif PARAMETER in st.query_params:
        del st.query_params[PARAMETER]


def find(results: Path, library: Library) -> tuple[list[Pinned], dict[Pin, str]]:
    """The pinned runs that are here; and of each other one, why it is not."""
    found: list[Pinned] = []
    problems: dict[Pin, str] = {}
    if not pinned():
        return found, problems
    known = {str(path.relative_to(results)): path for path in list_studies(results)}
    for one in pinned():
        if one.title not in known:  # a link may name any folder; none but a study is looked into
            problems[one] = f"{one.title}: is no study of this results folder"
            continue
        try:
            rungs = library.rungs(library.study(known[one.title]))
        except UserError as error:
            problems[one] = str(error)
            continue
        rows = [
            Pinned(one, records, row)
            for records in rungs
            for row in records.runs[records.runs["run_id"] == one.run].to_dict("records")
        ]
        found += rows[:1]
        if not rows:
            problems[one] = f"{one.title}: has no run {one.run}"
    return found, problems


@dataclass(frozen=True)
class PinnedCurves:
    """Curves of pinned runs, and a sentence for each thing that a reader must know of them."""

    curves: list[Curve]
    notes: tuple[str, ...]


def pinned_curves(
    found: Sequence[Pinned],
    choice: Choice,
    read: Callable[[str], pd.DataFrame],
    beside: StudyRecords,
    taken: Iterable[str],
) -> PinnedCurves:
    """The pinned runs as ``choice`` asks, each against its own study's baseline where differences are drawn.

    ``beside`` is the study whose curves they stand beside, ``taken`` the colours of these. What is not drawn,
    or does not compare with these, is said.
    """
    used = set(taken)
    free = cycle([colour for colour in PALETTE if colour not in used] or PALETTE)
    curves, notes = [], []
    title = metric_words(choice.metric)[0].lower()
    for one in found:
        manifest = one.records.manifest
        if choice.metric not in read(one.row["path"]):
            notes.append(f"{one.name}: has not logged {title}, and is not drawn")
            continue
        per_token = bytes_per_token(manifest)
        if choice.axis == "bytes" and not per_token:
            notes.append(f"{one.name}: how much text its tokens stand for is not recorded; it is not drawn")
            continue
        names = {name: name for name in one.records.runs["variant"].unique()}
        study = Study(
            baseline=manifest.baseline,
            labels=names,
            colours=dict.fromkeys(names, PALETTE[0]),
            read=read,
            runs=one.records.runs,
            bytes_per_token=per_token,
        )
        runs = one.records.runs[one.records.runs["run_id"] == one.pin.run]
        drawn = draw(study, runs, replace(choice, each_run=True)).curves
        if not drawn:
            lacks = "has no difference to a baseline of its seed" if choice.difference else "has nothing here"
            notes.append(f"{one.name}: {lacks}, and is not drawn")
            continue
        colour = next(free)
        curves += [
            replace(curve, line=replace(curve.line, name=one.name), colour=colour, dash="dashed")
            for curve in drawn
        ]
        if reason := _apart(one, beside, choice.metric):
            notes.append(f"{one.name}: {reason}")
    return PinnedCurves(curves, tuple(notes))


def _apart(one: Pinned, beside: StudyRecords, metric: str) -> str:
    """Why its values are not those of ``beside``'s runs; empty where nothing is known against it."""
    mine, theirs = one.records.manifest, beside.manifest
    tokenizers = [mine.tokenizer_of(mine.baseline), theirs.tokenizer_of(theirs.baseline)]
    if is_per_token(metric) and None not in tokenizers and tokenizers[0] != tokenizers[1]:
        return "its tokens stand for other text, so that nats per token do not compare"
    if mine.data.get("fingerprint") != theirs.data.get("fingerprint"):
        return "of another text"
    return ""
