"""Search: what a search tried, what looked best, and what mattered; exploratory by name and colour."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import pandas as pd
import streamlit as st
from pandas.io.formats.style import Styler

from workbench.analysis.importances import FANOVA, MAIN_EFFECTS, Importances
from workbench.analysis.page_figures import progress_plot
from workbench.analysis.search import COMPLETE, Objective, Search
from workbench.analysis.search_figures import front_plot, importance_plot
from workbench.analysis.search_frames import baseline_points, front_between
from workbench.analysis.slice_figures import parallel_plot, slices_plot
from workbench.analysis.statistics import CONFIDENCE, Interval
from workbench.analysis.text_escapes import to_csv
from workbench.dashboard import downloads, empty_pages, links, search_charts
from workbench.dashboard.chart_numbers import chart_csv
from workbench.dashboard.drawn_chart import show_chart
from workbench.dashboard.folded import folded
from workbench.dashboard.literal_text import grid, heading, literal
from workbench.dashboard.searches import exploratory, is_search, search_of
from workbench.dashboard.state import View, view
from workbench.dashboard.tabbed import tabbed
from workbench.numbers import MISSING, percent, plural, with_interval
from workbench.records.space import Range
from workbench.visible import visible

_ALL, _BETTER = "all trials", "better half"
_DECIMALS = 4


def page() -> None:
    """Draw the page."""
    now = view()
    st.header("Search", anchor=False)
    if not is_search(now):
        st.info(
            "A search looks through architectures and hyperparameters together, and is exploratory: make one "
            "with `design: search` and the key `search` in a study file. This study compares variants.",
            icon=":material/travel_explore:",
        )
        return
    search = search_of(now)
    if now.records.manifest.question:
        st.markdown(f"**{literal(now.records.manifest.question)}**")
    exploratory(now)
    problems = [problem.message for problem in now.records.problems]
    if search.trials.empty:
        empty_pages.no_runs("No trial was proposed yet")
        empty_pages.problems(problems)
        return
    st.fragment(_parts)()
    empty_pages.problems(problems)


def _parts() -> None:
    """What was tried and what mattered, a part at a time: all at once would take a browser half a second."""
    now = view()
    search = search_of(now)
    has_results = bool((search.trials["state"] == COMPLETE).any())
    parts: dict[str, Callable[[], object]] = {}
    if has_results and len(search.objectives) > 1:
        parts["Pareto front"] = partial(_front, now, search)
    parts["Trials"] = partial(_table, now, search)
    if has_results:
        for part, draw in _WHAT_MATTERED.items():
            parts[part] = partial(_of_objective, now, search, draw)
    tabbed(parts, links.PART)


def _front(now: View, search: Search) -> None:
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        y = _objective(search, "Objective", "front_y")
        others = [one for one in search.objectives if one.name != y.name]
        x = _objective(search, "Against", "front_x", others)
    manifest = now.records.manifest
    own = baseline_points(search, manifest)
    front = front_between(search, x.name, y.name)
    with st.container(border=True):
        chart = partial(search_charts.pareto, search, x, y, own, now.ink)
        show_chart(chart, alt=f"Pareto front of {visible(y.title)} and {visible(x.title)}", key="front")
        lines = [f"Lower is better in both. Line and large dots: the front, {plural(len(front), 'point')}."]
        shown = search.trials[search.trials["number"].isin(own) & (search.trials["state"] == COMPLETE)]
        if len(shown):
            lines.append(f"Diamond: the baseline's architecture, {plural(len(shown), 'trial')}.")
        else:
            lines.append("The baseline's architecture is not among the complete trials.")
        lines.append(f"At the upper edge: trials without {y.title}, pale if infeasible, a cross if lost.")
        st.caption(literal(" ".join(lines)))
        with st.container(horizontal=True):
            downloads.figure_buttons(
                lambda: front_plot(search, x, y, own),
                f"{now.file_name}-front",
                write=lambda: chart_csv(chart()),
            )


def _objective(search: Search, label: str, key: str, options: list[Objective] | None = None) -> Objective:
    """The objective that is chosen, and stands in the link."""
    known = {one.name: one for one in options or search.objectives}
    titles = {name: visible(one.title) for name, one in known.items()}
    links.report_unknown(key, titles.values(), "objective")
    if st.session_state.get(key) not in known:
        st.session_state.pop(key, None)  # that of another study, or of the other axis
    chosen = st.selectbox(
        label,
        list(known),
        format_func=titles.__getitem__,
        key=key,
        bind="query-params",
        width=260,
    )
    return known[chosen]


def _table(now: View, search: Search) -> None:
    shown = _trials(search)
    formats = {
        one.name: st.column_config.NumberColumn(_heading(one), format=_format(one))
        for one in search.objectives
    }
    ranges = [
        heading(name) for name, kind in search.space.items() if isinstance(kind, Range) and not kind.is_whole
    ]
    grid(
        shown,
        style=partial(_written, ranges=ranges),
        hide_index=True,
        column_config={"trial": st.column_config.NumberColumn(pinned=True), **formats},
        placeholder=MISSING,
        height=min(420, 40 + 35 * max(1, len(shown))),
        alt="Trials of the search",
        key="search_trials",
    )
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        seeds = now.records.manifest.seeds.tune
        st.caption(
            f"{plural(len(shown), 'point')}, the best in {literal(search.objectives[0].title)} first; means "
            f"over {plural(len(seeds), 'seed')} each. A click on a heading sorts."
        )
        downloads.csv_button(
            lambda: to_csv(shown, index=False), f"{now.file_name}-trials", key="download_search_trials"
        )


def _written(table: pd.DataFrame, ranges: list[str]) -> pd.DataFrame | Styler:
    """The table with values of ``ranges`` as short as they are; they stay numbers, which a click sorts."""
    if not ranges or table.size > pd.get_option("styler.render.max_elements"):
        return table
    return table.style.format("{:.4g}", subset=ranges, na_rep=MISSING)


def _trials(search: Search) -> pd.DataFrame:
    """The table of points: numbers stay numbers, and what is the same in all rows is left out."""
    trials = search.trials
    first = pd.DataFrame({"trial": trials["number"], "state": trials["state"]})
    first["front"] = trials["number"].isin(search.front)
    names = [one.name for one in search.objectives]
    table = first.join(trials[names]).join(trials[search.dimensions])
    if not trials["feasible"].all():
        table["feasible"] = trials["feasible"]
    if (trials["reason"] != "").any():
        table["reason"] = trials["reason"]
    return table.sort_values([names[0], "trial"], kind="stable").reset_index(drop=True)


def _heading(objective: Objective) -> str:
    unit = f", {objective.unit}" if objective.unit else ""
    return heading(f"{objective.title}{unit}")


def _format(objective: Objective) -> str:
    return "%.4f" if "/" in objective.name else "localized"


@dataclass(frozen=True)
class _Tried:
    """A search, one of its objectives, and the complete trials that are to be drawn."""

    search: Search
    objective: Objective
    done: pd.DataFrame


def _of_objective(now: View, search: Search, draw: Callable[[View, _Tried], None]) -> None:
    """One of the parts that are about one objective, which is chosen for all of them."""
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        objective = _objective(search, "Objective", "objective")
        which = st.segmented_control(
            "Draw", [_ALL, _BETTER], default=_ALL, required=True, key="drawn", bind="query-params"
        )
    done = search.trials[search.trials["state"] == COMPLETE].dropna(subset=[objective.name])
    if which == _BETTER:
        done = search_charts.better_half(done, objective)
    draw(now, _Tried(search, objective, done))


def _main_effects(now: View, objective: Objective) -> Importances:
    return now.library.importances(now.records, objective.name, MAIN_EFFECTS)


def _importances(now: View, tried: _Tried) -> None:
    objective = tried.objective
    main = _main_effects(now, objective)
    with st.spinner("Fitting forests …"):
        forest = now.library.importances(now.records, objective.name, FANOVA)
    kinds = {MAIN_EFFECTS: main, FANOVA: forest}
    known = {kind: found for kind, found in kinds.items() if found.shares}
    for kind, found in kinds.items():
        if found.reason:
            st.info(f"No importances by {kind}: {literal(found.reason)}.", icon=":material/hourglass_empty:")
    if not known:
        return
    with st.container(border=True):
        chart = partial(search_charts.importances, known, objective, now.ink)
        show_chart(chart, alt=f"Importances for {visible(objective.title)}", key="importances")
        lines = [
            "Share of the variance over the space that each dimension has by itself, with its 95 % interval. "
            "Main effects: least squares, other dimensions equal, without what noise would give. fANOVA: a "
            "random forest (Hutter et al. 2014).",
            " ".join(f"{kind}: interval from {_sources(found)}." for kind, found in known.items()),
        ]
        left = known.get(MAIN_EFFECTS)
        if left is not None and left.rest is not None:
            lines.append(f"Interactions and noise, which main effects leave: {percent(left.rest)}.")
        st.caption(literal("\n".join(lines)))
        table = search_charts.importance_frame(known)
        with st.container(horizontal=True):
            downloads.figure_buttons(
                lambda: importance_plot(known, objective), f"{now.file_name}-importances-{_plain(objective)}"
            )
            downloads.csv_button(
                lambda: to_csv(table, index=False),
                f"{now.file_name}-importances-{_plain(objective)}",
                key="download_importances",
            )


def _plain(objective: Objective) -> str:
    return objective.name.replace("/", "-")


def _sources(found: Importances) -> str:
    """``leaving out a seed at a time``, or trials; both where dimensions differ in which is wider."""
    sources = list(dict.fromkeys(one.source for one in found.shares if one.source))
    return " or ".join(f"leaving out {source}" for source in sorted(sources)) or "nothing"


def _slices(now: View, tried: _Tried) -> None:
    search, objective, done = tried.search, tried.objective, tried.done
    found = _main_effects(now, objective)
    effects = {one.dimension: one for one in found.shares}
    with st.container(horizontal=True, gap="medium"):
        for place, dimension in enumerate(_by_importance(search, found)):
            own = effects.get(dimension)
            chart = partial(
                search_charts.slice_of, search, done, dimension, objective, own, found.centre, now.ink
            )
            show_chart(
                chart,
                width=search_charts.SLICE,
                alt=f"{visible(objective.title)} against {visible(dimension)}",
                key=f"slice_{place}",
            )
    adjusted = " Orange: the effect by main effects, all other dimensions equal, with its 95 % interval."
    st.caption(
        literal(
            f"{search_charts.axis_words(objective)} of {plural(len(done), 'complete trial')} against each "
            f"dimension, the most important first.{adjusted if effects else ''}"
        )
    )
    levels = [name for name, kind in search.space.items() if not isinstance(kind, Range)]
    with st.container(horizontal=True):
        downloads.figure_buttons(
            lambda: slices_plot(search, done, _by_importance(search, found), objective, found),
            f"{now.file_name}-slices-{_plain(objective)}",
            write=partial(to_csv, _points(search, done), index=False),
        )
    table = search_charts.level_frame(found, levels)
    if len(table):
        folded(
            "Effects of levels, adjusted for the other dimensions",
            partial(_level_effects, table),
            key="level_effects",
        )


def _level_effects(table: pd.DataFrame) -> None:
    grid(_level_texts(table), hide_index=True, alt="Adjusted effects of levels", key="level_effects")


def _points(search: Search, done: pd.DataFrame) -> pd.DataFrame:
    """What slices and parallel coordinates draw: each complete trial, its point and its objectives."""
    return done[["number", *search.dimensions, *(one.name for one in search.objectives)]]


def _by_importance(search: Search, found: Importances) -> list[str]:
    first = [one.dimension for one in found.shares]
    return [*first, *(name for name in search.dimensions if name not in first)]


def _level_texts(table: pd.DataFrame) -> pd.DataFrame:
    texts = []
    for row in table.to_dict("records"):
        interval = None if pd.isna(row["low"]) else Interval(row["low"], row["high"], CONFIDENCE)
        texts.append(with_interval(row["change"], interval, _DECIMALS, sign=True))
    shown = table[["dimension", "level"]].assign(**{"against the average level": texts})
    return shown.assign(trials=table["trials"])


def _parallel(now: View, tried: _Tried) -> None:
    search, objective, done = tried.search, tried.objective, tried.done
    option, height = search_charts.parallel(search, done, objective, now.ink, dark=now.dark)
    st.echarts_chart(
        option, height=height, key="parallel", alt=f"Parallel coordinates by {visible(objective.title)}"
    )
    st.caption("A line for each complete trial. Drag along an axis to keep the lines that pass there.")
    with st.container(horizontal=True):
        downloads.figure_buttons(
            lambda: parallel_plot(search, done, objective),
            f"{now.file_name}-parallel-{_plain(objective)}",
            write=partial(to_csv, _points(search, done), index=False),
        )


def _progress(now: View, tried: _Tried) -> None:
    search, objective = tried.search, tried.objective
    chart = partial(search_charts.progress, search, objective, now.ink)
    show_chart(chart, alt=f"Best {visible(objective.title)} so far", key="search_progress")
    st.caption(
        "Dots: complete trials in the order of the search. Line: the lowest until then. Dashed: the lowest "
        "to expect of as many of these trials, drawn at random (best of k; Dodge et al. 2019)."
    )
    with st.container(horizontal=True):
        downloads.figure_buttons(
            lambda: progress_plot(search, objective),
            f"{now.file_name}-progress-{_plain(objective)}",
            write=lambda: chart_csv(chart()),
        )


_WHAT_MATTERED: dict[str, Callable[[View, _Tried], None]] = {
    "Importances": _importances,
    "Slices": _slices,
    "Parallel coordinates": _parallel,
    "Best so far": _progress,
}


if __name__ == "__main__":
    page()
