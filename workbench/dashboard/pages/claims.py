"""Claims: the cards, each with its word, the runs that it rests on, and what the literature says."""

import streamlit as st

from workbench.claims.card import SIZES, claims_folder
from workbench.claims.facts import StudyFacts
from workbench.claims.results import CardResult
from workbench.claims.tables import (
    cards_table,
    facts_of,
    notes_of,
    predictions_table,
)
from workbench.dashboard import empty_pages, links
from workbench.dashboard.literal_text import grid, literal
from workbench.dashboard.state import PAGES, View, results_directory, view
from workbench.dashboard.tables import text_frame
from workbench.errors import UserError
from workbench.visible import visible

_COLOURS = {"supported": "green", "refuted": "red", "undecided": "orange"}
_RUNS, _LITERATURE = 590, 330  # pixels
_TITLES = {"effects": "Effects", "position": "Position", "runs": "Runs"}
_ICONS = {"effects": ":material/bar_chart:", "position": ":material/straighten:", "runs": ":material/list:"}


def page() -> None:
    """Draw the page."""
    now = view()
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
        results = now.library.claims(results_directory(), size or SIZES[0])
    except UserError as error:
        st.error(literal(error), icon=":material/error:")
        return
    if not results:
        empty_pages.no_claims(claims_folder())
        return
    grid(text_frame(cards_table(results)), hide_index=True, alt="Claims and their words", key="cards")
    st.caption(
        "Supported: every primary prediction holds at every primary rung. Refuted: one fails, with Holm over "
        "the card's primary predictions. Undecided: all else, also where fewer than 8 pairs, lost pairs, "
        "unequal tuning or a learning rate at an edge forbid to rest a word on the numbers."
    )
    for result in results:
        _card(now, result)


def _card(now: View, result: CardResult) -> None:
    """One card: the claim and its word, what runs say, and beside it what the literature says."""
    card = result.card
    with st.container(border=True):
        word = str(result.word)
        st.markdown(f"#### {literal(card.title)} &nbsp; :{_COLOURS[word]}-badge[{word}]")
        st.markdown(literal(card.statement))
        st.caption(f"Every primary prediction holds {result.rungs_text}.")
        st.markdown("\n".join(f"- {literal(reason)}" for reason in result.why))
        # Beside each other where there is room for both, else one below the other.
        with st.container(horizontal=True, gap="medium"):
            with st.container(width=_RUNS):
                _runs(now, result)
            with st.container(width=_LITERATURE):
                _literature(result)
        notes = notes_of(result)
        with st.expander("Scope, rungs, texts, and what is missing", icon=":material/info:"):
            st.table({name: literal(text) for name, text in facts_of(result)}, border="horizontal")
            if notes:
                st.markdown("\n".join(f"- {literal(note)}" for note in notes))
        if commands := dict.fromkeys(
            one.command for one in result.primaries if one.command and not one.facts
        ):
            st.code(visible("\n".join(commands)), language="bash")


def _runs(now: View, result: CardResult) -> None:
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
    _links(now, result)


def _literature(result: CardResult) -> None:
    st.markdown("**What the literature says**")
    if not result.card.sources:
        st.caption("The card names no source.")
    for source in result.card.sources:
        st.markdown(literal(source.number))
        st.caption(f"{literal(source.paper)}; {literal(source.where)} ({source.certainty})")


def _links(now: View, result: CardResult) -> None:
    """Ways into the pages that explain the numbers: one for each study and page."""
    ways: dict[tuple[str, str], StudyFacts] = {}
    for one in result.evidence:
        if one.facts is not None:
            page = one.placed.prediction.measured.page
            if page is not None:
                ways.setdefault((one.facts.title, page), one.facts)
    with st.container(horizontal=True):
        for (title, name), facts in ways.items():
            st.page_link(
                PAGES / f"{name}.py",
                label=f"{_TITLES[name]} of {literal(title)}",
                icon=_ICONS[name],
                query_params={"study": str(facts.path.relative_to(results_directory()))},
                width="content",
            )


if __name__ == "__main__":
    page()
