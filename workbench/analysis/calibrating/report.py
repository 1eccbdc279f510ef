"""A calibration for a terminal, for GitHub, for a paper, for a spreadsheet, and for programs."""

from collections.abc import Callable, Iterator
from typing import Any

from rich.console import Group, RenderableType

from workbench.analysis.calibrating.calibration import Calibration, SimulatedCalibration
from workbench.analysis.calibrating.error_rates import DesignRates, Share
from workbench.analysis.calibrating.tables import (
    calibration_tables,
    headline,
    missed_sentences,
    simulated_tables,
)
from workbench.analysis.report import csv_text, latex_table, markdown_table, one_latex_line, titled_table
from workbench.analysis.report_tables import TextTable
from workbench.analysis.text_escapes import escape_markdown
from workbench.errors import UserError
from workbench.numbers import fixed, plural
from workbench.terminal import styled

Found = Calibration | SimulatedCalibration


def render_calibration(found: Found, format: str) -> RenderableType:
    """As ``terminal`` (a rich renderable), ``md``, ``csv`` (the error rates, raw) or ``latex`` (text)."""
    if format not in _RENDERERS:
        raise UserError(f"format: {format!r} is none of {', '.join(_RENDERERS)}")
    return _RENDERERS[format](found)


def lines_of(found: Found) -> list[str]:
    """What is said in sentences: what it rests on, and every goal that is missed."""
    if isinstance(found, SimulatedCalibration):
        lines = [
            f"Simulated noise, nothing trained: {found.studies:,} studies of each design and truth, random "
            f"seed {found.random_seed}."
        ]
        for shape in found.shapes:
            missed = missed_sentences(shape.goals, f"{shape.shape}: ")
            met = len(shape.goals) - len(missed)
            lines += [f"{shape.shape}: {met} of {plural(len(shape.goals), 'goal')} met.", *missed]
        return lines
    pool = found.pool
    ends = f"{fixed(pool.sd_range.low, 4)} to {fixed(pool.sd_range.high, 4)}"
    lost = f", {plural(pool.lost, 'seed')} lost" if pool.lost else ""
    return [
        f"{headline(found)}.",
        f"The pool: {plural(pool.seeds, 'pair')} of the baseline and {found.twin}{lost}, mean difference "
        f"{fixed(pool.mean, 4, sign=True)} ± {fixed(pool.standard_error, 4)} (taken out), "
        f"sd {fixed(pool.sd, 4)} (95 % range {ends}), skewness {pool.skewness:+.2f}, excess "
        f"kurtosis {pool.excess_kurtosis:+.2f}; "
        f"{found.studies:,} studies drawn of each design and truth, random seed {found.random_seed}.",
        *missed_sentences(found.goals),
    ]


def tables_of(found: Found) -> list[TextTable]:
    """The tables of either."""
    return simulated_tables(found) if isinstance(found, SimulatedCalibration) else calibration_tables(found)


def title_of(found: Found) -> str:
    """What stands above all."""
    if isinstance(found, SimulatedCalibration):
        return "How often the workbench errs, by the shape of noise"
    return f"{found.study}: how often the workbench errs"


def _terminal(found: Found) -> Group:
    parts: list[RenderableType] = [styled(title_of(found), "bold"), *map(styled, lines_of(found))]
    for table in tables_of(found):
        parts += titled_table(table)
    return Group(*parts)


def _markdown(found: Found) -> str:
    parts = [f"## {escape_markdown(title_of(found))}"]
    parts.append("\n".join(f"- {escape_markdown(line)}" for line in lines_of(found)))
    for table in tables_of(found):
        parts += [escape_markdown(table.title), markdown_table(table)]
    return "\n\n".join(parts) + "\n"


def _latex(found: Found) -> str:
    lines = ["% \\usepackage{booktabs,graphicx}", f"% {one_latex_line(title_of(found))}"]
    lines += [f"% {one_latex_line(line)}" for line in lines_of(found)]
    name = "simulated" if isinstance(found, SimulatedCalibration) else found.study
    for index, table in enumerate(tables_of(found)):
        lines += ["", *latex_table(table, "", label=f"tab:{name}-{index + 1}")]
    return "\n".join(lines) + "\n"


def _csv(found: Found) -> str:
    """One line for each design, margin and truth; raw numbers."""
    if isinstance(found, SimulatedCalibration):
        rows = [
            {"shape": shape.shape, **row}
            for shape in found.shapes
            for one in shape.rates
            for row in _flat(one)
        ]
    else:
        rows = [row for one in found.rates for row in _flat(one)]
    return csv_text(rows)


def _flat(one: DesignRates) -> Iterator[dict[str, Any]]:
    for truth in one.truths:
        yield {
            "design": one.design,
            "rows": one.comparisons,
            "margin": one.margin,
            "sd": one.sd,
            "truth": truth.truth,
            **_columns("false_difference", truth.false_difference),
            **_columns("false_equivalent", truth.false_equivalent),
            **_columns("covered", truth.covered),
            **_columns("right", truth.right),
            "predicted": truth.predicted,
            "pairs": truth.pairs,
            "predicted_pairs": truth.predicted_pairs,
        }


def _columns(name: str, share: Share | None) -> dict[str, float | None]:
    if share is None:
        return dict.fromkeys((name, f"{name}_monte_carlo", f"{name}_seeds"))
    return {name: share.value, f"{name}_monte_carlo": share.monte_carlo, f"{name}_seeds": share.seeds}


_RENDERERS: dict[str, Callable[[Found], RenderableType]] = {
    "terminal": _terminal,
    "md": _markdown,
    "csv": _csv,
    "latex": _latex,
}
