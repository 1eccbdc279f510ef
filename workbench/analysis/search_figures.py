"""Figures of a search for a paper, in the style of all others: its Pareto front, and its importances."""

from collections.abc import Mapping, Sequence
from textwrap import fill

import matplotlib as mpl
from matplotlib.figure import Figure

from workbench.analysis.colours import BASELINE_COLOUR, BLUE, ORANGE
from workbench.analysis.figure_look import ONE, WIDTHS
from workbench.analysis.importances import FANOVA, MAIN_EFFECTS, Importances, importances_of
from workbench.analysis.paper_figures import legend_label, paper_style, set_ticks
from workbench.analysis.search import COMPLETE, Objective, Search, searched
from workbench.analysis.search_frames import baseline_points, front_between
from workbench.analysis.ticks import linear
from workbench.numbers import plural
from workbench.records.index import StudyRecords

KIND_COLOURS = {MAIN_EFFECTS: BLUE, FANOVA: ORANGE}
_OTHERS = "#9AA3AD"
_LETTERS = 36  # of an axis' title, beside names of dimensions


def axis_words(objective: Objective) -> str:
    """An objective as the title of an axis."""
    return f"{objective.title} ({objective.unit})" if objective.unit else objective.title


@paper_style
def front_plot(search: Search, x: Objective, y: Objective, baseline: Sequence[int]) -> Figure:
    """All complete points in two objectives, the front between them as steps, the baseline's as diamonds."""
    done = search.trials[search.trials["state"] == COMPLETE].dropna(subset=[x.name, y.name])
    front = front_between(search, x.name, y.name)
    figure = Figure(figsize=(WIDTHS[ONE], 2.6), layout="constrained")
    axes = figure.add_subplot()
    axes.plot(done[x.name], done[y.name], "o", color=_OTHERS, markersize=3, markeredgewidth=0, alpha=0.7)
    axes.step(front[x.name], front[y.name], "-", where="post", color=BLUE)
    label = f"Pareto front ({plural(len(front), 'point')})"
    axes.plot(front[x.name], front[y.name], "o", color=BLUE, markersize=4, label=label)
    own = done[done["number"].isin(baseline)]
    if len(own):
        axes.plot(own[x.name], own[y.name], "D", color=BASELINE_COLOUR, markersize=4, label="baseline")
    set_ticks(axes.xaxis, linear(done[x.name], count=4))
    set_ticks(axes.yaxis, linear(done[y.name], count=5))
    axes.set_xlabel(axis_words(x))
    axes.set_ylabel(axis_words(y))
    axes.set_title("exploratory: a search gives no verdict", loc="left")
    if len(front):
        axes.legend(loc="upper right")
    return figure


@paper_style
def importance_plot(kinds: Mapping[str, Importances], objective: Objective) -> Figure:
    """The share of each dimension with its interval, a row for each kind of importance."""
    names = [one.dimension for one in next(iter(kinds.values())).shares]
    figure = Figure(figsize=(WIDTHS[ONE], 0.8 + 0.34 * max(1, len(names))), layout="constrained")
    axes = figure.add_subplot()
    for row, (kind, found) in enumerate(kinds.items()):
        colour = KIND_COLOURS[kind]
        for one in found.shares:
            place = names.index(one.dimension) + (row - (len(kinds) - 1) / 2) * 0.28
            if one.interval is not None:
                axes.plot([one.interval.low, one.interval.high], [place, place], color=colour, linewidth=1.2)
            axes.plot(one.share, place, "o", color=colour, markersize=3.5)
        axes.plot([], [], "o-", color=colour, markersize=3.5, label=legend_label(kind))
    axes.set_yticks(range(len(names)), names)
    axes.set_ylim(len(names) - 0.4, -0.6)
    axes.set_xlim(-0.02, 1.0)
    axes.xaxis.set_major_formatter(mpl.ticker.PercentFormatter(1.0, decimals=0))
    axes.set_xlabel(fill(f"share of the variance of {objective.title}", _LETTERS))
    axes.set_title("exploratory: a search gives no verdict", loc="left")
    axes.legend(loc="lower right")
    return figure


def search_figures(study: StudyRecords) -> dict[str, Figure]:
    """The figures of a search, by name: fronts of the first objective and each other, importances of all.

    What has nothing to show (one objective, an objective that no dimension can be fitted to) is left out.
    """
    search = searched(study)
    if search is None:
        return {}
    first, *others = search.objectives
    own = baseline_points(search, study.manifest)
    figures = {f"front_{_plain(one)}": front_plot(search, one, first, own) for one in others}
    for one in search.objectives:
        kinds = {kind: importances_of(search, one.name, kind) for kind in KIND_COLOURS}
        known = {kind: found for kind, found in kinds.items() if found.shares}
        if known:
            figures[f"importances_{_plain(one)}"] = importance_plot(known, one)
    return figures


def _plain(objective: Objective) -> str:
    return objective.name.replace("/", "_")
