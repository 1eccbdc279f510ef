"""The dashboard in a browser: on a study of many runs, and on published studies where they are at hand."""

from collections.abc import Sequence
from pathlib import Path

from workbench.bench.in_browser.browser import NoBrowserError, executable, playwright
from workbench.bench.in_browser.outcome import outcome_of
from workbench.bench.in_browser.rounds import Measuring
from workbench.bench.in_browser.visits import (
    DATA,
    OF_MANY_RUNS,
    OF_PUBLISHED,
    OVERVIEW,
    SEARCH,
    Tour,
    Visit,
)
from workbench.bench.outcome import Outcome
from workbench.bench.section import Effort, Setting
from workbench.bench.timing.seconds import Clock
from workbench.records.index import MANIFEST, PUBLISHED

MANY_RUNS = "500 runs"
_START = Visit("Overview", "", ())  # from which the one page of interest is opened
_STUDIES = {"quickstart": OF_PUBLISHED, "data-quality": (DATA, _START), "search": (SEARCH, _START)}
_FIRST_LOADS = {Effort.QUICK: 0.2, Effort.FULL: 0.5}  # of the time; the rest is for changes
_LEAST_ROUNDS = {Effort.QUICK: 1, Effort.FULL: 2}  # a round takes a minute, and one more warms up
_MOST_LOADS, _MOST_ROUNDS = 5, 20


def measure_in_browser(setting: Setting, study: Path, seconds: float) -> Outcome:
    """What a reader of ``study`` waits for, and one of the published studies beside it.

    ``study`` lies in a results folder of its own; where published studies are at hand, the folder gets a
    link to them. Without a browser the outcome is a note that says what to install.
    """
    tours, left_out = tours_of(study, Path("results") / PUBLISHED)
    try:
        with playwright() as driver:
            executable(driver)
            measuring = Measuring(driver, study.parent, setting.folder / "cache", tours)
            measuring.taken.notes += left_out
            clock = Clock(_FIRST_LOADS[setting.effort] * seconds)
            visits = [(tour, visit) for tour in tours for visit in tour.visits]
            if setting.is_quick:  # the page that a reader opens first
                visits = [(tour, OVERVIEW) for tour in tours[:2]]
                measuring.taken.notes.append("first loads of all other pages: measured without --quick")
            measuring.first_loads(visits, clock, _MOST_LOADS, setting.progress)
            clock = Clock(seconds - clock.spent)
            least = _LEAST_ROUNDS[setting.effort]
            measuring.changes(clock, least, _MOST_ROUNDS, setting.progress)
    except NoBrowserError as error:
        return Outcome(notes=[f"left out: the pages in a browser ({error})"])
    return outcome_of(measuring.taken, tours)


def tours_of(study: Path, published: Path) -> tuple[Sequence[Tour], list[str]]:
    """The tours through ``study`` and the studies in ``published``; and what had to be left out, and why."""
    tours = [Tour(MANY_RUNS, study.name, OF_MANY_RUNS)]
    left_out = []
    for name, visits in _STUDIES.items():
        if (published / name / MANIFEST).is_file():
            tours.append(Tour(f"published {name}", f"{PUBLISHED}/{name}", visits))
        else:
            left_out.append(f"left out: the published study {name} (there is no {published / name} here)")
    if len(tours) > 1:
        (study.parent / PUBLISHED).symlink_to(published.resolve())
    return tours, left_out
