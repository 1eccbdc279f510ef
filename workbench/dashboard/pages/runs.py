"""Runs: every run of the study, filtered and grouped; selected ones side by side."""

from functools import partial
from hashlib import blake2b
from typing import Any

import pandas as pd
import streamlit as st
from pandas.io.formats.style import Styler

from workbench.analysis.metric_units import why_not_comparable
from workbench.analysis.text_escapes import to_csv
from workbench.analysis.without_result import above_guess
from workbench.dashboard import access, downloads, empty_pages, links, state
from workbench.dashboard.config_differences import compare, configuration
from workbench.dashboard.literal_text import code_span, grid, literal
from workbench.dashboard.note_panel import note_panel, with_notes
from workbench.dashboard.run_query import query_runs
from workbench.dashboard.state import SELECTABLE, View, view
from workbench.dashboard.tables import (
    filter_runs,
    group_table,
    metrics_of,
    run_table,
    with_live_steps,
    with_outcomes,
)
from workbench.errors import RecordError, UserError
from workbench.numbers import ABSURD, MISSING, fixed, plural
from workbench.records.training_outcome import DID_NOT_TRAIN, UNIFORM, did_not_train
from workbench.visible import visible

FILTERS = ("variant", "phase", "state", "seed")
_HEADINGS = {
    "learning_rate": ("Learning rate", "%g"),
    "validation/loss": ("Validation loss", "%.4f"),
    "validation/bits_per_byte": ("Bits per byte", "%.4f"),
    "train/loss": ("Training loss", "%.4f"),
    "tokens": ("Tokens", "compact"),
    "flops": ("FLOPs", "compact"),
    "seconds": ("Seconds", "%.1f"),
    "tokens_per_second": ("Tokens/s", "compact"),
    "parameters": ("Parameters", "localized"),
    "flops_per_token": ("FLOPs/token", "compact"),
    "peak_memory_bytes": ("Peak memory", "bytes"),
}


def page() -> None:
    """Draw the page."""
    now = view()
    st.header("Runs", anchor=False)
    damaged = [problem.message for problem in now.records.problems]
    if now.records.runs.empty:
        empty_pages.no_runs()
        empty_pages.problems(damaged)
        return
    known = with_outcomes(now.records.runs, live=now.records.is_live)
    for name in FILTERS:
        links.report_unknown(name, known[name].unique(), name)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        grouped = _grouping()
        chosen = _filters(known)
        query = st.text_input(
            "Query",
            key="query",
            bind="query-params",
            placeholder="learning_rate > 0.002 and seed == 3",
            help="Hyperparameters, keys of the configuration and metrics: ==, !=, <, <=, >, >=, joined by "
            "and / or. A key of the configuration may be its end alone: width == 64.",
            width=320,
        )
    unreadable: dict[str, str] = {}
    stepped = with_live_steps(now.records.runs, state.reader(now.library, unreadable))
    everything = with_outcomes(stepped, live=now.records.is_live)
    runs = filter_runs(everything, **chosen).sort_values(["phase", "seed", "variant", "learning_rate"])
    try:
        runs = query_runs(runs, query)
    except UserError as error:
        st.error(literal(error), icon=":material/error:")
    if reason := why_not_comparable(now.records.manifest, "validation/loss"):
        st.caption(f":material/warning: {literal(reason)}")
    if grouped:
        _groups(runs)
    else:
        _table(runs, now)
        _selected(now)
    empty_pages.problems([*damaged, *unreadable.values()])


def _grouping() -> bool:
    choice = st.segmented_control(
        "One row per", ["run", "variant"], default="run", required=True, key="rows", bind="query-params"
    )
    return choice == "variant"


def _filters(runs: pd.DataFrame) -> dict[str, list[Any]]:
    return {name: _filter(name, sorted(runs[name].unique().tolist())) for name in FILTERS}


def _filter(name: str, options: list[Any]) -> list[Any]:
    known = [value for value in st.session_state.get(name) or [] if value in options]
    if name in st.session_state and known != st.session_state[name]:
        st.session_state[name] = known  # another study has other seeds and variants
    return st.multiselect(
        name.capitalize(),
        options,
        format_func=visible,
        key=name,
        bind="query-params",
        placeholder="All",
        width=190,
    )


def _columns(table: pd.DataFrame) -> dict[str, Any]:
    """Headings and formats of the table's columns; those of a record's own names are left as they are."""
    numbers = {
        name: st.column_config.NumberColumn(label, format=None if name in _absurd(table) else form)
        for name, (label, form) in _HEADINGS.items()
    }
    texts = {name: st.column_config.TextColumn(name.capitalize()) for name in ("variant", "phase", "state")}
    wholes = {name: name.capitalize() for name in ("seed", "step", "runs", "complete")} | {
        "lost": "Without a result"
    }
    counts = {name: st.column_config.NumberColumn(label, format="%d") for name, label in wholes.items()}
    return {name: column for name, column in (numbers | texts | counts).items() if name in table}


def _absurd(table: pd.DataFrame) -> list[str]:
    """Columns with a loss that blew up: in the format of the others it would take a dozen digits."""
    return [name for name in metrics_of(table) if name in table and table[name].abs().max() >= ABSURD]


def _written(table: pd.DataFrame) -> pd.DataFrame | Styler:
    """The table with such losses as ``2.531e+08``; they stay numbers, so that a click on a heading sorts."""
    absurd = _absurd(table)
    if not absurd or table.size > pd.get_option("styler.render.max_elements"):
        return table
    return table.style.format(partial(fixed, decimals=4), subset=absurd, na_rep=MISSING)


def _table(runs: pd.DataFrame, now: View) -> None:
    table = run_table(runs)
    try:
        table = with_notes(table, now.library.notes(now.records.path))
    except RecordError as error:
        st.error(literal(error), icon=":material/error:")
    ids = [str(run) for run in table.index]
    chosen = state.selection()
    # Streamlit keeps a selection by position; a table of other rows must be another table.
    key = f"runs_{state.selection_round()}_{blake2b(','.join(ids).encode(), digest_size=6).hexdigest()}"
    grid(
        table,
        style=_written,
        hide_index=True,
        column_config=_columns(table),
        on_select=lambda: _take(key, ids),
        selection_mode="multi-row",
        selection_default={"selection": {"rows": [ids.index(run) for run in chosen if run in ids]}},
        key=key,
        height=min(560, 40 + 35 * max(1, len(ids))),
        placeholder=MISSING,
        alt="Runs of the study",
    )
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        st.caption(
            f"{plural(len(ids), 'run')} shown of {len(now.records.runs):,}. Tick rows to compare them."
        )
        downloads.csv_button(
            lambda: to_csv(table, index_label="run_id"), f"{now.records.path.name}-runs", key="download_runs"
        )


def _take(key: str, ids: list[str]) -> None:
    """Make the ticked rows the selection; selected runs that the filter hides stay selected."""
    ticked = [ids[position] for position in st.session_state[key].selection.rows]
    hidden = [run for run in state.selection() if run not in ids]
    if len(hidden + ticked) > SELECTABLE:
        st.toast(f"At most {SELECTABLE} runs can be compared; the later ones were not added.")
    state.select(hidden + ticked)


def _groups(runs: pd.DataFrame) -> None:
    table = group_table(runs)
    spread = [name for name in table if name.endswith((" sd", " text"))]
    metrics = metrics_of(runs)
    texts = {f"{name} text": _HEADINGS.get(name, (name,))[0] + " (mean ± sd, n)" for name in metrics}
    shown = table.rename(columns=texts).drop(
        columns=[c for c in [*metrics, *spread] if c in table and c not in texts]
    )
    grid(
        shown,
        hide_index=True,
        column_config=_columns(shown),
        placeholder=MISSING,
        alt="Runs by variant",
        key="groups",
    )
    st.caption("One row per variant, phase and learning rate; means are over complete runs that trained.")
    downloads.csv_button(lambda: to_csv(table, index=False), "variants", key="download_groups")


def _selected(now: View) -> None:
    chosen = state.selection()
    if not chosen:
        return
    runs = now.records.runs.set_index("run_id", drop=False).loc[chosen].to_dict("records")
    for run in runs:
        if isinstance(run["error"], str):  # pandas reads "no error" as NaN
            st.error(
                literal(f"{run['variant']}, seed {run['seed']}: {run['state']}"), icon=":material/error:"
            )
            st.code(visible(run["error"]), language=None, wrap_lines=True)
        if did_not_train(run):
            losses = above_guess(run["validation/loss"], run[UNIFORM])
            st.warning(
                literal(f"{run['variant']}, seed {run['seed']}: {DID_NOT_TRAIN}: {losses}"),
                icon=":material/warning:",
            )
    _notes(now, runs)
    _comparison(runs)
    _provenance(runs)


def _notes(now: View, runs: list[dict[str, Any]]) -> None:
    """What was written down of each selected run, where anything was or can be."""
    try:
        written = now.library.notes(now.records.path)
    except RecordError:
        return  # said above the table
    may = access.may_write() and not now.records.is_published
    shown = [run for run in runs if may or not written.of(run["run_id"]).is_empty]
    if not shown:
        return
    st.subheader("Notes", anchor=False)
    for run in shown:
        st.markdown(literal(f"{run['variant']}, {run['phase']}, seed {run['seed']}"))
        note_panel(now.records.path, now.library, run["run_id"])


def _comparison(runs: list[dict[str, Any]]) -> None:
    st.subheader("Configuration", anchor=False)
    everything = st.toggle("Show keys that are the same", key="all_keys", bind="query-params")
    if len(runs) < 2 and not everything:
        st.caption(f"Select 2 to {SELECTABLE} runs to see in which keys they differ.")
        return
    names = {run["run_id"]: f"{run['variant']} · seed {run['seed']} · {run['run_id'][:6]}" for run in runs}
    configs = {names[run["run_id"]]: configuration(run) for run in runs}
    table = compare(configs, only_different=not everything and len(runs) > 1)
    pinned = {"key": st.column_config.TextColumn("Key", pinned=True)}
    grid(
        table,
        hide_index=True,
        column_config=pinned,
        alt="Configuration keys of the selected runs",
        key="differences",
    )


def _provenance(runs: list[dict[str, Any]]) -> None:
    with st.expander("Provenance", icon=":material/fingerprint:"):
        for run in runs:
            where = literal(f"{run['phase']}, seed {run['seed']}, run {run['run_id']}")
            st.markdown(f"**{literal(run['variant'])}**, {where}")
            st.markdown(code_span(run["path"]))
            st.json(run["provenance"] or {}, expanded=1)


if __name__ == "__main__":
    page()
