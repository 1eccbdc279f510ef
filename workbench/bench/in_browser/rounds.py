"""Rounds through the pages: what a first load, a change of pages and a change on a page take."""

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from workbench.bench.in_browser.browser import browser
from workbench.bench.in_browser.served import served, served_least
from workbench.bench.in_browser.stopwatch import Stopwatch
from workbench.bench.in_browser.visits import Change, Tour, Visit
from workbench.bench.timing.seconds import Clock, Rounds, error_line
from workbench.bench.timing.spread import Spread
from workbench.dashboard.disk_cache import FOLDER
from workbench.progress import Progress

if TYPE_CHECKING:
    from playwright.sync_api import Page, Playwright

_LEAST_PAGES = ("Second", "First")  # of ``least_app``, the one that it opens with last
LOAD, SWITCH = "first load", "from another page"
PART = 95  # per cent of all changes that a 95th percentile is above


def change_case(tour: Tour, visit: Visit, change: Change) -> str:
    """What the numbers of a change are kept under."""
    return f"{tour.case(visit)}: {change.words}"


@dataclass
class Taken:
    """Seconds by page (``firsts``, ``loads``, ``switches``) and by change; ``notes``: what was not measured.

    ``firsts`` are loads from a server before which none had kept anything on the disk. ``least`` is what the
    least that Streamlit can show takes, under ``LOAD`` and ``SWITCH``.
    """

    firsts: Rounds = field(default_factory=Rounds)
    loads: Rounds = field(default_factory=Rounds)
    switches: Rounds = field(default_factory=Rounds)
    changes: Rounds = field(default_factory=Rounds)
    least: Rounds = field(default_factory=Rounds)
    notes: list[str] = field(default_factory=list)


def percentile(rounds: Rounds) -> Spread | None:
    """The 95th percentile of all cases within a round, over the rounds; None where nothing was measured."""
    if not rounds.values:
        return None
    number = min(map(len, rounds.values.values()))
    within = [[values[place] for values in rounds.values.values()] for place in range(number)]
    return Spread.of([float(np.percentile(values, PART)) for values in within])


def percentile_of(rounds: Rounds, case: str) -> float | None:
    """The 95th percentile of one case over all rounds; None where it was not measured."""
    return float(np.percentile(rounds.values[case], PART)) if case in rounds.values else None


class Measuring:
    """Measures ``tours`` through the studies in ``results``; ``cache`` is what the servers share on disk."""

    def __init__(self, driver: "Playwright", results: Path, cache: Path, tours: Sequence[Tour]) -> None:
        self.taken = Taken()
        self._driver = driver
        self._results = results
        self._cache = cache
        self._tours = tours

    def first_loads(
        self, visits: Sequence[tuple[Tour, Visit]], clock: Clock, most: int, told: Progress
    ) -> None:
        """Open each page in a browser and from a server of its own, up to ``most`` times, while time is left.

        Just before the first of them once more, as the first of all servers. The first page is opened in
        both ways, whatever the clock says.
        """
        firsts, loads = self.taken.firsts, self.taken.loads
        done = 0
        for number in range(most):
            if number and clock.left <= 0:
                break
            self._least()
            for tour, visit in visits:
                if clock.left <= 0 and loads.values:
                    break
                case = tour.case(visit)
                for rounds in (loads,) if number else (firsts, loads):
                    if case in firsts.errors or case in loads.errors:
                        continue
                    part = done / ((most + 1) * len(visits))
                    told(f"first load of {visit.title}", max(clock.part, part))
                    self._try(rounds, case, partial(self._first_load, tour, visit, anew=rounds is firsts))
                    done += 1
        self._note_unloaded(visits)

    def _least(self) -> None:
        """A first load of the least that Streamlit can show, and a change of its pages: what is not ours."""
        least = self.taken.least
        try:
            with served_least(self._cache) as address, browser(self._driver) as opened:
                watch = Stopwatch(opened)
                least.add(LOAD, watch.first_load(address))
                for title in _LEAST_PAGES:
                    least.add(SWITCH, watch.seconds_of(partial(_go_to, title=title)))
        except Exception as error:  # of any kind: the dashboard's own are worth having
            self.taken.notes.append(f"what Streamlit takes by itself: {error_line(error)}")

    def _note_unloaded(self, visits: Sequence[tuple[Tour, Visit]]) -> None:
        loads = self.taken.loads
        cases = [tour.case(visit) for tour, visit in visits]
        failed = self.taken.firsts.errors | loads.errors
        if left := [case for case in cases if case not in loads.values and case not in failed]:
            self.taken.notes.append(f"first loads not measured, the time was up: {', '.join(left)}")

    def _first_load(self, tour: Tour, visit: Visit, *, anew: bool) -> float:
        if anew:
            shutil.rmtree(self._cache / FOLDER, ignore_errors=True)
        with served(self._results, self._cache) as address, browser(self._driver) as opened:
            watch = Stopwatch(opened)
            seconds = watch.first_load(_address(address, tour, visit))
            watch.require_no_fault()
            return seconds

    def changes(self, clock: Clock, least: int, most: int, told: Progress) -> None:
        """Go through all pages of one server in one browser, and change something on each.

        At least ``least`` rounds and at most ``most`` count; one more before them warms up.
        """
        try:
            self._changes(clock, least, most, told)
        except Exception as error:  # of any kind: the first loads are worth having
            self.taken.notes.append(f"changes of and on pages were cut short: {error_line(error)}")

    def _changes(self, clock: Clock, least: int, most: int, told: Progress) -> None:
        with served(self._results, self._cache) as address, browser(self._driver) as opened:
            number = 0
            while number <= least or (number <= most and clock.left > 0):
                watch = Stopwatch(opened)
                for tour in self._tours:
                    told(tour.what, max(clock.part, number / (most + 1)))
                    self._round(watch, address, tour, keep=number > 0)
                watch.close()
                number += 1

    def _round(self, watch: Stopwatch, address: str, tour: Tour, *, keep: bool) -> None:
        watch.first_load(_address(address, tour, tour.visits[-1]))  # so that all others are switched to
        for visit in tour.visits:
            case = tour.case(visit)
            if case in self.taken.switches.errors:
                continue
            if not self._try(self.taken.switches, case, partial(self._switch, watch, visit), keep=keep):
                continue
            for change in visit.changes:
                name = change_case(tour, visit, change)
                if name not in self.taken.changes.errors:
                    self._try(self.taken.changes, name, partial(self._change, watch, change), keep=keep)

    def _switch(self, watch: Stopwatch, visit: Visit) -> float:
        seconds = watch.seconds_of(lambda page: _go_to(page, visit.title))
        watch.require_no_fault()
        return seconds

    def _change(self, watch: Stopwatch, change: Change) -> float:
        seconds = watch.seconds_of(change.act)
        watch.require_no_fault()
        return seconds

    def _try(self, rounds: Rounds, case: str, measure: Callable[[], float], *, keep: bool = True) -> bool:
        try:
            seconds = measure()
        except Exception as error:  # of any kind: one page that does not come must not end the others
            rounds.fail(case, error)
            self.taken.notes.append(f"{case}: {rounds.errors[case]}")
            return False
        if keep:
            rounds.add(case, seconds)
        return True


def _address(address: str, tour: Tour, visit: Visit) -> str:
    """The page's address from the one that the server printed, which has the token."""
    base, _, query = address.partition("?")
    return f"{base}{visit.path}?{query}&study={tour.study}"


def _go_to(page: "Page", title: str) -> None:
    page.get_by_role("link", name=title, exact=True).click()
