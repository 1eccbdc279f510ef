"""Attention maps in the browser: as charts they would be megabytes and take seconds, as pixels neither."""

import base64
from collections.abc import Callable
from pathlib import Path

import numpy as np
import streamlit as st

from workbench.inspection.panels import Maps, TokenMaps

_HERE = Path(__file__).parent
_FONT = "font-family: var(--st-font); color: var(--st-text-color);"
_THUMBNAILS = st.components.v2.component(
    "attention_thumbnails",
    html="<div id='root'>\n</div>",
    js=(_HERE / "thumbnails.js").read_text(encoding="utf-8"),
    css=f"""
#root {{ display: flex; flex-wrap: wrap; gap: 24px; {_FONT} }}
figure {{ margin: 0; flex: 1 1 0; min-width: 240px; max-width: 640px; }}
figcaption {{ font-size: 14px; margin-bottom: 4px; }}
figure > div {{ display: grid; gap: 4px; }}
button {{ padding: 0; border: 1px solid var(--st-border-color); border-radius: 3px; background: none;
  cursor: pointer; line-height: 0; }}
button:hover, button:focus-visible {{ outline: 2px solid var(--st-primary-color); }}
button.chosen {{ outline: 3px solid var(--st-primary-color); }}
button.pale canvas {{ opacity: 0.3; }}
canvas {{ width: 100%; image-rendering: pixelated; }}
""",
)
_TOKEN_MAPS = st.components.v2.component(
    "attention_token_maps",
    html="<div id='root'>\n</div>",
    js=(_HERE / "token_maps.js").read_text(encoding="utf-8"),
    css=f"""
#root {{ {_FONT} }}
#root > div {{ display: flex; flex-wrap: wrap; gap: 20px; }}
figure {{ margin: 0; flex: 1 1 0; min-width: 220px; max-width: 480px; }}
figcaption {{ font-size: 14px; margin-bottom: 4px; }}
small {{ opacity: 0.8; }}
figure > div {{ position: relative; border: 1px solid var(--st-border-color); line-height: 0; }}
figure > div > i {{ position: absolute; outline: 2px solid var(--st-primary-color); pointer-events: none; }}
canvas {{ width: 100%; image-rendering: pixelated; cursor: crosshair; }}
canvas:focus-visible {{ outline: 2px solid var(--st-primary-color); }}
p.readout {{ font-size: 14px; margin: 8px 0 0; min-height: 1.5em; }}
p.readout + small {{ display: block; min-height: 1.8em; }}
p.text {{ font-family: var(--st-code-font); font-size: 14px; line-height: 1.8; white-space: pre-wrap;
  word-break: break-all; margin: 0; }}
span {{ border-radius: 3px; cursor: pointer; }}
span.query {{ outline: 1px solid var(--st-text-color); }}
""",
)


def thumbnails(panel: Maps, key: str, choose: Callable[[int, int], None]) -> None:
    """Draw every head in small; ``choose`` hears the layer and head that is clicked."""

    def picked() -> None:
        found = st.session_state[key].picked
        choose(int(found["layer"]), int(found["head"]))

    _THUMBNAILS(
        key=key,
        data={
            "maps": panel.data.to_dict("records"),
            "levels": _text(np.round(255 * np.sqrt(panel.maps)).astype(np.uint8)),
            "side": panel.maps.shape[-1],
            "columns": int(panel.data["head"].max()) + 1,
            "chosen": list(panel.chosen),
        },
        on_picked_change=picked,
    )


def token_maps(panel: TokenMaps, key: str) -> None:
    """Draw maps side by side."""
    _TOKEN_MAPS(
        key=key,
        data={
            "maps": [_encoded(panel, name) for name in panel.names],
            "queries": panel.queries,
            "keys": panel.keys,
            "first": list(panel.first),
            "hint": f"Point at a map for its numbers ({panel.value}), or go through it with the arrow keys. "
            "A click on a cell, or on a token of the text, keeps them.",
        },
    )


def _encoded(panel: TokenMaps, name: str) -> dict:
    """The map in 65,535 levels, 0 for empty cells: half the bytes of floats, finer than any screen."""
    values, diverging = panel.grid(name), name in panel.diverging
    low, high = float(np.nanmin(values)), float(np.nanmax(values))
    low, high = (low, high) if diverging else (min(low, 0.0), high)
    scaled = (values - low) / ((high - low) or 1.0) * 65534 + 1
    levels = np.where(np.isnan(values), 0, np.round(scaled)).astype("<u2")
    reach = max(abs(low), abs(high))
    return {
        "name": name,
        "levels": _text(levels),
        "low": low,
        "high": high,
        "reach": f"{reach:.3g}",
        "diverging": diverging,
    }


def _text(levels: np.ndarray) -> str:
    return base64.b64encode(levels.tobytes()).decode("ascii")
