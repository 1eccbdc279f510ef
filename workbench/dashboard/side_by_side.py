"""Containers beside each other where there is room for all of them, else one below the other."""

import streamlit as st
from streamlit.delta_generator import DeltaGenerator


def side_by_side(key: str, *parts: tuple[int, int]) -> list[DeltaGenerator]:
    """A container for each of ``parts``: its least width in pixels, and its share of what is left over.

    Streamlit's own columns stay beside each other however narrow they become, and its containers have either
    a width that never grows or none at all.
    """
    with st.container(horizontal=True, gap="medium"):
        found = [st.container(key=f"{key}_{place}") for place in range(len(parts))]
    rules = (
        f'[data-testid="stLayoutWrapper"]:has(> .st-key-{key}_{place})'
        f"{{flex:{share} 1 {width}px;min-width:min({width}px,100%)}}"
        for place, (width, share) in enumerate(parts)
    )
    st.html(f"<style>{''.join(rules)}</style>")
    return found
