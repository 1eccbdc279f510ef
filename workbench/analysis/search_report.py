"""What a search says when it is asked: the best points, what was spent, and that none of it is a verdict."""

import csv
import io
import math
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table

from workbench.analysis.report_footer import provenance_warnings
from workbench.analysis.report_tables import TextTable
from workbench.analysis.search import COMPLETE, INFEASIBLE, Objective, Search, searched
from workbench.analysis.search_rungs import RungAgreement
from workbench.analysis.text_escapes import escape_formula, escape_latex, escape_markdown
from workbench.analysis.variant_row import plain
from workbench.errors import UserError
from workbench.numbers import MISSING, byte_size, duration, fixed, plural, rate, scaled
from workbench.records.index import StudyRecords
from workbench.records.run import State
from workbench.terminal import styled
from workbench.visible import one_line

SHOWN = 5  # points that a report names
EXPLORATORY = "exploratory: a search gives no verdict"


@dataclass(frozen=True, kw_only=True)
class SearchReport:
    """A search for readers. ``counts`` are points by state; ``notes`` say what to be careful of."""

    study: str
    question: str
    state: str  # complete, running, stopped or not started
    search: Search
    counts: dict[str, int]
    seconds: float  # of training, of all runs
    tokens: int
    flops: float
    notes: tuple[str, ...]
    runs: int
    footer: dict[str, Any]

    @property
    def planned(self) -> int:
        """How many points are to be trained."""
        return self.search.plan.trials


def search_report(study: StudyRecords) -> SearchReport:
    """Sum up a search in whatever state it is; raises ``UserError`` for a study of another design."""
    search = searched(study)
    if search is None:
        raise UserError(f"{study.title}: is no search; its verdicts are in 'workbench report {study.title}'")
    counts = {str(state): int(count) for state, count in search.trials["state"].value_counts().items()}
    manifest, runs = study.manifest, study.runs
    ended = sum(count for state, count in counts.items() if state not in ("running", "queued", INFEASIBLE))
    spent = {
        name: float(runs[name].sum()) if name in runs else 0.0 for name in ("seconds", "tokens", "flops")
    }
    return SearchReport(
        study=study.name,
        question=manifest.question,
        state=_state(study, ended),
        search=search,
        counts=counts,
        seconds=spent["seconds"],
        tokens=int(spent["tokens"]),
        flops=spent["flops"],
        notes=(*_notes(search), *provenance_warnings(study)),
        runs=len(runs),
        footer={
            "sampler": search.plan.sampler,
            "objectives": [one.name for one in search.objectives],
            "constraints": search.plan.constraints,
            "seeds": manifest.seeds.tune,
            "match": manifest.match,
            "tokens_per_run": manifest.training.get("tokens"),
            "data": manifest.data.get("description"),
            "manifest": manifest.hash,
            "versions": manifest.versions,
            "commit": manifest.git_commit,
            "command": manifest.command,
        },
    )


def headline(report: SearchReport) -> str:
    """``exploratory: …; 24 of 60 points trained``, with what became of the others."""
    done = report.counts.get(COMPLETE, 0)
    others = [
        f"{count} {state}"
        for state in ("diverged", "failed", "running", "queued")
        if (count := report.counts.get(state, 0))
    ]
    if stopped := report.counts.get(State.PRUNED, 0):
        others.insert(0, f"{stopped} stopped at lower rungs")
    if excluded := report.counts.get(INFEASIBLE, 0):
        others.append(f"{excluded} excluded before training")
    whole = " with the whole budget" if report.search.plan.rungs else ""
    became = f" ({', '.join(others)})" if others else ""
    return (
        f"{EXPLORATORY}; {done} of {plural(report.planned, 'point')} trained{whole}{became}; promote "
        f"what looks best: workbench promote {report.study} --top 3"
    )


def best_table(report: SearchReport) -> TextTable:
    """The best points: by the one objective, or the front of several."""
    search = report.search
    names = [one.name for one in search.objectives]
    title = f"the best points by {search.objectives[0].title}"
    if len(names) > 1:
        title = f"the Pareto front of {' and '.join(one.title for one in search.objectives)}"
        if len(search.front) > SHOWN:
            title += f" (its first {SHOWN} of {len(search.front)})"
    rows = tuple(
        (
            str(row["variant"]),
            *(_cell(row[name]) for name in search.dimensions),
            *(value_text(one, row[one.name]) for one in search.objectives),
        )
        for row in search.best(SHOWN).to_dict("records")
    )
    return TextTable(title=title, headings=("point", *search.dimensions, *names), rows=rows)


def rungs_table(report: SearchReport) -> TextTable | None:
    """What hyperband did at each rung, and how alike rungs order points; None without it."""
    search = report.search
    rungs, found = search.plan.rungs, list(search.standings.values())
    if not rungs:
        return None
    alike = {(one.fewer, one.more): one for one in search.agreements}
    rows = []
    for tokens, following in zip(rungs, [*rungs[1:], None], strict=True):
        here = [one for one in found if tokens in one.values]
        stopped = sum(one.stopped and one.tokens == tokens for one in here)
        cells = [f"{tokens:,}", str(len(here)), str(stopped)]
        for more in (following, rungs[-1] if tokens == rungs[0] and len(rungs) > 2 else None):
            cells.append(MISSING if more is None else _agreement_text(alike[tokens, more]))
        rows.append(tuple(cells))
    headings = ("tokens", "points", "stopped", "rank correlation with the next", "with the whole budget")
    return TextTable(title="rungs of hyperband", headings=headings, rows=tuple(rows))


def _agreement_text(one: RungAgreement) -> str:
    rho = MISSING if one.rho is None else f"{one.rho:.2f}"
    return f"{rho} (n = {one.points})"


def excluded_table(report: SearchReport) -> TextTable | None:
    """Points without a result, and why; None where every point has one."""
    trials = report.search.trials
    lost = trials[trials["state"].isin([INFEASIBLE, "diverged", "failed"])]
    if not len(lost):
        return None
    # Many points are excluded for one reason: each reason once, with the points that it is true of.
    reasons: dict[tuple[str, str], list[str]] = {}
    for row in lost.to_dict("records"):
        reasons.setdefault((str(row["state"]), one_line(str(row["reason"]))), []).append(str(row["variant"]))
    rows = tuple((_some(names), state, reason) for (state, reason), names in reasons.items())
    return TextTable(
        title="points without a result",
        headings=("point", "state", "reason"),
        rows=rows,
        left=("state", "reason"),
    )


def value_text(objective: Objective, value: float) -> str:
    """A value of an objective as readers see it, with its unit where it has a prefix."""
    if math.isnan(value):
        return MISSING
    if objective.name == "seconds":
        return duration(value)
    if objective.name == "decode_bytes":
        return byte_size(value)
    if objective.name == "flops_per_token":
        return scaled(value, objective.unit)
    return fixed(value, 4) if objective.unit else f"{value:,.0f}"


def spend_line(report: SearchReport) -> str:
    """What all runs together took."""
    return (
        f"spent: {plural(report.runs, 'run')}, "
        f"{report.tokens:,} tokens, {scaled(report.flops, 'FLOP')}, {duration(report.seconds)} of training"
    )


def render_search(report: SearchReport, format: str) -> RenderableType:
    """The report as ``terminal`` (a rich renderable), ``md``, ``csv`` or ``latex`` (text)."""
    return _RENDERERS[format](report)


def search_to_json(report: SearchReport) -> dict[str, Any]:
    """The whole report as JSON can hold it, numbers raw; what is not known is null."""
    search = report.search
    return {
        "study": report.study,
        "question": report.question,
        "state": report.state,
        "exploratory": True,
        "headline": headline(report),
        "objectives": [asdict(one) for one in search.objectives],
        "space": search.plan.model_dump(mode="json")["space"],
        "planned": report.planned,
        "counts": report.counts,
        "front": search.front,
        "best": [int(number) for number in search.best(SHOWN)["number"]],
        "rungs": [asdict(one) for one in search.agreements],
        "points": [plain(row) for row in search.trials.to_dict("records")],
        "spent": {"seconds": report.seconds, "tokens": report.tokens, "flops": report.flops},
        "notes": list(report.notes),
        "footer": plain(report.footer),
    }


def _state(study: StudyRecords, ended: int) -> str:
    assert study.manifest.search is not None, "a search has one"
    if study.is_live:
        return "running"
    # Of a space that ends the driver may be done before all trials that were asked for.
    done = study.is_published or (study.driver is not None and study.driver.state == "done")
    if ended >= study.manifest.search.trials or (ended and done):
        return "complete"
    return "stopped" if len(study.runs) else "not started"


def _notes(search: Search) -> list[str]:
    notes = []
    seeds = {len(own) for own in search.trials["seeds"] if own}
    if seeds == {1}:
        notes.append(
            "each point has one seed: the best of many is partly luck, and its value is too low by as much"
        )
    stopped = int((search.trials["state"] == State.PRUNED).sum())
    if search.plan.rungs:
        notes.append(
            f"{plural(stopped, 'point')} stopped at lower rungs, and nothing is known of them with the whole "
            "budget: one of them could have become the best. Only points with the whole budget are in the "
            "front, the best points and the importances"
        )
        notes.append(
            "rank correlations between rungs (Spearman) are over the points that went on, which the lower "
            "rung chose: they say little where n is small, and nothing of those that stopped"
        )
    return notes


def _cell(value: Any) -> str:
    if value is None:
        return MISSING
    return rate(value) if isinstance(value, int | float) else one_line(str(value))


def _some(names: list[str]) -> str:
    shown = ", ".join(names[:SHOWN])
    return shown if len(names) <= SHOWN else f"{shown} and {len(names) - SHOWN} more"


def search_tables(report: SearchReport) -> list[TextTable]:
    """All tables of a search, the best points first."""
    return [best_table(report), *filter(None, [rungs_table(report), excluded_table(report)])]


def search_footer_lines(report: SearchReport) -> list[tuple[str, str]]:
    """What the points rest on, as (name, text) pairs."""
    footer = report.footer
    return [
        ("objectives", ", ".join(one.title for one in report.search.objectives)),
        ("constraints", ", ".join(footer["constraints"]) or "none"),
        ("sampler", f"{footer['sampler']}, {plural(len(footer['seeds']), 'seed')} a point"),
        *_rung_lines(report.search.plan.rungs),
        ("match", str(footer["match"])),
        ("data", f"{footer['data'] or MISSING}; {footer['tokens_per_run'] or 0:,} tokens a run"),
        ("manifest", str(footer["manifest"])),
    ]


def _rung_lines(rungs: list[int]) -> list[tuple[str, str]]:
    if not rungs:
        return []
    tokens = ", ".join(f"{one:,}" for one in rungs)
    return [("pruner", f"hyperband (Li et al. 2018): rungs of {tokens} tokens, up to whole steps")]


def _terminal(report: SearchReport) -> Group:
    parts: list[RenderableType] = [styled(f"{report.study}: {report.question}", "bold")]
    parts.append(styled(headline(report), "magenta"))
    for table in search_tables(report):
        parts += [styled(""), styled(table.title, "italic"), _rich_table(table)]
    parts += [styled(""), styled(spend_line(report))]
    parts += [styled(f"note: {note}", "yellow") for note in report.notes]
    parts += [styled(f"{name}: {text}", "dim") for name, text in search_footer_lines(report)]
    return Group(*parts)


def _rich_table(table: TextTable) -> Table:
    drawn = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), show_edge=False, pad_edge=False)
    for index, heading in enumerate(table.headings):
        left = index == 0 or heading in table.left
        drawn.add_column(heading, justify="left" if left else "right", overflow="fold")
    for row in table.rows:
        drawn.add_row(*map(styled, row))
    return drawn


def _markdown(report: SearchReport) -> str:
    parts = [
        f"## {escape_markdown(report.study)}",
        escape_markdown(report.question),
        f"**{escape_markdown(headline(report))}**",
    ]
    for table in search_tables(report):
        marks = [":---" if i == 0 or h in table.left else "---:" for i, h in enumerate(table.headings)]
        headings = [escape_markdown(heading) for heading in table.headings]
        lines = [headings, marks, *(list(map(escape_markdown, row)) for row in table.rows)]
        parts += [escape_markdown(table.title), "\n".join(f"| {' | '.join(line)} |" for line in lines)]
    parts.append(escape_markdown(spend_line(report)))
    if report.notes:
        parts.append("\n".join(f"- note: {escape_markdown(note)}" for note in report.notes))
    parts.append(
        "\n".join(f"- {name}: {escape_markdown(text)}" for name, text in search_footer_lines(report))
    )
    return "\n\n".join(parts) + "\n"


def _csv(report: SearchReport) -> str:
    """One line per point, raw numbers; lists joined by ``; ``."""
    frame = report.search.trials.drop(columns="per_seed")
    target = io.StringIO()
    writer = csv.writer(target, lineterminator="\n")
    writer.writerow([escape_formula(str(name)) for name in frame.columns])
    for row in frame.itertuples(index=False):
        writer.writerow([escape_formula(_joined(value)) for value in row])
    return target.getvalue()


def _joined(value: Any) -> Any:
    if isinstance(value, list):
        return "; ".join(map(str, value))
    return "" if value is None or (isinstance(value, float) and math.isnan(value)) else value


def _latex(report: SearchReport) -> str:
    table = best_table(report)
    columns = "".join("l" if index == 0 else "r" for index in range(len(table.headings)))
    rows = [f"    {' & '.join(escape_latex(one_line(cell)) for cell in row)} \\\\" for row in table.rows]
    return "\n".join(
        [
            "% \\usepackage{booktabs}",
            f"% {one_line(headline(report))}",
            f"% {one_line(spend_line(report))}",
            "\\begin{table*}",
            "  \\centering\\small",
            f"  \\caption{{{escape_latex(f'{EXPLORATORY}: {table.title}')}}}",
            f"  \\begin{{tabular}}{{{columns}}}",
            "    \\toprule",
            f"    {' & '.join(escape_latex(one_line(heading)) for heading in table.headings)} \\\\",
            "    \\midrule",
            *rows,
            "    \\bottomrule",
            "  \\end{tabular}",
            "\\end{table*}",
            "",
        ]
    )


_RENDERERS: dict[str, Callable[[SearchReport], RenderableType]] = {
    "terminal": _terminal,
    "md": _markdown,
    "csv": _csv,
    "latex": _latex,
}
