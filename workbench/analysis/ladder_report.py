"""A ladder's report for a terminal, for GitHub, for a paper, for a spreadsheet, and for programs.

What becomes of each effect over the ladder comes first, then the report of each rung.
"""

from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from rich.console import Group, RenderableType
from rich.padding import Padding

from workbench.analysis.ladder import Trend
from workbench.analysis.ladder_effects import LadderReport, LadderRow, named
from workbench.analysis.ladder_sentences import ladder_headline, ladder_sentence, ladder_sentences
from workbench.analysis.ladder_tables import ladder_tables
from workbench.analysis.report import (
    csv_text,
    latex_table,
    markdown_list,
    markdown_table,
    one_latex_line,
    render,
    terminal_body,
    titled_table,
    to_json,
)
from workbench.analysis.statistics import Interval
from workbench.analysis.text_escapes import escape_markdown
from workbench.analysis.variant_row import flat, plain
from workbench.errors import UserError
from workbench.terminal import styled


def render_ladder(found: LadderReport, format: str, *, notes: bool = False) -> RenderableType:
    """The report as ``terminal`` (a rich renderable), ``md``, ``csv`` or ``latex`` (text).

    On a terminal notes on method are counted, and written out with ``notes``; elsewhere all are there.
    """
    if format == "terminal":
        return _terminal(found, notes)
    if format not in _RENDERERS:
        raise UserError(f"format: {format!r} is none of terminal, {', '.join(_RENDERERS)}")
    return _RENDERERS[format](found)


def ladder_to_json(found: LadderReport) -> dict[str, Any]:
    """The whole report as JSON can hold it, numbers raw; what is not known is null."""
    rungs = []
    for rung in found.rungs:
        order = rung.order
        rungs.append(
            rung.recorded.model_dump(exclude_unset=True)
            | {
                "rung": rung.number,
                "ordered_as_top": order
                and {**asdict(order), "interval": asdict(order.interval), "share": order.share},
                "report": to_json(rung.report),
            }
        )
    return {
        "study": found.study,
        "question": found.question,
        "state": found.state,
        "metric": found.metric,
        "unit": found.unit,
        "margin": found.margins,
        "headline": ladder_headline(found),
        "answers": ladder_sentences(found),
        "ladder": [_facts(row, found) for row in found.rows],
        "rungs": plain(rungs),
        "notes": [note.to_dict() for note in found.notes],
        "footer": plain(found.footer),
    }


def _facts(row: LadderRow, found: LadderReport) -> dict[str, Any]:
    beyond = row.extrapolation
    values: dict[str, Any] = {
        "variant": row.called,
        "change": row.rows[0].change_text,
        "margin": row.margin,
        "word": None if row.word is None else str(row.word),
        "why_not": row.why_not,
        "says": ladder_sentence(row, found),
        "effects": [asdict(one) for one in row.effects],
        "pooled": None if row.pooled is None else asdict(row.pooled),
        "trend": None if row.trend is None else asdict(row.trend) | _per_decade(row.trend),
        "extrapolation": None if beyond is None else asdict(beyond),
    }
    if beyond is not None:
        values["extrapolation"]["backtest"]["inside"] = beyond.backtest.inside
    return dict(plain(values))


def _per_decade(line: Trend) -> dict[str, Any]:
    return {"per_decade": line.per_decade, "per_decade_interval": asdict(line.per_decade_interval)}


def _terminal(found: LadderReport, notes: bool) -> Group:
    parts: list[RenderableType] = [styled(f"{found.study}: {found.question}", "bold")]
    parts.append(styled(ladder_headline(found)))
    parts += [Padding(styled(text), (0, 0, 0, 2), expand=False) for text in ladder_sentences(found)]
    for table in ladder_tables(found):
        parts += titled_table(table)
    if notes:
        parts += [styled(""), *(styled(f"method: {note}", "dim") for note in found.notes)]
    for rung in found.rungs:
        parts += [styled(""), *terminal_body(named(rung, found.study), notes, found.study)]
    parts.append(styled(""))
    parts += [styled(f"{name}: {text}", "dim") for name, text in found.footer_lines]
    return Group(*parts)


def _markdown(found: LadderReport) -> str:
    parts = [
        f"## {escape_markdown(found.study)}",
        escape_markdown(found.question),
        f"**{escape_markdown(ladder_headline(found))}**",
        "\n".join(f"- {escape_markdown(text)}" for text in ladder_sentences(found)),
    ]
    for table in ladder_tables(found):
        parts += [escape_markdown(table.title), markdown_table(table)]
    if found.notes:
        parts.append(markdown_list("method", found.notes))
    parts.append("\n".join(f"- {name}: {escape_markdown(text)}" for name, text in found.footer_lines))
    parts += [str(render(named(rung, found.study), "md")) for rung in found.rungs]
    return "\n\n".join(part.rstrip("\n") for part in parts) + "\n"


def _csv(found: LadderReport) -> str:
    """One line per rung and variant; what is said over the ladder stands in each line of a change."""
    over_all = {row.called: _ladder_columns(row) for row in found.rows}
    nothing = dict.fromkeys(next(iter(over_all.values()), {}))
    lines = []
    for rung in found.rungs:
        place = {"rung": rung.number, "compute": rung.recorded.compute}
        for row in rung.report.rows:
            lines.append(place | flat(row) | over_all.get(row.called or row.variant, nothing))
    return csv_text(lines)


def _ladder_columns(row: LadderRow) -> dict[str, Any]:
    line, whole = row.trend, row.pooled
    return {
        "ladder_word": None if row.word is None else str(row.word),
        "per_decade": line.per_decade if line else None,
        **_ends("per_decade", line.per_decade_interval if line else None),
        "pooled": whole.mean if whole else None,
        **_ends("pooled", whole.interval if whole else None),
        **_ends("one_more_rung", whole.prediction if whole else None),
        "q": whole.q if whole else None,
        "q_p": whole.p if whole else None,
        "i2": whole.i2 if whole else None,
        "tau2": whole.tau2 if whole else None,
    }


def _ends(name: str, interval: Interval | None) -> dict[str, float | None]:
    if interval is None:
        return {f"{name}_low": None, f"{name}_high": None}
    return {f"{name}_low": interval.low, f"{name}_high": interval.high}


def _latex(found: LadderReport) -> str:
    lines = ["% \\usepackage{booktabs,graphicx}", f"% {one_latex_line(ladder_headline(found))}"]
    lines += [f"% {one_latex_line(text)}" for text in ladder_sentences(found)]
    lines += [f"% method: {one_latex_line(note)}" for note in found.notes]
    lines += [f"% {name}: {one_latex_line(text)}" for name, text in found.footer_lines]
    caption = f"Margin {found.margin_text} {found.unit}, manifest {found.footer['manifest']}."
    for index, table in enumerate(ladder_tables(found), start=1):
        lines += ["", *latex_table(table, caption, label=f"tab:{found.study}-ladder-{index}")]
    for rung in found.rungs:
        lines += ["", str(render(named(rung, found.study), "latex"))]
    return "\n".join(lines) + "\n"


_RENDERERS: dict[str, Callable[[LadderReport], str]] = {"md": _markdown, "csv": _csv, "latex": _latex}
