"""What the first reader of a server would wait for, done before that reader comes: imports, the newest study.

A thread does it in steps, the most wanted first, and takes none while a page is being drawn: the reader comes
first, and no module is imported in two threads at once.
"""

import gc
import importlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from threading import Condition, Thread
from typing import TYPE_CHECKING

from workbench.errors import UserError

if TYPE_CHECKING:
    from workbench.records.index import StudyRecords

Step = Callable[[], object]
_FIRST = ("sidebar", "pages.overview")  # what the page that opens the dashboard consists of
_PAGES = ("runs", "curves", "compare", "claims", "search", "watch", "new_study")
_WITH_TORCH = ("effects", "run", "data", "attention", "position", "activations")


class Turns:
    """Either pages are drawn (and drafts checked), any number at once, or a step is taken."""

    def __init__(self) -> None:
        self._free = Condition()
        self._drawing = 0
        self._stepping = False

    @contextmanager
    def drawing(self) -> Iterator[None]:
        """Draw a page within the block, once the step that is being taken is done."""
        with self._free:
            self._drawing += 1  # said first: no other step begins
            self._free.wait_for(lambda: not self._stepping)
        try:
            yield
        finally:
            with self._free:
                self._drawing -= 1
                self._free.notify_all()

    @contextmanager
    def stepping(self) -> Iterator[None]:
        """Take a step within the block, once no page is being drawn."""
        with self._free:
            self._free.wait_for(lambda: self._drawing == 0)
            self._stepping = True
        try:
            yield
        finally:
            with self._free:
                self._stepping = False
                self._free.notify_all()


TURNS = Turns()
_begun: list[Thread] = []


def begin() -> None:
    """Begin with the steps, once in a process."""
    if not _begun:
        _begun.append(Thread(target=take, args=(steps(), TURNS), name="warm-up", daemon=True))
        _begun[0].start()


def take(these: Iterable[Step], turns: Turns) -> None:
    """Take one step after the other; what a step cannot do, the page that needs it will say."""
    for step in these:
        with turns.stepping():
            try:
                step()
            except (UserError, OSError):
                continue


def steps() -> Iterator[Step]:
    """Import what pages need, read and draw the newest study, then what takes long of it and of all others.

    Each is short: a reader who comes meanwhile waits for its end.
    """
    yield partial(_import, _FIRST)
    yield _spare
    yield _read_newest
    yield _draw_newest
    yield partial(_import, _pages(_PAGES))
    yield _spare
    yield partial(_import, _pages(_WITH_TORCH))
    yield _spare
    yield _read_inside
    yield from _claims()
    yield from _searches()


def _pages(names: Iterable[str]) -> list[str]:
    return [f"pages.{name}" for name in names]


def _import(modules: Iterable[str]) -> None:
    """Import modules, with no look for garbage on the way: libraries make little of it."""
    gc.disable()
    try:
        for name in modules:
            importlib.import_module(f"workbench.dashboard.{name}")
    finally:
        gc.enable()


def _spare() -> None:
    from workbench.dashboard.garbage_collection import set_apart

    set_apart()


def _newest() -> "list[StudyRecords]":
    """The records of the study that a page opens on, of a ladder by rung; none where there is no study."""
    from workbench.dashboard.state import library, results_directory
    from workbench.records.index import list_studies

    return [
        one
        for path in list_studies(results_directory())[:1]
        for one in library().rungs(library().study(path))
    ]


def _read_newest() -> None:
    """What every page of that study needs."""
    from workbench.dashboard.state import library

    for one in _newest():
        if not one.manifest.is_search:
            library().report(one, one.manifest.baseline)


def _draw_newest() -> None:
    """The chart that the first page shows, which is kept; Altair's first takes twice as long as others."""
    from workbench.dashboard.chart_ink import Ink
    from workbench.dashboard.drawn_chart import spec_of
    from workbench.dashboard.effect_charts import forest
    from workbench.dashboard.state import library

    for one in _newest()[-1:]:  # of a ladder the rung that pages begin with
        if one.manifest.is_search:
            continue
        report = library().report(one, one.manifest.baseline)
        if any(row.pairs >= 2 for row in report.comparisons):
            spec_of(partial(forest, report, Ink.of(dark=False)), f"{one.path.name}-forest")


def _read_inside() -> None:
    """What the probes of its runs say."""
    from workbench.dashboard.state import library

    for one in _newest():
        library().behaviours(one)


def _claims() -> Iterator[Step]:
    """What runs say of each claim, in the form that their page opens with."""
    from workbench.claims.card import SIZES
    from workbench.dashboard.state import library, results_directory

    try:
        cards = library().cards()
    except UserError:  # which their page says
        return
    for card in cards:
        yield partial(library().claim, card, results_directory(), SIZES[0])


def _searches() -> Iterator[Step]:
    """How much each dimension of a search matters, by forests too: what the page Search waits for longest."""
    from workbench.analysis.importances import FANOVA, MAIN_EFFECTS
    from workbench.dashboard.state import library, results_directory
    from workbench.records.index import list_studies

    results = results_directory()
    for path in list_studies(results) if results.is_dir() else []:
        try:
            records = library().study(path)
            found = library().search(records) if records.manifest.is_search else None
        except (UserError, OSError):  # which its page says
            continue
        if found is None:
            continue
        yield partial(importlib.import_module, "optuna.importance")  # with scikit-learn
        for objective in found.objectives:
            for kind in (MAIN_EFFECTS, FANOVA):
                yield partial(library().importances, records, objective.name, kind)
