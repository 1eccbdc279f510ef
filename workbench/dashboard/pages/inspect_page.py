"""What the pages Attention, Position and Activations share: which runs, which view, and how it is shown."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import streamlit as st

from workbench.analysis.text_escapes import to_csv
from workbench.dashboard import (
    attention_maps,
    downloads,
    leading_marks,
    links,
    painted_text,
    state,
)
from workbench.dashboard.decoder_lock import READING
from workbench.dashboard.drawn_chart import show_chart
from workbench.dashboard.folded import folded
from workbench.dashboard.literal_text import literal
from workbench.dashboard.measure_button import offer_measuring
from workbench.dashboard.panel_charts import chart
from workbench.dashboard.scope_picker import pick_scope
from workbench.dashboard.searches import is_search, see_search
from workbench.dashboard.tabbed import tabbed
from workbench.errors import UserError
from workbench.files import version
from workbench.inspection import drawing
from workbench.inspection.listed_views import Page, listed
from workbench.inspection.measured import measured_version
from workbench.inspection.panels import Maps, Panel, Result, TokenMaps, Tokens
from workbench.inspection.scope import Scope
from workbench.inspection.views import Option, View, find_view
from workbench.numbers import plural
from workbench.records.run import WEIGHTS, RunDirectory

if TYPE_CHECKING:  # matplotlib: imported when a file is asked for
    from matplotlib.figure import Figure

_RESULTS = 64  # computed views in memory
_SHORT, _LETTER = 18, 7  # letters of a choice that always fits; pixels of a letter


def inspection_page(page: Page, title: str) -> None:
    """Draw one of the three pages."""
    st.header(title, anchor=False)
    if is_search(state.view()):
        see_search()
        return
    scope = pick_scope(page)
    if scope is None:
        return
    known = {view.name: view for view in listed(page)}
    links.report_unknown(f"{page}_view", [view.title for view in known.values()], "view")
    name = st.segmented_control(
        "View",
        list(known),
        format_func=lambda name: known[name].title,
        default=next(iter(known)),
        required=True,
        key=f"{page}_view",
        bind="query-params",
        label_visibility="collapsed",
    )
    st.fragment(lambda: _view(find_view(name), scope))()


def _view(view: View, scope: Scope) -> None:
    st.caption(view.question)
    if not view.many and scope.others:
        scope = replace(scope, others=())
    try:
        _open(view, scope)
    except UserError as error:  # also of a run without weights or text, before anything is computed
        st.warning(literal(error), icon=":material/info:")


def _open(view: View, scope: Scope) -> None:
    reason = view.available(scope)
    if reason:
        st.info(literal(f"{reason[0].upper()}{reason[1:]}."))
        return
    measurable = view.measurable(scope)
    if measurable:
        offer_measuring(measurable, (*view.tables, *view.more_tables))
    try:
        at_hand = view.at_hand(scope)
    except UserError:
        if measurable:  # there will be something to show once they are
            return
        raise
    usual = {option.name: option.value(at_hand.scope, None) for option in view.options}
    given = _ask_all(view, at_hand.scope, usual)
    show(_computed(view, scope, given, lasting=given == usual))


def _ask_all(view: View, scope: Scope, usual: Mapping[str, str]) -> dict[str, str]:
    """Texts take a line of their own, everything else shares one. ``usual``: what stands there at first."""
    given = {}
    for option in view.options:
        if option.choices is not None:
            key = f"{view.name}.{option.name}"
            asked = st.query_params.get(key, "")
            if asked in option.words:  # by its short name, as a command has it
                st.session_state[key] = asked
                del st.query_params[key]
                continue
            shown = [option.shown(choice) for choice in option.choices(scope)]
            links.report_unknown(key, shown, option.label)
    for option in view.options:
        if option.kind == "text":
            if option.examples is not None:
                _offer_examples(f"{view.name}.{option.name}", option.examples(scope), usual[option.name])
            given[option.name] = _ask(view, option, scope, usual[option.name])
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        for option in view.options:
            if option.kind != "text":
                given[option.name] = _ask(view, option, scope, usual[option.name])
    return given


def _offer_examples(key: str, examples: Mapping[str, str], default: str) -> None:
    """Texts to begin with; the one that stands below is marked, whoever wrote it there."""
    own = f"{key}.example"
    text = st.session_state.get(key, default)
    st.session_state[own] = next((name for name, example in examples.items() if example == text), None)

    def take() -> None:
        if chosen := st.session_state[own]:
            st.session_state[key] = examples[chosen]

    st.pills("Examples", list(examples), key=own, on_change=take)


def _choose(key: str, layer: int, head: int) -> None:
    """Show the head that was clicked: as if its layer and number had been picked above."""
    view = key.rpartition("_")[0]
    st.session_state[f"{view}.layer"] = str(layer)
    st.session_state[f"{view}.head"] = str(head)


def _ask(view: View, option: Option, scope: Scope, default: str) -> str:
    key = f"{view.name}.{option.name}"
    ask: dict[str, Callable[..., Any]] = {"text": st.text_area, "toggle": st.toggle, "number": st.text_input}
    if option.choices is not None:
        known = option.choices(scope)
        index = known.index(default) if default in known else 0
        longest = max((len(option.shown(choice)) for choice in known), default=0)
        return st.selectbox(
            option.label,
            known,
            index=index,
            format_func=option.shown,
            key=key,
            bind="query-params",
            help=option.help or None,
            # Several share a line: what is long would be cut on a narrow page.
            width="stretch" if longest < _SHORT else _LETTER * longest + 60,
        )
    if option.kind == "toggle":
        return str(
            st.toggle(option.label, default == "True", key=key, bind="query-params", help=option.help or None)
        )
    return ask[option.kind](option.label, default, key=key, bind="query-params", help=option.help or None)


def _computed(view: View, scope: Scope, given: dict[str, str], *, lasting: bool) -> Result:
    """``view`` as asked for, computed once; ``lasting``: also if another server did so."""
    runs = [scope.directory(role).path for role in scope.all_roles]
    if not view.live:
        runs += [Path(path) for role in scope.all_roles for path in scope.seeds(role)["path"]]
    versions = tuple(_version(path) for path in runs)
    kept: dict[Any, Result] = _kept()
    key = (view.name, scope.all_roles, versions, tuple(sorted(given.items())))
    if key not in kept:
        with st.spinner("Computing …"), READING:
            kept[key] = _from_disk(view, scope, given, versions) if lasting else view.show(scope, given)
        while len(kept) > _RESULTS:
            kept.pop(next(iter(kept)))
    return kept[key]


def _from_disk(view: View, scope: Scope, given: dict[str, str], versions: tuple[Any, ...]) -> Result:
    """The same, from the disk where runs, their studies and texts are those that it was computed of."""
    runs = {role: scope.directory(role) for role in scope.all_roles}
    return state.library().lasting(
        ("view", view.name, [(role, run.path) for role, run in runs.items()]),
        (versions, _texts(runs.values()) if view.live else [], given),
        lambda: view.show(scope, given),
        of={run.path.parent.parent for run in runs.values()},
    )


def _texts(runs: Iterable[RunDirectory]) -> list[str]:
    from workbench.inspection.run_text import run_text  # with all kinds of corpora

    return [run_text(run).fingerprint for run in runs]


@st.cache_resource(show_spinner=False)
def _kept() -> dict[Any, Result]:
    return {}


def _version(path: Path) -> tuple[Any, ...]:
    return str(path), version(path / WEIGHTS), measured_version(path)


def show(result: Result) -> None:
    """A computed view: sentences, panels, source, downloads."""
    first, others = result.split_answers()
    _paragraphs(first)
    if others:
        label = f"The {plural(len(result.beside), 'variant')} beside them, in words"
        folded(label, partial(_paragraphs, others), key=f"{result.view}.beside")
    groups = result.tabs()
    if len(groups) > 1:
        _tabbed(result, groups)
    else:
        _below_each_other(result, enumerate(result.panels))
    source = f"{literal(result.source)}. The address of this page reproduces it."
    st.caption("\n\n".join([*map(literal, result.notes), source]))
    _downloads(result)


def _paragraphs(sentences: Iterable[str]) -> None:
    """Each sentence by itself, in one element: a browser takes a millisecond or more for each of these."""
    st.markdown("\n\n".join(map(literal, sentences)))


def _tabbed(result: Result, groups: dict[str, list[tuple[int, Panel]]]) -> None:
    key = f"{result.view}.part"
    parts = {literal(name): partial(_below_each_other, result, panels) for name, panels in groups.items()}
    tabbed(parts, key)


def _below_each_other(result: Result, panels: Iterable[tuple[int, Panel]]) -> None:
    for number, panel in panels:
        with st.container(border=True):
            _heading(result, panel, number)
            _panel(panel, f"{result.view}_{number}")
            if panel.note:
                st.caption(literal(panel.note))


def _heading(result: Result, panel: Panel, number: int) -> None:
    with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
        st.markdown(f"**{literal(panel.title)}**", width="stretch")
        downloads.chart_menu(
            partial(_panel_figure, panel),
            partial(to_csv, panel.data, index=False),
            f"{result.view}-{number}",
            key=f"{result.view}_{number}",
        )


def _panel(panel: Panel, key: str) -> None:
    if isinstance(panel, Maps):
        attention_maps.thumbnails(panel, key, lambda layer, head: _choose(key, layer, head))
    elif isinstance(panel, TokenMaps):
        attention_maps.token_maps(panel, key)
    elif isinstance(panel, Tokens):
        painted_text.show(panel, key)
    else:
        assert isinstance(panel, drawing.Drawn)  # every other panel has axes
        _chart(panel, key)


def _chart(panel: drawing.Drawn, key: str) -> None:
    """The chart, and in words what of the panel it cannot show."""
    if not drawing.is_empty(panel):
        build = partial(chart, panel, state.view().ink)
        leads = drawing.named_leads(panel)
        if leads is None:
            show_chart(build, alt=panel.title, key=key)
        else:
            leading_marks.show(build, leads, panel.title, key)
    if sentence := drawing.left_out(panel):
        st.caption(literal(sentence))


def _panel_figure(panel: Panel) -> "Figure":
    from workbench.inspection.panel_figures import panel_figure

    return panel_figure(panel)


def _figure(result: Result) -> "Figure":
    from workbench.inspection.panel_figures import figure

    return figure(result)


def _downloads(result: Result) -> None:
    with st.container(horizontal=True):
        downloads.figure_buttons(partial(_figure, result), result.view)
        for number, (name, table) in enumerate(result.tables.items(), start=len(result.panels)):
            st.download_button(
                f"{literal(name)} (CSV)",
                data=partial(to_csv, table, index=False),
                file_name=f"{result.view}-{number}.csv",
                key=f"download_{result.view}_csv_{number}",
                icon=":material/table:",
                on_click="ignore",
            )
