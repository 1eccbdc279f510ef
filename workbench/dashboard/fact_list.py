"""Facts as a list of names and texts, over the whole width of the page.

Not ``st.table``: a text would stand in at most 375 pixels of it, however wide the page.
"""

from collections.abc import Iterable, Sequence

import streamlit as st

from workbench.dashboard.literal_text import literal
from workbench.numbers import MISSING


def fact_list(facts: Iterable[tuple[str, str | Sequence[str]]]) -> None:
    """Show each fact's name and text, neither read as Markdown; several texts stand below each other."""
    st.markdown("\n".join(_item(name, [text] if isinstance(text, str) else text) for name, text in facts))


def _item(name: str, texts: Sequence[str]) -> str:
    head = f"- **{literal(name)}**:"
    if len(texts) > 1:
        return "\n".join([head, *(f"  - {literal(text)}" for text in texts)])
    return f"{head} {literal(texts[0]) if texts else MISSING}"
