"""Watch: a study while it runs, and the buttons that start, stop and go on with it."""

import math
from pathlib import Path

import pandas as pd
import streamlit as st

from workbench.analysis.decisions import look_in_words
from workbench.analysis.variant_row import VariantRow
from workbench.dashboard import access, drivers, empty_pages, live, notices, state
from workbench.dashboard.links_inside import run_link
from workbench.dashboard.literal_text import code_span, grid, literal
from workbench.dashboard.pages.overview import verdict_badge
from workbench.dashboard.progress_panel import progress_panel
from workbench.dashboard.state import View
from workbench.dashboard.tables import with_live_steps
from workbench.errors import UserError
from workbench.numbers import fixed, plural, rate, time_left
from workbench.records.driving import Driver, Driving
from workbench.records.hyperparameters import described
from workbench.records.manifest import Manifest
from workbench.records.run import State
from workbench.visible import visible

_LINKS = 8  # to running trials
_LINES = 18  # of the console
_SECONDS = 2  # from one look at a running study to the next
_PROBLEM, _DRIVER, _ASKED = "_watch_problem", "_watch_driver", "_watch_asked_to_stop"
_MOST_SEEDS, _MOST_TRIALS = 1_024, 100_000


def page() -> None:
    """Draw the page."""
    study = state.study_path()
    if study is None:
        st.header("Watch", anchor=False)
        empty_pages.nothing_to_watch()
        return
    st.header(literal(study.name), anchor=False)
    now = state.view_of(study)
    if now is not None:
        st.markdown(literal(now.records.manifest.question))
    if now is not None and now.records.is_published:
        empty_pages.published(now.records.title)
        return
    if (problem := state.problem()) is not None:
        empty_pages.damaged(study, problem)
    driver = drivers.driver_of(study)
    _controls(study, now, driver)
    st.session_state[_DRIVER] = driver
    going = driver.driving is not Driving.NONE
    # A change of driver or records has the whole page drawn anew (live); what runs on between is drawn here.
    st.fragment(_panel, run_every=_SECONDS if going else None)()


def _panel() -> None:
    """What changes while a study runs."""
    study = state.study_path()
    if study is None:
        return
    now = state.view_of(study)
    driver = drivers.driver_of(study)
    was_begun = now is None and state.problem() is None  # and had no manifest, when the page was drawn
    if driver != st.session_state[_DRIVER] or was_begun != drivers.is_begun(study):
        st.rerun()
    if now is not None and now.records.is_live and not live.is_followed():
        st.rerun()  # its first sign of life came while the page was being drawn
    if now is not None:
        _running_trials(now)
        _decided(now)
        progress_panel(now)
    _console(study)


def _controls(study: Path, now: View | None, driver: Driver) -> None:
    """What is going on, in a line; and what can be done about it by who may."""
    with st.container(border=True):
        st.markdown(_words(study, now, driver))
        if not access.may_write():
            access.explain_reading("start and stop studies")
        elif driver.driving is Driving.NONE:
            _start_buttons(study, now)
        elif driver.can_be_stopped:
            asked = st.session_state.get(_ASKED) == driver.pid
            st.button(
                "Stopping …" if asked else "Stop the study",
                key="watch_stop",
                icon=":material/stop_circle:",
                help="As Ctrl-C: each trial finishes its step and writes a checkpoint.",
                on_click=_stop,
                args=(study, driver),
                disabled=asked,
            )
        else:
            st.caption(f"It can be stopped on {literal(driver.host)} only.")
        if problem := st.session_state.pop(_PROBLEM, ""):
            st.error(literal(problem), icon=":material/error:")


def _words(study: Path, now: View | None, driver: Driver) -> str:
    """The state as a badge, and what the driver says of itself."""
    records = None if now is None else now.records
    if driver.driving is Driving.STARTING:
        return f":orange-badge[:material/hourglass_top: starting] {literal(drivers.where(driver))}"
    if driver.driving is Driving.RUNNING:
        said = "" if records is None or records.driver is None else records.driver.message
        left = "" if records is None else time_left(records.seconds_left)
        phase = "" if records is None or records.driver is None else records.driver.phase or ""
        # What a driver says begins with its phase, as a rule.
        opening = "" if said.startswith(phase) else phase
        facts = " · ".join(filter(None, [opening, said, left, drivers.where(driver)]))
        return f":green-badge[:material/sensors: running] {literal(facts)}"
    if records is None and state.problem() is not None:
        return ":red-badge[:material/error: cannot be read]"
    if records is None:
        return ":red-badge[:material/error: not started] The console says why."
    word = "interrupted"
    if records.driver is None:
        word = "not running"
    elif records.driver.state != "running":
        word = records.driver.state
    said = records.driver.message if records.driver is not None else ""
    beside = f" {literal(said)}" if said and said != word else ""
    return f":gray-badge[:material/stop_circle: {literal(word)}]{beside}"


def _start_buttons(study: Path, now: View | None) -> None:
    """Go on, and more seeds or trials, by the command that ran the study last."""
    try:
        words = drivers.words_again(study, state.results_directory())
    except UserError as error:
        st.caption(literal(error))
        return
    done = now is not None and now.records.driver is not None and now.records.driver.state == "done"
    with st.container(horizontal=True, vertical_alignment="bottom"):
        st.button(
            "Run again" if done or now is None else "Resume",
            key="watch_start",
            type="secondary" if done else "primary",
            icon=":material/play_arrow:",
            help="Nothing that has an outcome is trained again.",
            on_click=_start,
            args=(study, words),
        )
        if now is not None:
            _more_of_it(study, now.records.manifest, words)
    st.markdown(code_span(" ".join(["workbench", *words])))


def _more_of_it(study: Path, manifest: Manifest, words: list[str]) -> None:
    """More seeds, or more trials of a search: how many in all, and the button."""
    if manifest.search is not None:
        have, most, label, button = manifest.search.trials, _MOST_TRIALS, "Trials in all", "Add trials"
        there = plural(have, "trial")
    else:
        have, most, button = _seeds(manifest), _MOST_SEEDS, "Add seeds"
        label = "Seeds at most" if manifest.looks else "Seeds in all"
        there = plural(have, "confirmation seed")
    st.number_input(
        label,
        min_value=have + 1,
        max_value=max(most, have + 1),
        value=min(2 * have, max(most, have + 1)),
        key="watch_many",
        width=130,
    )
    st.button(
        button,
        key="watch_more",
        icon=":material/add:",
        help=f"It has {there}; those that are there stay.",
        on_click=_more,
        args=(study, manifest.is_search, words),
    )


def _seeds(manifest: Manifest) -> int:
    """How many pairs a comparison can have by now, at most."""
    return manifest.looks[-1] if manifest.looks else len(manifest.seeds.confirm)


def _start(study: Path, words: list[str]) -> None:
    try:
        drivers.start(study, words)
        notices.watch(study)
    except UserError as error:
        st.session_state[_PROBLEM] = str(error)


def _more(study: Path, is_search: bool, words: list[str]) -> None:
    with_more = drivers.with_trials if is_search else drivers.with_seeds
    try:
        drivers.start(study, with_more(words, int(st.session_state["watch_many"])))
        notices.watch(study)
    except UserError as error:
        st.session_state[_PROBLEM] = str(error)


def _stop(study: Path, driver: Driver) -> None:
    try:
        drivers.stop(study)
        st.session_state[_ASKED] = driver.pid
    except UserError as error:
        st.session_state[_PROBLEM] = str(error)


def _running_trials(now: View) -> None:
    """Each trial that is being trained: how far it is, and its losses so far."""
    running = now.records.runs[now.records.runs["state"] == State.RUNNING]
    if running.empty or not now.records.is_live:
        return
    st.subheader("Running trials", anchor=False)
    unreadable: dict[str, str] = {}
    read = state.reader(now.library, unreadable)
    rows = []
    for row in with_live_steps(running, read).to_dict("records"):
        metrics = read(row["path"])
        steps = row["steps"] or 0
        rows.append(
            {
                "variant": row["variant"],
                "seed": row["seed"],
                "done": (row["step"] or 0) / steps if steps else 0.0,
                "training loss": _last(metrics, "train/loss"),
                "validation loss": _last(metrics, "validation/loss"),
                "step": f"{int(row['step'] or 0):,} of {int(steps):,}",
                "phase": row["phase"],
                "at": described(row["hyperparameters"]),
            }
        )
    config = {
        "done": st.column_config.ProgressColumn("done", format="percent", min_value=0.0, max_value=1.0),
    }
    table = pd.DataFrame(rows)
    grid(
        table, hide_index=True, column_config=config, alt="Trials that are being trained", key="watch_trials"
    )
    with st.container(horizontal=True, gap="small"):
        for row in running.head(_LINKS).itertuples():
            run_link(now.records.title, row.run_id, literal(f"{row.variant}, seed {row.seed}"))


def _last(metrics: pd.DataFrame, name: str) -> str:
    """The last value that was logged."""
    values = metrics[name].dropna().tolist() if name in metrics else []
    return fixed(values[-1] if values else math.nan, 4)


def _decided(now: View) -> None:
    """Each comparison: its word where it has one for good, else where it stands."""
    if now.compared is None or not now.report.comparisons:
        return
    st.subheader("What is decided, and what is not yet", anchor=False)
    lines = []
    for row in now.report.comparisons:
        badge = verdict_badge(row) if _is_final(row) else ":gray-badge[open]"
        lines.append(f"- {badge} {literal(row.label)}: {literal(_standing(row))}")
    st.markdown("\n".join(lines))


def _is_final(row: VariantRow) -> bool:
    """Whether no more pairs are to come: a word before that may change, and is no reason to stop."""
    goes_on = row.decision is not None and row.decision.goes_on
    return row.fate is not None or (row.status == "done" and not goes_on)


def _standing(row: VariantRow) -> str:
    """``worse after 8 pairs``; ``so far equivalent after 3 pairs, of 5``."""
    if row.fate:
        return str(row.fate)
    if row.decision is None:
        tuned = f", at the learning rate {rate(row.learning_rate)}" if row.learning_rate else ""
        return f"{plural(row.pairs, 'pair')} of {row.seeds_planned}{tuned}"
    words = look_in_words(row.decision)
    if _is_final(row) or row.decision.goes_on:
        return words
    return f"so far {words}, of {row.seeds_planned}"


def _console(study: Path) -> None:
    """The end of what the driver printed, where a page started it."""
    st.subheader("Console", anchor=False)
    text = drivers.console_tail(study, _LINES)
    if text:
        st.code(visible(text), language=None)
    else:
        st.caption("This study was started in a terminal, which has what it printed.")


if __name__ == "__main__":
    page()
