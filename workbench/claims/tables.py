"""Cards as tables of text, which terminal, page, Markdown and paper draw alike; and as JSON."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from rich.console import Group, RenderableType
from rich.padding import Padding

from workbench.analysis.report import csv_text, latex_table, markdown_table, one_latex_line, titled_table
from workbench.analysis.report_tables import TextTable
from workbench.analysis.text_escapes import escape_markdown
from workbench.analysis.variant_row import plain
from workbench.claims.card import PRIMARY, card_values
from workbench.claims.evidence import Evidence
from workbench.claims.facts import StudyFacts
from workbench.claims.results import CardResult, place
from workbench.claims.trends import RungTrend
from workbench.claims.wording import asked_text, estimate_text, pairs_text
from workbench.claims.words import Word
from workbench.errors import UserError
from workbench.numbers import MISSING, scaled
from workbench.terminal import styled

FORMATS = ("terminal", "md", "csv", "latex")
_NOTHING = "There is no claim card here: write one in ablations/claims (docs/claim-file.md says how)."


def cards_table(results: Sequence[CardResult]) -> TextTable:
    """A row for each card: its word, at how many rungs it holds, and why it is what it is."""
    rows = tuple(
        (
            result.card.id,
            result.card.title,
            str(result.word),
            result.rungs_text,
            counts_text(result),
            short_why(result),
        )
        for result in results
    )
    headings = ("card", "claim", "word", "holds", "predictions", "why")
    size = results[0].size if results else "nano"
    title = f"Claims in their {size} form, by the runs at hand"
    return TextTable(title, headings, rows, left=headings)


def predictions_table(result: CardResult) -> TextTable:
    """A row for each prediction at each of its rungs, with the number that it rests on."""
    headings = (
        "prediction",
        "rung",
        "word",
        "measured\n[interval]",
        "pairs",
        "asked",
        "role",
        "study",
        "parameters",
        "tokens",
        "learning rates",
    )
    rows = tuple(_prediction_cells(one) for one in result.evidence)
    left = ("rung", "role", "word", "asked", "study", "learning rates")
    spare = ("role", "parameters", "tokens", "learning rates")
    return TextTable("Predictions, and what the runs say of them", headings, rows, left=left, spare=spare)


def _prediction_cells(one: Evidence) -> tuple[str, ...]:
    prediction, facts = one.placed.prediction, one.facts
    return (
        prediction.id,
        one.placed.rung,
        str(one.word),
        estimate_text(one),
        pairs_text(one),
        asked_text(prediction),
        PRIMARY if one.is_primary else "secondary",
        facts.title if facts else one.placed.study,
        _sides(facts.parameters) if facts else MISSING,
        _sides(facts.tokens) if facts else MISSING,
        ("; ".join(facts.rates) if facts else "") or MISSING,
    )


def sources_table(result: CardResult) -> TextTable:
    """What the literature found."""
    headings = ("paper", "where", "found", "how sure")
    rows = tuple((one.paper, one.where, one.number, one.certainty) for one in result.card.sources)
    return TextTable("What the literature says", headings, rows, left=headings)


def _sides(values: Sequence[int]) -> str:
    return " against ".join(scaled(value, "").strip() for value in values) or MISSING


def counts_text(result: CardResult) -> str:
    """``1 holds, 3 open`` of the primary predictions."""
    counts = Counter(str(one.word) for one in result.primaries)
    return ", ".join(f"{counts[word]} {word}" for word in map(str, Word) if counts[word]) or MISSING


def short_why(result: CardResult) -> str:
    """The first reason, and how many more there are."""
    more = len(result.why) - 1
    return result.why[0] if more < 1 else f"{result.why[0]} (and {more} more)"


def notes_of(result: CardResult) -> list[str]:
    """What is missing, and what forbids to rest a word on a number, with the predictions that it is of."""
    said: dict[str, list[str]] = {}
    for one in result.evidence:
        for text in (*((one.missing,) if one.missing else ()), *one.reservations):
            said.setdefault(text, []).append(place(one))
    return [f"{', '.join(names)}: {text}" for text, names in said.items()]


def facts_of(result: CardResult) -> list[tuple[str, str]]:
    """Texts and machines that the numbers are of, and rungs in words."""
    return [(name, "; ".join(parts) or MISSING) for name, parts in facts_in_parts(result)]


def facts_in_parts(result: CardResult) -> list[tuple[str, list[str]]]:
    """The same, each rung, trend, study, text and machine by itself; none where nothing is known."""
    corpora = dict.fromkeys(one.facts.corpus for one in result.evidence if one.facts)
    machines = dict.fromkeys(name for one in result.evidence if one.facts for name in one.facts.hardware)
    studies: dict[str, StudyFacts] = {}
    rates: dict[str, list[str]] = {}
    for one in result.evidence:
        if one.facts is not None:
            studies[one.facts.title] = one.facts
            rates.setdefault(one.facts.title, []).extend(one.facts.rates)
    sizes = [_size_text(name, facts, rates[name]) for name, facts in studies.items()]
    details = dict.fromkeys(text for one in result.evidence if one.facts for text in one.facts.details)
    rungs = [f"{name} ({rung.about}, {rung.role})" for name, rung in result.card.rungs.items()]
    trends = [one.text for one in result.trends]
    return [
        ("rungs", rungs),
        *([("trend over rungs", trends)] if trends else []),
        ("studies", sizes),
        ("text", list(corpora)),
        ("hardware", list(machines)),
        *([("step times", list(details))] if details else []),
        ("scope", [result.card.scope]),
    ]


def _size_text(name: str, facts: StudyFacts, rates: Sequence[str]) -> str:
    """``claims-norm-gain (0.13M parameters, 0.4M tokens; learning rates: …)``; step times have no rates."""
    text = f"{_sides(facts.parameters)} parameters"
    if facts.tokens:
        text += f", {_sides(facts.tokens)} tokens"
    if rates:
        text += f"; learning rates: {', '.join(dict.fromkeys(rates))}"
    return f"{name} ({text})"


def render_cards(results: Sequence[CardResult], format: str) -> RenderableType:
    """The table of cards as ``terminal`` (a rich renderable), ``md``, ``csv`` or ``latex`` (text)."""
    _require(format)
    table = cards_table(results)
    if format == "csv":
        return csv_text([_card_row(result) for result in results])
    if not results:
        return styled(_NOTHING) if format == "terminal" else f"{'% ' * (format == 'latex')}{_NOTHING}\n"
    if format == "md":
        return f"{escape_markdown(table.title)}\n\n{markdown_table(table)}\n"
    if format == "latex":
        return (
            "\n".join(["% \\usepackage{booktabs,graphicx}", *latex_table(table, "", label="tab:claims")])
            + "\n"
        )
    return Group(*titled_table(table)[1:], styled(""), styled(_MORE, "dim"))


_MORE = "workbench claims CARD shows one with its evidence; workbench claims run CARD runs what it needs"


def render_card(result: CardResult, format: str) -> RenderableType:
    """One card in full, with its evidence and the literature; formats as of ``render_cards``."""
    _require(format)
    if format == "csv":
        return csv_text([_prediction_row(one) for one in result.evidence])
    tables = [table for table in (predictions_table(result), sources_table(result)) if table.rows]
    heading = f"{result.word}: it holds {result.rungs_text}"
    if format == "md":
        return _card_markdown(result, tables, heading)
    if format == "latex":
        return _card_latex(result, tables, heading)
    parts: list[RenderableType] = [styled(f"{result.card.title}: {result.card.statement}", "bold")]
    parts += [styled(heading), *(_item(text) for text in result.why)]
    for table in tables:
        parts += titled_table(table)
    if notes := notes_of(result):
        parts += [styled(""), *(styled(f"note: {text}", "yellow") for text in notes)]
    parts += [styled(""), *(styled(f"{name}: {text}", "dim") for name, text in facts_of(result))]
    return Group(*parts)


def _item(text: str) -> Padding:
    return Padding(styled(text), (0, 0, 0, 2), expand=False)


def _card_markdown(result: CardResult, tables: list[TextTable], heading: str) -> str:
    card = result.card
    parts = [
        f"## {escape_markdown(card.title)}",
        escape_markdown(card.statement),
        f"**{escape_markdown(heading)}**",
    ]
    parts.append("\n".join(f"- {escape_markdown(text)}" for text in result.why))
    for table in tables:
        parts += [escape_markdown(table.title), markdown_table(table)]
    parts.append("\n".join(f"- note: {escape_markdown(text)}" for text in notes_of(result)))
    parts.append("\n".join(f"- {name}: {escape_markdown(text)}" for name, text in facts_of(result)))
    return "\n\n".join(part for part in parts if part) + "\n"


def _card_latex(result: CardResult, tables: list[TextTable], heading: str) -> str:
    lines = [
        "% \\usepackage{booktabs,graphicx}",
        f"% {one_latex_line(result.card.statement)}",
        f"% {one_latex_line(heading)}",
    ]
    lines += [f"% {one_latex_line(text)}" for text in result.why]
    lines += [f"% note: {one_latex_line(text)}" for text in notes_of(result)]
    lines += [f"% {name}: {one_latex_line(text)}" for name, text in facts_of(result)]
    for index, table in enumerate(tables):
        caption = f"{result.card.title}: {heading}."
        lines += ["", *latex_table(table, caption, label=f"tab:claim-{result.card.id}-{index + 1}")]
    return "\n".join(lines) + "\n"


def _require(format: str) -> None:
    if format not in FORMATS:
        raise UserError(f"format: {format!r} is none of {', '.join(FORMATS)}")


def _card_row(result: CardResult) -> dict[str, Any]:
    held, of = result.rungs
    return {
        "card": result.card.id,
        "title": result.card.title,
        "statement": result.card.statement,
        "size": result.size,
        "word": str(result.word),
        "rungs_held": held,
        "rungs": of,
        "why": "; ".join(result.why),
    }


def _prediction_row(one: Evidence) -> dict[str, Any]:
    """Every number of a prediction under a name of its own, raw; what is not known is None."""
    prediction, facts, needed = one.placed.prediction, one.facts, one.needed
    interval, equivalence = one.interval, one.equivalence_interval
    row = {
        "prediction": prediction.id,
        "rung": one.placed.rung,
        "study": facts.title if facts else one.placed.study,
        "is_primary": one.is_primary,
        "variant": prediction.variant,
        "against": prediction.against,
        "quantity": prediction.quantity,
        "evaluation": prediction.evaluation,
        "cell": prediction.cell,
        "direction": prediction.direction,
        "margin": prediction.margin,
        "unit": prediction.measured.unit,
        "word": str(one.word),
        "fails_with_holm": one.firm,
        "estimate": one.estimate,
        "low": interval and interval.low,
        "high": interval and interval.high,
        "level": interval and interval.level,
        "equivalence_low": equivalence and equivalence.low,
        "equivalence_high": equivalence and equivalence.high,
        "pairs": one.n,
        "sd": one.sd,
        "is_exact": one.is_exact,
        "reservations": "; ".join(one.reservations),
        "missing": one.missing,
        "command": one.command,
        "pairs_needed": needed.pairs.likely if needed else None,
        "pairs_needed_low": needed.pairs.low if needed else None,
        "pairs_needed_high": needed.pairs.high if needed else None,
        "seconds_needed": needed.seconds if needed else None,
    }
    return {key: plain(value) for key, value in row.items()}


def _trend_row(one: RungTrend) -> dict[str, Any]:
    """The change for ten times the compute, raw."""
    interval = one.line.per_decade_interval
    row = {
        "prediction": one.prediction,
        "rungs": one.rungs,
        "per_decade": one.line.per_decade,
        "low": interval.low,
        "high": interval.high,
        "unit": one.unit,
    }
    return {key: plain(value) for key, value in row.items()}


def card_to_json(result: CardResult) -> dict[str, Any]:
    """All of a card and of its evidence, as JSON can hold it."""
    evidence = []
    for one in result.evidence:
        row = _prediction_row(one) | {"reservations": list(one.reservations), "facts": None}
        if one.facts is not None:
            row["facts"] = plain({k: v for k, v in asdict(one.facts).items() if k != "path"})
        evidence.append(row)
    return _card_row(result) | {
        "why": list(result.why),
        "evidence": evidence,
        "trends": [_trend_row(one) for one in result.trends],
        "file": card_values(result.card),
    }
