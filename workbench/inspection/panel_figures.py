"""Panels as matplotlib figures: SVG, PDF or PNG for a paper, without a browser."""

import math
from textwrap import fill, shorten

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.axis import XAxis, YAxis
from matplotlib.figure import Figure

from workbench.analysis.contrast import WHITE, ink_on, readable_on
from workbench.analysis.figure_look import look, width
from workbench.analysis.paper_figures import BAND, legend_label, paper_style
from workbench.analysis.ticks import Ticks, every, linear
from workbench.inspection.drawing import (
    GHOST,
    Drawn,
    EndName,
    Placed,
    Style,
    cell_colours,
    colour_scale,
    columns_of,
    drawable,
    end_names,
    has_end_names,
    heat_domain,
    heat_ticks,
    is_empty,
    left_out,
    named,
    order,
    placed,
    side_by_side,
    styles,
    thin_seeds,
    x_axis,
    y_axis,
)
from workbench.inspection.panels import (
    Bars,
    Dots,
    Heatmap,
    Lines,
    Maps,
    Panel,
    Result,
    TokenMaps,
    Tokens,
)

_PLOT, _FACET = 1.9, 1.2  # inches of a plot's height
_AROUND = 0.75  # inches of a panel's title and axis
_BETWEEN = 0.45  # inches of a facet's name and labels
_WORDS = 0.55  # inches of a panel that has words in place of a plot
_ROW, _TALLEST = 0.16, 3.6  # inches of a heatmap's rows, and of all of them
_LEGEND_LINE = 0.14  # inches of a name in a legend below a plot
_SERIES, _CATEGORY = 0.13, 0.17  # inches of a series, and of a category of dots beside that
_MARGIN = 0.02  # of an axis beyond its ends, so that dots there are whole
_LETTER = 0.062  # inches of a letter of labels
_CELL_LETTER = 0.036  # and of those in the cells of a heatmap
_BESIDE = 1.2  # inches that a legend or colour bar takes
_LEGEND = 12  # names in a legend
_MARKED = 12  # points of a line from which on they have no symbols
_END_NAME = 0.13  # inches between names at the ends of lines
_TOKEN = 0.055  # inches of a token's label along a map: of letters that can just be read
_TOKENS_PER_LABEL = 4  # beyond it numbers say more than a few of the tokens
_TOKEN_LETTERS = 8
_GAP = 4  # pixels between maps of a mosaic
# Letters in an inch: of titles, of the line that says what was looked at, and of the text in a row of tokens.
_TITLE_WIDTH, _SOURCE_WIDTH, _LINE_WIDTH = 14.5, 19, 14

Dash = str | tuple[int, tuple[float, ...]]  # a name, or where in the pattern a line begins and the pattern


@paper_style
def figure(result: Result) -> Figure:
    """All panels of a view below each other, its source beneath."""
    panels = [named(panel) for panel in result.panels]
    heights = [_height(panel) for panel in panels]
    source = fill(result.source, round(_SOURCE_WIDTH * width()))
    around = 0.35 + 0.1 * (1 + source.count("\n"))
    whole = Figure(figsize=(width(), sum(heights) + around), layout="constrained")
    parts = whole.subfigures(len(heights), 1, height_ratios=heights, squeeze=False)[:, 0]
    for part, panel in zip(parts, panels, strict=True):
        part.suptitle(fill(panel.title, round(_TITLE_WIDTH * width())), fontsize=8)
        _draw(part, panel)
    whole.suptitle(fill(result.title, round(_TITLE_WIDTH * width())), fontsize=9, fontweight="bold")
    whole.supxlabel(source, fontsize=6, color=GHOST)
    return whole


@paper_style
def panel_figure(panel: Panel) -> Figure:
    """One panel by itself, without a title: a paper's caption has that."""
    panel = named(panel)
    whole = Figure(figsize=(width(), _height(panel)), layout="constrained")
    _draw(whole, panel)
    return whole


def _height(panel: Panel) -> float:
    if isinstance(panel, Maps):
        return 0.6 + 0.85 * panel.data["layer"].nunique()
    if isinstance(panel, TokenMaps):
        columns = _maps_beside(panel)
        return math.ceil(len(panel.names) / columns) * (0.9 + width() / max(1.6, columns))
    if isinstance(panel, Tokens):
        return 0.45 + 0.2 * math.ceil(panel.data["token"].str.len().sum() / _letters())
    if is_empty(panel):
        return _WORDS
    assert isinstance(panel, Drawn)  # all others have axes
    facets = _facet_names(panel)
    rows = math.ceil(len(facets) / _columns(len(facets)))
    height = _plot_height(panel, len(facets)) + _upright_height(panel, len(facets))
    below = _LEGEND_LINE * len(_in_legend(panel)) if look().is_narrow else 0
    return _AROUND + rows * height + (rows * _BETWEEN if len(facets) > 1 else 0) + below


def _columns(facets: int) -> int:
    """How many facets stand side by side: as on a page, but two at most in a narrow figure."""
    return min(columns_of(facets), 2) if look().is_narrow else columns_of(facets)


def _beside() -> float:
    """Inches that a legend or colour bar takes beside a plot."""
    return 0.7 if look().is_narrow else _BESIDE


def _letters() -> int:
    """Characters in a row of tokens."""
    return round(_LINE_WIDTH * width())


def _in_legend(panel: Panel) -> list[str]:
    """The names that a legend below has to hold."""
    if not isinstance(panel, Lines | Dots | Bars) or (isinstance(panel, Dots) and not side_by_side(panel)):
        return []
    names = order(panel.data["series"])
    return names[:: every(len(names), _LEGEND)] if len(names) > 1 else []


def _upright_height(panel: Drawn, facets: int) -> float:
    """What names below the plot take beyond a line, if they stand upright."""
    if not isinstance(panel, Heatmap | Bars):
        return 0.0
    names = order(panel.data["x"])
    if not _are_upright(names, (width() - _beside()) / _columns(facets)):
        return 0.0
    return _LETTER * max(len(str(name)) for name in names)


def _plot_height(panel: Drawn, facets: int) -> float:
    if isinstance(panel, Heatmap):
        return max(0.35, min(_TALLEST, _ROW * panel.data["y"].nunique()))
    if isinstance(panel, Dots):
        series = panel.data["series"].nunique() if side_by_side(panel) else 1
        return max(0.4, panel.data["category"].nunique() * (_CATEGORY + _SERIES * series))
    return _PLOT if facets == 1 else _FACET


def _facet_names(panel: Drawn) -> list:
    facet = getattr(panel, "facet", None)
    return order(panel.data[facet]) if facet else [""]


def _draw(part: Figure, panel: Panel) -> None:
    match panel:
        case Tokens():
            _tokens(part, panel)
        case Maps():
            _maps(part, panel)
        case TokenMaps():
            _token_maps(part, panel)
        case _ if is_empty(panel):
            _words(part, panel.nothing)
        case Lines():
            _lines(part, drawable(panel), panel)
        case Heatmap():
            _heatmap(part, drawable(panel), panel)
        case Dots():
            _dots(part, drawable(panel), panel)
        case Bars():
            _bars(part, drawable(panel), panel)
        case _:
            raise TypeError(f"{type(panel).__name__} has no figure")
    if isinstance(panel, Drawn) and not is_empty(panel) and (sentence := left_out(panel)):
        part.axes[0].annotate(
            sentence, (0, 1), (0, 2), "axes fraction", "offset points", fontsize=5, color=GHOST, va="bottom"
        )


def _words(part: Figure, words: str) -> None:
    """Words in place of a plot."""
    axes = part.subplots()
    axes.set_axis_off()
    words = fill(words, round(_TITLE_WIDTH * width()))
    axes.text(0.5, 0.5, words, ha="center", va="center", fontsize=7, transform=axes.transAxes)


def _grid(part: Figure, given: Drawn) -> tuple[list[Axes], list, int]:
    """Axes for each facet, their names, and how many stand side by side."""
    names = _facet_names(given)
    columns = _columns(len(names))
    rows = math.ceil(len(names) / columns)
    every_axes = part.subplots(rows, columns, squeeze=False).ravel()
    for unused in every_axes[len(names) :]:
        unused.set_axis_off()
    if len(names) > 1:
        letters = int((width() - _beside()) / columns / _LETTER)
        for axes, name in zip(every_axes, names, strict=False):
            axes.set_title(fill(str(name), letters), fontsize=7)
    return list(every_axes[: len(names)]), names, columns


def _rows_of(panel: Drawn, name: object) -> pd.DataFrame:
    facet = getattr(panel, "facet", None)
    return panel.data[panel.data[facet] == name] if facet else panel.data


def _name_axes(part: Figure, grid: list[Axes], columns: int, x: str, y: str, height: float) -> None:
    """One title for each direction: the axes' own, or one for all facets."""
    x = fill(x, int((width() - _beside()) / _LETTER))
    if len(grid) == 1:
        grid[0].set_xlabel(x)
        grid[0].set_ylabel(fill(y, max(14, int(height / _LETTER))))
        return
    rows = math.ceil(len(grid) / columns)
    part.supxlabel(x, fontsize=8)
    part.supylabel(fill(y, max(14, int(rows * (height + _BETWEEN) / _LETTER))), fontsize=8)


def _set_x(axes: Axes, ticks: Ticks, log: int = 0) -> None:
    if log:
        axes.set_xscale("log", base=log)
        reach = (ticks.high / ticks.low) ** _MARGIN
        axes.set_xlim(ticks.low / reach, ticks.high * reach)
    else:
        reach = (ticks.high - ticks.low) * _MARGIN
        axes.set_xlim(ticks.low - reach, ticks.high + reach)
    axes.set_xticks(ticks.values, ticks.labels)
    axes.minorticks_off()


def _set_y(axes: Axes, ticks: Ticks, log: bool = False) -> None:
    if log:
        axes.set_yscale("log")
    axes.set_ylim(ticks.low, ticks.high)
    axes.set_yticks(ticks.values, ticks.labels)
    axes.minorticks_off()


def _legend(grid: list[Axes], columns: int, names: list[str]) -> None:
    """Beside the plots, where it hides nothing, or below narrow ones; of many names every n-th."""
    if len(names) < 2:
        return
    handles = {
        label: handle
        for axes in grid
        for handle, label in zip(*axes.get_legend_handles_labels(), strict=True)
    }
    shown = [name for name in map(legend_label, names) if name in handles][:: every(len(names), _LEGEND)]
    last = grid[min(columns, len(grid)) - 1]
    if look().is_narrow:
        figure = last.get_figure()
        assert figure is not None
        labels = [shorten(name, 48, placeholder="…") for name in shown]
        figure.legend([handles[name] for name in shown], labels, loc="outside lower left", borderaxespad=0.1)
        return
    labels = [fill(name, 22) for name in shown]
    last.legend([handles[name] for name in shown], labels, loc="upper left", bbox_to_anchor=(1, 1))


def _dash(style: Style) -> Dash:
    """Dashes are given in pixels of a page; a line here is a little more than half as wide."""
    return (0, tuple(0.6 * length for length in style.dash)) if style.dash else "-"


def _lines(part: Figure, panel: Lines, given: Lines) -> None:
    drawn = styles(given)
    grid, names, columns = _grid(part, given)
    horizontal, vertical = x_axis(panel), y_axis(panel)
    for axes, name in zip(grid, names, strict=True):
        rows = _rows_of(panel, name)
        if panel.band is not None:
            axes.axhspan(*panel.band, color=BAND, linewidth=0, zorder=0)
        for series, style in drawn.items():
            line = rows[rows["series"] == series].sort_values("x", kind="stable")
            if line.empty:
                continue
            marker = style.marker
            dash: Dash = "none"
            if panel.joined:
                dash = _dash(style)
                if len(line) >= _MARKED or series in panel.ghosts:
                    marker = ""
            axes.plot(
                line["x"],
                line["y"],
                linestyle=dash,
                marker=marker,
                markersize=3,
                markeredgewidth=0,
                color=style.colour,
                label=legend_label(series),
            )
            if "low" in line:
                axes.fill_between(
                    line["x"], line["low"], line["high"], color=style.colour, alpha=0.18, linewidth=0
                )
        seeds = thin_seeds(panel)
        if seeds is not None:
            for (series, _), thin in seeds.groupby(["series", "seed"], sort=False):
                colour = drawn[series].colour if series in drawn else GHOST
                axes.plot(thin["x"], thin["y"], color=colour, linewidth=0.4, alpha=0.5)
        _set_x(axes, horizontal, 2 * panel.log_x)
        _set_y(axes, vertical, panel.log_y)
    _only_left_labels(grid, columns)
    _rules(grid, placed(panel.rules, horizontal, "x", log=panel.log_x), above=len(grid) == 1)
    _rules(grid, placed(panel.rules, vertical, "y", log=panel.log_y))
    height = _plot_height(given, len(names))
    _name_axes(part, grid, columns, panel.x, panel.y, height)
    if has_end_names(panel) and not look().is_narrow:
        _name_ends(grid[0], end_names(panel, _END_NAME / height), drawn)
    else:
        _legend(grid, columns, list(drawn))


def _name_ends(axes: Axes, names: list[EndName], drawn: dict[str, Style]) -> None:
    """Names in the colours of their lines, to the right of the plot, a thin line to each that was moved."""
    far = max(one.x for one in names)
    for one in names:
        axes.annotate(
            fill(one.text, 26),
            xy=(one.x, one.y),
            xycoords="data",
            xytext=(1.03, one.place),
            textcoords="axes fraction",
            va="center",
            fontsize=7,
            color=_written(drawn[one.series].colour),
            annotation_clip=False,
            arrowprops=_LEADER | {"color": drawn[one.series].colour} if one.x == far else None,
        )


_LEADER = {"arrowstyle": "-", "linewidth": 0.4, "alpha": 0.6, "shrinkA": 1, "shrinkB": 2}


def _written(colour: str) -> str:
    """``colour``, darker as far as small letters must be to be read on white."""
    return readable_on(colour, WHITE)


def _only_left_labels(grid: list[Axes], columns: int) -> None:
    for place, axes in enumerate(grid):
        if place % columns:
            axes.tick_params(labelleft=False)


def _heatmap(part: Figure, panel: Heatmap, given: Heatmap) -> None:
    grid, names, columns = _grid(part, given)
    places, rows = order(given.data["x"]), order(given.data["y"])
    low, high = heat_domain(panel)
    shades = colour_scale(panel.diverging)
    inks = panel.data.assign(ink=[ink_on(colour) for colour in cell_colours(panel)])
    wide, height = (width() - _beside()) / columns, _plot_height(given, len(names))
    for axes, name in zip(grid, names, strict=True):
        own = _rows_of(panel, name)
        cells = own.pivot_table(index="y", columns="x", values="value", sort=False)
        image = axes.imshow(
            cells.reindex(index=rows, columns=places).to_numpy(dtype=float),
            aspect="auto",
            cmap=shades,
            vmin=low,
            vmax=high,
            interpolation="nearest",
        )
        _names_below(axes, places, wide)
        step = every(len(rows), int(height / 0.11))
        axes.set_yticks(range(0, len(rows), step), [str(row) for row in rows[::step]])
        if "text" in own:
            _cell_texts(axes, inks.loc[own.index], places, rows, wide)
    _only_left_labels(grid, columns)
    ticks = heat_ticks(panel)
    bar = part.colorbar(image, ax=grid, ticks=ticks.values)
    bar.ax.set_yticklabels(ticks.labels)
    bar.set_label(fill(panel.value, max(16, int(height / _LETTER))))
    _name_axes(part, grid, columns, panel.x, panel.y, height)


def _names_below(axes: Axes, names: list, wide: float) -> None:
    """Upright where they are long; of many every n-th, from the first on."""
    upright = _are_upright(names, wide)
    letters = 1.8 if upright else max((len(str(name)) for name in names), default=1) + 1
    step = every(len(names), int(wide / (letters * _LETTER)))
    axes.set_xticks(
        range(0, len(names), step), [str(name) for name in names[::step]], rotation=90 if upright else 0
    )
    for label in axes.get_xticklabels():
        label.set_parse_math(False)


def _are_upright(names: list, wide: float) -> bool:
    """Whether words are too long to stand side by side; numbers are thinned instead."""
    longest = max((len(str(name)) for name in names), default=0)
    are_words = longest > 2 and any(isinstance(name, str) for name in names)
    return are_words and longest * len(names) * _LETTER > wide


def _cell_texts(axes: Axes, own: pd.DataFrame, places: list, rows: list, wide: float) -> None:
    longest = own["text"].str.len().max() if len(own) else 0
    if longest * _CELL_LETTER > wide / len(places):
        return
    for x, y, text, ink in own[["x", "y", "text", "ink"]].itertuples(index=False):
        place = (places.index(x), rows.index(y))
        axes.text(*place, text, ha="center", va="center", fontsize=4, color=ink, parse_math=False)


def _dots(part: Figure, panel: Dots, given: Dots) -> None:
    (axes,), _, columns = _grid(part, given)
    categories, drawn, ticks = order(given.data["category"]), styles(given), x_axis(panel)
    share = len(drawn) if side_by_side(given) else 1
    for index, (name, style) in enumerate(drawn.items()):
        rows = panel.data[panel.data["series"] == name]
        shift = (index % share - (share - 1) / 2) * 0.7 / share
        places = [categories.index(category) + shift for category in rows["category"]]
        marker = style.marker if share > 1 else "o"
        axes.plot(
            rows["value"],
            places,
            marker,
            color=style.colour,
            markersize=4,
            markeredgewidth=0,
            label=legend_label(name),
        )
        if "low" in rows:
            axes.hlines(places, rows["low"], rows["high"], color=style.colour, linewidth=1.5)
        if panel.seeds is not None:
            single = panel.seeds[panel.seeds["series"] == name]
            below = 0.25 / share
            at = [categories.index(category) + shift + below for category in single["category"]]
            axes.plot(single["value"], at, ".", color=style.colour, markersize=2.5, alpha=0.6)
    axes.set_yticks(range(len(categories)), [fill(str(name), 30) for name in categories])
    axes.set_ylim(len(categories) - 0.4, -0.6)
    _set_x(axes, ticks)
    _rules([axes], placed(panel.rules, ticks, "x"), above=True)
    _name_axes(part, [axes], columns, panel.x, "", _plot_height(given, 1))
    if share > 1:
        _legend([axes], columns, list(drawn))


def _bars(part: Figure, panel: Bars, given: Bars) -> None:
    grid, names, columns = _grid(part, given)
    places, drawn, ticks = order(given.data["x"]), styles(given), y_axis(panel)
    each = 0.8 / len(drawn)
    for axes, facet in zip(grid, names, strict=True):
        own = _rows_of(panel, facet)
        for index, (name, style) in enumerate(drawn.items()):
            rows = own[own["series"] == name]
            at = [places.index(x) + (index - (len(drawn) - 1) / 2) * each for x in rows["x"]]
            axes.bar(at, rows["y"], width=each, color=style.colour, label=legend_label(name))
        _names_below(axes, places, (width() - _beside()) / columns)
        axes.set_xlim(-0.6, len(places) - 0.4)
        _set_y(axes, ticks)
    _only_left_labels(grid, columns)
    _rules(grid, placed(panel.rules, ticks, "y"))
    _name_axes(part, grid, columns, panel.x, panel.y, _plot_height(given, len(names)))
    _legend(grid, columns, list(drawn))


def _rules(grid: list[Axes], rules: list[Placed], *, above: bool = False) -> None:
    """Lines in every facet, their labels in the first: upright ones' inside it, or ``above`` it."""
    for one in rules:
        level = one.rule.axis == "y"
        for axes in grid:
            draw = axes.axhline if level else axes.axvline
            draw(one.rule.at, color=GHOST, linewidth=0.8, linestyle=_dash(Style(GHOST, one.dash)))
        if level:
            place = (one.end, one.rule.at)
            units = ("axes fraction", "data")
            shift = (0, -2 if one.below else 1)
            beside = {0.0: "left", 0.5: "center", 1.0: "right"}[one.end]
            over = not one.below
        else:
            place = (one.rule.at, 1)
            units = ("data", "axes fraction")
            up = 7 * one.row + 1
            shift = (2 if one.right else -2, up if above else -up)
            beside = "left" if one.right else "right"
            over = above
        grid[0].annotate(
            one.rule.label,
            xy=place,
            xycoords=units,
            xytext=shift,
            textcoords="offset points",
            ha=beside,
            va="bottom" if over else "top",
            fontsize=6,
            color=_RULE_INK,
            annotation_clip=False,
        )


def _tokens(part: Figure, panel: Tokens) -> None:
    axes, data = part.subplots(), panel.data
    axes.set_axis_off()
    reach = float(data["value"].abs().max()) or 1.0
    shades = mpl.colormaps["RdBu_r" if panel.diverging else "viridis"]
    column, row = 0, 0
    longest = _letters()
    lines = math.ceil(data["token"].str.len().sum() / longest) + 2
    for token, value in zip(data["token"], data["value"], strict=True):
        if column + len(token) > longest:
            column, row = 0, row + 1
        level = 0.5 + value / (2 * reach) if panel.diverging else value / reach
        level = level if math.isfinite(level) else 0.5 * panel.diverging  # the first token has no loss
        box = {"facecolor": (*shades(level)[:3], 0.55), "edgecolor": "none", "pad": 0.6}
        place = (column / longest, 1 - (row + 1) / lines)
        axes.text(
            *place,
            token,
            fontsize=5.5,
            family="monospace",
            bbox=box,
            parse_math=False,
            transform=axes.transAxes,
        )
        column += len(token)


def _maps(part: Figure, panel: Maps) -> None:
    """Each series as one picture: an axes for each of hundreds of heads would take seconds."""
    series = order(panel.data["series"])
    for axes, name in zip(part.subplots(1, len(series), squeeze=False)[0], series, strict=True):
        chosen = (panel.data["series"] == name).to_numpy()
        axes.imshow(_mosaic(panel, chosen), cmap="Blues", vmin=0.0, vmax=1.0, interpolation="nearest")
        axes.set_title(fill(name, 50), fontsize=7)
        side = panel.maps.shape[-1] + _GAP
        for axis, column in ((axes.xaxis, "head"), (axes.yaxis, "layer")):
            count = int(panel.data[column].max()) + 1
            numbers = range(0, count, every(count, 16))
            axis.set_ticks([side * (number + 0.5) for number in numbers], [str(number) for number in numbers])
        axes.set(xlabel="head", ylabel="layer")


def _mosaic(panel: Maps, chosen: np.ndarray) -> np.ndarray:
    """Maps of one series in one grid, layers by heads; gaps are missing values."""
    rows, side = panel.data[chosen], panel.maps.shape[-1]
    size = [int(panel.data[column].max()) + 1 for column in ("layer", "head")]
    grid = np.full([(side + _GAP) * number for number in size], np.nan, dtype=np.float32)
    for layer, head, matrix in zip(rows["layer"], rows["head"], panel.maps[chosen], strict=True):
        top, left = layer * (side + _GAP), head * (side + _GAP)
        grid[top : top + side, left : left + side] = np.sqrt(matrix)
    return grid


def _maps_beside(panel: TokenMaps) -> int:
    """How many maps stand side by side."""
    return 1 if look().is_narrow else len(panel.names)


def _token_maps(part: Figure, panel: TokenMaps) -> None:
    """On the scale of the page: the root of the number, so that weak ones can be seen."""
    columns = _maps_beside(panel)
    rows = math.ceil(len(panel.names) / columns)
    grid = part.subplots(rows, columns, squeeze=False).ravel()
    first_query, first_key = panel.first
    sides = (first_key - 0.5, first_key + len(panel.keys) - 0.5)
    ends = (first_query + len(panel.queries) - 0.5, first_query - 0.5)
    for place, (axes, name) in enumerate(zip(grid, panel.names, strict=True)):
        values, diverging = panel.grid(name), name in panel.diverging
        reach = float(np.nanmax(np.abs(values))) or 1.0
        scale = mpl.colors.FuncNorm(_ROOT, vmin=-reach if diverging else 0.0, vmax=reach)
        shades = "RdBu_r" if diverging else "Blues"
        image = axes.imshow(
            values, cmap=shades, aspect="equal", interpolation="nearest", norm=scale, extent=(*sides, *ends)
        )
        axes.set_title(fill(name, 90 // columns), fontsize=7)
        axes.set(xlabel="key", ylabel="query" if place % columns == 0 else "")
        axes.set_label("<tokens>")  # as matplotlib marks colour bars: tokens along an axis may repeat
        side = (width() - 0.5) / columns - 0.4
        _token_labels(axes.xaxis, panel.keys, first_key, side, upright=True)
        _token_labels(axes.yaxis, panel.queries, first_query, side)
        if place % columns:
            axes.tick_params(labelleft=False)
        shown = [-reach, 0.0, reach] if diverging else [0.0, reach / 4, reach]
        bar = part.colorbar(image, ax=axes, location="bottom", ticks=shown, fraction=0.06, aspect=30)
        bar.ax.set_xticklabels([f"{value:.3g}".replace("-", "−") for value in shown])
        bar.set_label("difference" if name == "difference" else panel.value, fontsize=7)


def _token_labels(
    axis: XAxis | YAxis, tokens: list[str], first: int, side: float, *, upright: bool = False
) -> None:
    """The tokens along one side of a map; of many every n-th, and numbers where hardly one has room."""
    room = int(side / _TOKEN)
    if len(tokens) > _TOKENS_PER_LABEL * room:
        numbers = linear((first, first + len(tokens) - 1), count=2, whole=True)
        axis.set_ticks(numbers.values, numbers.labels)
        return
    step = every(len(tokens), room)
    places = list(range(first, first + len(tokens), step))
    labels = [token[:_TOKEN_LETTERS] for token in tokens[::step]]
    size = min(6.0, 72 * 0.85 * side / max(1, len(places)))  # points: the lines of neighbours do not meet
    axis.set_ticks(places, labels, fontsize=size, rotation=90 if upright else 0)
    for label in axis.get_ticklabels():
        label.set_parse_math(False)
        label.set_fontfamily("monospace")


_ROOT = (
    lambda values: np.sign(values) * np.sqrt(np.abs(values)),
    lambda roots: np.sign(roots) * np.square(roots),
)
_RULE_INK = "#5F6B78"
