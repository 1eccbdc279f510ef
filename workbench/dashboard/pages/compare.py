"""Compare: several studies side by side, the same change in each, and what a loss costs."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING

import pandas as pd
import streamlit as st

from workbench.analysis.colours import PALETTE
from workbench.analysis.cost_points import COSTS, CostPoint, Ground, grounds
from workbench.analysis.metric_units import BITS_PER_BYTE
from workbench.analysis.text_escapes import to_csv
from workbench.dashboard import downloads, links, state
from workbench.dashboard.chart_ink import Ink
from workbench.dashboard.comparing import choice
from workbench.dashboard.comparing.charts import cost_chart, cost_frame, effects_forest
from workbench.dashboard.comparing.choice import Candidate
from workbench.dashboard.comparing.effects import (
    Compared,
    EffectPanel,
    compact,
    effect_panels,
    effect_table,
    shared_changes,
    text_names,
)
from workbench.dashboard.drawn_chart import show_chart
from workbench.dashboard.folded import folded
from workbench.dashboard.literal_text import grid, literal
from workbench.errors import UserError
from workbench.numbers import plural
from workbench.visible import visible

if TYPE_CHECKING:  # matplotlib: imported when a file is asked for
    from matplotlib.figure import Figure

_OWN, _BITS = "each study's metric", "bits per byte"
_TABS = ["Same change", "Loss and cost"]


def page() -> None:
    """Draw the page."""
    st.header("Compare", anchor=False)
    known = {one.title: one for one in choice.candidates(state.results_directory(), state.library())}
    if not known:
        st.info("There is no study yet that compares anything.", icon=":material/hourglass_empty:")
        return
    chosen = _pick(known)
    if missing := links.unknown(choice.PARAMETER, known):
        names = literal(", ".join(missing))
        st.warning(f"The link asks for the study {names}, which is not here to compare; it is left out.")
    if not chosen:
        st.info("Choose studies to see them side by side.", icon=":material/compare_arrows:")
        return
    with st.spinner("Reading the studies"):
        studies = _read([known[title] for title in chosen])
    if not studies:
        return
    colours = {title: PALETTE[place] for place, title in enumerate(chosen)}
    effects, costs = st.tabs(_TABS, key="compare_tab", on_change="rerun", bind="query-params")
    if effects.open:
        with effects:
            _effects(studies, {one.title: colours[one.study] for one in studies})
    if costs.open:
        with costs:
            _costs(studies, {one.title: colours[one.study] for one in studies})


def _pick(known: Mapping[str, Candidate]) -> list[str]:
    """The studies that the reader has chosen; the search leaves chosen ones where they are."""
    before = choice.restore(known, state.study_path())
    text = st.text_input(
        "Find studies",
        key="find",
        bind="query-params",
        placeholder="words of a name, a question or a tag",
        icon=":material/search:",
    )
    options = [title for title, one in known.items() if title in before or one.has(text)]
    found = sum(one.has(text) for one in known.values())
    chosen = st.multiselect(
        "Studies",
        options,
        default=before,
        format_func=visible,
        max_selections=choice.MOST,
        placeholder=f"Choose up to {choice.MOST}",
        help="What the search found, and what is chosen already. Published ones are here too.",
    )
    if text:
        st.caption(f"{found} of {len(known)} studies found.")
    choice.keep(chosen)
    if not chosen:
        return chosen
    folded(
        "Their questions",
        partial(_questions, [known[title] for title in chosen]),
        key="questions",
        icon=":material/help:",
    )
    return chosen


def _questions(chosen: Sequence[Candidate]) -> None:
    for one in chosen:
        tags = " ".join(f":gray-badge[{literal(tag)}]" for tag in one.tags)
        st.markdown(f"**{literal(one.title)}** {tags}  \n{literal(one.manifest.question)}")


def _read(chosen: Sequence[Candidate]) -> list[Compared]:
    """The chosen studies with their reports, a ladder as its rungs; what cannot be read is said."""
    library = state.library()
    found = []
    for one in chosen:
        try:
            records = library.study(one.path)
            for place, rung in enumerate(library.rungs(records), 1):
                title = f"{one.title}, rung {place}" if records.manifest.is_ladder else one.title
                found.append(Compared(title, one.title, rung, library.report(rung, rung.manifest.baseline)))
        except UserError as error:
            st.error(literal(error), icon=":material/error:")
    return found


def _effects(studies: Sequence[Compared], colours: Mapping[str, str]) -> None:
    """One forest for each metric, the same change in different studies below one another, and its table."""
    shared = shared_changes(studies)
    only = None
    if shared:
        everything = st.toggle(
            "Also changes that one study alone has", key="every_change", bind="query-params"
        )
        only = None if everything else shared
    elif len(studies) > 1:
        st.caption("No change is in more than one of these studies; all are shown.")
    panels = effect_panels(studies, only)
    if not panels:
        st.info("These studies compare nothing yet.", icon=":material/hourglass_empty:")
        return
    ink = Ink.of(state.is_dark())
    for place, panel in enumerate(panels):
        with st.container(border=True):
            show_chart(
                partial(effects_forest, panel, colours, ink),
                alt=f"The same changes in {plural(len(studies), 'comparison')}: {visible(panel.title)}",
                key=f"compared_effects_{place}",
            )
    st.caption(
        "Line and mark: the difference to each study's own baseline with the interval that its own verdict "
        "follows from; colour: the study; mark: its verdict, hollow where that is open; grey: its margin. "
        "Each is of its own size, tokens and text, as its row says; nothing is pooled."
    )
    table = effect_table(panels)
    with st.container(horizontal=True):
        downloads.figure_buttons(
            partial(_effects_figure, panels, colours),
            "compared-effects",
            write=lambda: to_csv(table, index=False),
        )
    grid(_effect_cells(panels), hide_index=True, alt="The same changes by study", key="compared_table")


def _effect_cells(panels: Sequence[EffectPanel]) -> pd.DataFrame:
    """The facts of the chart as text."""
    return pd.DataFrame(
        [
            {
                "change": row.heading,
                "study": row.study,
                "found": row.said,
                "pairs": str(row.numbers["pairs"]),
                "level": "" if row.numbers["level"] is None else f"{100 * row.numbers['level']:.4g} %",
                "margin": row.asked,
                "layers": str(row.numbers["layers"] or ""),
                "parameters": compact(row.numbers["parameters"] or 0),
                "tokens": compact(row.numbers["tokens"] or 0),
                "text": row.numbers["text"],
                "tokenizer": row.numbers["tokenizer"],
                "metric": row.numbers["metric"],
            }
            for panel in panels
            for row in panel.rows
        ]
    )


def _costs(studies: Sequence[Compared], colours: Mapping[str, str]) -> None:
    """Losses against what they cost, a chart for each ground on which losses can be compared."""
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        cost = st.segmented_control(
            "Cost",
            list(COSTS),
            format_func=COSTS.__getitem__,
            default=next(iter(COSTS)),
            required=True,
            key="cost",
            bind="query-params",
        )
        loss = st.segmented_control(
            "Loss", [_OWN, _BITS], default=_OWN, required=True, key="cost_loss", bind="query-params"
        )
    metric = BITS_PER_BYTE if loss == _BITS else None
    library = state.library()
    points = [point.of(one.title) for one in studies for point in library.costs(one.records, metric)]
    labels = {(one.title, row.variant): row.label for one in studies for row in one.report.rows}
    without = sum(len(one.report.rows) for one in studies) - len(points)
    drawn = 0
    names = text_names(studies)
    for place, (ground, mine) in enumerate(grounds(points).items()):
        table = cost_frame(mine, cost, labels)
        drawn += len(table)
        if len(table):
            _cost_panel(table, cost, ground, names, mine, colours, place)
    if not drawn:
        st.info(
            f"No complete run of these studies has recorded its {COSTS[cost].lower()}.",
            icon=":material/hourglass_empty:",
        )
    st.caption(_cost_words(cost, points, without, drawn))


def _cost_panel(
    table: pd.DataFrame,
    cost: str,
    ground: Ground,
    names: Mapping[str, str],
    points: Sequence[CostPoint],
    colours: Mapping[str, str],
    place: int,
) -> None:
    """The chart of one ground, its numbers and its downloads."""
    texts = ", ".join(dict.fromkeys(names[point.study] for point in points))
    title = f"{ground.metric} ({ground.unit})"
    with st.container(border=True):
        st.markdown(f"**{literal(title)}**, trained on {literal(texts)}")
        show_chart(
            partial(cost_chart, table, cost, title, colours, Ink.of(state.is_dark())),
            alt=f"{title} by {COSTS[cost].lower()}, {plural(len(table), 'variant')}",
            key=f"cost_chart_{place}",
        )
        with st.container(horizontal=True):
            downloads.figure_buttons(
                partial(_cost_figure, table, cost, title, colours),
                f"compared-{cost}-{place + 1}",
                key=f"cost_{place}",
                write=lambda: to_csv(
                    table.drop(columns=["said", "cost"]).rename(columns={"x": cost}), index=False
                ),
            )
        best = table[table["front"]].sort_values("x")
        shown = pd.DataFrame(
            {
                "variant": best["variant"],
                "study": best["study"],
                title: best["said"],
                COSTS[cost].lower(): best["cost"],
                "seeds": best["seeds"].astype(str),
            }
        )
        grid(shown, hide_index=True, alt="Variants on the front", key=f"cost_table_{place}")


def _cost_words(cost: str, points: Sequence[CostPoint], without: int, drawn: int) -> str:
    parts = [
        "Points: means over confirm runs that trained, with 95 % t intervals over seeds, wider than those "
        "of paired differences; diamonds: baselines. Line and large marks: what no other point of the "
        "chart beats in both means; intervals overlap, so that this judges nothing. A chart has what can be "
        "compared: one metric, one text that is judged on, and one tokenizer unless it is bits per byte."
    ]
    if cost == "seconds":
        machines = ", ".join(dict.fromkeys(machine for point in points for machine in point.machines))
        parts.append(
            "Seconds are of training without evaluations and checkpoints, as the clock of each run's own "
            f"machine, which it may have shared, counted them: {machines}. They compare within one machine, "
            "and only roughly there; 'workbench steptimes' measures steps in turns."
        )
    if cost == "peak_memory_bytes":
        parts.append(
            "Memory is the peak while training: what torch allocated on a GPU, the whole process on a CPU, "
            "which do not compare."
        )
    lacking = len(points) - drawn
    if lacking:
        parts.append(f"{plural(lacking, 'variant')} without a recorded cost left out.")
    if without:
        parts.append(f"{plural(without, 'variant')} without a complete run that trained left out.")
    return "  \n".join(literal(part) for part in parts)


def _effects_figure(panels: Sequence[EffectPanel], colours: Mapping[str, str]) -> "Figure":
    from workbench.dashboard.comparing.figures import effects_figure

    return effects_figure(panels, colours)


def _cost_figure(table: pd.DataFrame, cost: str, loss: str, colours: Mapping[str, str]) -> "Figure":
    from workbench.dashboard.comparing.figures import cost_figure

    return cost_figure(table, cost, loss, colours)


if __name__ == "__main__":
    page()
