"""The words of predictions and cards, from intervals alone.

A prediction *holds* where the interval of its quantity lies strictly beyond the margin in the predicted
direction (for *equal*: where that of two one-sided tests lies within it), *fails* where the interval shows
the opposite, and is *open* otherwise. The intervals are those of one prediction, 95 % and 90 %, at the level
of the look where a study looks more than once.

A card is *supported* where every primary prediction holds at every primary rung. That is an
intersection-union test: with each at 5 % the whole is at 5 %, without a correction (Berger 1982). It is
*refuted* where one fails with Holm over the card's primaries: the first of Holm's steps, at which each has
its share of the 5 %. Neither word rests on evidence that is not sound, so that a run that is taken away can
turn a card to *undecided*, and never to the opposite.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from workbench.analysis.statistics import Interval


class Word(StrEnum):
    """What the evidence says of a prediction."""

    HOLDS = "holds"
    FAILS = "fails"
    OPEN = "open"


class CardWord(StrEnum):
    """What the evidence says of a card."""

    SUPPORTED = "supported"
    REFUTED = "refuted"
    UNDECIDED = "undecided"


@dataclass(frozen=True)
class Found:
    """The evidence on one primary prediction: its word, and what a card may make of it.

    ``firm``: it fails at its share of the error too. ``sound``: nothing forbids to rest a word on it.
    """

    word: Word
    firm: bool = False
    sound: bool = True


def word_of(direction: str, margin: float, interval: Interval | None, equivalence: Interval | None) -> Word:
    """The word of a prediction, from the interval of variant minus the other side and that of two one-sided
    tests; open where there is none.
    """
    if interval is None or equivalence is None:
        return Word.OPEN
    below, above = interval.high < -margin, interval.low > margin
    within = -margin < equivalence.low and equivalence.high < margin
    holds, fails = {
        "lower": (below, above or within),
        "higher": (above, below or within),
        "equal": (within, below or above),
        "not_worse": (interval.high < margin, above),
    }[direction]
    if holds:
        return Word.HOLDS
    return Word.FAILS if fails else Word.OPEN


def card_word(primaries: Iterable[Found]) -> CardWord:
    """The word of a card from all of its primary predictions at primary rungs; without any undecided."""
    found = list(primaries)
    if any(one.word is Word.FAILS and one.firm and one.sound for one in found):
        return CardWord.REFUTED
    if found and all(one.word is Word.HOLDS and one.sound for one in found):
        return CardWord.SUPPORTED
    return CardWord.UNDECIDED
