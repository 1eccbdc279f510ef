"""How a verdict looks: what a row is drawn with follows its word, not its difference's sign nor its level.

A row that is open is drawn in grey, thin and hollow, wherever its mean lies: the eye is to go to what was
decided. Colours of levels (``analysis/colours``) are for charts in which a line has to be told from others.
"""

from workbench.analysis.colours import BLUE, GREEN, VERMILLION

OPEN_COLOUR = "#77828E"
_COLOURS = {"better": GREEN, "worse": VERMILLION, "equivalent": BLUE}
DECIDED = tuple(_COLOURS)
# What pages call these colours in a badge.
_BADGES = {
    "better": "green",
    "worse": "red",
    "equivalent": "blue",
    "did not train": "violet",
    "failed": "violet",
}


def verdict_colour(word: str | None) -> str:
    """The colour of a verdict by its word; grey for every word that decides nothing, and for none."""
    return _COLOURS.get(word or "", OPEN_COLOUR)


def is_open(word: str | None) -> bool:
    """Whether nothing is decided: inconclusive, at the margin, no verdict, or not judged yet."""
    return (word or "") not in _COLOURS


def badge_colour(word: str) -> str:
    """What a page calls the colour of a verdict's badge; gray for what is open."""
    return _BADGES.get(word, "gray")
