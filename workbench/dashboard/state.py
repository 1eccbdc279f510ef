"""What the pages share: the open study, the baseline, the selected runs; and how the URL carries them."""

import argparse
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from secrets import token_hex

import pandas as pd
import streamlit as st

from workbench.analysis.colours import BASELINE_COLOUR, variant_colours
from workbench.analysis.contrast import seen_on
from workbench.analysis.effects import Report
from workbench.analysis.ladder_effects import LadderReport, RungReport
from workbench.dashboard.chart_ink import Ink
from workbench.dashboard.disk_cache import FOLDER, DiskCache
from workbench.dashboard.study_library import Library, with_heartbeat
from workbench.data.cache import cache_directory
from workbench.errors import RecordError, UserError
from workbench.records.index import StudyRecords

PAGES = Path(__file__).parent / "pages"
ICON = str(Path(__file__).with_name("icon.png"))
WITHOUT_STUDY = ("New study", "Watch", "Compare", "Claims")  # pages that are there before any study is
SELECTABLE = 10  # runs that can be compared side by side
_PATH, _UNREADABLE = "_study_path", "_study_problem"
_VIEW, _SELECTED, _PUBLISHED, _ROUND = "_view", "_selected_runs", "_published_runs", "_selection_round"
_SESSION = "_session"


@dataclass(frozen=True)
class View:
    """The open study as every page sees it in one run of the app; of a ladder the rung that was picked."""

    records: StudyRecords
    compared: Report | None  # none: a search, which compares nothing
    baseline: str
    dark: bool
    library: Library
    whole: StudyRecords  # of a ladder, of which records are one rung; of any other study the same
    ladder: LadderReport | None = None

    @property
    def report(self) -> Report:
        """The study's report against ``baseline``; pages ask ``is_search`` before."""
        assert self.compared is not None, "a search has no report"
        return self.compared

    @property
    def exploratory(self) -> bool:
        """Whether the baseline is another than the study declared."""
        return self.baseline != self.records.manifest.baseline

    @property
    def file_name(self) -> str:
        """How downloads of this view begin."""
        rung = "" if self.rung is None else f"-rung-{self.rung.number}"
        return f"{self.records.path.name}{rung}{'-exploratory' if self.exploratory else ''}"

    @property
    def rung(self) -> RungReport | None:
        """The rung of a ladder that ``records`` are of; None of other studies."""
        rungs = () if self.ladder is None else self.ladder.rungs
        return next((rung for rung in rungs if rung.recorded == self.records.rung), None)

    @property
    def ink(self) -> Ink:
        """Colours of marks that are neither levels nor Streamlit's own."""
        return Ink.of(self.dark)

    @property
    def colours(self) -> dict[str, str]:
        """A colour per variant, the same on every page and figure; the baseline has its own at every budget.

        On a dark page dark ones are lighter, and the baseline's is nearly white.
        """
        bound = self.paper_colours
        swap = {BASELINE_COLOUR: self.ink.baseline}
        return {name: seen_on(swap.get(colour, colour), self.ink.paper) for name, colour in bound.items()}

    @property
    def paper_colours(self) -> dict[str, str]:
        """The same for files, which are on white whatever the page is on."""
        return variant_colours(self.records.manifest) | dict.fromkeys(self._rungs, BASELINE_COLOUR)

    @property
    def labels(self) -> dict[str, str]:
        """What a reader sees for each variant, and for the baseline at other budgets."""
        return {row.variant: row.label for row in self.report.rows} | {name: name for name in self._rungs}

    @property
    def _rungs(self) -> list[str]:
        gain = self.records.manifest.gain
        return [rung.name for rung in gain.rungs] if gain is not None else []


def results_directory() -> Path:
    """The folder that the command line names (``-- --results DIR``), or ``results``."""
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument("--results", type=Path, default=Path("results"))
    return parser.parse_known_args(sys.argv[1:])[0].results


def session_id() -> str:
    """What tells this session from the server's others."""
    return st.session_state.setdefault(_SESSION, token_hex(8))


@st.cache_resource(show_spinner=False)
def library() -> Library:
    """The one library of this server; sessions share what it has read."""
    return Library(DiskCache(cache_directory() / FOLDER))


def open_view(view: View) -> None:
    """Make ``view`` the one that pages and their fragments see."""
    st.session_state[_VIEW] = view


def view() -> View:
    """The open study."""
    return st.session_state[_VIEW]


def choose_study(path: Path | None) -> None:
    """Say which study the sidebar has picked, before it is known whether it can be opened."""
    st.session_state[_PATH] = path
    st.session_state.pop(_VIEW, None)
    st.session_state.pop(_UNREADABLE, None)


def study_path() -> Path | None:
    """The directory of the study that the sidebar has picked; None where there is none."""
    return st.session_state.get(_PATH)


def keep_problem(problem: UserError) -> None:
    """Say why the study that the sidebar has picked could not be opened."""
    st.session_state[_UNREADABLE] = problem


def problem() -> UserError | None:
    """Why the picked study could not be opened, in words; None where it was, or has not begun."""
    return st.session_state.get(_UNREADABLE)


def view_of(path: Path) -> View | None:
    """The open study with the driver's latest sign of life; None where ``path`` could not be opened (yet)."""
    now: View | None = st.session_state.get(_VIEW)
    if now is None or now.whole.path != path:
        return None
    return replace(now, records=with_heartbeat(now.records))


def reader(library: Library, unreadable: dict[str, str]) -> Callable[[str], pd.DataFrame]:
    """From a run's path to its metrics; what cannot be read is empty and goes to ``unreadable``.

    Each is looked at once, so that all of a page's drawing is of the same rows.
    """

    @cache
    def read(path: str) -> pd.DataFrame:
        try:
            return library.metrics(Path(path))
        except RecordError as error:
            unreadable[path] = str(error)
            return pd.DataFrame()

    return read


def is_dark() -> bool:
    """Whether the browser shows the dark theme."""
    return st.context.theme.type == "dark"


def restore_selection(known: set[str]) -> None:
    """Take the selected runs from the URL if it names others than were written to it; drop unknown ones."""
    written = st.query_params.get("runs")
    if written is not None and written != st.session_state.get(_PUBLISHED):
        st.session_state[_SELECTED] = written.split(",")
    st.session_state[_SELECTED] = [run for run in selection() if run in known][:SELECTABLE]


def publish_selection() -> None:
    """Write the selected runs to the URL."""
    text = ",".join(selection())
    st.session_state[_PUBLISHED] = text
    if text:
        st.query_params["runs"] = text
    elif "runs" in st.query_params:
        del st.query_params["runs"]


def selection() -> list[str]:
    """Ids of the selected runs, in the order of selection."""
    return st.session_state.get(_SELECTED, [])


def select(runs: list[str]) -> None:
    """Replace the selection; what exceeds ``SELECTABLE`` runs is unticked again."""
    st.session_state[_SELECTED] = runs[:SELECTABLE]
    if len(runs) > SELECTABLE:
        st.session_state[_ROUND] = selection_round() + 1


def clear_selection() -> None:
    """Forget the selected runs; a table that shows the old marks is drawn anew."""
    st.session_state[_SELECTED] = []
    st.session_state[_ROUND] = selection_round() + 1


def selection_round() -> int:
    """Counts changes of the selection from outside a table."""
    return st.session_state.get(_ROUND, 0)
