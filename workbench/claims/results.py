"""A card's word, with all that it follows from."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from workbench.claims.card import PRIMARY, Card, study_file
from workbench.claims.evidence import Evidence, Studies, evidence_of
from workbench.claims.quantities.quantity import FEWEST_PAIRS
from workbench.claims.trends import RungTrend, rung_trends
from workbench.claims.wording import asked_text, estimate_text
from workbench.claims.words import CardWord, Word, card_word
from workbench.numbers import duration, plural


@dataclass(frozen=True, kw_only=True)
class CardResult:
    """What the records say of one form of a card. ``why`` gives the reasons of its word, a sentence each."""

    card: Card
    size: str
    word: CardWord
    evidence: tuple[Evidence, ...]
    why: tuple[str, ...]

    @property
    def primaries(self) -> tuple[Evidence, ...]:
        """The evidence that the word rests on."""
        return tuple(one for one in self.evidence if one.is_primary)

    @property
    def rungs(self) -> tuple[int, int]:
        """At how many primary rungs every primary prediction holds, and how many there are."""
        names = [
            name for name, rung in self.card.rungs.items() if rung.size == self.size and rung.role == PRIMARY
        ]
        held = 0
        for name in names:
            own = [one for one in self.primaries if one.placed.rung == name]
            held += all(one.word is Word.HOLDS and not one.reservations for one in own)
        return held, len(names)

    @property
    def trends(self) -> list[RungTrend]:
        """What becomes of its effects over its primary rungs, where there are enough with numbers."""
        return rung_trends(self.evidence)

    @property
    def rungs_text(self) -> str:
        """``at 2 of 3 rungs``."""
        held, of = self.rungs
        return f"at {held} of {plural(of, 'rung')}"


def card_result(card: Card, size: str, studies: Studies) -> CardResult:
    """The word of one form of a card by the records at hand."""
    evidence = evidence_of(card, size, studies)
    primaries = [one for one in evidence if one.is_primary]
    word = card_word(one.found for one in primaries)
    return CardResult(card=card, size=size, word=word, evidence=evidence, why=tuple(_why(word, primaries)))


def card_results(cards: Sequence[Card], size: str, results: Path) -> list[CardResult]:
    """The words of several cards, which share their studies."""
    studies = Studies(results)
    return [card_result(card, size, studies) for card in cards]


def _why(word: CardWord, primaries: list[Evidence]) -> list[str]:
    """The reasons of a word: what failed, what is missing, what may not be rested on, what would decide."""
    if not primaries:
        return ["the card has no rung of this size: nothing is asked of it"]
    if word is CardWord.SUPPORTED:
        return [f"every primary prediction holds ({plural(len(primaries), 'prediction')})"]
    if word is CardWord.REFUTED:
        failed = [one for one in primaries if one.found.firm and one.found.sound]
        return [f"{place(one)} fails: {_measured(one)}" for one in failed]
    lines = list(_absent([one for one in primaries if one.facts is None]))
    for one in primaries:
        if one.facts is None:
            continue
        lines += [f"{place(one)}: {one.word}, and no word rests on it: {text}" for text in one.reservations]
        if one.word is Word.OPEN and not one.reservations:
            lines.append(f"{place(one)}: open{_decided_with(one)}")
        elif one.word is Word.OPEN and one.needed is not None:
            lines.append(f"{place(one)}: {_decided_with(one).removeprefix('; ')}")
        if one.word is Word.FAILS and not one.firm and not one.reservations:
            lines.append(f"{place(one)}: fails alone, and not with Holm over {len(primaries)} primaries")
    return lines


def _absent(those: list[Evidence]) -> Iterator[str]:
    """Predictions without a study: what runs it, what it costs, and how many pairs it would likely take."""
    for one in those:
        if one.has_run:
            yield f"{place(one)}: open; {one.missing}"
    by_command: dict[str | None, list[Evidence]] = {}
    for one in those:
        if not one.has_run:
            by_command.setdefault(one.command, []).append(one)
    for command, group in by_command.items():
        names = list(dict.fromkeys(one.placed.study for one in group))
        line = f"{', '.join(names)} {'has' if len(names) == 1 else 'have'} not run"
        if not any(one.placed.prediction.measured.of_trials for one in group):
            line = "; ".join(dict.fromkeys(str(one.missing) for one in group))
            yield line if command is None else f"{line}; decided by '{command}'"
            continue
        needed = [one.needed for one in group if one.needed is not None]
        if needed:
            most = max(needed, key=lambda one: one.pairs.likely)
            pairs = most.pairs.text(max(most.pairs.likely, FEWEST_PAIRS))
            line += f"; likely decided by {pairs} pairs each, by {most.source}"
        if command is None:
            yield f"{line}; there is no file of that name in ablations"
        else:
            yield f"{line}; decided by '{command}'; what it costs: 'workbench plan {study_file(names[0])}'"


def _measured(one: Evidence) -> str:
    """The number and what was asked of it; or why there cannot be one."""
    if one.estimate is None:
        return str(one.missing)
    return f"{asked_text(one.placed.prediction)} was asked, and it is {estimate_text(one)}"


def place(one: Evidence) -> str:
    """``learned-is-higher at 0.4M``."""
    return f"{one.placed.prediction.id} at {one.placed.rung}"


def _decided_with(one: Evidence) -> str:
    """How many pairs, and hours of training, would likely decide."""
    if one.needed is None:
        return f"; {one.missing}" if one.missing else ""
    pairs = one.needed.pairs
    quantity = one.placed.prediction.measured
    text = f"; likely decided by {pairs.text(max(pairs.likely, quantity.fewest))} {quantity.counted}s"
    text += f" ({pairs.text(pairs.low)} to {pairs.text(pairs.high)})"
    if one.needed.seconds is not None:
        text += f", {duration(one.needed.seconds)} of "
        text += "training more, one trial at a time" if quantity.of_trials else "measuring more"
    return text
