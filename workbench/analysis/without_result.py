"""Runs without a result in words: how many, at which loss or of which error, and what to do about it."""

from workbench.analysis.statistics import Verdict
from workbench.analysis.variant_row import VariantRow
from workbench.numbers import fixed, plural, rate, span

_DECIMALS = 2  # enough to tell a loss from that of a guess


def describe_fate(row: VariantRow) -> str:
    """What became of a row that failed or did not train: ``did not train in 5 of 5 seeds (5 diverged)``."""
    if row.fate is Verdict.FAILED:
        return f"failed in {row.failed} of {plural(row.seeds_planned, 'trial')}: {row.error or 'no number'}"
    seeds = plural(row.seeds_planned, "seed")
    return f"did not train in {row.blown_up} of {seeds} ({describe_blown_up(row)})"


def brief(row: VariantRow) -> str:
    """A row's verdict or what stands in its place, for a chart: ``did not train, 3 of 5 seeds``."""
    if row.fate:
        lost = row.failed if row.fate is Verdict.FAILED else row.blown_up
        return f"{row.fate}, {lost} of {plural(row.seeds_planned, 'seed')}"
    if row.no_verdict:
        return "no verdict"
    if row.diverges:
        return f"{row.verdict}: diverges {row.diverges}"
    return str(row.verdict) if row.verdict else row.status


def describe_blown_up(row: VariantRow) -> str:
    """How the seeds that did not train ended: ``2 diverged, 3 at 28.98 nats/token, a guess: 5.55``."""
    parts = [f"{row.diverged} diverged"] if row.diverged else []
    if row.untrained:
        ended = f"{len(row.untrained)} ended at {span(row.untrained.values(), _DECIMALS)} nats/token"
        parts.append(f"{ended}, where a uniform guess loses {fixed(row.uniform_loss, _DECIMALS)}")
    return ", ".join(parts)


def remedy(row: VariantRow) -> str:
    """What to do about a variant that failed or did not train."""
    if row.fate is Verdict.FAILED:
        return "mend the cause (the page Runs has the whole error), then run again with --retry-failed"
    if row.lost_at_once and not row.untrained:
        return "mend the part that makes its first loss no number; no learning rate changes that"
    had = "" if row.learning_rate is None else f" than {rate(row.learning_rate)}"
    return f"give smaller learning_rates{had}; the page Curves shows where its loss turns"


def above_guess(loss: float, guess: float) -> str:
    """A loss that is no result beside the guess that it is not below, both in nats per token."""
    return f"validation loss {fixed(loss, 4)} nats/token, where a uniform guess loses {fixed(guess, 4)}"
