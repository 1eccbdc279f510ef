"""Claims: all cards in short; of one the word, the runs that it rests on, and what the literature says."""

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

import streamlit as st

from workbench.claims.card import SIZES, claims_folder
from workbench.claims.facts import StudyFacts
from workbench.claims.forest import forest_panels, without_number
from workbench.claims.results import CardResult
from workbench.claims.serving import Serving, served_sentence, serving_of
from workbench.claims.tables import (
    cards_table,
    facts_in_parts,
    notes_of,
    predictions_table,
    render_card,
)
from workbench.claims.words import CardWord
from workbench.dashboard import downloads, empty_pages, links
from workbench.dashboard.chart_ink import Ink
from workbench.dashboard.claim_charts import (
    claim_forest,
    served_options,
    serving_chart,
    serving_frame,
)
from workbench.dashboard.drawn_chart import show_chart
from workbench.dashboard.fact_list import fact_list
from workbench.dashboard.folded import folded
from workbench.dashboard.literal_text import code_span, grid, literal
from workbench.dashboard.side_by_side import side_by_side
from workbench.dashboard.state import PAGES, is_dark, library, results_directory
from workbench.dashboard.tables import text_frame
from workbench.errors import UserError
from workbench.numbers import plural
from workbench.visible import visible

if TYPE_CHECKING:  # matplotlib: imported when a file is asked for
    from matplotlib.figure import Figure

_COLOURS = {"supported": "green", "refuted": "red", "undecided": "gray"}
_RUNS, _LITERATURE = 590, 330  # pixels, at least
_KEY, _WRITTEN, _TABLE = "card", "_card_written", "cards"
_TITLES = {"curves": "Curves", "effects": "Effects", "position": "Position", "runs": "Runs"}
_ICONS = {
    "curves": ":material/show_chart:",
    "effects": ":material/bar_chart:",
    "position": ":material/straighten:",
    "runs": ":material/list:",
}


def page() -> None:
    """Draw the page."""
    st.header("Claims", anchor=False)
    links.report_unknown("size", SIZES, "form")
    size = st.segmented_control(
        "Form",
        SIZES,
        default=SIZES[0],
        required=True,
        key="size",
        bind="query-params",
        help="nano: what two cores of a CPU can run; gpu: what one card can.",
    )
    try:
        results = library().claims(results_directory(), size or SIZES[0])
    except UserError as error:
        st.error(literal(error), icon=":material/error:")
        return
    if not results:
        empty_pages.no_claims(claims_folder())
        return
    chosen = _chosen(results)
    _table(results, chosen)
    st.caption(
        "Supported: every primary prediction holds at every primary rung. Refuted: one fails, with Holm over "
        "the card's primary predictions. Undecided: all else, also where fewer than 8 pairs, lost pairs, "
        "unequal tuning or a learning rate at an edge forbid to rest a word on the numbers."
    )
    _pick(results)
    _card(chosen)


def _chosen(results: Sequence[CardResult]) -> CardResult:
    """The card that the address or the reader asks for; else the first that has a word."""
    known = {result.card.id: result for result in results}
    links.report_unknown(_KEY, known, "card")
    asked, written = st.query_params.get(_KEY), st.session_state.get(_WRITTEN)
    chosen = asked if asked is not None and asked != written else st.session_state.get(_KEY, written)
    if chosen not in known:
        decided = (name for name, result in known.items() if result.word is not CardWord.UNDECIDED)
        chosen = next(decided, next(iter(known)))
    st.session_state[_KEY] = st.session_state[_WRITTEN] = st.query_params[_KEY] = chosen
    return known[chosen]


def _table(results: Sequence[CardResult], chosen: CardResult) -> None:
    """All cards in short; the row that is marked is the card below."""
    ids = [result.card.id for result in results]
    marked = {"rows": [ids.index(chosen.card.id)], "columns": [], "cells": []}
    st.session_state[_TABLE] = {"selection": marked}
    grid(
        text_frame(cards_table(results)),
        hide_index=True,
        on_select=lambda: _take(ids),
        selection_mode="single-row-required",
        alt="Claims and their words",
        key=_TABLE,
    )


def _take(ids: list[str]) -> None:
    """Make the row that was marked the chosen card."""
    rows = st.session_state[_TABLE].selection.rows
    if rows:
        st.session_state[_KEY] = ids[rows[0]]


def _pick(results: Sequence[CardResult]) -> None:
    """The same choice as a list: found by typing, and without a mouse."""
    labels = {result.card.id: _label(result) for result in results}
    st.selectbox(
        "Card",
        list(labels),
        format_func=labels.__getitem__,
        key=_KEY,
        width=640,
        help="A click on a row of the table chooses as well.",
    )


def _label(result: CardResult) -> str:
    return visible(f"{result.card.title} · {result.word} · {result.card.id}")


def _card(result: CardResult) -> None:
    """One card: the claim and its word, what runs say, and beside it what the literature says."""
    card = result.card
    with st.container(border=True):
        word = str(result.word)
        # One text, of which a browser is done sooner than of four.
        st.markdown(
            f"#### {literal(card.title)} &nbsp; :{_COLOURS[word]}-badge[{word}]\n\n"
            f"{literal(card.statement)}\n\n"
            f":small[:gray[Every primary prediction holds {literal(result.rungs_text)}.]]\n\n"
            + "\n".join(f"- {literal(reason)}" for reason in result.why)
        )
        for trend in result.trends:
            st.caption(f"Trend over rungs, {literal(trend.text)}.")
        runs, literature = side_by_side("claim_parts", (_RUNS, 2), (_LITERATURE, 1))
        with runs:
            _runs(result)
        with literature:
            _literature(result)
        _forest(result)
        for one in result.evidence:
            if (serving := serving_of(one)) is not None:
                _serving(result, serving)
        folded(
            "Scope, rungs, texts, and what is missing",
            partial(_facts, result),
            key=f"facts_{card.id}",
            icon=":material/info:",
        )
        if commands := dict.fromkeys(
            one.command for one in result.primaries if one.command and not one.facts
        ):
            st.markdown("\n".join(f"- {code_span(command)}" for command in commands))


def _facts(result: CardResult) -> None:
    fact_list(facts_in_parts(result))
    if notes := notes_of(result):
        st.markdown("\n".join(f"- {literal(note)}" for note in notes))


def _runs(result: CardResult) -> None:
    st.markdown("**What the runs say**")
    if not result.evidence:
        st.caption("The card has no rung of this form.")
        return
    grid(
        text_frame(predictions_table(result)),
        hide_index=True,
        alt=f"Predictions of the card {result.card.id}",
        key=f"claim_{result.card.id}",
    )
    _links(result)


def _literature(result: CardResult) -> None:
    said = [
        f"{literal(source.number)}  \n"
        f":small[:gray[{literal(source.paper)}; {literal(source.where)} ({source.certainty})]]"
        for source in result.card.sources
    ]
    st.markdown("\n\n".join(["**What the literature says**", *(said or ["The card names no source."])]))


def _forest(result: CardResult) -> None:
    """What the predictions measured, beside the numbers of the literature; nothing without any."""
    panels = forest_panels(result)
    if not panels:
        return
    for place, panel in enumerate(panels):
        show_chart(
            partial(claim_forest, panel, Ink.of(is_dark())),
            alt=f"What the predictions of the card {result.card.id} measured, in {panel.unit}",
            key=f"claim_forest_{result.card.id}_{place}",
        )
    missing = without_number(result)
    said = f" {plural(missing, 'prediction')} at a rung without a number." if missing else ""
    st.caption(
        "Line and mark: interval and estimate, the word by colour and mark. Dashed: the literature, where it "
        f"has a number in the same unit. Grey band: the margin.{said}"
    )
    with st.container(horizontal=True):
        name = f"claim-{result.card.id}-{result.size}"
        downloads.figure_buttons(partial(_forest_figure, result), name)
        downloads.csv_button(
            lambda: str(render_card(result, "csv")), name, key=f"download_claim_{result.card.id}_csv"
        )


def _serving(result: CardResult, serving: Serving) -> None:
    """Training and serving of both sides together, at as many tokens served as the reader likes."""
    st.markdown("**Which is cheaper, by the tokens served**")
    options = served_options()
    key = f"served_{result.card.id}_{serving.rung}"
    links.report_unknown(key, options, "tokens served")
    chosen = st.select_slider(
        "Tokens served, in multiples of the larger model's training tokens",
        options,
        value="1",
        key=key,
        bind="query-params",
    )
    served = float(chosen)
    show_chart(
        partial(serving_chart, serving, served, Ink.of(is_dark())),
        alt=f"FLOPs of training and serving by tokens served, at the rung {visible(serving.rung)}",
        key=f"serving_{result.card.id}_{serving.rung}",
    )
    st.markdown(literal(served_sentence(serving, served)))
    with st.container(horizontal=True):
        downloads.csv_button(
            lambda: serving_frame(serving).to_csv(index=False),
            f"claim-{result.card.id}-serving",
            key=f"download_serving_{result.card.id}_{serving.rung}",
        )


def _links(result: CardResult) -> None:
    """Ways into the pages that explain the numbers: one for each study and page, or tab of a page."""
    ways: dict[tuple[str, str, str | None], StudyFacts] = {}
    for one in result.evidence:
        if one.facts is not None:
            measured = one.placed.prediction.measured
            if measured.page is not None:
                # Without a number there may be no such tab.
                part = measured.part if one.missing is None else None
                ways.setdefault((one.facts.title, measured.page, part), one.facts)
    with st.container(horizontal=True):
        for (title, name, part), facts in ways.items():
            query = {"study": str(facts.path.relative_to(results_directory()))}
            st.page_link(
                PAGES / f"{name}.py",
                label=f"{_TITLES[name]} of {literal(title)}" + (f": {part}" if part else ""),
                icon=_ICONS[name],
                query_params=query | ({links.PART: part} if part else {}),
                width="content",
            )


def _forest_figure(result: CardResult) -> "Figure":
    from workbench.claims.figures import card_forest

    return card_forest(result)


if __name__ == "__main__":
    page()
