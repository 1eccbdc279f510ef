"""Text coloured token by token, each token with its number under the pointer."""

import math
from html import escape

import streamlit as st

from workbench.dashboard.literal_text import literal
from workbench.inspection.panels import Tokens
from workbench.numbers import fixed

_STRONGEST = 0.6  # opacity, so that text on it is read on a light page and on a dark one
_LONGEST = 4_000  # tokens painted at once; the rest is in the download
# Pale colours carry the page's own text colour; the opacity carries the strength. They are those at 0.6 of
# matplotlib's Reds, Blues and viridis.
_RED, _BLUE, _GREEN = "#F14432", "#4A98C9", "#22A884"


def show(panel: Tokens, key: str) -> None:
    """Paint the text; says how much of it is shown."""
    rows = panel.data.head(_LONGEST)
    reach = _reach(panel)
    spans = "".join(_span(row, panel, reach) for row in rows.to_dict("records"))
    # The font and wrapping are those of code: white space carries meaning here.
    st.html(
        f'<div id="{escape(key)}" style="font-family:monospace;font-size:14px;line-height:1.9;'
        f'white-space:pre-wrap;word-break:break-all">{spans}</div>'
    )
    _legend(panel, reach)
    if len(panel.data) > _LONGEST:
        st.caption(f"The first {_LONGEST:,} of {len(panel.data):,} tokens; all of them are in the CSV.")


def _reach(panel: Tokens) -> float:
    """The largest size of a value; 0 where no token has one."""
    return float(panel.data["value"].abs().fillna(0.0).max())


def _span(row: dict, panel: Tokens, reach: float) -> str:
    named = {panel.value if name == "value" else name: value for name, value in row.items()}
    numbers = ", ".join(f"{name} {_number(value)}" for name, value in named.items() if name != "token")
    newline = "<br>" if row["token"].endswith("⏎") else ""
    return (
        f'<span title="{escape(numbers, quote=True)}" style="background:{_shade(row["value"], panel, reach)};'
        f'border-radius:3px;padding:1px 0">{escape(row["token"])}</span>{newline}'
    )


def _shade(value: float, panel: Tokens, reach: float) -> str:
    strength = abs(value) / reach if reach and value == value else 0.0
    colour = _GREEN
    if panel.diverging:
        colour = _RED if value > 0 else _BLUE
    return f"{colour}{round(_STRONGEST * 255 * strength):02x}"


def _number(value: object) -> str:
    if isinstance(value, float):
        # Nothing predicts a text's first token.
        return "none" if math.isnan(value) else fixed(value, 3, sign=True)
    return str(value)


def _legend(panel: Tokens, reach: float) -> None:
    scale = (
        f"blue below zero, red above; full strength at ±{reach:.3g}"
        if panel.diverging
        else f"0 to {reach:.3g}"
    )
    st.caption(
        f"{literal(panel.value)}: {scale if reach else 'no token has one'}. Point at a token for its numbers."
    )
