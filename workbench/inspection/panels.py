"""What a view shows, said once: the figures for papers and the dashboard's charts are both drawn from it.

A panel is a table and the roles of its columns. Numbers stay numbers: what is drawn is what is downloaded and
what the pointer reads.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np
import pandas as pd

from workbench.inspection.listed_views import ListedView


@dataclass(frozen=True, kw_only=True)
class Rule:
    """A reference line across a panel, with a word on what it marks."""

    at: float
    label: str
    axis: Literal["x", "y"] = "y"


@dataclass(frozen=True, kw_only=True)
class Leads:
    """From the marks of a panel to the view that shows what is behind them.

    ``rows`` has a row for each mark that leads somewhere, told by its columns ``by``, as in the panel's data:
    ``series``, ``label`` (what a list calls the mark beside its series), the runs ``inspect`` and ``against``
    that ``view`` is to be opened on, and a column for each of the ``options`` that it is to be opened with.
    ``what`` is the word for a mark.
    """

    view: ListedView
    what: str
    by: tuple[str, ...]
    options: tuple[str, ...]
    rows: pd.DataFrame

    def place_of(self, mark: Mapping[str, Any]) -> int | None:
        """The row of the mark that has the values of ``mark`` in ``by``; None of one that leads nowhere."""
        found = pd.Series(True, index=self.rows.index)
        for name in self.by:
            found &= self.rows[name] == mark.get(name)
        places = np.flatnonzero(found)
        return int(places[0]) if len(places) else None


@dataclass(frozen=True, kw_only=True)
class Panel:
    """Base of all panels. ``data`` holds one row per mark; further columns appear under the pointer.

    ``nothing`` is said in place of a plot where no value can be drawn. ``labels``: what a reader sees of a
    series that ``data`` calls by its variant. ``tab``: panels of one go together where a page has several.
    ``leads``: what a page opens where a mark is clicked.
    """

    title: str
    data: pd.DataFrame
    note: str = ""
    nothing: str = "There is nothing to draw: no value here is a number that its axes have a place for."
    labels: Mapping[str, str] = field(default_factory=dict)
    tab: str = ""
    leads: Leads | None = None


def under(tab: str, *panels: Panel | None) -> tuple[Panel, ...]:
    """Those of ``panels`` that are there, under a tab of that name."""
    return tuple(replace(panel, tab=tab) for panel in panels if panel is not None)


@dataclass(frozen=True, kw_only=True)
class Lines(Panel):
    """Lines of ``data`` with columns ``x, y, series`` and, where known, ``low, high`` (a band).

    ``seeds``: a thin line behind for each value of its column ``seed`` (columns ``x, y, series, seed``).
    ``facet``: a column that splits the panel; facets have no thin lines. ``colours`` by series; others follow
    the palette. Whole numbers in ``x`` get whole ticks. ``ordinal`` gives ordinal series (layers, heads)
    shades of one colour instead. Series in ``ghosts`` are theory: each is dashed in a way of its own, and
    grey unless ``colours`` has it. Points that have no order among them (heads) are not ``joined``.
    ``dashes`` by series: how long a stroke and a gap are, where something says so that colours do not.
    ``tight``: the horizontal axis ends where the lines do, and not at ticks. ``every_seed``: thin lines are
    drawn of many series, too. ``named_at_ends``: each line has its name where it ends, and there is no
    legend (not of facets). ``band``: a level stretch that is shaded behind the lines, in figures alone.
    """

    x: str
    y: str
    log_x: bool = False
    log_y: bool = False
    colours: Mapping[str, str] = field(default_factory=dict)
    ghosts: frozenset[str] = frozenset()
    ordinal: bool = False
    joined: bool = True
    named_at_ends: bool = False
    tight: bool = False
    every_seed: bool = False
    band: tuple[float, float] | None = None
    dashes: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    rules: tuple[Rule, ...] = ()
    seeds: pd.DataFrame | None = None
    facet: str | None = None


@dataclass(frozen=True, kw_only=True)
class Heatmap(Panel):
    """A grid of ``data`` with columns ``x, y, value`` (and ``text``, written into the cells, if there).

    ``diverging`` centres the colours on zero. ``domain`` fixes the ends of the scale. ``facet`` splits it.
    """

    x: str
    y: str
    value: str
    diverging: bool = False
    domain: tuple[float, float] | None = None
    facet: str | None = None


@dataclass(frozen=True, kw_only=True)
class Dots(Panel):
    """One row per ``category``: columns ``category, value, series`` and, where known, ``low, high``.

    A category without any value keeps its row, which is empty. Whole numbers get whole ticks.
    ``seeds``: a small dot for each single seed (columns ``category, value, series, seed``).
    """

    x: str
    colours: Mapping[str, str] = field(default_factory=dict)
    rules: tuple[Rule, ...] = ()
    seeds: pd.DataFrame | None = None


@dataclass(frozen=True, kw_only=True)
class Bars(Panel):
    """Bars from 0, side by side per series: ``data`` with columns ``x, y, series``; ``facet`` splits it.

    There is no logarithmic axis of bars: it has no 0 for them to begin at.
    """

    x: str
    y: str
    colours: Mapping[str, str] = field(default_factory=dict)
    rules: tuple[Rule, ...] = ()
    facet: str | None = None


@dataclass(frozen=True, kw_only=True)
class Tokens(Panel):
    """Text coloured token by token: ``data`` with columns ``token, value``; ``diverging`` centres on zero."""

    value: str
    diverging: bool = True


@dataclass(frozen=True, kw_only=True)
class Maps(Panel):
    """Every head's attention in small: ``maps (N, S, S)`` in 0 to 1, one per row of ``data``.

    ``data`` has the columns ``series, layer, head, name, pale``; each series is a grid of layers by heads.
    ``chosen`` is the layer and head that is shown in full.
    """

    maps: np.ndarray
    chosen: tuple[int, int]


@dataclass(frozen=True, kw_only=True)
class TokenMaps(Panel):
    """Attention maps of one head side by side, tokens along both axes.

    ``data`` has a row per pair, with columns ``query, key`` (places in ``queries`` and ``keys``) and one for
    each map; pairs that it leaves out are empty. Maps in ``diverging`` have colours centred on zero.
    ``first``: the numbers of the first query and the first key in the text.
    """

    queries: list[str]
    keys: list[str]
    first: tuple[int, int]
    value: str
    diverging: frozenset[str] = frozenset()

    @property
    def names(self) -> list[str]:
        """The maps, in their order."""
        return [name for name in self.data.columns if name not in ("query", "key")]

    def grid(self, name: str) -> np.ndarray:
        """One map ``(queries, keys)``, NaN where it is empty."""
        found = np.full((len(self.queries), len(self.keys)), np.nan, dtype=np.float32)
        found[self.data["query"], self.data["key"]] = self.data[name]
        return found


@dataclass(frozen=True, kw_only=True)
class Result:
    """A view, computed: its panels, what they were computed from, and every number behind them.

    ``source`` names runs, seeds, checkpoint and probe. ``answers`` are sentences that state what the numbers
    say; those on variants beside the two that are looked at begin with one of the names in ``beside``.
    ``tables`` are downloads beside the panels' own data.
    """

    view: str
    title: str
    question: str
    panels: tuple[Panel, ...]
    source: str
    answers: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    tables: Mapping[str, pd.DataFrame] = field(default_factory=dict)
    beside: tuple[str, ...] = ()

    def tabs(self) -> dict[str, list[tuple[int, Panel]]]:
        """The panels with their numbers by their tab, in the order of the first of each."""
        found: dict[str, list[tuple[int, Panel]]] = {}
        for number, panel in enumerate(self.panels):
            found.setdefault(panel.tab, []).append((number, panel))
        return found

    def split_answers(self) -> tuple[list[str], list[str]]:
        """The answers on the two that are looked at, and those on the variants beside them."""
        signs = (":", " minus ", " (", " is left out")
        begins = tuple(f"{name}{sign}" for name in self.beside for sign in signs)
        others = [answer for answer in self.answers if answer.startswith(begins)] if begins else []
        return [answer for answer in self.answers if answer not in others], others

    def all_tables(self) -> dict[str, pd.DataFrame]:
        """Every table by name: the panels' data under their titles, then the others."""
        return {panel.title: panel.data for panel in self.panels} | dict(self.tables)
