"""Run: one run as it is recorded: outcome, curves, log, samples, configuration, environment, and its text."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd
import streamlit as st

from workbench.dashboard import empty_pages, links, run_curves, run_samples, run_text, state
from workbench.dashboard.config_differences import compare, configuration
from workbench.dashboard.curve_lines import METRICS
from workbench.dashboard.literal_text import code_span, grid, literal
from workbench.dashboard.state import View
from workbench.dashboard.study_progress import shown_state
from workbench.dashboard.tabbed import tabbed
from workbench.dashboard.text_tail import text_tail
from workbench.errors import RecordError
from workbench.files import to_yaml
from workbench.numbers import count, duration, fixed, plural
from workbench.records.hyperparameters import described
from workbench.records.run import LOG, RunDirectory, RunRecord, State, error_line
from workbench.visible import visible

_LINES = 40  # of the log
_KEY, _WRITTEN = "run", "_run_written"


def page() -> None:
    """Draw the page."""
    now = state.view()
    st.header("Run", anchor=False)
    if now.records.runs.empty:
        empty_pages.no_runs()
        return
    directory = _pick(now)
    try:
        record = directory.read()
    except RecordError as error:
        st.error(literal(error), icon=":material/error:")
        return
    _outcome(now, directory, record)
    parts: dict[str, Callable[[], None]] = {
        "Curves": lambda: run_curves.curves(now, directory),
        "Log": lambda: _log(directory),
        "Configuration": lambda: _configuration(now, record),
        "Samples": lambda: run_samples.samples(now, directory, record),
        "Text": lambda: run_text.writing(directory, record),
        "Environment": lambda: _environment(record),
    }
    tabbed(parts, "run_part")


def _pick(now: View) -> RunDirectory:
    """The run that the address or the reader asks for; the first that is selected, else the first of all."""
    runs = now.records.runs.sort_values(["phase", "variant", "seed"], kind="stable")
    paths = dict(zip(runs["run_id"], runs["path"], strict=True))
    labels = {
        row.run_id: visible(f"{row.variant} · {row.phase} · seed {row.seed} · {row.state} · {row.run_id[:6]}")
        for row in runs.itertuples()
    }
    links.report_unknown(_KEY, paths, "run")
    asked, written = st.query_params.get(_KEY), st.session_state.get(_WRITTEN)
    chosen = asked if asked is not None and asked != written else st.session_state.get(_KEY, written)
    if chosen not in paths:
        chosen = next(iter([*state.selection(), *paths]))
    st.session_state[_KEY] = chosen
    picked = st.selectbox(
        "Run of the study", list(paths), format_func=labels.__getitem__, key=_KEY, width=640
    )
    st.query_params[_KEY] = st.session_state[_WRITTEN] = picked
    return RunDirectory(Path(paths[picked]))


def _outcome(now: View, directory: RunDirectory, record: RunRecord) -> None:
    """State, what it scored and took, and what went wrong."""
    point = described(record.hyperparameters)
    where = f"{record.phase} · seed {record.seed} · {point}"
    word = shown_state(record.state, live=now.records.is_live)
    st.markdown(f":gray-badge[{literal(word)}] **{literal(record.variant)}** · {literal(where)}")
    if record.error:
        st.error(literal(error_line(record.error)), icon=":material/error:")
        if "\n" in record.error.strip():
            with st.expander("The whole error"):
                st.code(visible(record.error), language=None, wrap_lines=True)
    facts = {METRICS.get(name, (name,))[0]: fixed(value, 4) for name, value in record.summary.items()}
    facts |= _facts(record, _step(now, directory, record))
    # One text, of which a browser is done sooner than of as many as there are facts.
    st.markdown(" &emsp; ".join(_together(name, text) for name, text in facts.items()))
    st.markdown(code_span(directory.path))


def _together(name: str, text: str) -> str:
    """A fact that no line ends within, neither at a space nor, in a date, at a hyphen."""
    fact = f"{literal(name[0].upper() + name[1:])} **{literal(text)}**"
    return fact.replace(" ", "\N{NO-BREAK SPACE}").replace("-", "-\N{WORD JOINER}")


def _step(now: View, directory: RunDirectory, record: RunRecord) -> float | None:
    """How far it is: of a run that trains what it logged last, as its record lags behind."""
    step = record.progress.get("step")
    if record.state != State.RUNNING:
        return step
    logged = state.reader(now.library, {})(str(directory.path))
    return step if logged.empty or "step" not in logged else float(logged["step"].max())


def _facts(record: RunRecord, step: float | None) -> dict[str, str]:
    """What is known of how far it went and what it cost, in words."""
    steps = record.progress.get("steps")
    seconds = record.cost.get("seconds")
    found = {
        "step": f"{count(step)} of {count(steps)}" if step is not None and steps is not None else "",
        "parameters": count(record.cost.get("parameters")),
        "training time": duration(seconds),
        "created": _moment(record.created),
        "started": _moment(record.started),
        "finished": _moment(record.finished),
        "attempts": count(record.attempts) if record.attempts > 1 else "",
    }
    return {name: text for name, text in found.items() if text not in ("", "—")}


def _moment(written: str | None) -> str:
    """``2026-11-26 18:47 UTC`` of a moment as records write it."""
    if not written:
        return ""
    return f"{datetime.fromisoformat(written).astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def _log(directory: RunDirectory) -> None:
    """The end of what the run printed; the whole of it as a file."""
    path = directory.path / LOG
    text = text_tail(path, _LINES)
    if not text:
        st.caption("There is no log here: the run has not printed anything, or was published without it.")
        return
    st.caption(f"The last lines of {code_span(path.name)}, {_LINES} at most.")
    st.code(visible(text), language=None, wrap_lines=True)
    st.download_button(
        "Whole log",
        data=path.read_bytes,
        file_name=f"{directory.run_id}-{LOG}",
        mime="text/plain",
        key="download_log",
        icon=":material/download:",
        on_click="ignore",
    )


def _configuration(now: View, record: RunRecord) -> None:
    """What it was trained with, as a study file writes it, and what of that is not the baseline's."""
    own = configuration(record.model_dump())
    other = _of_baseline(now, record)
    if other is not None:
        table = compare({"this run": own, "the baseline's run": other})
        if len(table):
            grid(table, hide_index=True, alt="Keys that differ from the baseline's", key="run_differences")
            st.caption(f"{plural(len(table), 'key')} other than those of a run of the baseline.")
        else:
            st.caption("Nothing differs from the baseline's run.")
    else:
        st.caption("There is no run of the baseline to compare it with.")
    whole: dict[str, Any] = {
        "variant": record.variant,
        "phase": str(record.phase),
        "seed": record.seed,
        "hyperparameters": record.hyperparameters,
        "config": record.config,
    }
    text = to_yaml(whole)
    st.code(visible(text), language="yaml", height=520)
    st.download_button(
        "YAML",
        data=text,
        file_name=f"{record.run_id}.yaml",
        mime="application/yaml",
        key="download_run_config",
        icon=":material/download:",
        on_click="ignore",
    )


def _of_baseline(now: View, record: RunRecord) -> dict[str, Any] | None:
    """The configuration of another run of the baseline: of the same phase and seed as far as there is one."""
    runs = now.records.runs
    found = runs[(runs["variant"] == now.baseline) & (runs["run_id"] != record.run_id)]
    if found.empty:
        return None
    distance = pd.DataFrame({"phase": found["phase"] != record.phase, "seed": found["seed"] != record.seed})
    nearest = distance.sort_values(["phase", "seed"], kind="stable").index[0]
    return configuration(found.loc[nearest].to_dict())


def _environment(record: RunRecord) -> None:
    """The machine, the versions and the commit that its numbers come from."""
    if not record.provenance:
        st.caption("Nothing is recorded of where it was trained.")
        return
    known = record.provenance
    commit = known.get("git_commit")
    if commit:
        dirty = ", with changes that were not committed" if known.get("git_dirty") else ""
        st.markdown(f"Commit {code_span(commit)}{dirty}")
    st.json(dict(known), expanded=2)


if __name__ == "__main__":
    page()
