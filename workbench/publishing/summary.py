"""What is published, as a table for README: the word of each claim card, and what it rests on.

It stands in a text between two comments, and is written again from the published records: nothing in it is
written by hand, and nothing of it comes from studies that only this machine has.
"""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from workbench.analysis.text_escapes import escape_markdown
from workbench.claims.card import SIZES, Card, card_files, load_card
from workbench.claims.evidence import Evidence
from workbench.claims.quantities.quantity import FEWEST_PAIRS
from workbench.claims.results import CardResult, card_results, place
from workbench.claims.words import CardWord
from workbench.errors import UserError
from workbench.numbers import decimals_for, fixed, plural, with_interval
from workbench.records.index import PUBLISHED

COMMAND = "workbench published --into README.md"
BEGIN = f"<!-- claims: written by '{COMMAND}' -->"
END = "<!-- end of claims -->"
_HEADINGS = ("claim", "word", "holds", "what it rests on", "what would decide it")
_SHOWN = 3  # things that would decide a card, in one cell


def claims_summary(results: Path) -> str:
    """The nano form of each card as a Markdown table, and a sentence on the GPU form; ends with a line break.

    ``results`` is the folder of which ``published`` is read.
    """
    files = {card.id: file for file in card_files() for card in (load_card(file),)}
    cards = [load_card(file) for file in files.values()]
    nano, gpu = (card_results(cards, size, results / PUBLISHED) for size in SIZES)
    asked = [one for one in nano if one.primaries]
    rows = [_row(one, files[one.card.id]) for one in asked]
    lines = [" | ".join(_HEADINGS), " | ".join(["---"] * len(_HEADINGS)), *(" | ".join(row) for row in rows)]
    table = "\n".join(f"| {line} |" for line in lines)
    on_gpu = [one for one in gpu if one.primaries]
    words = Counter(one.word for one in on_gpu)
    counted = ", ".join(f"{words[word]} {word}" for word in CardWord if words[word])
    return f"{table}\n\nIn their GPU form (`workbench claims --size gpu`): {counted or 'none is asked'}.\n"


def _row(result: CardResult, file: Path) -> tuple[str, ...]:
    title = escape_markdown(result.card.title)
    word = str(result.word)
    return (
        f"[{title}](ablations/claims/{file.name})",
        word if result.word is CardWord.UNDECIDED else f"**{word}**",
        result.rungs_text,
        "<br>".join(_evidence_lines(result)) or "nothing yet",
        "<br>".join(_remedies(result)) or "—",
    )


def _evidence_lines(result: CardResult) -> Iterator[str]:
    """A line for each primary prediction: its number with interval and pairs, at every rung that has one."""
    by_prediction: dict[str, list[Evidence]] = {}
    for one in result.primaries:
        if one.facts is not None:
            by_prediction.setdefault(one.placed.prediction.id, []).append(one)
    for name, found in by_prediction.items():
        yield f"{escape_markdown(name)}: {'; '.join(_number(result.card, one) for one in found)}"


def _number(card: Card, one: Evidence) -> str:
    rung = f"{escape_markdown(one.placed.rung)} " if len(card.rungs) > 1 else ""
    if one.estimate is None:
        return f"{rung}{one.word} ({escape_markdown(one.missing or 'no number')})"
    decimals = decimals_for(one.placed.prediction.margin or 0.01)
    if one.interval is None:
        return f"{rung}{one.word}, {fixed(one.estimate, decimals, sign=True)}"
    number = with_interval(one.estimate, one.interval, decimals, sign=True)
    return f"{rung}{one.word}, {number} ({plural(one.n, one.placed.prediction.measured.counted)})"


def _remedies(result: CardResult) -> list[str]:
    """What would decide an undecided card: the command of what has not run, pairs, or what must be mended."""
    if result.word is not CardWord.UNDECIDED:
        return []
    absent = [one for one in result.primaries if not one.has_run]
    commands = dict.fromkeys(one.command for one in absent if one.command is not None)
    found = [f"`{command}`" for command in commands]
    for one in result.primaries:
        if one.has_run and (text := _lacking(one)):
            found.append(escape_markdown(f"{place(one)}: {text}"))
    more = len(found) - _SHOWN
    return [*found[:_SHOWN], *([f"and {more} more: `workbench claims {result.card.id}`"] if more > 0 else [])]


def _lacking(one: Evidence) -> str:
    """Why a primary prediction with records does not carry the card's word; empty if it does."""
    if one.reservations:
        return one.reservations[0]
    if one.missing is not None:
        return one.missing
    if one.needed is None:
        return ""
    pairs = one.needed.pairs
    return f"likely {pairs.text(max(pairs.likely, FEWEST_PAIRS))} {one.placed.prediction.measured.counted}s"


def written_into(text: str, summary: str, name: str) -> str:
    """``text`` with ``summary`` between the two comments, which must stand in it once, in their order.

    Raises ``UserError`` that names the file ``name`` where they do not.
    """
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end) or BEGIN in rest or END in after:
        raise UserError(f"{name}: needs the lines '{BEGIN}' and '{END}', once and in this order; add them")
    return f"{before}{BEGIN}\n{summary}{END}{after}"
