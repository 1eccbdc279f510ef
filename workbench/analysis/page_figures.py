"""Figures of what pages show beside a study's own: pairs, the fate of documents, a search's best so far."""

from collections.abc import Mapping, Sequence

import pandas as pd
from matplotlib.figure import Figure

from workbench.analysis.best_of_k import best_of_k
from workbench.analysis.colours import BASELINE_COLOUR, BLUE, ORANGE
from workbench.analysis.effects import Report
from workbench.analysis.figure_look import look, width
from workbench.analysis.paper_figures import legend_beside, legend_label, name_lines, paper_style, set_ticks
from workbench.analysis.search import Objective, Search
from workbench.analysis.search_figures import axis_words
from workbench.analysis.search_frames import best_so_far
from workbench.analysis.ticks import linear

_JOINED, _DOT = "#9AA3AD", "#9AA3AD"
_BAR = 0.34  # inches of a bar with its name


@paper_style
def pairs_plot(report: Report, colours: Mapping[str, str]) -> Figure:
    """Every confirm run as a dot, the runs of one seed joined: parallel lines are what pairing removes."""
    rows = report.rows
    figure = Figure(figsize=(width(), 2.8), layout="constrained")
    axes = figure.add_subplot()
    values = [value for row in rows for value in row.values.values()]
    for seed in sorted({seed for row in rows for seed in row.values}):
        known = [(place, row.values[seed]) for place, row in enumerate(rows) if seed in row.values]
        axes.plot([x for x, _ in known], [y for _, y in known], "-", color=_JOINED, linewidth=0.5, zorder=1)
    for place, row in enumerate(rows):
        own = list(row.values.values())
        colour = colours.get(row.variant, BASELINE_COLOUR)
        axes.plot([place] * len(own), own, "o", color=colour, markersize=3.5, markeredgewidth=0)
    upright = len(rows) > (3 if look().is_narrow else 6)
    axes.set_xticks(range(len(rows)), [name_lines(row.label) for row in rows], rotation=90 if upright else 0)
    axes.set_xlim(-0.4, len(rows) - 0.6)
    set_ticks(axes.yaxis, linear(values, count=5))
    axes.set_ylabel(f"{report.metric} ({report.unit})")
    return figure


@paper_style
def shares_plot(table: pd.DataFrame, colours: Mapping[str, str], title: str) -> Figure:
    """Stacked bars of ``table`` with columns ``name, kind, share``; ``colours`` by kind, in their order."""
    names = list(dict.fromkeys(table["name"]))
    figure = Figure(figsize=(width(), 0.9 + _BAR * len(names)), layout="constrained")
    axes = figure.add_subplot()
    starts = dict.fromkeys(names, 0.0)
    for kind, colour in colours.items():
        own = table[table["kind"] == kind]
        if own.empty:
            continue
        shares = [100 * float(share) for share in own["share"]]
        places = [names.index(name) for name in own["name"]]
        left = [starts[name] for name in own["name"]]
        axes.barh(places, shares, left=left, height=0.6, color=colour, label=legend_label(kind))
        for name, share in zip(own["name"], shares, strict=True):
            starts[name] += share
    axes.set_yticks(range(len(names)), [name_lines(name) for name in names])
    axes.set_ylim(len(names) - 0.4, -0.6)
    set_ticks(axes.xaxis, linear(starts.values(), count=5, zero=True))
    axes.set_xlabel(f"{title} (%)")
    legend_beside(axes)
    return figure


@paper_style
def progress_plot(search: Search, objective: Objective) -> Figure:
    """Each complete point in the order of the search, the lowest until then, and what chance would give."""
    table = best_so_far(search, objective.name)
    figure = Figure(figsize=(width(), 2.6), layout="constrained")
    axes = figure.add_subplot()
    numbers: Sequence[int] = table["number"].tolist()
    axes.plot(numbers, table["value"], "o", color=_DOT, markersize=2.5, markeredgewidth=0, label="trials")
    axes.step(numbers, table["best"], "-", where="post", color=BLUE, label="best so far")
    means = [one.mean for one in best_of_k(table["value"].tolist())]
    axes.plot(numbers[: len(means)], means, "--", color=ORANGE, label="best of k at random")
    set_ticks(axes.xaxis, linear(numbers, count=6, whole=True))
    set_ticks(axes.yaxis, linear([*table["value"], *table["best"], *means], count=5))
    axes.set_xlabel("trial")
    axes.set_ylabel(axis_words(objective))
    legend_beside(axes)
    return figure
