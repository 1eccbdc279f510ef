"""What a run's model wrote while it trained: the same prompts continued, step by step."""

import pandas as pd
import streamlit as st

from workbench.dashboard import links, live
from workbench.dashboard.literal_text import code_span, grid, literal
from workbench.dashboard.state import View
from workbench.errors import RecordError
from workbench.numbers import count, plural
from workbench.records.run import RunDirectory, RunRecord, State
from workbench.records.samples import SAMPLE_TEMPERATURE, SAMPLE_TOKENS, Sample, read_samples
from workbench.visible import visible

_STEP, _NEWEST = "sample_step", "_sample_newest"


def samples(now: View, directory: RunDirectory, record: RunRecord) -> None:
    """The samples of the step that is picked, and a table of all; while the run trains, as they come."""
    trains = now.records.is_live and record.state == State.RUNNING
    # Metrics have the whole page drawn anew, and are written before samples are.
    st.fragment(_panel, run_every=live.SECONDS if trains and live.follows() else None)(directory, trains)


def _panel(directory: RunDirectory, trains: bool) -> None:
    try:
        found = read_samples(directory.path)
    except RecordError as error:
        st.error(literal(error), icon=":material/error:")
        return
    if not found:
        nothing = "while it trained, or was published without that"
        st.caption(
            f"This run has written nothing {'so far' if trains else nothing}. A study asks for it with "
            f"{code_span('training: {samples: 2}')}, of the trials that it runs from then on. What the "
            "finished model writes is under Text."
        )
        return
    _at_a_step(found)


def _at_a_step(found: list[Sample]) -> None:
    steps = [str(step) for step in dict.fromkeys(one.step for one in found)]
    links.report_unknown(_STEP, steps, "step")
    shown = st.session_state.get(_STEP)
    if shown not in steps:
        st.session_state.pop(_STEP, None)  # of another run
    elif shown == st.session_state.get(_NEWEST):
        st.session_state[_STEP] = steps[-1]  # who went back to another step stays there
    st.session_state[_NEWEST] = steps[-1]
    step = steps[0]
    if len(steps) > 1:
        step = st.select_slider(
            "After step",
            steps,
            value=steps[-1],
            key=_STEP,
            bind="query-params",
        )
    own = [one for one in found if str(one.step) == step]
    st.caption(
        f"{plural(len(own), 'prompt')} continued after step {count(int(step))}: {SAMPLE_TOKENS} tokens each, "
        f"drawn at temperature {SAMPLE_TEMPERATURE}, with the same draws at every step."
    )
    for one in own:
        with st.container(border=True):
            st.markdown(f"**Prompt {one.number + 1}**")
            st.code(visible(one.prompt), language=None, wrap_lines=True)
            if one.error is not None:
                st.warning(literal(f"It was not continued: {one.error}"), icon=":material/warning:")
            else:
                st.code(visible(one.text), language=None, wrap_lines=True)
    with st.expander("All steps"):
        grid(_table(found), hide_index=True, alt="What was written after each step", key="sample_table")


def _table(found: list[Sample]) -> pd.DataFrame:
    """A row per step, a column per prompt."""
    rows: dict[int, dict[str, object]] = {}
    for one in found:
        row = rows.setdefault(one.step, {"step": one.step})
        row[f"prompt {one.number + 1}"] = visible(one.text if one.error is None else f"({one.error})")
    return pd.DataFrame(list(rows.values()))
