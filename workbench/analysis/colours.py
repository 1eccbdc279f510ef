"""Colours bound to levels: RoPE has one colour on every page and in every figure.

The palette is Okabe and Ito's (https://jfly.uni-koeln.de/color/) without yellow, which vanishes on
white; then those of Paul Tol's "muted" (https://sronpersonalpages.nl/~pault/) that can be told from these,
and three more. No two are nearer than ``APART``. Black is the baseline's alone.
"""

import ast
from collections.abc import Iterable
from functools import cache, lru_cache
from hashlib import blake2b
from importlib.resources import files
from typing import Any

from workbench.analysis.contrast import differences

BASELINE_COLOUR = "#222222"
BLUE, ORANGE, GREEN, VERMILLION = "#0072B2", "#E69F00", "#009E73", "#D55E00"
PURPLE, SKY = "#CC79A7", "#56B4E9"
INDIGO, WINE, OLIVE, FOREST = "#332288", "#882255", "#999933", "#117733"
VIOLET, BROWN, LIME = "#A070FF", "#7A4A1E", "#7FBF00"
# What a part of the model writes as its ``colour``.
COLOURS = {
    "blue": BLUE,
    "orange": ORANGE,
    "green": GREEN,
    "vermillion": VERMILLION,
    "purple": PURPLE,
    "sky": SKY,
    "indigo": INDIGO,
    "wine": WINE,
    "olive": OLIVE,
    "forest": FOREST,
    "violet": VIOLET,
    "brown": BROWN,
    "lime": LIME,
}
PALETTE = tuple(COLOURS.values())
APART = 0.1  # two lines whose colours are nearer are taken for one
_ATTEMPTS = 64  # colours made from a label, of which the one farthest from all others is taken
# Where levels of several factors want one colour, those of the factor that comes first here have it.
_REGISTRIES = (
    "POSITIONS",
    "NORMS",
    "FEEDFORWARDS",
    "INITIALIZATIONS",
    "NORM_PLACEMENTS",
    "ATTENTION_GATES",
)


@cache
def level_colours() -> dict[str, str]:
    """The colours that our levels have of their own, by level, in the order of their factors.

    They stand in the classes of ``workbench/model/parts``, and are read from the source there: an import
    would import torch, which takes longer than a whole report. Levels of one factor differ, and so should
    those that are most often compared in one study.
    """
    found: list[tuple[int, str, str]] = []
    parts = files("workbench") / "model" / "parts"
    for file in sorted(parts.iterdir(), key=lambda file: file.name):
        if file.name.endswith(".py"):
            classes = [node for node in ast.parse(file.read_bytes()).body if isinstance(node, ast.ClassDef)]
            found += [level for node in classes if (level := _level_of(node)) is not None]
    found.sort(key=lambda level: level[0])
    colours: dict[str, str] = {}
    for _, name, word in found:
        colours.setdefault(name, COLOURS[word])
    return colours


def _level_of(node: ast.ClassDef) -> tuple[int, str, str] | None:
    """Rank of its factor, name and word for its colour, of ``@NORMS.register("rmsnorm") class ...``."""
    words = [
        statement.value.value
        for statement in node.body
        if isinstance(statement, ast.Assign)
        and isinstance(statement.value, ast.Constant)
        and [ast.unparse(target) for target in statement.targets] == ["colour"]
    ]
    for decorator in node.decorator_list:
        if isinstance(decorator, ast.Call) and words:
            registry, _, method = ast.unparse(decorator.func).partition(".")
            if method == "register":
                rank = _REGISTRIES.index(registry) if registry in _REGISTRIES else len(_REGISTRIES)
                return rank, ast.literal_eval(decorator.args[0]), str(words[0])
    return None


def colour_of(level: str) -> str:
    """The colour of a level's label, ``rope`` or ``rope(base=500000)``, by itself."""
    return level_colours().get(level) or PALETTE[_stable(level) % len(PALETTE)]


def colours_for(labels: Iterable[str]) -> dict[str, str]:
    """A different colour for each label. Levels that have a colour of their own come first.

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
    return dict(_assigned(tuple(levels.items())))


@lru_cache(maxsize=64)  # a page asks several times, and a study may have hundreds of variants
def _assigned(levels: tuple[tuple[str, str], ...]) -> tuple[tuple[str, str], ...]:
    order = {level: rank for rank, level in enumerate(level_colours())}
    pairs = sorted(levels, key=lambda pair: (order.get(pair[1], len(order)), pair[0]))
    chosen: dict[str, str] = {}
    for key, level in pairs:  # everyone who can have their own first, so that a clash takes nobody else's
        own = colour_of(level)
        if differences([own], chosen.values()).min(initial=1.0) >= APART:
            chosen[key] = own
    for key, level in pairs:
        if key not in chosen:
            chosen[key] = _free(level, list(chosen.values()))
    return tuple(chosen.items())


def _free(level: str, taken: list[str]) -> str:
    """The next colour of the palette that is not taken; beyond it, one made from the label's hash."""
    start = PALETTE.index(colour_of(level))
    palette = [*PALETTE[start:], *PALETTE[:start]]
    free = differences(palette, taken).min(axis=1) >= APART
    if free.any():
        return palette[int(free.argmax())]
    made = [f"#{_stable(f'{level}{attempt}') & 0xBFBFBF:06X}" for attempt in range(_ATTEMPTS)]
    return made[int(differences(made, [*taken, BASELINE_COLOUR]).min(axis=1).argmax())]


def _stable(text: str) -> int:
    # Python's own hash() of a string differs from process to process.
    return int.from_bytes(blake2b(text.encode(), digest_size=4).digest(), "big")
