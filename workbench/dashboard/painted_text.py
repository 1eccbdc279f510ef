"""Text coloured token by token, each token with its number under the pointer."""

from html import escape

import matplotlib as mpl
import streamlit as st

from workbench.inspection.panels import Tokens

_LONGEST = 4_000  # tokens painted at once; the rest is in the download


def show(panel: Tokens, key: str) -> None:
    """Paint the text; says how much of it is shown."""
    rows = panel.data.head(_LONGEST)
    spans = "".join(_span(row, panel) for row in rows.to_dict("records"))
    # The font and wrapping are those of code: white space carries meaning here.
    st.html(
        f'<div id="{escape(key)}" style="font-family:monospace;font-size:14px;line-height:1.9;'
        f'white-space:pre-wrap;word-break:break-all">{spans}</div>'
    )
    _legend(panel)
    if len(panel.data) > _LONGEST:
        st.caption(f"The first {_LONGEST:,} of {len(panel.data):,} tokens; all of them are in the CSV.")


def _span(row: dict, panel: Tokens) -> str:
    colour = mpl.colors.to_hex(_shade(float(row["value"]), panel), keep_alpha=True)
    numbers = ", ".join(f"{name} {_number(value)}" for name, value in row.items() if name != "token")
    newline = "<br>" if row["token"].endswith("⏎") else ""
    return (
        f'<span title="{escape(numbers, quote=True)}" style="background:{colour};border-radius:3px;'
        f'padding:1px 0">{escape(row["token"])}</span>{newline}'
    )


def _shade(value: float, panel: Tokens) -> tuple[float, float, float, float]:
    reach = float(panel.data["value"].abs().max()) or 1.0
    strength = min(1.0, abs(value) / reach) if value == value else 0.0
    name = ("Reds" if value > 0 else "Blues") if panel.diverging else "viridis"
    # Pale colours carry the page's own text colour; the opacity carries the strength.
    red, green, blue, _ = mpl.colormaps[name](0.6)
    return red, green, blue, round(0.75 * strength, 3)


def _number(value: object) -> str:
    return f"{value:+.3f}" if isinstance(value, float) else str(value)


def _legend(panel: Tokens) -> None:
    reach = float(panel.data["value"].abs().max())
    if panel.diverging:
        st.caption(
            f"{panel.value}: blue below zero, red above; full strength at ±{reach:.3g}. "
            "Point at a token for its numbers."
        )
    else:
        st.caption(f"{panel.value}: 0 to {reach:.3g}. Point at a token for its numbers.")
