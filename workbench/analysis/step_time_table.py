"""Step times as a table of text, and as plain values for programs."""

import math
from collections.abc import Sequence
from typing import Any

from workbench.analysis.report_footer import machine_words
from workbench.analysis.report_tables import TextTable
from workbench.analysis.statistics import Interval, mean_interval
from workbench.numbers import MISSING, fixed, percent, with_interval
from workbench.records.step_times import StepPair, StepTimes


def step_time_table(measured: Sequence[StepTimes]) -> TextTable:
    """A row for each cell and variant: its step over the baseline's, with the interval over blocks."""
    headings = (
        "variant",
        "cell",
        "over the baseline's step\n[95 % interval]",
        "blocks",
        "a step",
        "the baseline's",
        "batch",
        "hardware",
        "others' part\nof the cores",
        "measured on",
    )
    rows = tuple(
        (
            pair.variant,
            one.cell.words,
            _ratio_text(pair),
            str(len(pair.blocks)),
            *(f"{1000 * seconds:.4g} ms" for seconds in pair.seconds),
            f"{pair.batch_size} × {pair.context}",
            machine_words(one.hardware),
            percent(one.others),
            one.date.partition("T")[0],
        )
        for one in measured
        for pair in one.pairs
    )
    left = ("cell", "hardware", "measured on")
    spare = ("batch", "measured on", "hardware", "others' part\nof the cores", "the baseline's", "a step")
    title = "A training step of each variant, in turn with the baseline's (A B B A)"
    return TextTable(title, headings, rows, left=left, spare=spare)


def ratio_of_steps(pair: StepPair) -> tuple[float, Interval | None]:
    """The variant's step over the baseline's, the geometric mean over blocks, with its 95 % t interval."""
    logs = pair.log_ratios
    interval = mean_interval(logs)
    ratio = math.exp(math.fsum(logs) / len(logs))
    if interval is None:
        return ratio, None
    return ratio, Interval(math.exp(interval.low), math.exp(interval.high), interval.level)


def _ratio_text(pair: StepPair) -> str:
    ratio, interval = ratio_of_steps(pair)
    if interval is None:
        return f"{fixed(ratio, 4)} {MISSING}"
    return with_interval(ratio, interval, 4)


def step_times_to_json(measured: Sequence[StepTimes]) -> list[dict[str, Any]]:
    """Every measurement with its blocks, its ratios, and why no word may rest on it."""
    found = []
    for one in measured:
        values = one.model_dump(mode="json") | {"doubts": one.doubts}
        for pair, row in zip(one.pairs, values["pairs"], strict=True):
            ratio, interval = ratio_of_steps(pair)
            ends = (interval.low, interval.high) if interval else (None, None)
            row |= {"ratio": ratio, "low": ends[0], "high": ends[1]}
        found.append(values)
    return found
