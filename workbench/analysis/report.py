"""A report for a terminal, for GitHub, for a paper, for a spreadsheet, and for programs."""

import csv
import io
import re
from collections.abc import Callable, Iterable
from dataclasses import asdict
from typing import Any

from rich import box
from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table

from workbench.analysis.answer_sentences import answers, headline
from workbench.analysis.dismantling import Dismantled, part_columns
from workbench.analysis.effects import Report
from workbench.analysis.flops import FlopsRow
from workbench.analysis.gain_ladder import ComputeGains, gain_columns
from workbench.analysis.other_sets import SetRow
from workbench.analysis.report_footer import footer_lines
from workbench.analysis.report_tables import TextTable, pilot_line, report_tables
from workbench.analysis.text_escapes import escape_formula, escape_latex, escape_markdown
from workbench.analysis.variant_row import comparison_columns, flat, plain
from workbench.analysis.verdict_colours import terminal_style
from workbench.errors import UserError
from workbench.numbers import plural
from workbench.terminal import FirstThatFits, styled
from workbench.visible import visible

_NO_WIDER = r"\resizebox{\ifdim\width>\linewidth\linewidth\else\width\fi}{!}"
_CLAIM_STYLES = {  # of claim cards and their predictions
    "supported": "green",
    "holds": "green",
    "refuted": "red",
    "fails": "red",
    "undecided": "yellow",
    "open": "yellow",
}
_WRAPPED = ("change", "variant", "effect", "part", "seeds", "set", "sensitivity", "says")
_OF_CLAIMS = ("claim", "prediction", "study", "asked", "why", "paper", "where", "found")


def render(report: Report, format: str, *, notes: bool = False) -> RenderableType:
    """The report as ``terminal`` (a rich renderable), ``md``, ``csv`` or ``latex`` (text).

    On a terminal, notes on method are counted, and written out with ``notes``; in Markdown they fold away.
    Elsewhere all are there.
    """
    if format == "terminal":
        return _terminal(report, notes)
    if format not in _RENDERERS:
        raise UserError(f"format: {format!r} is none of terminal, {', '.join(_RENDERERS)}")
    return _RENDERERS[format](report)


def to_json(report: Report) -> dict[str, Any]:
    """The whole report as JSON can hold it, numbers raw; what is not known is null."""
    equal = report.equal_flops
    return {
        "study": report.study,
        "question": report.question,
        "state": report.state,
        "metric": report.metric,
        "unit": report.unit,
        "margin": report.margins,
        "family_size": report.family_size,
        "headline": headline(report),
        "answers": answers(report),
        "rows": [flat(row) for row in report.rows],
        "pilot": plain(asdict(report.pilot)) if report.pilot else None,
        "factorial": plain(asdict(report.factorial)) if report.factorial else None,
        "other_evaluation_sets": [_set_columns(row) for row in report.other_sets],
        # Of the design dismantle alone.
        **({"dismantled": plain(_apart(report.dismantled))} if report.dismantled else {}),
        # Of studies that train the baseline at other budgets.
        **({"compute_gain": plain(_gains(report.gains))} if report.gains else {}),
        "equal_flops": equal and {"flops": equal.flops, "rows": [_flops_columns(row) for row in equal.rows]},
        "recovery": plain([asdict(row) for row in report.recovery]) if report.recovery is not None else None,
        "tuning": plain(asdict(report.tuning)) if report.tuning else None,
        "notes": [note.to_dict() for note in report.notes],
        "footer": plain(report.footer),
    }


def _apart(found: Dismantled) -> dict[str, Any]:
    """Two recipes taken apart, with the words that follow from the numbers."""
    values = asdict(found) | {
        "interacting": [part.name for part in found.interacting],
        "removable": [part.name for part in found.removable],
    }
    del values["notes"]  # which stand among the report's
    for part, written in zip(found.parts, values["parts"], strict=True):
        written["name"] = part.name
    for name, end in (("out", found.out), ("into", found.into)):
        if end.left_over is not None:
            values[name]["left_over"]["word"] = end.left_over.word
    return values


def _gains(found: ComputeGains) -> dict[str, Any]:
    """The baseline's ladder, and what each variant is worth by it."""
    return {
        "tokens": found.tokens,
        "rungs": [asdict(rung) | {"mean": rung.mean, "sd": rung.sd} for rung in found.rungs],
        "gains": [{"variant": one.variant, **gain_columns(one)} for one in found.gains],
    }


def _flops_columns(row: FlopsRow) -> dict[str, Any]:
    columns = {
        "variant": row.variant,
        "share_of_schedule": row.share,
        "values": row.values,
        "mean": row.mean,
        "sd": row.sd,
    }
    end = {f"at_the_end_{name}": value for name, value in comparison_columns(row.at_the_end).items()}
    return plain(columns | comparison_columns(row.comparison) | end)


def _set_columns(row: SetRow) -> dict[str, Any]:
    columns = {key: value for key, value in asdict(row).items() if key != "interval"}
    ends = {"difference_low": row.interval and row.interval.low}
    ends["difference_high"] = row.interval and row.interval.high
    return plain(columns | ends)


def _terminal(report: Report, notes: bool) -> Group:
    """Fits 120 columns; without a terminal rich leaves out the colours and nothing else."""
    lines = footer_lines(report.footer)
    return Group(*terminal_body(report, notes), *(styled(f"{name}: {text}", "dim") for name, text in lines))


def terminal_body(report: Report, notes: bool, study: str = "") -> list[RenderableType]:
    """The report on a terminal, but its footer.

    First what a reader in a hurry needs: the study in a sentence, its verdicts, and what changes how they are
    to be read. What they rest on comes after it. ``study`` is what to ask for its notes, where the report has
    a title of its own.
    """
    parts: list[RenderableType] = [styled(f"{report.study}: {report.question}", "bold")]
    parts.append(styled(headline(report), "bold magenta" if report.baseline.fate else ""))
    parts += [Padding(styled(text), (0, 0, 0, 2), expand=False) for text in answers(report)]
    verdicts, *others = report_tables(report)
    parts += titled_table(verdicts)
    parts += [styled(""), *_terminal_notes(report, notes, study or report.study)]
    for table in others:
        parts += titled_table(table)
    parts.append(styled(""))
    if pilot := pilot_line(report):
        parts.append(styled(pilot))
    return parts


def titled_table(table: TextTable) -> list[RenderableType]:
    """A table on a terminal of any width, its title above it."""
    return [styled(""), styled(table.title, "italic"), _fitted(table)]


def _terminal_notes(report: Report, notes: bool, study: str) -> list[RenderableType]:
    """A note begins at the left, and its further lines are set in, so that each is found."""
    shown: list[RenderableType] = [_note("note", note, "yellow") for note in report.reading]
    if notes:
        shown += [_note("method", note, "dim") for note in report.method]
    elif report.method:
        counted = plural(len(report.method), "method note")
        shown.append(styled(f"{counted}: workbench report {study} --notes", "dim"))
    return shown


def _note(name: str, note: str, style: str) -> RenderableType:
    row = Table.grid(padding=(0, 1, 0, 0))
    row.add_row(styled(f"{name}:", style), styled(note, style))
    return row


def _fitted(table: TextTable) -> RenderableType:
    """For a terminal of any width: where not all columns fit, spare ones are left out and named.

    Empty ones go first, then the others in their order.
    """
    spare = [heading for heading in table.spare if heading in table.headings]
    spare.sort(key=lambda heading: not table.is_empty(heading))
    ways = [_without(table, spare[:count]) for count in range(len(spare) + 1)]
    return FirstThatFits(ways)


def _without(table: TextTable, left_out: list[str]) -> RenderableType:
    drawn = _rich_table(table.without(left_out))
    named = [" ".join(heading.split()) for heading in left_out if not table.is_empty(heading)]
    if not named:
        return drawn
    return Group(drawn, styled(f"too narrow for: {', '.join(named)}", "dim"))


def _rich_table(table: TextTable) -> Table:
    drawn = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), show_edge=False, pad_edge=False)
    for index, heading in enumerate(table.headings):
        left = index == 0 or heading in table.left
        wraps = heading in (*_WRAPPED, *_OF_CLAIMS)
        drawn.add_column(heading, justify="left" if left else "right", overflow="fold", no_wrap=not wraps)
    for row in table.rows:
        drawn.add_row(*(styled(cell, _style(cell)) for cell in row))
    return drawn


def _style(cell: str) -> str:
    return terminal_style(cell) or _CLAIM_STYLES.get(cell.partition(":")[0], "")


def _markdown(report: Report) -> str:
    parts = [
        f"## {escape_markdown(report.study)}",
        escape_markdown(report.question),
        f"**{escape_markdown(headline(report))}**",
    ]
    parts.append("\n".join(f"- {escape_markdown(text)}" for text in answers(report)))
    for table in report_tables(report):
        parts += [f"{escape_markdown(table.title)}", markdown_table(table)]
    if pilot := pilot_line(report):
        parts.append(escape_markdown(pilot))
    if report.reading:
        parts.append(markdown_list("note", report.reading))
    if report.method:
        folded = plural(len(report.method), "method note")
        parts.append(f"<details>\n<summary>{folded}</summary>")
        parts += [markdown_list("method", report.method), "</details>"]
    parts.append(
        "\n".join(f"- {name}: {escape_markdown(text)}" for name, text in footer_lines(report.footer))
    )
    return "\n\n".join(part for part in parts if part) + "\n"


def markdown_list(name: str, notes: Iterable[str]) -> str:
    """Notes as a list in Markdown, each behind ``name``."""
    return "\n".join(f"- {name}: {escape_markdown(note)}" for note in notes)


def markdown_table(table: TextTable) -> str:
    """A table in GitHub's Markdown, without its title."""
    marks = [":---" if i == 0 or h in table.left else "---:" for i, h in enumerate(table.headings)]
    headings = [escape_markdown(heading) for heading in table.headings]
    lines = [headings, marks, *(map(escape_markdown, row) for row in table.rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _csv(report: Report) -> str:
    """One line per variant, every column.

    Where two recipes are taken apart, a variant's part has columns of its own, and so have its gains where
    the baseline is trained at other budgets.
    """
    own = part_columns(report.dismantled) if report.dismantled else {}
    if report.gains:
        own = {one.variant: own.get(one.variant, {}) | gain_columns(one) for one in report.gains.gains}
    nothing = dict.fromkeys(next(iter(own.values()), {}))
    return csv_text([flat(row) | own.get(row.variant, nothing) for row in report.rows])


def csv_text(values: Iterable[dict[str, Any]]) -> str:
    """One line per mapping, raw numbers; lists joined by ``; ``.

    A name that a spreadsheet would take for a formula has ``'`` before it.
    """
    rows = [{key: escape_formula(_joined(value)) for key, value in row.items()} for row in values]
    # A damaged manifest may give some variants columns that others have not.
    longest_first = sorted(rows, key=len, reverse=True)
    columns = dict.fromkeys(name for row in longest_first for name in row)
    target = io.StringIO()
    writer = csv.DictWriter(target, fieldnames=list(columns), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return target.getvalue()


def _joined(value: Any) -> Any:
    if isinstance(value, dict):
        return "; ".join(f"{key}={item}" for key, item in value.items())
    return "; ".join(map(str, value)) if isinstance(value, list) else value


def _latex(report: Report) -> str:
    """Tables for a paper; needs the packages booktabs and graphicx. What else is known stands in comments."""
    lines = ["% \\usepackage{booktabs,graphicx}", f"% {one_latex_line(headline(report))}"]
    lines += [f"% {one_latex_line(text)}" for text in answers(report)]
    lines += [f"% note: {one_latex_line(note)}" for note in report.reading]
    lines += [f"% method: {one_latex_line(note)}" for note in report.method]
    lines += [f"% {name}: {one_latex_line(text)}" for name, text in footer_lines(report.footer)]
    for index, table in enumerate(report_tables(report)):
        caption = f"Margin {report.margin_text} {report.unit}, manifest {report.footer['manifest']}."
        lines += ["", *latex_table(table, caption, label=f"tab:{report.study}-{index + 1}")]
    return "\n".join(lines) + "\n"


def latex_table(table: TextTable, caption: str, *, label: str) -> list[str]:
    """The lines of a table for a paper, no wider than its text: its title, then ``caption``."""
    columns = "".join("l" if i == 0 or h in table.left else "r" for i, h in enumerate(table.headings))
    return [
        "\\begin{table*}",
        "  \\centering\\small",
        f"  \\caption{{{escape_latex(f'{table.title}. {caption}'.rstrip())}}}",
        f"  \\label{{{re.sub(r'[^A-Za-z0-9:.-]', '-', label)}}}",
        f"  {_NO_WIDER}{{\\begin{{tabular}}{{{columns}}}",
        "    \\toprule",
        f"    {' & '.join(escape_latex(one_latex_line(heading)) for heading in table.headings)} \\\\",
        "    \\midrule",
        *(f"    {' & '.join(escape_latex(one_latex_line(cell)) for cell in row)} \\\\" for row in table.rows),
        "    \\bottomrule",
        "  \\end{tabular}}",
        "\\end{table*}",
    ]


def one_latex_line(text: str) -> str:
    """``text`` in a line, with nothing in it that acts: a comment in LaTeX, or a cell."""
    return " ".join(visible(text).split())


_RENDERERS: dict[str, Callable[[Report], str]] = {
    "md": _markdown,
    "csv": _csv,
    "latex": _latex,
}
