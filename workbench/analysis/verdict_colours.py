"""How a verdict looks: what a row is drawn with follows its word, not its difference's sign nor its level.

A row that is open is drawn in grey, thin and hollow, wherever its mean lies: the eye is to go to what was
decided. Colours of levels (``analysis/colours``) are for charts in which a line has to be told from others.
"""

from dataclasses import dataclass

from workbench.analysis.colours import BLUE, GREEN, VERMILLION
from workbench.analysis.statistics import Verdict

OPEN_COLOUR = "#77828E"


@dataclass(frozen=True)
class _Look:
    """A verdict's colour in charts and figures (None: it decides nothing), and what others call theirs.

    ``badge`` is the colour of a badge on a page, ``style`` that on a terminal, ``kind`` the class in HTML.
    """

    colour: str | None
    badge: str
    style: str
    kind: str


_LOOKS = {
    Verdict.BETTER: _Look(GREEN, "green", "green", "better"),
    Verdict.WORSE: _Look(VERMILLION, "red", "red", "worse"),
    Verdict.EQUIVALENT: _Look(BLUE, "blue", "blue", "equivalent"),
    Verdict.INCONCLUSIVE: _Look(None, "gray", "yellow", "open"),
    Verdict.AT_MARGIN: _Look(None, "gray", "yellow", "open"),
    Verdict.DID_NOT_TRAIN: _Look(None, "violet", "magenta", "lost"),
    Verdict.FAILED: _Look(None, "violet", "magenta", "lost"),
}
_BY_WORD = {str(verdict): its_look for verdict, its_look in _LOOKS.items()}
DECIDED = tuple(word for word, its_look in _BY_WORD.items() if its_look.colour)


def verdict_colour(word: str | None) -> str:
    """The colour of a verdict by its word; grey for every word that decides nothing, and for none."""
    found = _BY_WORD.get(word or "")
    return OPEN_COLOUR if found is None or found.colour is None else found.colour


def is_open(word: str | None) -> bool:
    """Whether nothing is decided: inconclusive, at the margin, no verdict, or not judged yet."""
    return (word or "") not in DECIDED


def badge_colour(word: str) -> str:
    """What a page calls the colour of a verdict's badge; gray for what is open."""
    return _BY_WORD[word].badge if word in _BY_WORD else "gray"


def terminal_style(text: str) -> str:
    """The style of a cell that begins with a verdict, on a terminal; none of any other cell.

    Behind the word may stand a colon, and more.
    """
    word = text.partition(":")[0]
    return _BY_WORD[word].style if word in _BY_WORD else ""


def html_class(text: str) -> str:
    """The class in HTML of a cell that begins with a verdict: better, worse, equivalent, open or lost."""
    word = text.partition(":")[0]
    return _BY_WORD[word].kind if word in _BY_WORD else ""
