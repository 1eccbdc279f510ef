"""A ladder's tables as text cells: its effects by rung, what becomes of them, and the rungs themselves."""

from workbench.analysis.ladder import Extrapolation
from workbench.analysis.ladder_effects import LadderReport, LadderRow, RungReport
from workbench.analysis.report_tables import TextTable, difference_cell, mean_and_sd, verdict_cell
from workbench.numbers import (
    MISSING,
    count,
    decimals_for,
    fixed,
    percent,
    plural,
    probability,
    scaled,
    with_interval,
)

OVER_ALL = "over the\nladder"
_COMPUTE = "compute\nof a run"


def ladder_tables(found: LadderReport) -> list[TextTable]:
    """All tables of a ladder, its effects first."""
    tables = [ladder_table(found)]
    if any(row.pooled for row in found.rows):
        tables.append(ladder_trend_table(found))
    if any(row.extrapolation for row in found.rows):
        tables.append(beyond_table(found))
    return [*tables, rungs_table(found)]


def ladder_table(found: LadderReport) -> TextTable:
    """Each change at each rung: difference, interval, verdict; and its word over the ladder."""
    decimals = decimals_for(found.margin)
    rows = []
    for row in found.rows:
        for rung, own in zip(found.rungs, row.rows, strict=True):
            is_first = rung.number == 1
            rows.append(
                (
                    row.label if is_first else "",
                    str(rung.number),
                    scaled(rung.recorded.compute, "FLOP"),
                    str(own.pairs) if own.pairs else MISSING,
                    difference_cell(own.comparison, decimals),
                    verdict_cell(own),
                    (row.word or MISSING) if is_first else "",
                )
            )
    title = (
        f"Paired difference to the baseline of its rung in {found.unit} (lower is better; margin "
        f"{found.margin_text}; verdicts hold jointly within a rung, each interval is the one that its "
        "verdict follows from), and what becomes of it over the ladder"
    )
    headings = ("change", "rung", _COMPUTE, "pairs", "difference\n[CI]", "verdict", OVER_ALL)
    return TextTable(title, headings, tuple(rows), left=("verdict", OVER_ALL), spare=("pairs", _COMPUTE))


def ladder_trend_table(found: LadderReport) -> TextTable:
    """The slope of each effect on the logarithm of compute, and how much effects differ between rungs."""
    rows = tuple(_trend_cells(row, decimals_for(found.margin)) for row in found.rows)
    title = (
        f"Over {plural(len(found.rungs), 'rung')}, in {found.unit}: the change for ten times the compute "
        "(weighted least squares on its logarithm; t interval, each by itself at 95 %), the mean of the "
        "rungs (Hartung-Knapp-Sidik-Jonkman), where one more rung like these would lie, and heterogeneity "
        "(Cochran's Q with its p; I², and tau by DerSimonian and Laird)"
    )
    headings = (
        "change",
        OVER_ALL,
        "per decade\n[95 % CI]",
        "mean\n[95 % CI]",
        "one more rung\n[95 % PI]",
        "Q (p)",
        "I²",
        "tau",
    )
    spare = ("tau", "I²", "Q (p)", "one more rung\n[95 % PI]")
    return TextTable(title, headings, rows, left=(OVER_ALL,), spare=spare)


def _trend_cells(row: LadderRow, decimals: int) -> tuple[str, ...]:
    line, whole = row.trend, row.pooled
    slope, mean, one_more = MISSING, MISSING, MISSING
    scatter = [MISSING] * 3
    if line is not None:
        slope = with_interval(line.per_decade, line.per_decade_interval, decimals, sign=True)
    if whole is not None:
        mean = with_interval(whole.mean, whole.interval, decimals, sign=True)
        if whole.prediction is not None:
            ends = whole.prediction
            one_more = f"[{fixed(ends.low, decimals)}, {fixed(ends.high, decimals)}]"
        scatter = [
            f"{whole.q:.2f} ({probability(whole.p)})",
            percent(whole.i2),
            fixed(whole.tau2**0.5, decimals),
        ]
    return (row.label, row.word or MISSING, slope, mean, one_more, *scatter)


def rungs_table(found: LadderReport) -> TextTable:
    """What each rung is, its baseline's loss, and how it orders the variants."""
    rows = tuple(_rung_cells(rung, found) for rung in found.rungs)
    title = (
        "The rungs: their baselines, and how many pairs of variants each orders as the top rung does (by "
        "mean difference; Wilson's interval of the share)"
    )
    headings = (
        "rung",
        "layers",
        "width",
        "parameters",
        "tokens",
        "batch\nsize",
        _COMPUTE,
        f"baseline's\n{found.metric}",
        "ordered as\nat the top",
    )
    return TextTable(title, headings, rows, spare=("batch\nsize", "parameters", "layers", "width"))


def _rung_cells(rung: RungReport, found: LadderReport) -> tuple[str, ...]:
    recorded, baseline = rung.recorded, rung.report.baseline
    order = MISSING
    if rung.order is not None:
        ends = f"{percent(rung.order.interval.low)}, {percent(rung.order.interval.high)}"
        order = f"{rung.order.same} of {rung.order.pairs} [{ends}]"
    return (
        str(rung.number),
        count(recorded.size.get("layers")),
        count(recorded.size.get("width")),
        count(baseline.parameters),
        count(recorded.tokens),
        count(recorded.batch_size),
        scaled(recorded.compute, "FLOP"),
        mean_and_sd(baseline.mean, baseline.sd, decimals_for(found.margin) - 1),
        order,
    )


def beyond_table(found: LadderReport) -> TextTable:
    """The line of each effect one decade beyond the top rung, beside its backtest."""
    decimals = decimals_for(found.margin)
    rows = tuple(
        _beyond_cells(row, row.extrapolation, decimals) for row in found.rows if row.extrapolation is not None
    )
    title = (
        f"Beyond the top rung, in {found.unit}: what the line says of ten times its compute (95 % "
        "prediction interval), and what the line of all other rungs said of the top rung, beside what was "
        "measured there"
    )
    headings = (
        "change",
        "at compute",
        "line says\n[95 % PI]",
        "backtest says\n[95 % PI]",
        "measured",
        "inside",
    )
    return TextTable(title, headings, rows)


def _beyond_cells(row: LadderRow, far: Extrapolation, decimals: int) -> tuple[str, ...]:
    back = far.backtest
    return (
        row.label,
        scaled(far.compute, "FLOP"),
        with_interval(far.mean, far.interval, decimals, sign=True),
        with_interval(back.predicted, back.interval, decimals, sign=True),
        fixed(back.measured, decimals, sign=True),
        "yes" if back.inside else "no",
    )
