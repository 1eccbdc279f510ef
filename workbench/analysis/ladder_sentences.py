"""What a ladder says in plain sentences: its headline, one for each change, and how rungs order variants."""

from workbench.analysis.ladder import LadderWord
from workbench.analysis.ladder_effects import LadderReport, LadderRow, RungReport
from workbench.analysis.statistics import Verdict
from workbench.numbers import decimals_for, fixed, percent, plural, scaled


def ladder_headline(found: LadderReport) -> str:
    """The whole ladder in one line: how far it goes, and the words of its changes."""
    low, high = found.rungs[0].recorded.compute, found.rungs[-1].recorded.compute
    reach = f"{plural(len(found.rungs), 'rung')}, {scaled(low, 'FLOP')} to {scaled(high, 'FLOP')} for a run"
    judged = [row for row in found.rows if row.word is not None]
    if not judged:
        return f"{reach} of the baseline: no word yet; study {found.state}."
    counts = [(word, sum(row.word is word for row in judged)) for word in LadderWord]
    text = ", ".join(f"{count} {word}" for word, count in counts if count)
    missing = len(found.rows) - len(judged)
    without = f", {missing} without a word" if missing else ""
    return f"{reach} of the baseline: of {plural(len(found.rows), 'change')}, {text}{without}."


def ladder_sentences(found: LadderReport) -> list[str]:
    """One sentence for each change, then how the rungs below the top one order the variants."""
    orders = [order_sentence(rung, found) for rung in found.rungs]
    return [*(ladder_sentence(row, found) for row in found.rows), *filter(None, orders)]


def ladder_sentence(row: LadderRow, found: LadderReport) -> str:
    """``LayerNorm instead of RMSNorm: shrinks: +0.050, +0.020 nats/token at rungs 1 and 2; ...``."""
    if row.word is None:
        return f"{row.subject}: no word over the ladder, as {row.why_not}."
    decimals = decimals_for(row.margin) - 1
    means = ", ".join(fixed(one.mean, decimals, sign=True) for one in row.effects)
    rungs = f"rungs 1 to {len(row.rows)}" if len(row.rows) > 2 else "rungs 1 and 2"
    values = f"{means} {found.unit} at {rungs}"
    beyond = _beyond(row, decimals)
    return f"{row.subject}: {row.word}{_because(row)}: {values}{_per_decade(row, decimals)}{beyond}."


def _because(row: LadderRow) -> str:
    """What the word rests on, where that is verdicts."""
    words = [str(one.verdict) for one in row.effects]
    if row.word is LadderWord.HOLDS:
        return f", {words[0]} at every rung"
    if row.word is LadderWord.FLIPS or (row.word is LadderWord.UNCLEAR and len(set(words)) > 1):
        each = ", ".join(f"{word} at rung {number}" for number, word in enumerate(words, start=1))
        return f", {each}"
    if row.word is LadderWord.UNCLEAR and words[0] == Verdict.EQUIVALENT:
        return f", equivalent within ±{row.margin:g} at every rung, so that there is no effect to hold"
    if row.word is LadderWord.UNCLEAR:
        return f", {words[0]} at every rung"
    return " with compute"


def _per_decade(row: LadderRow, decimals: int) -> str:
    line = row.trend
    if line is None:
        return ""
    ends = line.per_decade_interval
    low, high = (fixed(end, decimals, sign=True) for end in (ends.low, ends.high))
    return (
        f"; {fixed(line.per_decade, decimals, sign=True)} for ten times the compute (95 % CI {low} to {high})"
    )


def _beyond(row: LadderRow, decimals: int) -> str:
    """The line followed beyond the top rung, beside its backtest; empty where it is not."""
    far = row.extrapolation
    if far is None:
        return ""
    low, high = (fixed(end, decimals, sign=True) for end in (far.interval.low, far.interval.high))
    back = far.backtest
    said, measured = (fixed(value, decimals, sign=True) for value in (back.predicted, back.measured))
    whether = "inside" if back.inside else "outside"
    return (
        f"; at {scaled(far.compute, 'FLOP')} the line says {fixed(far.mean, decimals, sign=True)} (95 % "
        f"prediction interval {low} to {high}); without the top rung it said {said} for that rung, and "
        f"{measured} was measured, {whether} its prediction interval"
    )


def order_sentence(rung: RungReport, found: LadderReport) -> str | None:
    """``With 4 variants, rung 1 orders 5 of 6 pairs as the top rung does (...)``; None for the top rung."""
    order = rung.order
    if order is None:
        return None
    ends = f"{percent(order.interval.low)} to {percent(order.interval.high)}"
    return (
        f"With {len(found.rows) + 1} variants, rung {rung.number} orders {order.same} of "
        f"{plural(order.pairs, 'pair')} as the top rung does ({percent(order.share)}, 95 % CI {ends})."
    )
