"""What the first reader of a server would wait for, done before that reader comes: imports, the first study.

A thread does it in steps, the most wanted first: what a first page consists of, while its reader's browser
starts, and then what others need, in the times when no page is drawn.
"""

import gc
import importlib
import inspect
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from threading import Thread
from typing import TYPE_CHECKING, get_args

from workbench.dashboard.garbage_collection import set_libraries_apart
from workbench.dashboard.turns import TURNS, Turns
from workbench.errors import UserError
from workbench.inspection.listed_views import LISTED, ListedView, Page, listed

if TYPE_CHECKING:
    from workbench.records.index import StudyRecords

Step = Callable[[], object]
_OPENING = "overview"  # the page of the bare address
_INSIDE: tuple[Page, ...] = get_args(Page)  # which draw views
_TABLES_AND_CHARTS = ("runs", "curves", "compare", "claims", "search", "watch", "effects", "run", "data")
_PAGES = (_OPENING, *_TABLES_AND_CHARTS, *reversed(_INSIDE), "new_study")

_begun: list[Thread] = []


def begin() -> None:
    """Begin with the steps, once in a process."""
    if not _begun:
        _begun.append(Thread(target=_take_all, name="warm-up", daemon=True))
        _begun[0].start()


def _take_all() -> None:
    take(first_page(), TURNS, for_page=True)
    take(steps(), TURNS)


def take(these: Iterable[Step], turns: Turns, *, for_page: bool = False) -> None:
    """Take one step after the other; what a step cannot do, the page that needs it will say.

    With ``for_page`` the page that is on its way needs them, which else goes first.
    """
    for step in these:
        with turns.stepping(for_page=for_page):
            try:
                step()
            except (UserError, OSError):
                continue


def first_page() -> Iterator[Step]:
    """Import what the first page needs, and read its study: those asked for, or Overview and the newest."""
    yield partial(_import, "sidebar")
    yield _import_asked
    # At a process's first element Streamlit asks who called it. For that inspect looks up the file of every
    # module (60 ms), and remembers it.
    yield inspect.stack
    yield _read_opened
    yield _import_asked  # a browser that came meanwhile may have asked for another one
    yield from _prepare_asked()


def steps() -> Iterator[Step]:
    """Import what other pages need, then read what takes long of the study that is open and of all others.

    Each is short: a reader who comes meanwhile waits for its end.
    """
    for page in _PAGES:
        yield partial(_import_page, page)
    yield _draw_opened
    yield _read_inside
    for view in LISTED:
        yield partial(_import_view, view)
    yield from _claims()
    yield from _searches()
    yield _offer
    yield partial(importlib.import_module, "workbench.study.check")  # of drafts, with torch
    yield _tidy


def _prepare_asked() -> Iterator[Step]:
    """What takes long of the page that was asked for, beyond its study."""
    page = _asked()
    if page == _OPENING:
        yield _draw_opened
    if page == "effects":
        yield _read_inside
    if page == "claims":
        yield from _claims()
    if page == "new_study":
        yield _offer


def _asked() -> str:
    """The page that a browser asked for; the first one where none did, or for one that there is not."""
    page = TURNS.asked.page
    return page if page in _PAGES else _OPENING


def _import_asked() -> None:
    _import_page(_asked())


def _import_page(page: str) -> None:
    _import(f"pages.{page}")
    if page in _INSIDE:
        _import_view(listed(page)[0])


def _import_view(view: ListedView) -> None:
    from workbench.inspection.views import find_view

    find_view(view.name)


def _import(*modules: str) -> None:
    """Import modules, with no look for garbage on the way or after it: libraries make little of it."""
    gc.disable()
    try:
        for name in modules:
            importlib.import_module(f"workbench.dashboard.{name}")
        set_libraries_apart()
    finally:
        gc.enable()


def _opened() -> "list[StudyRecords]":
    """The records of the study that a page opens on, of a ladder by rung; none where there is no study."""
    from workbench.dashboard.state import library, results_directory
    from workbench.records.index import list_studies

    results = results_directory()
    found = list_studies(results)
    asked = [path for path in found if str(path.relative_to(results)) == TURNS.asked.study]
    return [one for path in (asked or found)[:1] for one in library().rungs(library().study(path))]


def _read_opened() -> None:
    """What every page of that study needs."""
    from workbench.dashboard.state import library

    for one in _opened():
        if not one.manifest.is_search:
            library().report(one, one.manifest.baseline)


def _draw_opened() -> None:
    """The chart that the first page shows, which is kept; Altair's first takes twice as long as others."""
    from workbench.dashboard.chart_ink import Ink
    from workbench.dashboard.drawn_chart import spec_of
    from workbench.dashboard.effect_charts import forest
    from workbench.dashboard.state import library

    for one in _opened()[-1:]:  # of a ladder the rung that pages begin with
        if one.manifest.is_search:
            continue
        report = library().report(one, one.manifest.baseline)
        if report.paired:
            spec_of(partial(forest, report, Ink.of(dark=False)), f"{one.path.name}-forest")


def _read_inside() -> None:
    """What the probes of its runs say."""
    from workbench.dashboard.state import library

    for one in _opened():
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


def _offer() -> None:
    """What the form of a new study offers before anything is typed; torch, where no server has kept it."""
    from workbench.dashboard.asking.offered import first_draft, levels_of, offered_factors, offered_presets

    offered_presets()
    offered_factors()
    levels_of(first_draft())


def _tidy() -> None:
    from workbench.dashboard.state import library

    library().tidy()


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
