"""What a run's model writes: a short continuation of a prompt, when it is asked for."""

from functools import partial

import streamlit as st

from workbench.dashboard.decoder_lock import READING
from workbench.dashboard.literal_text import literal
from workbench.errors import UserError
from workbench.records.run import RunDirectory, RunRecord
from workbench.visible import visible

_LENGTH = 60  # tokens at first
_LONGEST = 256
_WRITTEN = "_run_continuations"


def writing(directory: RunDirectory, record: RunRecord) -> None:
    """Ask for a prompt and continue it twice: with the likeliest tokens, and with drawn ones."""
    if not directory.weights.exists():
        st.caption(
            "This run has no weights here, so that it cannot write: it is not complete, or was "
            "published without them."
        )
        return
    st.fragment(partial(_panel, directory, record))()


def _panel(directory: RunDirectory, record: RunRecord) -> None:
    prompt = st.text_area("Prompt", "The", key="prompt", height=80)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        tokens = st.number_input("Tokens", 1, _LONGEST, _LENGTH, key="prompt_tokens", width=130)
        temperature = st.number_input(
            "Temperature", 0.05, 5.0, 0.8, 0.05, key="prompt_temperature", width=150
        )
        seed = st.number_input("Seed", 0, 2**31, record.seed, key="prompt_seed", width=150)
        asked = st.button("Continue", key="continue", type="primary", icon=":material/edit_note:")
    if asked:
        with st.spinner("Writing …"), READING:
            written = _continuations(directory, prompt, int(tokens), float(temperature), int(seed))
        st.session_state[_WRITTEN] = (directory.path, written)
    path, written = st.session_state.get(_WRITTEN, (None, {}))
    if path == directory.path:
        for title, text in written.items():
            st.markdown(f"**{literal(title)}**")
            st.code(visible(text), language=None, wrap_lines=True)


def _continuations(
    directory: RunDirectory, prompt: str, tokens: int, temperature: float, seed: int
) -> dict[str, str]:
    """Prompt and continuation by how the tokens were chosen; the reason where it cannot be continued."""
    from workbench.trained.generate import generate_text  # it brings torch, which other pages need not load

    ways = {
        "Greedy: the likeliest token each time": 0.0,
        f"Drawn at temperature {temperature:g}": temperature,
    }
    found: dict[str, str] = {}
    for title, heat in ways.items():
        notes: list[str] = []
        try:
            pieces = generate_text(
                directory,
                prompt,
                tokens=tokens,
                temperature=heat,
                top_k=None,
                top_p=None,
                seed=seed,
                note=notes.append,
            )
            found[title] = prompt + "".join(pieces)
        except UserError as error:
            return {"It cannot be continued": str(error)}
        if notes:
            found[f"{title} ({notes[0]})"] = found.pop(title)
    return found
