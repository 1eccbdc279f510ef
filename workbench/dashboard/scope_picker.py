"""What the pages that look inside are about: a run, what it is compared with, the variants beside them."""

from dataclasses import replace
from pathlib import Path

import pandas as pd
import streamlit as st

from workbench.dashboard import empty_pages, links, state
from workbench.dashboard.state import View
from workbench.errors import RecordError
from workbench.inspection.listed_views import Page
from workbench.inspection.scope import MOST_SERIES, Scope
from workbench.inspection.variants_beside import most_different, usually_beside, variants_beside
from workbench.records.run import Phase, RunDirectory
from workbench.visible import visible

NOTHING = "—"
# The address says what was changed of the usual variants, so that one without these shows all that trained.
LEFT_OUT, ADDED = "without", "with"
# The key of a model's configuration in which variants differ that a page is about.
_PARTS: dict[Page, str] = {"position": "positions"}


def pick_scope(page: Page) -> Scope | None:
    """Ask which runs and variants the page is about; None, and words, where no run can be looked into."""
    now = state.view()
    runs = _inspectable(now.records.runs)
    if runs.empty:
        empty_pages.no_runs("No run of this study is complete yet; there are no weights to look at")
        return None
    labels = dict(zip(runs["run_id"], runs["label"], strict=True))
    paths = dict(zip(runs["run_id"], runs["path"], strict=True))
    first, second = _defaults(runs, now, page)
    for key in ("inspect", "against"):
        links.report_unknown(key, [*labels, NOTHING], "run")
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        run = _pick("Run", "inspect", list(labels), labels, first)
        others = [NOTHING, *(one for one in labels if one != run)]
        against = _pick("Against", "against", others, {NOTHING: NOTHING, **labels}, second)
    chosen = RunDirectory(Path(paths[run]))
    other = None if against == NOTHING else RunDirectory(Path(paths[against]))
    pair = Scope(chosen, other, now.library.study)
    try:
        return replace(pair, others=_pick_beside(pair, now))
    except RecordError:  # of a calibration whose runs are not here, say: the view says what is wrong
        return pair


def _inspectable(runs: pd.DataFrame) -> pd.DataFrame:
    """Complete runs; those without weights, as most of a published study are, come last and say so."""
    if runs.empty:
        return runs
    # Of few columns, which is several times as fast as of all.
    found = runs.loc[runs["state"] == "complete", ["run_id", "variant", "phase", "seed", "path"]].copy()
    order = {Phase.CONFIRM: 0, Phase.IMPORT: 0, Phase.TUNE: 1, Phase.PILOT: 2}
    found["rank"] = found["phase"].map(order).fillna(3)
    found["weightless"] = [not RunDirectory(path).weights.exists() for path in found["path"]]
    found["label"] = [
        f"{row.variant} · {row.phase} · seed {row.seed} · {row.run_id[:6]}"
        + (" · no weights" if row.weightless else "")
        for row in found.itertuples()
    ]
    return found.sort_values(["weightless", "rank", "variant", "seed"])


def _defaults(runs: pd.DataFrame, now: View, page: Page) -> tuple[str, str]:
    """The variant that differs most against the baseline of the same seed, unless runs are selected."""
    chosen = [run for run in state.selection() if run in set(runs["run_id"])]
    if len(chosen) >= 2:
        return chosen[0], chosen[1]
    own = runs[runs["variant"] == now.baseline]
    changed = runs[runs["variant"] == _most_different(now, page)]
    if chosen:
        first = runs[runs["run_id"] == chosen[0]].iloc[0]
    elif len(changed):
        first = changed.iloc[0]
    else:
        first = runs.iloc[0]
    partners = own[
        (own["seed"] == first["seed"]) & (own["phase"] == first["phase"]) & (own["run_id"] != first["run_id"])
    ]
    if partners.empty and first["variant"] != now.baseline:
        partners = own[own["phase"] == first["phase"]]  # a published study has the weights of one seed
    return first["run_id"], partners.iloc[0]["run_id"] if len(partners) else NOTHING


def _most_different(now: View, page: Page) -> str | None:
    rows = [] if now.compared is None else now.report.comparisons
    sizes = {row.variant: abs(row.difference) for row in rows if row.difference is not None and not row.fate}
    return most_different(now.records, now.baseline, _PARTS.get(page), sizes)


def _pick(title: str, key: str, options: list[str], labels: dict[str, str], default: str) -> str:
    asked = st.query_params.get(key)
    written = st.session_state.get(f"_{key}_written")
    now = st.session_state.get(key, written)  # pages share what was chosen on any of them
    if asked is not None and asked != written:
        now = asked  # a link, not what the page wrote itself
    if now not in options:
        now = default if default in options else options[0]
    st.session_state[key] = now
    chosen = st.selectbox(title, options, format_func=labels.__getitem__, key=key, width=420)
    st.query_params[key] = st.session_state[f"_{key}_written"] = chosen
    return chosen


def _pick_beside(pair: Scope, now: View) -> tuple[RunDirectory, ...]:
    """The variants that stand beside the pair wherever there is a series for each."""
    known = variants_beside(now.records, pair)
    if not known:
        return ()
    room = MOST_SERIES - len(pair.roles)
    usual = usually_beside(now.records, known, room)
    left_out, added = (_asked(key, list(known)) for key in (LEFT_OUT, ADDED))
    shown = [name for name in known if (name in usual and name not in left_out) or name in added]
    labels = {name: visible(now.labels.get(name, name)) for name in known}
    # Another pair has other variants beside it, and so a widget of its own.
    key = f"beside {now.records.path} {sorted(known)}"
    if key not in st.session_state:
        st.session_state[key] = shown[:room]
    picked = st.multiselect(
        "Beside them, wherever there is a line, dot or bar for each variant",
        list(known),
        format_func=labels.__getitem__,
        key=key,
        max_selections=room,
        placeholder="no other variant",
    )
    # Of the variants that another pair has beside it what was chosen stays; of another study's it does not.
    elsewhere = [name for name in now.records.manifest.names if name not in known]
    _keep(LEFT_OUT, [n for n in elsewhere if n in left_out] + [n for n in usual if n not in picked])
    _keep(ADDED, [n for n in elsewhere if n in added] + [n for n in picked if n not in usual])
    return tuple(known[name] for name in known if name in picked)


def _asked(key: str, known: list[str]) -> list[str]:
    """The variants under ``key`` of the address, or of this session if another page wrote them."""
    written = st.session_state.get(f"_{key}_written", [])
    found = st.query_params.get_all(key)
    if found and found != written:
        links.report_unknown(key, [*known, *state.view().records.manifest.names], "variant")
        return found
    return written


def _keep(key: str, names: list[str]) -> None:
    st.session_state[f"_{key}_written"] = names
    if names:
        st.query_params[key] = names
    elif key in st.query_params:
        del st.query_params[key]
