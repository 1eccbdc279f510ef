"""What ``workbench check`` says of the draft, beside the form: the same facts, in the same words."""

import math
from functools import partial
from typing import Any

import pandas as pd
import streamlit as st

from workbench.dashboard import state
from workbench.dashboard.asking import session
from workbench.dashboard.asking.checking import Check, Checks
from workbench.dashboard.fact_list import fact_list
from workbench.dashboard.folded import folded, stay_as_it_is
from workbench.dashboard.literal_text import grid, literal
from workbench.dashboard.tables import text_frame
from workbench.numbers import MISSING, duration, percent, plural
from workbench.study.chances import chances_text, noise_lines

_LOOK_AGAIN = 0.7  # seconds
_DOWNLOAD = "_ask_download"
_SHOWN = "_ask_shown"  # the check that the page shows to its end
_REST = "ask_rest"  # what is folded away
_BESIDE = 2  # comparisons whose chances are shown in columns
# Lines of a check that are said in words of their own above, or that are of no use before a study runs.
_ELSEWHERE = ("time", "manifest", "warning", "note")


@st.cache_resource(show_spinner=False)
def _checks(results: str) -> Checks:
    return Checks(state.results_directory())


def check_panel(check: Check) -> None:
    """Draw what is known of the draft, and look again while it is still being checked.

    ``check`` is what was known when the page began to be drawn: if all, the page need not be drawn once more.
    """
    if check.done:
        st.session_state[_SHOWN] = check
    # Nothing on the rest of the page waits for this, nor is drawn anew with it.
    st.fragment(_panel, run_every=None if check.done else _LOOK_AGAIN)()


def current_check() -> Check:
    """What is known of the draft by now."""
    checks = _checks(str(state.results_directory()))
    fetch = st.session_state.get(_DOWNLOAD) == session.text()
    return checks.check(state.session_id(), session.text(), session.path(), download=fetch)


def _panel() -> None:
    check = current_check()
    if check.done and st.session_state.get(_SHOWN) is not check:
        st.session_state[_SHOWN] = check
        st.rerun()  # so that nobody looks every second for what is known
    stay_as_it_is(_REST)
    if check.error:
        st.error(literal(check.error), icon=":material/error:")
        return
    if check.download:
        _offer_download(check.download)
        return
    if check.facts is None:
        st.info(literal(check.now or "Checking …"), icon=":material/hourglass_empty:")
        return
    _facts(check.facts, measured=check.done)


def _offer_download(name: str) -> None:
    st.info(
        f"The text {literal(name)} is not on this machine. Sizes and times are known once it is.",
        icon=":material/download:",
    )
    if st.button("Download it now", key="ask_download", icon=":material/download:"):
        st.session_state[_DOWNLOAD] = session.text()
        st.rerun()


def _facts(facts: dict[str, Any], *, measured: bool) -> None:
    _summary(facts, measured=measured)
    if "variants" in facts:
        _variants(facts)
        _chances(facts)
    for warning in facts["warnings"]:
        st.warning(literal(warning), icon=":material/warning:")
    folded("Data, budget, pairing", partial(_lines, facts), key=_REST, icon=":material/info:")


def _summary(facts: dict[str, Any], *, measured: bool) -> None:
    """How much it is, in a line: variants, trials, time."""
    trials = facts["trials"]
    phases = ", ".join(f"{phase} {count}" for phase, count in trials.items() if phase != "total")
    time = duration(facts["estimated_seconds"]) if measured else "being measured"
    with st.container(horizontal=True, gap="medium"):
        if "variants" in facts:
            st.metric("Variants", len(facts["variants"]), width="content")
        else:
            st.metric("Points", facts["points"], width="content")
        st.metric("Trials", trials["total"], help=literal(phases), width="content")
        st.metric(f"Time on {plural(facts['workers'], 'worker')}", time, width="content")
    looks = facts.get("looks")
    if looks:
        most = looks[-1] * len(facts["variants"])
        st.caption(
            f"Trials and time are those of the first look, at {plural(looks[0], 'pair')}; what is open "
            f"then goes on, to at most {looks[-1]} pairs ({plural(most, 'trial')})."
        )


def _variants(facts: dict[str, Any]) -> None:
    """A row for each variant: its change, its size, and how far that is from the baseline's."""
    from workbench.study.check import changes_in_a_line

    changes = changes_in_a_line(facts)
    budgets_differ = len({variant["tokens"] for variant in facts["variants"]}) > 1
    rows = []
    for variant in facts["variants"]:
        seconds = facts["seconds_per_trial"][variant["name"]]
        own = {"tokens": variant["tokens"]} if budgets_differ else {}
        rows.append(
            {
                "change": changes[variant["name"]] if variant["change"] else "baseline",
                "parameters": variant["parameters"],
                "FLOPs/token": variant["flops_per_token"],
                "mismatch": percent(variant["mismatch"], 2, sign=True),
                **own,
                "a trial": MISSING if math.isnan(seconds) else duration(seconds),
            }
        )
    table = pd.DataFrame(rows)
    numbers = {"parameters": "localized", "FLOPs/token": "compact", "tokens": "localized"}
    config = {
        name: st.column_config.NumberColumn(name, format=format)
        for name, format in numbers.items()
        if name in table
    }
    grid(table, hide_index=True, column_config=config, alt="Variants and their sizes", key="ask_variants")


def _chances(facts: dict[str, Any]) -> None:
    """What the seeds can decide, where a finished study says how large the noise is."""
    known = [row for row in facts["decides"] if row["noise"] is not None]
    if not known:
        st.caption(
            "What the seeds can decide is not known: no finished study measured this noise. "
            "`workbench plan` takes one as `--sd`."
        )
        return
    table = chances_text(facts["decides"])
    st.markdown(f"**{literal(table.title)}**")
    frame = text_frame(table)
    if len(frame) <= _BESIDE:  # then all of it fits beside the form
        frame = frame.set_index(frame.columns[0]).T.rename_axis(frame.columns[0]).reset_index()
    grid(frame, hide_index=True, alt="What the seeds can decide", key="ask_chances")
    st.caption("  \n".join(literal(line) for line in noise_lines(facts["decides"])))


def _lines(facts: dict[str, Any]) -> None:
    """The rest of what ``workbench check`` prints."""
    from workbench.study.check import check_lines

    rows = []
    for line in check_lines(facts):
        what, _, text = line.partition(":")
        if what not in _ELSEWHERE:
            rows.append((what, text.strip()))
    fact_list(rows)
    for note in facts.get("notes", ()):
        st.caption(literal(note))
