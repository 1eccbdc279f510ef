"""Colours bound to levels: RoPE has one colour on every page and in every figure.

The palette is Okabe and Ito's (https://jfly.uni-koeln.de/color/) without yellow, which vanishes on
white; then Paul Tol's "muted" (https://sronpersonalpages.nl/~pault/). Black is the baseline's alone.
"""

from collections.abc import Iterable
from hashlib import blake2b
from itertools import count
from typing import Any

BASELINE_COLOUR = "#222222"
BLUE, ORANGE, GREEN, VERMILLION = "#0072B2", "#E69F00", "#009E73", "#D55E00"
PURPLE, SKY = "#CC79A7", "#56B4E9"
_MUTED = ("#332288", "#882255", "#999933", "#44AA99", "#AA4499", "#117733", "#DDCC77", "#CC6677")
PALETTE = (BLUE, ORANGE, GREEN, VERMILLION, PURPLE, SKY, *_MUTED)

# Levels of one factor differ, and so do the levels that are most often compared in one study.
_LEVELS = {
    "rope": BLUE,
    "learned": ORANGE,
    "sinusoidal": GREEN,
    "alibi": VERMILLION,
    "none": PURPLE,
    "rmsnorm": BLUE,
    "layernorm": GREEN,
    "swiglu": BLUE,
    "relu": VERMILLION,
    "geglu": ORANGE,
    "gelu": SKY,
    "bilinear": GREEN,
    "relu_squared": PURPLE,
    "reglu": "#882255",
    "silu": "#44AA99",
    "gelu_tanh": "#332288",
    "gpt2": "#882255",
    "llama": BLUE,
    "post": ORANGE,
    "pre": BLUE,
}


def colour_of(level: str) -> str:
    """The colour of a level's label, ``rope`` or ``rope(base=500000)``, by itself."""
    return _LEVELS.get(level) or PALETTE[_stable(level) % len(PALETTE)]


def colours_for(labels: Iterable[str]) -> dict[str, str]:
    """A different colour for each label. Well-known levels come first, so their own is theirs.

    The order of ``labels`` does not matter; where two would share a colour, the one that is later in
    the alphabet takes the next free one.
    """
    unique = list(dict.fromkeys(labels))
    chosen = _assign({label: label for label in unique})
    return {label: chosen[label] for label in unique}


def variant_colours(manifest: dict[str, Any]) -> dict[str, str]:
    """A colour for each variant of a study: near black for the baseline, the level's for one change."""
    baseline = manifest["baseline"]
    names = [variant["name"] for variant in manifest["variants"]]
    levels = {variant["name"]: _level(variant) for variant in manifest["variants"]}
    chosen = _assign({name: levels[name] for name in names if name != baseline})
    return {name: BASELINE_COLOUR if name == baseline else chosen[name] for name in names}


def _level(variant: dict[str, Any]) -> str:
    change = variant.get("change") or {}
    if len(change) != 1:
        return variant["name"]
    (_, new) = next(iter(change.values()))
    return str(new)


def _assign(levels: dict[str, str]) -> dict[str, str]:
    """Colours by key for the level of each key, without clashes."""
    order = {level: rank for rank, level in enumerate(_LEVELS)}
    keys = sorted(levels, key=lambda key: (order.get(levels[key], len(order)), key))
    chosen: dict[str, str] = {}
    for key in keys:  # everyone who can have their own first, so that a clash takes nobody else's
        own = colour_of(levels[key])
        if own not in chosen.values():
            chosen[key] = own
    for key in keys:
        if key not in chosen:
            chosen[key] = _free(levels[key], set(chosen.values()))
    return chosen


def _free(level: str, taken: set[str]) -> str:
    """The next colour of the palette that is not taken; beyond it, one made from the label's hash."""
    start = PALETTE.index(colour_of(level))
    for colour in (*PALETTE[start:], *PALETTE[:start]):
        if colour not in taken:
            return colour
    attempts = (f"#{_stable(f'{level}{attempt}') & 0xBFBFBF:06X}" for attempt in count())
    return next(colour for colour in attempts if colour not in taken)


def _stable(text: str) -> int:
    # Python's own hash() of a string differs from process to process.
    return int.from_bytes(blake2b(text.encode(), digest_size=4).digest(), "big")
