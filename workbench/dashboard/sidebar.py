"""The sidebar: which study, against which baseline, what is live, which runs are selected."""

from pathlib import Path

import streamlit as st

from workbench.dashboard import ahead, downloads, empty_pages, links, live, notices, pins, state
from workbench.dashboard.archive_panel import archive_menu
from workbench.dashboard.comparing.choice import tags_of
from workbench.dashboard.drivers import begun_studies, is_begun
from workbench.dashboard.links_inside import run_link
from workbench.dashboard.literal_text import literal
from workbench.dashboard.study_search import has_words, words_of
from workbench.errors import UserError
from workbench.records.index import StudyRecords, list_studies
from workbench.visible import visible

_SEARCHABLE = 4  # studies from which on there is a search


def show(page: str, *, needs_study: bool = True) -> bool:
    """Draw the sidebar of ``page`` and open a study; False when there is none to show a page of.

    A page that needs none is always shown, and a study that cannot be opened is then no matter of the page.
    """
    links.remember(page)
    state.choose_study(None)
    results = state.results_directory()
    found = [*begun_studies(results), *list_studies(results)] if results.is_dir() else []
    studies = {_title(path, results): path for path in found}
    st.logo(state.ICON, size="large")
    if not studies:
        with st.sidebar:
            archive_menu(None, results)  # all may be archived
        if needs_study:
            empty_pages.no_studies(results)
        return not needs_study
    with st.sidebar:
        st.markdown("#### Ablation workbench")
        title = _pick_study(studies)
        path = studies[title]
        state.choose_study(path)
        begun = is_begun(path)
        problem = None if begun else _open(path)
        if problem:
            state.keep_problem(problem)
        archive_menu(path, results)
        pins.show(results)
        notices.notice_ends()
        downloads.look_control()
        ahead.read_ahead()
    if not needs_study:
        return True
    if begun:
        empty_pages.begun(path)
        return False
    if missing := links.unknown("study", studies):
        st.warning(f"There is no study {literal(missing[0])} here; this is {literal(title)}.")
    if problem:
        empty_pages.unreadable(path, problem)
    return problem is None


def _title(path: Path, results: Path) -> str:
    return str(path.relative_to(results))


def _pick_study(studies: dict[str, Path]) -> str:
    titles = list(studies)
    library = state.library()
    # Not bound to the URL: a bound widget leaves its default out, and "the newest" is another study tomorrow.
    asked = st.query_params.get("study")
    if asked in titles and asked != st.session_state.get("_published_study"):
        st.session_state["study_choice"] = asked
    elif st.session_state.get("study_choice", titles[0]) not in titles:
        st.session_state["study_choice"] = titles[0]  # the other one was archived, deleted or moved

    def named(title: str) -> str:
        """With its tags, so that one finds a study by typing one of them."""
        return visible(" ".join([title, *(f"#{tag}" for tag in tags_of(studies[title], library))]))

    chosen = st.selectbox(
        "Study",
        _searched(studies),
        format_func=named,
        key="study_choice",
        help="Newest first. Type a part of a name or of a tag; questions and notes are searched above.",
        on_change=links.forget,
    )
    st.query_params["study"] = st.session_state["_published_study"] = chosen
    return chosen


def _searched(studies: dict[str, Path]) -> list[str]:
    """The titles that have what is searched for, and the one that is open whatever that is."""
    titles = list(studies)
    if len(titles) < _SEARCHABLE:
        return titles
    asked = st.text_input(
        "Search studies",
        key="study_search",
        placeholder="name, question, tag or note",
        icon=":material/search:",
        label_visibility="collapsed",
    )
    if not asked.strip():
        return titles
    library = state.library()
    found = [title for title in titles if has_words(words_of(title, studies[title], library), asked)]
    st.caption(f"{len(found)} of {len(titles)} studies")
    opened = st.session_state.get("study_choice", titles[0])
    return found if opened in found else [opened, *found]


def _open(path: Path) -> UserError | None:
    library = state.library()
    try:
        whole = library.study(path)
        records = _pick_rung(library.rungs(whole)) if whole.manifest.is_ladder else whole
        ladder = library.ladder(whole)
        report = None
        baseline = records.manifest.baseline
        if not records.manifest.is_search:
            records.require_comparable()
            baseline = _pick_baseline(records)
            report = library.report(records, baseline)
    except UserError as error:
        return error
    state.restore_selection(set(records.runs["run_id"]))
    if missing := links.unknown("runs", records.runs["run_id"], separator=","):
        st.warning(f"Not in this study: run {literal(', '.join(missing))}, which the link selects.")
    state.open_view(state.View(records, report, baseline, state.is_dark(), library, whole, ladder))
    live.indicator(records)
    _selected(records)
    state.publish_selection()
    return None


def _pick_rung(rungs: list[StudyRecords]) -> StudyRecords:
    """The rung of a ladder that pages show: the top one, if no other is asked for."""
    numbers = [str(number) for number in range(1, len(rungs) + 1)]
    if st.session_state.get("rung", numbers[-1]) not in numbers:
        st.session_state.pop("rung", None)
    links.report_unknown("rung", numbers, "rung")
    chosen = st.selectbox(
        "Rung",
        numbers,
        index=len(numbers) - 1,
        key="rung",
        bind="query-params",
        on_change=_forget_baseline,
        help="Pages show this rung; Overview and Effects begin with the whole ladder.",
    )
    picked = rungs[numbers.index(chosen)]
    if picked.rung is not None:
        st.caption(literal(picked.rung.words))
    return picked


def _forget_baseline() -> None:
    """Another rung was chosen, whose variants are others."""
    links.forget()
    st.session_state.pop("baseline", None)


def _pick_baseline(records: StudyRecords) -> str:
    declared = records.manifest.baseline
    names = records.manifest.names
    if records.manifest.is_import:
        return declared  # nothing is compared
    if st.session_state.get("baseline", declared) not in names:
        st.session_state.pop("baseline", None)
    links.report_unknown("baseline", names, "variant")
    chosen = st.selectbox(
        "Baseline",
        names,
        index=names.index(declared),
        format_func=visible,
        key="baseline",
        bind="query-params",
        help="The study's own baseline decides. Another one re-bases every difference, for exploring only.",
    )
    # Also when there is nothing to say: what stands below keeps its place, and the browser what it drew.
    with st.container():
        if chosen != declared:
            st.badge("exploratory", icon=":material/science:", color="orange")
            st.caption(
                f"The study declared **{literal(declared)}** as its baseline; these comparisons were not "
                "planned."
            )
    return chosen


def _selected(records: StudyRecords) -> None:
    chosen = state.selection()
    if not chosen:
        return
    rows = records.runs.set_index("run_id").loc[chosen]
    title = str(records.path.relative_to(state.results_directory()))
    with st.container(border=True, gap="xsmall"):
        st.markdown(f"**Selected runs** ({len(chosen)})")
        for run, row in rows.iterrows():
            which = literal(f"{row['phase']} · seed {row['seed']} · {str(run)[:6]}")
            st.caption(f"**{literal(row['variant'])}**  \n{which}")
            run_link(st.query_params["study"], str(run), "Open this run")
        with st.container(horizontal=True):
            st.button("Clear", key="clear_selection", icon=":material/close:", on_click=state.clear_selection)
            st.button(
                "Pin",
                key="pin_selection",
                icon=":material/keep:",
                help="Keep these runs beside the curves of every study, until they are unpinned.",
                on_click=pins.pin,
                args=(title, chosen),
            )
