"""How a panel is drawn, whoever draws it: what of it has a place, its axes, colours, dashes and shades.

The dashboard's charts and the figures for papers take all of it from here, so that they show the same.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeVar

import numpy as np
import pandas as pd

from workbench.analysis.colours import BASELINE_COLOUR, PALETTE
from workbench.analysis.ticks import FEW, MANY, Ticks, decades, doublings, linear
from workbench.inspection.panels import (
    Bars,
    Dots,
    Heatmap,
    Leads,
    Lines,
    Maps,
    Panel,
    Rule,
    TokenMaps,
    Tokens,
)

if TYPE_CHECKING:  # matplotlib, by which shades are mixed: most panels have none
    from matplotlib.colors import Colormap

Drawn = Lines | Heatmap | Dots | Bars  # panels with axes

PanelT = TypeVar("PanelT", bound=Panel)

GHOST = "#8A97A6"
_GHOSTS = (GHOST, "#B0893F", "#A45C8A", "#4F8F8B")  # of theories that nobody gave a colour
SOLID: tuple[int, ...] = ()
_SERIES_DASHES = (SOLID, (7, 3), (2, 2), (7, 3, 2, 3))  # where colours come round again
_EASY = 6  # colours at the beginning of the palette that are told apart without dashes
_FEW_SERIES = 3  # that need no dashes, and leave room for a thin line for each seed
# A symbol for each colour, as Vega and as matplotlib call it; the baseline has the first for itself.
_SYMBOLS = (
    ("circle", "o"),
    ("square", "s"),
    ("triangle-up", "^"),
    ("diamond", "D"),
    ("cross", "P"),
    ("triangle-down", "v"),
    ("triangle-right", ">"),
    ("triangle-left", "<"),
)
_GHOST_DASHES = ((6, 4), (2, 3), (9, 3, 2, 3), (4, 2, 1, 2, 1, 2))
RULE_DASHES = ((2, 3), (7, 4), (8, 3, 2, 3), (1, 5))
_NEAR = 0.09  # of an axis: labels of lines that are nearer cannot both stand at one end
_ALONG = 1.0 / 70  # of an axis, that a letter of a line's label takes where it is narrow
_RIGHT = 0.6  # of an axis: labels from here on stand to the left of their line
SHADES = 33  # of a scale of colours
_DIVERGING, _SEQUENTIAL = "RdBu_r", "viridis"
_SIDE_BY_SIDE = {1: 1, 2: 2, 3: 3, 4: 4, 5: 3, 6: 3, 9: 3}


@dataclass(frozen=True)
class Style:
    """How a series is drawn; ``symbol`` as Vega calls it, ``marker`` as matplotlib does."""

    colour: str
    dash: tuple[int, ...] = SOLID
    symbol: str = "circle"
    marker: str = "o"


@dataclass(frozen=True)
class Placed:
    """A rule with its dash and where its label stands.

    Of a horizontal one at the start (0), middle (0.5) or end (1) of the other axis; of a vertical one on its
    ``right`` or not, in a ``row`` of its own where several would meet.
    """

    rule: Rule
    dash: tuple[int, ...]
    end: float = 1.0
    below: bool = False
    right: bool = True
    row: int = 0


@dataclass(frozen=True)
class EndName:
    """The name of a line beside its end, ``place`` its height on the vertical axis from 0 to 1.

    ``x`` and ``y`` are the line's last point. Names that would meet are moved apart.
    """

    series: str
    text: str
    x: float
    y: float
    place: float


def named(panel: PanelT) -> PanelT:
    """``panel`` with its series called as ``labels`` has it, in data, seeds, colours and theories.

    What a view adds to a name (``alibi, first token``) is kept.
    """
    if not panel.labels or isinstance(panel, TokenMaps | Tokens):
        return panel
    data = _renamed(panel.data, panel.labels)
    found: PanelT = replace(panel, data=data, labels={}, leads=named_leads(panel))
    if isinstance(found, Maps | Heatmap):
        return found
    changed = {}
    if isinstance(found, Lines | Dots) and found.seeds is not None:
        changed["seeds"] = _renamed(found.seeds, panel.labels)
    if isinstance(found, Lines | Dots | Bars):
        changed["colours"] = {_label(name, panel.labels): own for name, own in found.colours.items()}
    if isinstance(found, Lines):
        changed["ghosts"] = frozenset(_label(name, panel.labels) for name in found.ghosts)
    return replace(found, **changed)


def named_leads(panel: Panel) -> Leads | None:
    """Where the marks of ``panel`` lead, with the series called as ``labels`` has it."""
    if panel.leads is None or not panel.labels:
        return panel.leads
    return replace(panel.leads, rows=_renamed(panel.leads.rows, panel.labels))


def _renamed(rows: pd.DataFrame, labels: Mapping[str, str]) -> pd.DataFrame:
    names = [column for column in ("series", "run", "variant") if column in rows]
    return rows.assign(**{column: [_label(name, labels) for name in rows[column]] for column in names})


def _label(name: str, labels: Mapping[str, str]) -> str:
    first, comma, more = name.partition(", ")
    return labels.get(name) or (labels.get(first, first) + comma + more)


def drawable(panel: PanelT) -> PanelT:
    """``panel`` with the rows that its axes have a place for: finite, and above 0 on logarithmic ones."""
    if isinstance(panel, Lines):
        seeds = None if panel.seeds is None else _on_axes(panel.seeds, panel)
        return replace(panel, data=_on_axes(panel.data, panel), seeds=seeds)
    if isinstance(panel, Dots):
        seeds = None if panel.seeds is None else _finite(panel.seeds, "value")
        return replace(panel, data=_finite(panel.data, "value"), seeds=seeds)
    if isinstance(panel, Heatmap | Bars):
        return replace(panel, data=_finite(panel.data, "value" if isinstance(panel, Heatmap) else "y"))
    return panel


def is_empty(panel: Panel) -> bool:
    """Whether nothing of a panel can be drawn, so that its words stand in for it."""
    left = drawable(panel)
    seeds = getattr(left, "seeds", None)
    return left.data.empty and (seeds is None or seeds.empty)


def left_out(panel: Panel) -> str:
    """A sentence on the values that cannot be drawn; empty if all can."""
    if is_empty(panel):
        return panel.nothing
    if not isinstance(panel, Drawn):
        return ""
    known = _values(panel).notna().sum()
    lost = int(known - len(drawable(panel).data))
    if lost == 0:
        return ""
    places = " above 0" if _is_log(panel) else ""
    return f"{lost:,} of {known:,} values are not drawn: they are no finite numbers{places}."


def _is_log(panel: Drawn) -> bool:
    return isinstance(panel, Lines) and (panel.log_x or panel.log_y)


def _values(panel: Drawn) -> pd.Series:
    return panel.data["value" if isinstance(panel, Heatmap | Dots) else "y"]


def _on_axes(rows: pd.DataFrame, panel: Lines) -> pd.DataFrame:
    kept = _finite(_finite(rows, "x", above=0.0 if panel.log_x else -math.inf), "y")
    if panel.log_y:
        kept = _finite(kept, "y", above=0.0)
    if "low" in kept:
        # A logarithmic axis has no place for an end at 0 or below: the band ends at its line.
        least = 0.0 if panel.log_y else -math.inf
        kept = kept.assign(low=kept["low"].where(kept["low"] > least, kept["y"]))
        known = np.isfinite(kept["low"]) & np.isfinite(kept["high"])
        kept = kept.assign(low=kept["low"].where(known), high=kept["high"].where(known))
    return kept


def _finite(rows: pd.DataFrame, column: str, above: float = -math.inf) -> pd.DataFrame:
    values = rows[column].astype(float)
    return rows[np.isfinite(values) & (values > above)]


def is_whole(values: pd.Series) -> bool:
    """Whether a column counts something: layers, heads, seeds, steps."""
    return pd.api.types.is_integer_dtype(values)


def x_axis(panel: Lines | Dots) -> Ticks:
    """The horizontal axis of a drawable panel, shared by its facets."""
    count = FEW if getattr(panel, "facet", None) else MANY
    if isinstance(panel, Dots):
        parts = [panel.data[name] for name in ("value", "low", "high") if name in panel.data]
        single = [] if panel.seeds is None else [panel.seeds["value"]]
        drawn = single or parts[:1]
        whole = all(_are_counts(values) for values in drawn) and "low" not in panel.data
        return linear(_all(*parts, *single, _at(panel, "x")), count=count, whole=whole)
    thin = thin_seeds(panel)
    values = _all(panel.data["x"], [] if thin is None else thin["x"], _at(panel, "x"))
    if panel.log_x:
        return doublings(values, count=count)
    ticks = linear(values, count=count, whole=is_whole(panel.data["x"]))
    return ticks.within(min(values), max(values)) if panel.tight and len(set(values)) > 1 else ticks


def _are_counts(values: pd.Series) -> bool:
    return bool((values == values.round()).all())


def y_axis(panel: Lines | Bars) -> Ticks:
    """The vertical axis of a drawable panel, shared by its facets."""
    if isinstance(panel, Bars):
        return linear(_all(panel.data["y"], _at(panel, "y")), count=5, zero=True)
    parts = [panel.data[name] for name in ("y", "low", "high") if name in panel.data]
    thin = thin_seeds(panel)
    single = [] if thin is None else [thin["y"]]
    values = _all(*parts, *single, _at(panel, "y"), getattr(panel, "band", None) or ())
    return decades(values, count=5) if panel.log_y else linear(values, count=5)


def _at(panel: Lines | Dots | Bars, axis: str) -> list[float]:
    return [rule.at for rule in panel.rules if rule.axis == axis]


def _all(*parts: Iterable[float]) -> list[float]:
    return [float(value) for part in parts for value in part if math.isfinite(value)]


def styles(panel: Lines | Dots | Bars) -> dict[str, Style]:
    """How each series is drawn: its own colour, shades of one if ordinal, else the palette's.

    No two series have colour and dash in common. A colour has its symbol everywhere; of many series those
    whose colours are hard to tell apart are dashed, too.
    """
    names = list(dict.fromkeys(panel.data["series"]))
    ghosts = [name for name in names if name in getattr(panel, "ghosts", ())]
    found = {
        name: Style(
            panel.colours.get(name, _GHOSTS[place % len(_GHOSTS)]), _GHOST_DASHES[place % len(_GHOST_DASHES)]
        )
        for place, name in enumerate(ghosts)
    }
    solid = [name for name in names if name not in found]
    if getattr(panel, "ordinal", False):
        return found | _shades(solid)
    free = [colour for colour in PALETTE if colour not in panel.colours.values()]
    unnamed = [name for name in solid if name not in panel.colours]
    for place, name in enumerate(unnamed):
        turn = place // len(free)
        colour = free[place % len(free)]
        found[name] = Style(colour, _SERIES_DASHES[turn % len(_SERIES_DASHES)], *_symbol(colour))
    for name in solid:
        if name in panel.colours:
            own = panel.colours[name]
            dash = _own_dash(own) if len(solid) > _FEW_SERIES else SOLID
            dash = getattr(panel, "dashes", {}).get(name, dash)
            found[name] = Style(own, dash, *_symbol(own))
    return {name: found[name] for name in names}


def _symbol(colour: str) -> tuple[str, str]:
    """The symbol of a colour, for Vega and for matplotlib; the first is the baseline's."""
    if colour not in PALETTE:
        return _SYMBOLS[0]
    return _SYMBOLS[1 + PALETTE.index(colour) % (len(_SYMBOLS) - 1)]


def _own_dash(colour: str) -> tuple[int, ...]:
    if colour == BASELINE_COLOUR:
        return SOLID
    if colour not in PALETTE:
        return _SERIES_DASHES[-1]
    return _SERIES_DASHES[PALETTE.index(colour) // _EASY]


def thin_seeds(panel: Lines) -> pd.DataFrame | None:
    """The single seeds that are drawn behind the lines: none of many series, whose bands stand for them."""
    shown = panel.every_seed or panel.data["series"].nunique() <= _FEW_SERIES
    return panel.seeds if shown and panel.facet is None else None


def has_end_names(panel: Lines) -> bool:
    """Whether lines are named where they end, in place of a legend."""
    return panel.named_at_ends and panel.facet is None and panel.joined and panel.data["series"].nunique() > 1


def end_names(panel: Lines, least: float) -> list[EndName]:
    """The names of a drawable panel's lines, from the bottom up, at least ``least`` of the axis apart.

    A line that ends before others says where.
    """
    ticks = y_axis(panel)
    far = panel.data["x"].max()
    found = []
    for series, rows in panel.data.groupby("series", sort=False):
        last = rows.loc[rows["x"].idxmax()]
        x, y = float(last["x"]), float(last["y"])
        text = str(series) if x >= far else f"{series} (to {x:g})"
        place = min(1.0, max(0.0, ticks.place(y, log=panel.log_y)))
        found.append(EndName(str(series), text, x, y, place))
    found.sort(key=lambda one: one.place)
    places = _moved_apart([one.place for one in found], least)
    return [replace(one, place=place) for one, place in zip(found, places, strict=True)]


def _moved_apart(places: list[float], least: float) -> list[float]:
    """Ascending ``places`` at least ``least`` apart, moved as little as a group's middle allows."""
    groups: list[list[float]] = []  # wanted places; a group stands around their mean
    for place in places:
        groups.append([place])
        while len(groups) > 1 and _bottom(groups[-1], least) < _top(groups[-2], least) + least:
            last = groups.pop()
            groups[-1] += last
    return [_bottom(group, least) + least * number for group in groups for number in range(len(group))]


def _bottom(group: list[float], least: float) -> float:
    lowest = sum(group) / len(group) - least * (len(group) - 1) / 2
    return max(0.0, lowest)


def _top(group: list[float], least: float) -> float:
    return _bottom(group, least) + least * (len(group) - 1)


def _shades(names: list[str]) -> dict[str, Style]:
    import matplotlib as mpl

    shades = mpl.colormaps[_SEQUENTIAL](np.linspace(0.05, 0.9, max(2, len(names))))
    return {name: Style(mpl.colors.to_hex(shade)) for name, shade in zip(names, shades, strict=False)}


def side_by_side(panel: Dots) -> bool:
    """Whether a category has dots of several series, which then have rows of their own in it."""
    return bool((panel.data.groupby("category")["series"].nunique() > 1).any())


def heat_domain(panel: Heatmap) -> tuple[float, float]:
    """The ends of a heatmap's scale: as asked for, around zero if it diverges, else its extremes."""
    if panel.domain:
        return panel.domain
    values = panel.data["value"].astype(float)
    values = values[np.isfinite(values)]
    low, high = (float(values.min()), float(values.max())) if len(values) else (0.0, 1.0)
    if panel.diverging:
        high = max(abs(low), abs(high)) or 1.0
        return -high, high
    return (low, high) if high > low else (low, low + 1.0)


def heat_ticks(panel: Heatmap) -> Ticks:
    """The ticks of a heatmap's scale, all of them on it."""
    ends = heat_domain(panel)
    return linear(ends, count=4).within(*ends)


def scale_colours(diverging: bool) -> list[str]:
    """``SHADES`` colours from the low to the high end of a heatmap's scale."""
    import matplotlib as mpl

    shades = mpl.colormaps[_DIVERGING if diverging else _SEQUENTIAL](np.linspace(0, 1, SHADES))
    return [mpl.colors.to_hex(shade) for shade in shades]


def colour_scale(diverging: bool) -> "Colormap":
    """``scale_colours`` with all that lies between them, from 0 at the low end to 1."""
    from matplotlib.colors import LinearSegmentedColormap

    return LinearSegmentedColormap.from_list("cells", scale_colours(diverging), N=1024)


def cell_colours(panel: Heatmap) -> list[str]:
    """The colour of each row of a drawable heatmap."""
    from matplotlib.colors import to_hex

    low, high = heat_domain(panel)
    scale = colour_scale(panel.diverging)
    places = (panel.data["value"].astype(float) - low) / (high - low)
    return [to_hex(scale(min(1.0, max(0.0, place)))) for place in places]


def order(values: pd.Series) -> list:
    """The places along an axis of categories, in the order of the table."""
    return list(dict.fromkeys(values))


def columns_of(facets: int) -> int:
    """How many facets stand side by side."""
    return _SIDE_BY_SIDE.get(facets, 4)


def placed(rules: Iterable[Rule], ticks: Ticks, axis: str, *, log: bool = False) -> list[Placed]:
    """The rules on one axis with their dashes, labels where they do not meet."""
    shown = [
        rule for rule in rules if rule.axis == axis and math.isfinite(rule.at) and not (log and rule.at <= 0)
    ]
    own = sorted(shown, key=lambda rule: rule.at)
    found: list[Placed] = []
    for number, rule in enumerate(own):
        dash, at = RULE_DASHES[number % len(RULE_DASHES)], ticks.place(rule.at, log=log)
        if axis == "y":
            taken = {one.end for one in found if at - ticks.place(one.rule.at, log=log) < _NEAR}
            end = next((end for end in (1.0, 0.0, 0.5) if end not in taken), 1.0)
            found.append(Placed(rule, dash, end=end, below=at > 1 - _NEAR))
            continue
        right = at < _RIGHT
        row = _row(found, ticks, rule, right=right, log=log)
        found.append(Placed(rule, dash, right=right, row=row))
    return found


def _row(found: list[Placed], ticks: Ticks, rule: Rule, *, right: bool, log: bool) -> int:
    """The first row of labels in which that of ``rule`` meets no other."""

    def span(one: Rule, right: bool) -> tuple[float, float]:
        at, length = ticks.place(one.at, log=log), (len(one.label) + 2) * _ALONG
        return (at, at + length) if right else (at - length, at)

    low, high = span(rule, right)
    taken = set()
    for one in found:
        start, stop = span(one.rule, one.right)
        if start < high and low < stop:
            taken.add(one.row)
    return next(row for row in range(len(found) + 1) if row not in taken)
