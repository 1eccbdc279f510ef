"""The legend of a chart of curves: all names at once, in as many lines as the width of the chart needs.

ECharts makes no room for a legend, and the server does not know how wide a chart is. So the lines that the
names need are reckoned for every width, and ECharts takes the entry of its ``media`` that fits.
"""

import unicodedata
from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Any

TOP = 56  # pixels above a plot: one line of the legend, and the axis's title
LINE = 22  # pixels of a line
MOST_LINES = 8  # with more the plot would be too low: names are paged through instead
_WIDTHS = range(240, 2400, 20)  # pixels of a chart
_MARK, _MARK_HEIGHT = 25, 14
_MARK_GAP = 5
_GAP = LINE - _MARK_HEIGHT  # of names, and of lines: ECharts has one gap for both
_EDGES = 10
_LETTER, _BROAD_LETTER, _FULL_WIDTH = 5.2, 9.0, 13.0  # pixels, rather too many


def legend(names: Sequence[str]) -> dict[str, Any]:
    """The legend of ``names``, which its chart's ``media`` fits to the chart's width."""
    return {
        "type": "plain",
        "top": 0,
        "left": 0,
        "itemGap": _GAP,
        "itemWidth": _MARK,
        "itemHeight": _MARK_HEIGHT,
        "icon": "roundRect",
        "data": list(names),
    }


def media(names: Sequence[str], toolbox_top: int) -> list[dict[str, Any]]:
    """ECharts' ``media``: the room above the plot for each width at which the number of lines changes.

    A chart takes all entries that it is wide enough for, and the last of them stands.
    """
    entries: list[dict[str, Any]] = []
    needed = _needed(names)
    for lines, widths in groupby(_WIDTHS, key=lambda width: min(_lines(width, needed), MOST_LINES + 1)):
        least = next(widths) if entries else 0
        paged = lines > MOST_LINES
        more = 0 if paged else (lines - 1) * LINE
        option = {
            "legend": legend(names) | {"type": "scroll" if paged else "plain"},
            "grid": {"top": TOP + more},
            "toolbox": {"top": toolbox_top + more},
        }
        entries.append({"query": {"minWidth": least}, "option": option})
    return entries


def lines_at(width: int, names: Sequence[str]) -> int:
    """In how many lines ``names`` stand in a chart of ``width`` pixels: rather too many than too few."""
    return _lines(width, _needed(names))


def _lines(width: int, needed: Sequence[float]) -> int:
    lines, end = 1, 0.0
    for own in needed:
        if end and end + own > width - _EDGES:
            lines += 1
            end = 0.0
        end += own + _GAP
    return lines


def _needed(names: Sequence[str]) -> list[float]:
    """Pixels of each name with its mark."""
    return [_MARK + _MARK_GAP + sum(_letters(name)) for name in names]


def _letters(name: str) -> Iterator[float]:
    for letter in name:
        if unicodedata.east_asian_width(letter) in "WF":
            yield _FULL_WIDTH
        else:
            yield _BROAD_LETTER if letter.isupper() or letter in "mw@%→" else _LETTER
