"""Colours bound to levels: RoPE has one colour on every page and in every figure.

The palette is Okabe and Ito's (https://jfly.uni-koeln.de/color/) without yellow, which vanishes on
white; then those of Paul Tol's "muted" (https://sronpersonalpages.nl/~pault/) that can be told from these,
and three more. No two are nearer than ``APART``. Black is the baseline's alone.
"""

from functools import cache, lru_cache
from hashlib import blake2b

from workbench.analysis.contrast import differences
from workbench.analysis.level_titles import level_facts
from workbench.records.manifest import Manifest, ManifestVariant

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


@cache
def level_colours() -> dict[str, str]:
    """The colours that levels of ours have of their own, by level; the order is who has a colour first.

    Levels of one factor differ, and so should those that are most often compared in one study.
    """
    colours: dict[str, str] = {}
    for level in level_facts():
        if level.colour:
            colours.setdefault(level.name, COLOURS[level.colour])
    return colours


def colour_of(level: str) -> str:
    """The colour of a level's label, ``rope`` or ``rope(base=500000)``, by itself."""
    return level_colours().get(level) or PALETTE[_stable(level) % len(PALETTE)]


def variant_colours(manifest: Manifest) -> dict[str, str]:
    """A colour of its own for each variant: near black for the baseline, the level's for one change.

    Levels that have a colour of their own come first. The order of the variants does not matter; where two
    would share a colour, the one that is later in the alphabet takes the next free one. Of a ladder each rung
    has the colours that it has by itself.
    """
    if manifest.is_ladder:
        return {name: colour for rung in manifest.compared for name, colour in variant_colours(rung).items()}
    baseline = manifest.baseline
    levels = {variant.name: _level(variant) for variant in manifest.variants}
    chosen = _assign({name: level for name, level in levels.items() if name != baseline})
    return {name: BASELINE_COLOUR if name == baseline else chosen[name] for name in levels}


def _level(variant: ManifestVariant) -> str:
    if len(variant.change) != 1:
        return variant.name
    (_, new) = next(iter(variant.change.values()))
    return new


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
