"""A report as HTML, without a page around it: for pages that stand by themselves, and for notebooks.

Text is text: whatever a name or a question holds is shown as it was written.
"""

from collections.abc import Mapping
from html import escape

from workbench.analysis.report_outline import Outline
from workbench.analysis.report_tables import TextTable
from workbench.analysis.verdict_colours import html_class
from workbench.numbers import plural
from workbench.visible import visible

_OF_A_RUNG = "rung-"  # as the names of a ladder's figures begin


def html_text(text: object) -> str:
    """``text`` as HTML shows it, in an attribute too; nothing in it acts."""
    return escape(visible(text), quote=True)


def html_table(table: TextTable) -> str:
    """A table, its title above it; numbers stand at the right, and a verdict has its word as class."""
    sides = ["left" if place == 0 or h in table.left else "right" for place, h in enumerate(table.headings)]
    headings = [
        f'<th scope="col" class="{side}">{_lines(heading)}</th>'
        for side, heading in zip(sides, table.headings, strict=True)
    ]
    rows = [
        "".join(_cell(text, side, place) for place, (side, text) in enumerate(zip(sides, row, strict=True)))
        for row in table.rows
    ]
    body = "\n".join(f"<tr>{row}</tr>" for row in rows)
    return (
        f'<p class="title">{html_text(table.title)}</p>\n'
        f'<div class="table"><table aria-label="{html_text(table.title)}">\n'
        f"<thead><tr>{''.join(headings)}</tr></thead>\n<tbody>\n{body}\n</tbody>\n</table></div>"
    )


def _cell(text: str, side: str, place: int) -> str:
    if place == 0:  # a name, which may be a word of ours
        return f'<th scope="row" class="{side}">{_lines(text)}</th>'
    word = html_class(text)
    shown = f'<span class="word {word}">{_lines(text)}</span>' if word else _lines(text)
    return f'<td class="{side}">{shown}</td>'


def _lines(text: str) -> str:
    return html_text(text).replace("\n", "<br>")


def html_report(found: Outline, figures: Mapping[str, str] | None = None, *, level: int = 1) -> str:
    """Everything that a report says: the study, its verdicts in sentences, tables, notes, what it rests on.

    ``figures`` are elements by name, which come behind the first table: those of a rung within its part.
    ``level`` is that of the heading.
    """
    figures = figures or {}
    first, *others = found.tables
    parts = [
        f"<h{level}>{html_text(found.title)}</h{level}>",
        f'<p class="question">{html_text(found.question)}</p>',
        f'<p class="headline"><strong>{html_text(found.headline)}</strong></p>',
        *html_list(found.sentences, "sentences"),
        html_table(first),
        *html_list(found.notes, "notes"),
        *(figure for name, figure in figures.items() if not name.startswith(_OF_A_RUNG)),
        *map(html_table, others),
        *(f"<p>{html_text(line)}</p>" for line in found.lines),
    ]
    if found.method:
        parts.append(f"<details><summary>{plural(len(found.method), 'note')} on method</summary>")
        parts += [*html_list(found.method, "notes"), "</details>"]
    if found.facts:
        facts = "".join(f"<dt>{html_text(name)}</dt><dd>{html_text(text)}</dd>" for name, text in found.facts)
        parts.append(f"<details><summary>What this rests on</summary><dl>{facts}</dl></details>")
    for number, part in enumerate(found.parts, start=1):
        beginning = f"{_OF_A_RUNG}{number}-"
        own = {
            name.removeprefix(beginning): figure
            for name, figure in figures.items()
            if name.startswith(beginning)
        }
        parts.append(html_report(part, own, level=level + 1))
    return "\n".join(parts)


def html_list(texts: tuple[str, ...], kind: str) -> list[str]:
    """A list of ``texts`` of the class ``kind``; nothing without one."""
    if not texts:
        return []
    items = "\n".join(f"<li>{html_text(text)}</li>" for text in texts)
    return [f'<ul class="{kind}">\n{items}\n</ul>']
